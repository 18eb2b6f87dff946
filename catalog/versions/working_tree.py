"""Brings the working tree and index of a store's dataset to a new commit, only where it changed.

What is to be changed is written down before the commit and struck out after the working tree has followed, so
that a crash between the two is made good by whoever takes the lock next (:func:`heal`).
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.versions.git import Repository
from catalog.versions.git_tree import LINK, SUBMODULE, GitTree
from catalog.versions.history import Blob, blob_oid, head, write_blob
from catalog.versions.index_file import LARGE_INDEX, add_to_index, paths_in
from catalog.versions.objects import synchronise_each

_PENDING = "pending.json"


@dataclass(frozen=True, slots=True)
class Change:
    """A blob that a commit writes, and the name of the blob that it replaces, if any."""

    blob: Blob
    before: str | None


@contextlib.contextmanager
def apply_changes(
    repository: Repository, changes: Sequence[Change], gone: Mapping[str, str], *, at_once: bool = True
) -> Iterator[list[Path]]:
    """Run the block, which commits the changes; then have working tree and index follow.

    Args:
        repository: The dataset.
        changes: What is written.
        gone: The name of the blob at each path that is removed.
        at_once: Have the disk keep the note of all that now; else the block does, with the paths that it is given.

    Raises:
        OSError: The disk refused.
    """
    note = repository.git_dir / "sillage" / _PENDING
    before = {change.blob.path: change.before for change in changes} | dict(gone)
    _write_whole(note, json.dumps(before).encode())
    if at_once:
        synchronise_each([note, note.parent])
    yield [note, note.parent]
    _follow(repository, [change.blob for change in changes], before)
    added = {os.fsencode(change.blob.path): (change.blob.mode, change.blob.oid) for change in changes}
    only_added = not gone and all(change.before is None for change in changes)
    if not only_added or not add_to_index(repository.git_dir, added):
        lines = [_index_line("0", "0" * 40, path) for path in gone]
        lines += [_index_line(change.blob.mode, change.blob.oid, change.blob.path) for change in changes]
        _update_index(repository, lines)
    note.unlink()


def heal(repository: Repository) -> None:
    """Finish what a crash has left: working tree and index follow HEAD on the paths that were to change.

    Raises:
        BackendUnavailableError: git failed.
        OSError: The disk refused.
    """
    note = repository.git_dir / "sillage" / _PENDING
    if not note.exists():
        return
    try:
        before: dict[str, str | None] = json.loads(note.read_bytes())
    except ValueError:
        before = {}
    found = head(repository)
    if found is not None:
        _remove_stale_lock(repository)
        tree = GitTree(repository.path, found[0])
        present = {path: tree.entries[path] for path in before if path in tree.entries}
        contents = tree.contents(entry for entry in present.values() if entry.mode != SUBMODULE)
        blobs = [
            Blob(path, entry.mode, entry.oid.encode() if entry.mode == SUBMODULE else contents[entry.oid])
            for path, entry in present.items()
        ]
        _follow(repository, blobs, before)
        lines = [_index_line("0", "0" * 40, path) for path in before if path not in present]
        lines += [_index_line(blob.mode, blob.oid, blob.path) for blob in blobs]
        _update_index(repository, lines)
    note.unlink()


def _follow(repository: Repository, blobs: Sequence[Blob], before: Mapping[str, str | None]) -> None:
    """Write ``blobs`` and remove other paths of ``before``; what a person has put there instead is left alone."""
    root = repository.path
    incoming = repository.git_dir / "sillage" / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    for path in before.keys() - {blob.path for blob in blobs}:
        if _is_unchanged(root / path, before[path]):
            (root / path).unlink(missing_ok=True)
            _remove_empty_parents(root, path)
    folders: set[str] = set()
    for blob in blobs:
        folder = blob.path.rpartition("/")[0]
        if folder not in folders:
            (root / folder).mkdir(parents=True, exist_ok=True)
            folders.add(folder)
        if not _written_afresh(root, blob):
            place = root / blob.path
            if blob.is_subdataset or not _is_unchanged(place, before[blob.path]):
                continue
            temporary = incoming / uuid.uuid4().hex
            write_blob(temporary, blob)
            os.replace(temporary, place)


def _written_afresh(root: Path, blob: Blob) -> bool:
    """Write a link or the folder of a subdataset where nothing is; tell whether it was so."""
    place = f"{root}/{blob.path}"
    try:
        if blob.is_subdataset:
            os.mkdir(place)
        elif blob.mode == LINK:
            os.symlink(blob.data, os.fsencode(place))
        else:
            return False
    except FileExistsError:
        return False
    return True


def _is_unchanged(place: Path, oid: str | None) -> bool:
    """Tell whether nothing is there, or a link (which carries no content), or the file that git knows there."""
    if place.is_symlink() or not place.exists():
        return True
    return place.is_file() and oid is not None and blob_oid(place.read_bytes()) == oid


def _remove_empty_parents(root: Path, path: str) -> None:
    folder = (root / path).parent
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _update_index(repository: Repository, lines: Sequence[bytes]) -> None:
    index = repository.git_dir / "index"
    if not index.exists():
        repository.git("read-tree", "HEAD", config={"core.protectNTFS": "false"})
    config = {"core.protectNTFS": "false"}
    large = paths_in(index) > LARGE_INDEX
    if large or any(repository.git_dir.glob("sharedindex.*")):
        # Only what has changed lately is written anew (git-update-index(1), "Split index").
        config |= {"core.splitIndex": "true", "splitIndex.sharedIndexExpire": "1.hour.ago"}
        if large:
            config["splitIndex.maxPercentChange"] = "0"
    repository.git("update-index", "-z", "--index-info", given=b"".join(lines), config=config)


def _remove_stale_lock(repository: Repository) -> None:
    """Remove the index lock of a git that was killed: we hold the dataset's own lock, so it is nobody's.

    One that is younger than a second may be that of somebody who only looks: it is gone in a moment.
    """
    lock = repository.git_dir / "index.lock"
    with contextlib.suppress(FileNotFoundError):
        while abs(time.time() - lock.stat().st_mtime) < 1:
            time.sleep(0.01)
        lock.unlink()


def _index_line(mode: str, oid: str, path: str) -> bytes:
    return b"%b %b\t%b\0" % (mode.encode(), oid.encode(), os.fsencode(path))


def _write_whole(place: Path, content: bytes) -> None:
    temporary = place.with_suffix(".new")
    temporary.write_bytes(content)
    os.replace(temporary, place)
