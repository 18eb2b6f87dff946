"""What a plain folder holds that can be taken in, and what cannot."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from catalog.model import Problem
from ontology.errors import InvalidRequestError, NotFoundError

_OWN = frozenset({".datalad", ".gitattributes", ".gitmodules"})
_DESCRIPTIONS = ("README", "CHANGES", "LICENSE", "CITATION")
DESCRIPTION_LIMIT = 1024 * 1024
"""A description larger than this is annexed like any other file."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A regular file or symbolic link of a folder; ``stamp`` changes whenever its content may have."""

    path: str
    size: int
    stamp: tuple[int, int, int, int]
    executable: bool = False
    target: str | None = None


@dataclass(slots=True)
class Scan:
    """All files of a folder sorted by path, and what was left out."""

    files: list[SourceFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def is_description(path: str, size: int) -> bool:
    """Tell whether a file describes the dataset as a whole and so belongs in git itself.

    Everything else is annexed, tables of participants included: annexed content can be destroyed when a person
    withdraws, while what is in git's history stays (``docs/decisions/0004-taking-data-in.md``).
    """
    if "/" in path or size > DESCRIPTION_LIMIT:
        return False
    if path.startswith(_DESCRIPTIONS) or path == ".bidsignore":
        return True
    return path.endswith(".json") and not path.startswith("sub-")


ATTRIBUTES = b"""\
* annex.backend=SHA256E
* annex.largefiles=anything
**/.git* annex.largefiles=nothing
/.bidsignore annex.largefiles=nothing
/README* annex.largefiles=largerthan=1MiB
/CHANGES* annex.largefiles=largerthan=1MiB
/LICENSE* annex.largefiles=largerthan=1MiB
/CITATION* annex.largefiles=largerthan=1MiB
/*.json annex.largefiles=largerthan=1MiB
/sub-*.json annex.largefiles=anything
"""
"""The same rule for git-annex and DataLad, so that ``datalad save`` by hand agrees with the store."""


def scan_folder(root: Path) -> Scan:
    """Return what a folder holds; links are not followed, so a loop of them does no harm.

    Raises:
        NotFoundError: There is nothing at ``root``.
        InvalidRequestError: It is not a folder, or cannot be listed.
    """
    if not root.exists():
        raise NotFoundError(f"{root}: no such folder", field="path")
    if not root.is_dir():
        raise InvalidRequestError(f"{root} is not a folder", field="path", next_step="Give the dataset's folder.")
    scan = Scan()
    pending = [""]
    while pending:
        folder = pending.pop()
        for entry in _list(root, folder, scan):
            path = f"{folder}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                pending.append(f"{path}/")
            else:
                _look_at(root, path, entry, scan)
    scan.files.sort(key=lambda file: file.path)
    scan.problems.sort(key=lambda problem: problem.where)
    return scan


def _list(root: Path, folder: str, scan: Scan) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(f"{root}/{folder}") as entries:
            listed = list(entries)
    except OSError as error:
        if not folder:
            raise InvalidRequestError(f"{root} cannot be listed: {error.strerror}", field="path") from error
        scan.problems.append(Problem(folder, f"the folder cannot be listed: {error.strerror}"))
        return
    for entry in listed:
        if entry.name.lower() == ".git":
            if folder:
                scan.problems.append(
                    Problem(f"{folder}{entry.name}", "a repository within: its history is not taken in")
                )
        elif not _is_text(entry.name):
            scan.problems.append(Problem(_printable(f"{folder}{entry.name}"), "its name is not UTF-8: not taken in"))
        elif entry.name not in _OWN:
            yield entry


def _look_at(root: Path, path: str, entry: os.DirEntry[str], scan: Scan) -> None:
    try:
        if entry.is_symlink():
            _look_at_link(root, path, scan)
            return
        found = entry.stat(follow_symlinks=False)
    except OSError as error:
        scan.problems.append(Problem(path, f"it cannot be read: {error.strerror}"))
        return
    if not stat.S_ISREG(found.st_mode):
        scan.problems.append(Problem(path, "it is neither a file, a folder nor a link: not taken in"))
    else:
        scan.files.append(SourceFile(path, found.st_size, _stamp(found), bool(found.st_mode & stat.S_IXUSR)))


def _look_at_link(root: Path, path: str, scan: Scan) -> None:
    """Keep a link that stays within the folder, made relative; report any other."""
    target = os.readlink(root / path)
    if posixpath.isabs(target):
        inside = os.path.relpath(target, root / posixpath.dirname(path)) if _is_below(target, root) else ".."
    else:
        inside = target
    ends = posixpath.normpath(posixpath.join(posixpath.dirname(path), inside))
    real = os.path.realpath(root / path)
    if ends.startswith("..") or not (real == os.path.realpath(root) or _is_below(real, Path(os.path.realpath(root)))):
        scan.problems.append(Problem(path, "the link leaves the folder: not taken in"))
    elif not _is_text(inside):
        scan.problems.append(Problem(path, "the link's target is not UTF-8: not taken in"))
    else:
        found = os.lstat(root / path)
        scan.files.append(SourceFile(path, len(os.fsencode(inside)), _stamp(found), False, inside))


def _stamp(found: os.stat_result) -> tuple[int, int, int, int]:
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _is_below(path: str, root: Path) -> bool:
    return path.startswith(f"{root}{os.sep}")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")
