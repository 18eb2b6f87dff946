"""Moves branches without a process of git, as git does: by a lock file that is renamed (gitrepository-layout(5)).

The lock file is a second name of a file of ours, so that one whose process was killed is known for ours and removed:
only the one who holds the dataset's own lock makes such files.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from catalog.versions.git import AUTHOR, MAIL, Repository
from catalog.versions.objects import synchronise
from ontology.errors import BackendUnavailableError

_TAKEN = "somebody else is writing to the dataset"
_FOLDER = "moving"


@dataclass(frozen=True, slots=True)
class Move:
    """A branch, the commit that it must be at, and the one that it is to be at."""

    branch: str
    before: str
    after: str


def branch_tip(repository: Repository, branch: str) -> str | None:
    """Return the commit that a branch is at; None where there is none.

    Raises:
        BackendUnavailableError: git failed.
    """
    try:
        return (repository.common_dir / branch).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        output = repository.try_git("rev-parse", "--verify", "-q", f"{branch}^{{commit}}")
        return output.stdout.decode().strip() or None


@contextlib.contextmanager
def moving_branches(repository: Repository, moves: Sequence[Move]) -> Iterator[list[str]]:
    """Move branches, in this order, after the block; none when one of them is not where it must be.

    The block is given the files that hold what the branches are to be, and has the disk keep them.

    Raises:
        BackendUnavailableError: Somebody else moved one, or is about to.
        OSError: The disk refused.
    """
    held: list[str] = []
    try:
        for number, move in enumerate(moves):
            held.append(_lock(repository, number, move))
        yield held
        _move(repository, moves, held)
    except BaseException:
        remove_stale(repository, [move.branch for move in moves])
        raise
    for move in moves:
        _note(repository, move)


def _move(repository: Repository, moves: Sequence[Move], held: Sequence[str]) -> None:
    for move, ours in zip(moves, held, strict=True):
        os.rename(f"{repository.common_dir / move.branch}.lock", repository.common_dir / move.branch)
        os.unlink(ours)
    for folder in sorted({(repository.common_dir / move.branch).parent for move in moves}):
        synchronise(folder)


def remove_stale(repository: Repository, branches: Sequence[str]) -> None:
    """Remove the lock files of ours that a killed process has left; the dataset's own lock is held.

    Raises:
        OSError: The disk refused.
    """
    folder = repository.git_dir / "sillage" / _FOLDER
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        for branch in branches:
            lock = f"{repository.common_dir / branch}.lock"
            if os.path.exists(lock) and os.path.samefile(lock, file):
                os.unlink(lock)
        file.unlink()


def _lock(repository: Repository, number: int, move: Move) -> str:
    """Take the lock of a branch with the new value in it, and see that the branch is where it must be."""
    place = repository.common_dir / move.branch
    folder = repository.git_dir / "sillage" / _FOLDER
    folder.mkdir(exist_ok=True)
    ours = folder / str(number)
    ours.unlink(missing_ok=True)
    ours.write_text(f"{move.after}\n", encoding="ascii")
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(ours, f"{place}.lock")
    except FileExistsError as error:
        raise BackendUnavailableError(_TAKEN, next_step="Try again.") from error
    if branch_tip(repository, move.branch) != move.before:
        raise BackendUnavailableError(_TAKEN, next_step="Try again.")
    return str(ours)


def _note(repository: Repository, move: Move) -> None:
    """Add to the log of a branch, and to that of HEAD where it is checked out, where git keeps such logs."""
    line = f"{move.before} {move.after} {AUTHOR} <{MAIL}> {int(time.time())} +0000\tsave\n"
    names = [move.branch]
    if (repository.git_dir / "HEAD").read_text().strip() == f"ref: {move.branch}":
        names.append("HEAD")
    for name in names:
        log = repository.git_dir / "logs" / name
        if log.is_file():
            with log.open("a", encoding="utf-8") as file:
                file.write(line)
