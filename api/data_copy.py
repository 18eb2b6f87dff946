"""Copying the data of a catalogue: contents that never change are linked where the file system can, the rest copied.

Objects of git and git-annex are named by their content and never written again, so both copies may share them. Logs,
indexes and references are written in place, and are always copied.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Final

from ontology.errors import BackendUnavailableError, StorageFullError

_CLONE: Final = 0x40049409
"""``FICLONE`` (Linux, ioctl_ficlonerange(2)): share the blocks until one side writes."""
_IMMUTABLE: Final = (("annex", "objects"), (".git", "objects"))
_PASSING: Final = (".lock",)
_FULL: Final = frozenset({28, 122})
"""ENOSPC and EDQUOT."""


class Data(StrEnum):
    """What becomes of the data when a catalogue is copied."""

    LINK = "link"
    """Shared where the file system can, copied where it cannot."""
    COPY = "copy"
    """Nothing is shared."""
    LEAVE = "leave"
    """Not copied: somebody else brings them."""


@dataclass(slots=True)
class Copied:
    """How many files were brought over, and how."""

    linked: int = 0
    cloned: int = 0
    copied: int = 0
    present: int = 0
    bytes_copied: int = 0


def copy_tree(source: Path, target: Path, how: Data, tell: Callable[[str], None] = lambda text: None) -> Copied:
    """Copy a folder with its links, times and modes; what is there already, of the same size and time, is left.

    Raises:
        StorageFullError: The disk is full.
        BackendUnavailableError: A file cannot be read or written.
    """
    done = Copied()
    if how is Data.LEAVE or not source.is_dir():
        return done
    folders: list[tuple[Path, Path]] = []
    try:
        for place, (path, mirrored) in enumerate(_walk(source, target, folders)):
            _bring(path, mirrored, how, done)
            if place % 1000 == 0:
                tell(f"{place} files")
        # Objects lie in folders that may not be written: their modes come last, the innermost first.
        for path, mirrored in reversed(folders):
            shutil.copystat(path, mirrored)
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError("there is no room for the data") from error
        raise BackendUnavailableError(f"the data cannot be copied: {error}") from error
    return done


def _walk(source: Path, target: Path, folders: list[tuple[Path, Path]]) -> Iterator[tuple[Path, Path]]:
    for root, names, files in os.walk(source):
        here = Path(root)
        mirrored = target / here.relative_to(source)
        mirrored.mkdir(parents=True, exist_ok=True)
        mirrored.chmod(0o700)
        folders.append((here, mirrored))
        links = [name for name in names if (here / name).is_symlink()]
        for name in [*files, *links]:
            if not name.endswith(_PASSING):
                yield here / name, mirrored / name


def _bring(path: Path, target: Path, how: Data, done: Copied) -> None:
    if path.is_symlink():
        if not target.is_symlink():
            os.symlink(path.readlink(), target)
        return
    if _is_there(path, target):
        done.present += 1
        return
    if how is Data.LINK and _is_immutable(path) and _link(path, target):
        done.linked += 1
        return
    partial = target.with_name(f".{target.name[:200]}.partial")
    partial.unlink(missing_ok=True)
    if how is Data.LINK and _clone(path, partial):
        done.cloned += 1
    else:
        shutil.copyfile(path, partial)
        done.copied += 1
        done.bytes_copied += path.stat().st_size
    shutil.copystat(path, partial)
    partial.replace(target)


def _is_there(path: Path, target: Path) -> bool:
    if not target.exists():
        return False
    mine, theirs = path.stat(), target.stat()
    return (mine.st_size, mine.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def _is_immutable(path: Path) -> bool:
    return any(pair in _IMMUTABLE for pair in pairwise(path.parts))


def _link(path: Path, target: Path) -> bool:
    try:
        target.unlink(missing_ok=True)
        os.link(path, target)
    except OSError as error:
        if error.errno in _FULL:
            raise
        return False  # another file system, one without links, or too many of them
    return True


def _clone(path: Path, target: Path) -> bool:
    try:
        with path.open("rb") as reading, target.open("wb") as writing:
            fcntl.ioctl(writing.fileno(), _CLONE, reading.fileno())
    except OSError:
        return False
    return True
