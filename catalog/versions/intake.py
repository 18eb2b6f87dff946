"""Takes a plain folder into a dataset of the store: first as a new dataset, later as a new version of it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from catalog.model import Problem
from catalog.versions.dataset import BRANCH, dataset_blobs, initialise, refresh_index
from catalog.versions.folder import Scan, SourceFile, is_description, scan_folder
from catalog.versions.git import Repository
from catalog.versions.git_tree import LINK, GitTree
from catalog.versions.history import (
    Blob,
    annexed,
    commit,
    current_branch,
    head,
    write_working_tree,
)
from catalog.versions.model import Progress
from catalog.versions.objects import AnnexObjects, full_disk_reported, synchronise_all
from catalog.versions.source_index import NOTHING, SourceIndex, load_index, store_index
from catalog.versions.working_tree import Change, apply_changes
from ontology.errors import BackendUnavailableError, InvalidRequestError, NotFoundError

_WORKERS = 4


def scan_source(source: Path) -> Scan:
    """Return what a folder holds, once it is sure that it holds something.

    Raises:
        NotFoundError: There is no such folder.
        InvalidRequestError: It is no folder, or an empty one.
    """
    scan = scan_folder(source)
    if not scan.files:
        raise InvalidRequestError(f"{source} holds no file that can be taken in", field="path")
    return scan


def fill_new(path: Path, source: Path, scan: Scan, *, datalad_id: str, link: bool, progress: Progress | None) -> str:
    """Make a dataset at ``path`` from a folder and return its commit, durably written.

    Raises:
        StorageFullError: The disk is full.
        BackendUnavailableError: The disk, git or git-annex failed.
    """
    with full_disk_reported():
        started_ns = time.time_ns()
        repository = initialise(path)
        blobs = _take_files(repository, source, scan, NOTHING, link=link, progress=progress)
        everything = sorted([*dataset_blobs(datalad_id), *blobs], key=lambda blob: blob.path)
        name = commit(
            repository, branch=BRANCH, parent=None, message="Take the dataset into the catalogue", blobs=everything
        )
        write_working_tree(path, everything)
        refresh_index(repository)
        _remember(repository, scan, blobs, name, started_ns)
        synchronise_all(path)
    return name


def fill_next(repository: Repository, source: Path, scan: Scan, *, progress: Progress | None) -> str:
    """Commit what has changed in a folder since it was last taken in; return HEAD's commit when nothing has.

    Raises:
        StorageFullError: The disk is full.
        BackendUnavailableError: The disk or git failed.
    """
    started_ns = time.time_ns()
    found = head(repository)
    if found is None:
        raise BackendUnavailableError("the dataset has no commit", next_step="Register the folder again.")
    known = load_index(repository.git_dir)
    if known.commit == found[0] and known.covers(scan.files):
        return found[0]
    before = {p: e for p, e in GitTree(repository.path, found[0]).entries.items() if _is_data(p)}
    with full_disk_reported():
        blobs = _take_files(repository, source, scan, known, link=False, progress=progress)
        changes = [
            Change(blob, before[blob.path].oid if blob.path in before else None)
            for blob in blobs
            if blob.path not in before or (before[blob.path].oid, before[blob.path].mode) != (blob.oid, blob.mode)
        ]
        gone = {path: before[path].oid for path in before.keys() - {blob.path for blob in blobs}}
        if changes or gone:
            synchronise_all(repository.path)
            new = _commit_changes(repository, found[0], changes, gone)
        else:
            new = found[0]
        _remember(repository, scan, blobs, new, started_ns)
    return new


def _commit_changes(repository: Repository, parent: str, changes: Sequence[Change], gone: dict[str, str]) -> str:
    with apply_changes(repository, changes, gone):
        return commit(
            repository,
            branch=current_branch(repository),
            parent=parent,
            message="Take in what has changed",
            blobs=[change.blob for change in changes],
            removed=sorted(gone),
        )


def _take_files(
    repository: Repository,
    source: Path,
    scan: Scan,
    known: SourceIndex,
    *,
    link: bool,
    progress: Progress | None,
) -> list[Blob]:
    """Take the content of every file in; one that cannot be read after all joins the scan's problems."""
    objects = AnnexObjects(repository.annex)
    blobs: list[Blob] = []

    def take(file: SourceFile) -> Blob | Problem:
        try:
            return _take_file(objects, source, file, known.key_of(file), link)
        except NotFoundError as error:
            return Problem(file.path, error.detail)

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="intake") as pool:
        try:
            for number, taken in enumerate(pool.map(take, scan.files), start=1):
                if isinstance(taken, Blob):
                    blobs.append(taken)
                else:
                    scan.problems.append(taken)
                if progress is not None:
                    progress(number, len(scan.files))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return blobs


def _take_file(objects: AnnexObjects, source: Path, file: SourceFile, known: str | None, link: bool) -> Blob:
    if file.target is not None:
        return Blob(file.path, LINK, os.fsencode(file.target))
    if is_description(file.path, file.size):
        return Blob(file.path, "100755" if file.executable else "100644", _read(source, file.path))
    if known is not None and objects.has(known):
        return annexed(file.path, known)
    key, _ = objects.take(source / file.path, file.path, link=link)
    return annexed(file.path, key)


def _remember(repository: Repository, scan: Scan, blobs: Sequence[Blob], commit: str, started_ns: int) -> None:
    keys = {blob.path: blob.key for blob in blobs if blob.key is not None}
    taken = {blob.path for blob in blobs}
    files = [file for file in scan.files if file.path in taken]
    store_index(repository.git_dir, files, keys, commit=commit, started_ns=started_ns)


def _read(source: Path, path: str) -> bytes:
    try:
        return (source / path).read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}", field="path") from error


def _is_data(path: str) -> bool:
    return not path.startswith(".datalad/") and path != ".gitattributes"
