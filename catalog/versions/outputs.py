"""Saves the outputs of a task in a dataset of the store: moved in, annexed, one commit."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from catalog.versions.annex import key_of_link, sha256e_key
from catalog.versions.dataset import datalad_id, locked
from catalog.versions.git import Repository
from catalog.versions.history import Blob, annexed, commit, current_branch, head
from catalog.versions.objects import AnnexObjects, full_disk_reported
from catalog.versions.run_record import run_message
from catalog.versions.working_tree import Change, apply_changes, heal
from ontology.errors import BackendUnavailableError, ConflictError, InvalidRequestError, NotFoundError

Output = tuple[Path, str, str]
"""Where the file is staged, its path in the dataset, its SHA-256 in hex."""

_ATTEMPTS = 3
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
_FORBIDDEN = frozenset({"", ".", "..", ".git", ".datalad"})


@dataclass(frozen=True, slots=True)
class _Place:
    """What a path of the dataset holds now: the kind of git object and its name."""

    kind: str | None
    oid: str | None


def save_outputs(
    repository: Repository, outputs: Sequence[Output], *, message: str, run_record: Mapping[str, Any] | None
) -> str:
    """Take outputs in and commit them; see :meth:`catalog.versions.store.DataStore.save_outputs`."""
    if not outputs:
        raise InvalidRequestError("there are no outputs to save", field="outputs")
    _check_names(outputs)
    with full_disk_reported(), locked(repository):
        heal(repository)
        blobs = _take_in(repository, outputs)
        name = _commit(repository, blobs, message, run_record)
        for staged, _, _ in outputs:
            staged.unlink(missing_ok=True)
        return name


def _commit(repository: Repository, blobs: Sequence[Blob], message: str, record: Mapping[str, Any] | None) -> str:
    """Commit what the dataset does not hold yet; a commit that others made meanwhile is built upon."""
    for _ in range(_ATTEMPTS):
        found = head(repository)
        if found is None:
            raise BackendUnavailableError("the dataset has no commit", next_step="Run: sillage check")
        parent = found[0]
        changes = _changes(repository, parent, blobs)
        if not changes:
            return _last_commit(repository, parent, blobs)
        identifier = datalad_id(repository, parent) if record is not None else None
        text = run_message(message, record, datalad_id=identifier, outputs=[blob.path for blob in blobs])
        try:
            with apply_changes(repository, changes, {}):
                return commit(
                    repository,
                    branch=current_branch(repository),
                    parent=parent,
                    message=text,
                    blobs=[change.blob for change in changes],
                )
        except BackendUnavailableError:
            if head(repository) == found:
                raise
    raise BackendUnavailableError("the dataset is being written to by others all the time", next_step="Try again.")


def _check_names(outputs: Sequence[Output]) -> None:
    seen: set[str] = set()
    for _, path, sha256 in outputs:
        parts = path.split("/")
        if _UNSAFE.search(path) or any(part in _FORBIDDEN or part.lower() == ".git" for part in parts):
            raise InvalidRequestError(f"{path!r} is no path within a dataset", field="outputs")
        if not _SHA256.fullmatch(sha256):
            raise InvalidRequestError(f"{sha256!r} is not a SHA-256 in lower-case hexadecimal", field="sha256")
        if path in seen:
            raise InvalidRequestError(f"{path} is given twice", field="outputs")
        seen.add(path)
    for path in seen:
        above = next((str(p) for p in PurePosixPath(path).parents if str(p) in seen), None)
        if above is not None:
            raise InvalidRequestError(f"{above} is given as a file and as the folder of {path}", field="outputs")


def _take_in(repository: Repository, outputs: Sequence[Output]) -> list[Blob]:
    """Make each staged file an object of the annex; the staged name stays until the commit is there.

    A staged file that is gone was committed by an earlier, interrupted call, or was never there.
    """
    objects = AnnexObjects(repository.annex)
    blobs = []
    for staged, path, sha256 in outputs:
        if staged.is_file() and not staged.is_symlink():
            key = sha256e_key(path, sha256=sha256, size=staged.stat().st_size)
            objects.adopt(staged, key, sha256=sha256, path=path)
        else:
            key = _committed_key(repository, path, sha256)
        blobs.append(annexed(path, key))
    objects.synchronise()
    return blobs


def _committed_key(repository: Repository, path: str, sha256: str) -> str:
    output = repository.try_git("cat-file", "blob", f"HEAD:{path}")
    key = key_of_link(os.fsdecode(output.stdout)) if output.status == 0 else None
    if key is None or key.sha256 != sha256:
        raise NotFoundError(f"output {path} is not where it was staged", field="outputs")
    return key.name


def _changes(repository: Repository, parent: str, blobs: Sequence[Blob]) -> list[Change]:
    """Return the blobs that the parent does not hold yet.

    Raises:
        ConflictError: A path is a folder in the dataset, or lies below a file.
    """
    folders = sorted({str(p) for blob in blobs for p in PurePosixPath(blob.path).parents if str(p) != "."})
    paths = [*(blob.path for blob in blobs), *folders]
    given = "".join(f"{parent}:{path}\n" for path in paths).encode()
    lines = repository.git("cat-file", "--batch-check", "--buffer", given=given).split(b"\n")
    places = {path: _parse(line) for path, line in zip(paths, lines, strict=False)}
    for path in folders:
        if places[path].kind == "blob":
            raise ConflictError(f"{path} is a file in the dataset and cannot be a folder", field="outputs")
    for blob in blobs:
        if places[blob.path].kind == "tree":
            raise ConflictError(f"{blob.path} is a folder in the dataset and cannot be a file", field="outputs")
    return [Change(blob, places[blob.path].oid) for blob in blobs if places[blob.path].oid != blob.oid]


def _parse(line: bytes) -> _Place:
    words = line.split(b" ")
    if len(words) == 3 and words[1] in (b"blob", b"tree"):
        return _Place(words[1].decode(), words[0].decode())
    return _Place(None, None)


def _last_commit(repository: Repository, parent: str, blobs: Sequence[Blob]) -> str:
    """Return the commit that last touched any of these paths: the one an interrupted call had made."""
    paths = [f":(literal,top){blob.path}" for blob in blobs]
    given = ("\n".join(["--", *paths]) + "\n").encode()
    found = repository.git("rev-list", "-1", parent, "--stdin", given=given).decode().strip()
    return found or parent
