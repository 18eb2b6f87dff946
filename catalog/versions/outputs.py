"""Saves the outputs of a task in a dataset of the store: moved in, annexed, one commit."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from catalog.versions.annex import key_of_link
from catalog.versions.dataset import lasting_id, locked
from catalog.versions.git import Repository
from catalog.versions.history import Blob, annexed, head
from catalog.versions.next_commit import NextCommit
from catalog.versions.objects import AnnexObjects, Fingerprint, full_disk_reported
from catalog.versions.run_record import run_message
from catalog.versions.surroundings import Surroundings
from catalog.versions.working_tree import Change, apply_changes, heal
from ontology.errors import BackendUnavailableError, ConflictError, InvalidRequestError, NotFoundError

_ATTEMPTS = 3
_MANY, _WORKERS = 64, 4
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
_FORBIDDEN = frozenset({"", ".", "..", ".git", ".datalad"})
_OURS = frozenset({".gitmodules", ".gitattributes"})

Places = Mapping[str, tuple[str, str] | None]
"""Kind and name of the git object at each path of the dataset; None where there is none."""


class Output(NamedTuple):
    """A file to be saved.

    Attributes:
        staged: Where it is.
        path: Its path in the dataset.
        sha256: Digest in hex.
        seen: What its inode looked like when the digest was taken; as long as it does, the file is not read again.
    """

    staged: Path
    path: str
    sha256: str
    seen: Fingerprint | None = None


@dataclass(frozen=True, slots=True)
class _Around:
    """What must be there before results are saved."""

    surroundings: Surroundings
    objects: AnnexObjects

    @property
    def blobs(self) -> list[Blob]:
        return self.surroundings.blobs(self.objects)

    @property
    def folders(self) -> list[str]:
        return sorted(self.surroundings.folders)

    def absent(self, places: Places) -> list[Blob]:
        """Return the files of those folders that the dataset does not have: what is in one never changes."""
        return [
            blob
            for folder in self.folders
            if places[folder] is None
            for blob in self.surroundings.folder_blobs(self.objects, folder)
        ]


@dataclass(frozen=True, slots=True)
class _Look:
    """What the dataset holds where something is to be written."""

    commit: NextCommit
    places: Places

    @property
    def parent(self) -> str:
        return self.commit.parent


def save_outputs(
    repository: Repository,
    outputs: Sequence[Output],
    *,
    message: str,
    run_record: Mapping[str, Any] | None,
    surroundings: Surroundings,
    notes: Mapping[str, bytes],
    keep_staged: bool = False,
) -> str:
    """Take outputs in and commit them; see :meth:`catalog.versions.store.DataStore.save_outputs`."""
    if not outputs:
        raise InvalidRequestError("there are no outputs to save", field="outputs")
    _check_names(outputs)
    with full_disk_reported(), locked(repository):
        heal(repository)
        objects = AnnexObjects(repository.annex)
        blobs = _take_in(repository, objects, outputs)
        blobs += [Blob(path, "100644", content) for path, content in notes.items()]
        around = _Around(surroundings, objects)
        name = _commit(repository, around, blobs, message, run_record, len(outputs))
        for output in () if keep_staged else outputs:
            output.staged.unlink(missing_ok=True)
        return name


def _commit(
    repository: Repository,
    around: _Around,
    blobs: Sequence[Blob],
    message: str,
    record: Mapping[str, Any] | None,
    count: int,
) -> str:
    """Commit what the dataset does not hold yet; a commit that others made meanwhile is built upon."""
    for _ in range(_ATTEMPTS):
        seen = _look(repository, [*around.blobs, *blobs], around.folders)
        parent = seen.parent
        try:
            prepared = _changes(seen.places, [*around.blobs, *around.absent(seen.places)])
            if prepared:
                # By itself, so that repeating the run does not begin with changing what it needs.
                text = "Add what runs are repeated with\n"
                parent = _apply(repository, prepared, seen, around.objects, message=text)
                seen = _look(repository, [*around.blobs, *blobs], around.folders)
            changes = _changes(seen.places, blobs)
            if not changes:
                around.objects.synchronise()
                return _last_commit(repository, parent, blobs[:count])
            identifier = lasting_id(repository) if record is not None else None
            paths = [blob.path for blob in blobs[:count]]
            text = run_message(message, record, datalad_id=identifier, outputs=paths)
            return _apply(repository, changes, seen, around.objects, message=text)
        except BackendUnavailableError:
            found = head(repository)
            if found is None or found[0] == parent:
                raise
    raise BackendUnavailableError("the dataset is being written to by others all the time", next_step="Try again.")


def _apply(
    repository: Repository, changes: Sequence[Change], seen: _Look, objects: AnnexObjects, *, message: str
) -> str:
    """Commit changes and have the working tree follow; contents reach the disk before the commit does."""
    blobs = [change.blob for change in changes]
    with apply_changes(repository, changes, {}, at_once=False) as note:
        name = seen.commit.write(blobs, message=message, before=[*note, *objects.unsynchronised()])
    objects.synchronised()
    return name


def _check_names(outputs: Sequence[Output]) -> None:
    seen: set[str] = set()
    for output in outputs:
        path, parts = output.path, output.path.split("/")
        if _UNSAFE.search(path) or any(part in _FORBIDDEN or part.lower() == ".git" for part in parts):
            raise InvalidRequestError(f"{path!r} is no path within a dataset", field="outputs")
        if path in _OURS or parts[0] in ("code", "sourcedata"):
            raise InvalidRequestError(f"{path!r} is kept for how results are repeated", field="outputs")
        if not _SHA256.fullmatch(output.sha256):
            raise InvalidRequestError(f"{output.sha256!r} is not a SHA-256 in lower-case hexadecimal", field="sha256")
        if path in seen:
            raise InvalidRequestError(f"{path} is given twice", field="outputs")
        seen.add(path)
    for path in seen:
        above = next((folder for folder in _folders(path) if folder in seen), None)
        if above is not None:
            raise InvalidRequestError(f"{above} is given as a file and as the folder of {path}", field="outputs")


def _folders(path: str) -> list[str]:
    """Return the folders above a path."""
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]


def _take_in(repository: Repository, objects: AnnexObjects, outputs: Sequence[Output]) -> list[Blob]:
    """Make each staged file an object of the annex; the staged name stays until the commit is there.

    A staged file that is gone was committed by an earlier, interrupted call, or was never there.
    """

    def take(output: Output) -> Blob:
        key = objects.adopt(output.staged, output.path, sha256=output.sha256, seen=output.seen)
        return annexed(output.path, key or _committed_key(repository, output.path, output.sha256))

    if len(outputs) < _MANY:
        return list(map(take, outputs))
    # Most of the time goes into making folders, which the file system does for several at a time. Each thread has a
    # part of its own, because handing over single files would take as long as what is done with them.
    size = -(-len(outputs) // _WORKERS)
    parts = [outputs[begin : begin + size] for begin in range(0, len(outputs), size)]
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="outputs") as pool:
        return [blob for part in pool.map(lambda part: list(map(take, part)), parts) for blob in part]


def _committed_key(repository: Repository, path: str, sha256: str) -> str:
    output = repository.try_git("cat-file", "blob", f"HEAD:{path}")
    key = key_of_link(os.fsdecode(output.stdout)) if output.status == 0 else None
    if key is None or key.sha256 != sha256:
        raise NotFoundError(f"output {path} is not where it was staged", field="outputs")
    return key.name


def _look(repository: Repository, blobs: Sequence[Blob], whole: Sequence[str]) -> _Look:
    """See all that is to be known at once: HEAD, the paths to be written, and the locations of their keys.

    Raises:
        BackendUnavailableError: The dataset has no commit, or no branch git-annex.
    """
    folders = {folder for blob in blobs for folder in _folders(blob.path)}
    folders |= {folder for path in whole for folder in (path, *_folders(path))}
    paths = [*(blob.path for blob in blobs), *sorted(folders)]
    commit = NextCommit(repository)
    return _Look(commit, commit.places(paths))


def _changes(places: Places, blobs: Sequence[Blob]) -> list[Change]:
    """Return the blobs that the dataset does not hold yet.

    A subdataset is no object of this repository, so git cannot say where it stands; ``.gitmodules`` can, which is
    written together with it.

    Raises:
        ConflictError: A path is a folder in the dataset, or lies below a file.
    """
    changes = []
    pointed = any(blob.path == ".gitmodules" and _oid(places[blob.path]) != blob.oid for blob in blobs)
    for blob in blobs:
        for folder in _folders(blob.path):
            if _kind(places.get(folder)) == "blob":
                raise ConflictError(f"{folder} is a file in the dataset and cannot be a folder", field="outputs")
        if _kind(places.get(blob.path)) == "tree":
            raise ConflictError(f"{blob.path} is a folder in the dataset and cannot be a file", field="outputs")
        before = _oid(places.get(blob.path))
        if pointed if blob.is_subdataset else before != blob.oid:
            changes.append(Change(blob, before))
    return changes


def _kind(place: tuple[str, str] | None) -> str | None:
    return place[0] if place is not None else None


def _oid(place: tuple[str, str] | None) -> str | None:
    return place[1] if place is not None else None


def _last_commit(repository: Repository, parent: str, blobs: Sequence[Blob]) -> str:
    """Return the commit that last touched any of these paths: the one an interrupted call had made."""
    paths = [f":(literal,top){blob.path}" for blob in blobs]
    given = ("\n".join(["--", *paths]) + "\n").encode()
    found = repository.git("rev-list", "-1", parent, "--stdin", given=given).decode().strip()
    return found or parent
