"""Inputs that are given as paths on this machine: registered on the way, so that every result knows what it is of.

A file of a dataset is an input as that dataset's file, and the dataset is registered if it was not. Any other file is
kept, by its content, in a dataset of files that an agent gave by path.
"""

from __future__ import annotations

import hashlib
import mimetypes
import shutil
import tempfile
from pathlib import Path
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations.datasets import check_place, register
from api.operations.named_sources import source_name
from catalog.model import Commit, MustBeAbsent, Put, Record
from catalog.versions.outputs import Output
from ontology.errors import ConflictError, InvalidRequestError, NotFoundError, RequirementFailedError, SillageError
from ontology.identifiers import last_part, new_iri
from ontology.namespaces import PART_OF

_DESCRIPTION = "dataset_description.json"
_BEGINNINGS = ("/", "./", "../", "file:///")


def is_path(reference: str) -> bool:
    """Tell whether a reference is a path on this machine, and no id."""
    return reference.startswith(_BEGINNINGS)


def registered_file(catalogue: Catalogue, principal: Principal, path: Path) -> str:
    """Return the id of the file at a path, registered if it was not.

    Raises:
        NotPermittedError: The caller may not add data, or not from there.
        NotFoundError: There is nothing at the path.
        InvalidRequestError: It is not a file.
        ConflictError: It belongs to a registered dataset and has changed since.
    """
    path, folder = _placed(catalogue, principal, path)
    if folder is None:
        return _loose_file(catalogue, principal, path)
    return _file_of_dataset(catalogue, principal, folder, path)


def known_file(catalogue: Catalogue, principal: Principal, path: Path) -> str | None:
    """Return the id of the file at a path, or None where it is not registered yet; nothing is written.

    Raises:
        NotPermittedError: The caller may not add data, or not from there.
        NotFoundError: There is nothing at the path.
        InvalidRequestError: It is not a file.
        ConflictError: It belongs to a registered dataset and has changed since.
    """
    path, folder = _placed(catalogue, principal, path)
    if folder is None:
        known = catalogue.repository.find_alias(_loose_alias(principal, path, _digest(path)))
        return str(catalogue.repository.get(known).document["files"][0]["id"]) if known else None
    return _file_of_dataset(catalogue, principal, folder, path) if _registered(catalogue, folder) else None


def unregistered_file(path: Path) -> tuple[Record, Record]:
    """Return what stands for a file, and for what it is part of, in a plan that registers nothing."""

    def record(type: str, document: dict[str, Any]) -> Record:
        return Record(id=new_iri(), type=type, version=0, created="", modified="", sequence=-1, document=document)

    owner = record("Entity", {"label": path.name, "dataset": None, "files": []})
    size = path.stat().st_size
    return record("File", {"path": path.name, "size": size, "sha256": None, "part_of": owner.id}), owner


def _placed(catalogue: Catalogue, principal: Principal, path: Path) -> tuple[Path, Path | None]:
    """Return a path that names a file, and the folder of the dataset that it lies in, if it lies in one."""
    principal.require(Permission.RUN)
    check_place(catalogue, principal, path)
    if not path.exists():
        raise NotFoundError(f"there is nothing at {path}", field="inputs")
    if not path.is_file():
        raise InvalidRequestError(f"{path} is not a file", field="inputs", next_step="Name one file of it.")
    # The name that the caller gave counts: in a DataLad dataset it is a link, and its content lies elsewhere.
    path = path.parent.resolve() / path.name
    return path, next((parent for parent in path.parents if (parent / _DESCRIPTION).is_file()), None)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be read ({error.strerror})", field="inputs") from error


def _file_of_dataset(catalogue: Catalogue, principal: Principal, folder: Path, path: Path) -> str:
    dataset = _registered(catalogue, folder) or str(register(catalogue, principal, path=folder)["id"])
    relative, digest = path.relative_to(folder).as_posix(), _digest(path)
    same = catalogue.repository.files_by_sha256(digest)
    found = next((f for f in same if f.dataset == dataset and f.document["path"] == relative), None)
    if found is None:
        raise ConflictError(
            f"{path.name} is not in the registered version of its dataset, or has changed since",
            field="inputs",
            next_step=f"sillage dataset revise {last_part(dataset)} {folder}",
        )
    return found.id


def _registered(catalogue: Catalogue, folder: Path) -> str | None:
    known = catalogue.repository.find_alias(f"source:{source_name(folder)}")
    if known is None:
        places = catalogue.repository.iterate("Dataset")
        known = next((r.id for r in places if r.document.get("data_path") and catalogue.data_path(r) == folder), None)
    return known if known and not catalogue.repository.get(known).withdrawn else None


def _loose_file(catalogue: Catalogue, principal: Principal, path: Path) -> str:
    digest = _digest(path)
    alias = _loose_alias(principal, path, digest)
    known = catalogue.repository.find_alias(alias)
    if known is None:
        try:
            known = _keep(catalogue, principal, path, digest, alias)
        except (ConflictError, RequirementFailedError):
            known = catalogue.repository.find_alias(alias)
            if known is None:
                raise
    return str(catalogue.repository.get(known).document["files"][0]["id"])


def _loose_alias(principal: Principal, path: Path, digest: str) -> str:
    return f"given:{last_part(principal.agent)}/{digest}/{hashlib.sha256(path.name.encode()).hexdigest()[:16]}"


def _keep(catalogue: Catalogue, principal: Principal, path: Path, digest: str, alias: str) -> str:
    dataset = _dataset_of_files(catalogue, principal)
    where = f"{digest[:12]}/{path.name}"
    with tempfile.TemporaryDirectory(dir=catalogue.directory, prefix=".given-") as folder:
        staged = Path(folder, "content")
        shutil.copyfile(path, staged)
        commit = catalogue.store.save_outputs(
            catalogue.data_path(dataset),
            [Output(staged, where, digest)],
            message="Take in a file that was given by path",
            run_record=None,
        )
    file = {
        "id": new_iri(),
        "path": where,
        "sha256": digest,
        "size": path.stat().st_size,
        "media_type": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        "role": "input",
    }
    document = {"label": path.name, "dataset": dataset.id, "participant": None, "commit": commit, "files": [file]}
    put = Put(id=new_iri(), type="Entity", document=document, edges=[(PART_OF, dataset.id)], aliases=[alias])
    catalogue.repository.commit(
        Commit(principal=principal.agent, action="entity.register", changes=[put], requirements=[MustBeAbsent(put.id)])
    )
    return put.id


def _dataset_of_files(catalogue: Catalogue, principal: Principal) -> Record:
    """Return the dataset of what an agent gave by path, made on first use."""
    alias = f"given:{last_part(principal.agent)}"
    known = catalogue.repository.find_alias(alias)
    if known is not None:
        return catalogue.repository.get(known)
    title = f"Files given by {principal.label or 'an agent'}"
    made = catalogue.store.create_derivative(name=title, description={"DatasetType": "raw"})
    document = {
        "label": title,
        "title": title,
        "dataset_type": "raw",
        "access_rights": "restricted",
        "data_path": catalogue.stored_path(made.path),
        "commit": made.commit,
        "creator": principal.agent,
    }
    put = Put(id=new_iri(), type="Dataset", document=document, aliases=[alias])
    try:
        catalogue.repository.commit(Commit(principal=principal.agent, action="dataset.register", changes=[put]))
    except SillageError:
        catalogue.store.discard(made.path)
        raise
    return catalogue.repository.get(put.id)
