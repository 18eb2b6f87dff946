"""Puts the many small objects that commits leave into packs, beside the saving of results and never in its way.

First git writes a pack more, which needs no lock: it only adds. What that pack has made superfluous is removed under
the dataset's lock, so that no save sees an object go that it has just found. A crash at any moment leaves objects
twice, and the next repacking removes the one of them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from catalog.versions.dataset import locked, try_lock
from catalog.versions.git import Repository
from catalog.versions.objects import synchronise
from catalog.versions.pack_reading import Pack
from ontology.errors import SillageError

LOOSE, PACKS, LOOSE_BYTES = 6700, 50, 256 * 1024 * 1024
"""More loose objects or packs than ``git gc --auto`` lets be, or more bytes: lists of large folders are long."""

_SAMPLE, _FOLDERS = "17", 256
_TIME_LIMIT_S = 4 * 3600.0
_HALF_WRITTEN_S = 24 * 3600.0
_DURABLE = {"core.fsync": "all", "core.fsyncMethod": "fsync", "pack.threads": "1"}

logger = logging.getLogger(__name__)


def needs_repacking(repository: Repository) -> bool:
    """Tell whether a repository has so many loose objects or packs that it is slow; estimated, as git does it."""
    objects = repository.common_dir / "objects"
    sizes = []
    with contextlib.suppress(FileNotFoundError), os.scandir(objects / _SAMPLE) as entries:
        sizes = [entry.stat().st_size for entry in entries]
    return len(sizes) * _FOLDERS > LOOSE or sum(sizes) * _FOLDERS > LOOSE_BYTES or len(_packs(objects / "pack")) > PACKS


def repack(repository: Repository) -> bool:
    """Pack what is loose, and join small packs; tell whether it was done, or is being done by somebody else.

    Raises:
        BackendUnavailableError: git failed, or the dataset is being written to all the time.
        OSError: The disk refused.
    """
    with _alone(repository) as alone:
        if not alone:
            return False
        folder = repository.common_dir / "objects" / "pack"
        before = _packs(folder)
        joined = repository.try_git("repack", "-q", "-n", "--geometric=2", config=_DURABLE, time_limit_s=_TIME_LIMIT_S)
        if joined.status:  # before git 2.32
            repository.git("repack", "-q", "-n", "-a", config=_DURABLE, time_limit_s=_TIME_LIMIT_S)
        synchronise(folder)
        superfluous = _superfluous(before, _packs(folder) - before)
        with locked(repository):
            for index in superfluous:
                _remove(index)
            repository.git("prune-packed", "-q")
    return True


def remove_half_written(repository: Repository) -> None:
    """Remove what was being written as an object or a pack when its process was killed, a day ago or more.

    Raises:
        OSError: The disk refused.
    """
    objects = repository.common_dir / "objects"
    for half in [*objects.glob("tmp_*"), *(objects / "pack").glob("tmp_*")]:
        with contextlib.suppress(FileNotFoundError):
            if time.time() - half.stat().st_mtime > _HALF_WRITTEN_S:
                half.unlink()


class Repacker:
    """Repacks repositories that need it, one after the other, in a thread that ends when nothing is left to do."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: dict[Path, Repository] = {}
        self._thread: threading.Thread | None = None

    def consider(self, repository: Repository) -> None:
        """Have a repository repacked soon if it needs it; to see that takes microseconds."""
        with contextlib.suppress(OSError):
            if needs_repacking(repository):
                self._add(repository)

    def finish(self) -> None:
        """Wait until nothing is left to do."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _add(self, repository: Repository) -> None:
        with self._guard:
            self._waiting[repository.path] = repository
            if self._thread is None:
                # It ends with its process: git's own process then adds its pack, and the next repacking goes on.
                self._thread = threading.Thread(target=self._run, name="repacking", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._guard:
                if not self._waiting:
                    self._thread = None
                    return
                repository = self._waiting.pop(next(iter(self._waiting)))
            try:
                repack(repository)
            except (SillageError, OSError) as error:
                logger.warning("a dataset could not be repacked, which is tried again: %s", error)


@contextlib.contextmanager
def _alone(repository: Repository) -> Iterator[bool]:
    folder = repository.common_dir / "sillage"
    folder.mkdir(exist_ok=True)
    with (folder / "repacking").open("w") as file:
        yield try_lock(file.fileno())


def _packs(folder: Path) -> set[Path]:
    """Return the indexes of packs, those left out that somebody wants to keep."""
    return {index for index in folder.glob("*.idx") if not index.with_suffix(".keep").exists()}


def _superfluous(before: set[Path], fresh: set[Path]) -> list[Path]:
    """Return those packs whose objects are all in packs that were written since."""
    if not before or not fresh:
        return []
    known: set[bytes] = set()
    for index in fresh:
        known.update(Pack(str(index)).names())
    return [index for index in sorted(before) if known.issuperset(Pack(str(index)).names())]


def _remove(index: Path) -> None:
    """Remove a pack; its index first, because git looks for indexes."""
    index.unlink(missing_ok=True)
    for other in index.parent.glob(f"{index.stem}.*"):
        other.unlink(missing_ok=True)
