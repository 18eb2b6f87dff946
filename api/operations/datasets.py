"""Datasets: register, revise, withdraw, and what was mapped and what was not."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from api.operations.named_sources import named_sources, source_name
from api.wire import record_body
from catalog.model import Change, Commit, MustBeAt, Problem, Record, Withdraw
from catalog.readers import read, recognise
from catalog.readers.collection import collection_paused
from catalog.readers.folder import FolderTree
from catalog.registration import Plan, VersionInfo, plan
from catalog.versions.model import Versioned
from ontology.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    RequirementFailedError,
    SillageError,
)
from ontology.identifiers import sha256_of

DATASET = frozenset({"Dataset"})
ABANDONED_S = 24 * 3600


def register(
    catalogue: Catalogue,
    principal: Principal,
    *,
    path: Path,
    reader: str = "auto",
    in_place: bool = False,
    public: bool = False,
) -> dict[str, Any]:
    """Register a dataset: take its data in, read it whole, map it to terms, and version it; all or nothing.

    Each release tag of an existing repository becomes a version, oldest first.

    Raises:
        NotFoundError: There is nothing at ``path``.
        InvalidRequestError: It is not a dataset that a reader knows.
        ConflictError: It is registered already.
        NotPermittedError: The caller may not add datasets, or not from there.
    """
    _require_everywhere(principal)
    path = _checked(catalogue, path)
    _discard_abandoned(catalogue)
    if catalogue.store.kind(path) == "folder":
        # Looked at before anything is copied, so that what is no dataset costs nothing and leaves nothing.
        recognise(FolderTree(path), reader=reader)
        _refuse_twice(catalogue, path)
    versioned = catalogue.store.take_in(path, in_place=in_place)
    try:
        with collection_paused():
            made = _commit_versions(catalogue, principal, versioned, path, reader=reader, public=public)
    except BaseException:
        if versioned.in_store and not _is_registered(catalogue, versioned):
            catalogue.store.discard(versioned.path)
        raise
    return _summary(catalogue, principal, made, versioned.problems, folder=path)


def revise(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    *,
    path: Path | None = None,
    if_match: str | None = None,
) -> dict[str, Any]:
    """Read a dataset again: what changed becomes new versions, what vanished is withdrawn.

    Raises:
        RequirementFailedError: The dataset is not at the version that ``If-Match`` names.
        InvalidRequestError: Its folder is not known any more; give ``path``.
    """
    dataset = records.find(catalogue, principal, reference, types=DATASET, permission=Permission.WRITE)
    check_match(dataset, if_match)
    if dataset.document.get("dataset_type") == "derivative" and dataset.document.get("pipeline"):
        raise ConflictError(f"{dataset.id} is written by tasks, not by hand", field="id")
    where = catalogue.data_path(dataset)
    if catalogue.store.owns(where):
        if path is None:
            raise InvalidRequestError(
                "the data were copied into the catalogue; give the folder where their present state lies",
                field="path",
            )
        versioned = catalogue.store.update(where, _checked(catalogue, path))
    else:
        versioned = catalogue.store.take_in(_checked(catalogue, path) if path else where)
    tree = catalogue.store.tree(versioned.path, versioned.commit)
    with collection_paused():
        made = plan(
            catalogue.repository,
            reading=read(tree, catalogue.crosswalk()),
            dataset=dataset.id,
            version=_info(catalogue, versioned, path),
            principal=principal.agent,
        )
        if not made.unchanged:
            catalogue.repository.commit(made.commit)
    return _summary(catalogue, principal, made, versioned.problems, folder=path)


def withdraw(catalogue: Catalogue, principal: Principal, reference: str, *, reason: str) -> dict[str, Any]:
    """Withdraw a dataset with its participants and acquisitions; tombstones say why, the ledger stays whole."""
    dataset = records.find(catalogue, principal, reference, types=DATASET, permission=Permission.WITHDRAW)
    changes: list[Change] = []
    for type in ("Acquisition", "Participant"):
        for record in catalogue.repository.iterate(type, datasets=[dataset.id]):
            said = {"label": record.document.get("label"), "dataset": dataset.id}
            changes.append(Withdraw(id=record.id, document=said))
    said = {key: dataset.document.get(key) for key in ("label", "title", "license", "doi")}
    changes.append(Withdraw(id=dataset.id, document={**said, "reason": reason}))
    catalogue.repository.commit(
        Commit(
            principal=principal.agent,
            action="dataset.withdraw",
            reason=reason,
            changes=changes,
            requirements=[MustBeAt(dataset.id, dataset.version)],
        )
    )
    return record_body(catalogue.repository.get(dataset.id), principal)


def versions(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return the versions of a dataset's data, oldest first."""
    dataset = records.find(catalogue, principal, reference, types=DATASET, permission=Permission.COUNT)
    found = list(catalogue.repository.iterate("DatasetVersion", part_of=dataset.id))
    items = [
        {
            "id": record.id,
            "type": record.type,
            "version": record.version,
            "created": record.created,
            "name": record.document["name"],
            "commit": record.document.get("commit"),
            "current": record.id == dataset.document.get("current"),
            **record.document["counts"],
        }
        for record in found
    ]
    return {"items": items, "total": len(items), "next": None}


def report(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return what the newest reading mapped to terms, what it could not map, and the problems that it met."""
    dataset = records.find(catalogue, principal, reference, types=DATASET)
    empty: dict[str, Any] = {"mapped": {}, "unmapped": {}, "problems": []}
    current = dataset.document.get("current")
    found = catalogue.repository.get(current).document["report"] if current else empty
    return {"id": dataset.id, "type": "MappingReport", **found}


def content(catalogue: Catalogue, principal: Principal, sha256: str) -> dict[str, Any]:
    """Return where content with this SHA-256 is found, among what the caller may read.

    Raises:
        NotFoundError: Nowhere.
    """
    digest = sha256_of(sha256)
    found = [f for f in catalogue.repository.files_by_sha256(digest) if principal.may(Permission.READ, f)]
    if not found:
        raise NotFoundError(f"no file with SHA-256 {digest}", field="sha256")
    records.note_access(catalogue, principal, "entity.read", found[0].id, {"shown": len(found)})
    return {
        "id": f"ni:///sha-256;{digest}",
        "type": "Content",
        "sha256": digest,
        "size": found[0].document["size"],
        "files": [record_body(file, principal) for file in found],
    }


def check_match(record: Record, if_match: str | None) -> None:
    """Raise unless ``If-Match`` names the present version (RFC 9110, section 13.1.1).

    Raises:
        RequirementFailedError: It names another.
    """
    if if_match is None or if_match.strip() == "*":
        return
    if f'"{record.version}"' not in [tag.strip().removeprefix("W/") for tag in if_match.split(",")]:
        raise RequirementFailedError(f"{record.id} is at version {record.version}, not at {if_match}", field="If-Match")


def _commit_versions(
    catalogue: Catalogue,
    principal: Principal,
    versioned: Versioned,
    path: Path,
    *,
    reader: str,
    public: bool,
) -> Plan:
    """Commit each release, then the present state, of newly registered data."""
    states: list[tuple[str | None, str]] = [
        (release.name, release.commit) for release in catalogue.store.releases(versioned.path)
    ]
    if not states or states[-1][1] != versioned.commit:
        states.append((None, versioned.commit))
    made: Plan | None = None
    for name, commit in states:
        tree = catalogue.store.tree(versioned.path, commit)
        try:
            reading = read(tree, catalogue.crosswalk(), reader=reader)
        except InvalidRequestError:
            if commit != versioned.commit:
                continue  # An early release that was no dataset yet.
            raise
        reading = replace(reading, dataset={**reading.dataset, "access_rights": "public" if public else "restricted"})
        info = _info(catalogue, versioned, path, name=name, commit=commit, tree=tree.tree_hash)
        made = plan(
            catalogue.repository,
            reading=reading,
            dataset=made.dataset if made else None,
            version=info,
            principal=principal.agent,
            label=path.name,
        )
        if not made.unchanged:
            catalogue.repository.commit(made.commit)
    if made is None:
        raise InvalidRequestError("no version of it is a dataset", field="path")
    return made


def _info(
    catalogue: Catalogue,
    versioned: Versioned,
    path: Path | None,
    *,
    name: str | None = None,
    commit: str | None = None,
    tree: str | None = None,
) -> VersionInfo:
    return VersionInfo(
        name=name,
        commit=commit or versioned.commit,
        tree=tree or versioned.tree_hash,
        datalad_id=versioned.datalad_id,
        data_path=catalogue.stored_path(versioned.path),
        ontology=catalogue.terms.digest,
        source=_source(catalogue, path) if path is not None and versioned.in_store else None,
    )


def _summary(
    catalogue: Catalogue, principal: Principal, made: Plan, found: Iterable[Problem], *, folder: Path | None
) -> dict[str, Any]:
    dataset = catalogue.repository.get(made.dataset)
    version = catalogue.repository.get(made.version)
    problems = [problem.to_json() for problem in made.problems]
    problems += [{"path": problem.where, "field": None, "detail": problem.detail} for problem in found]
    return {
        "id": dataset.id,
        "type": "Dataset",
        "title": dataset.document.get("title") or dataset.document["label"],
        "version": version.document["name"],
        **made.counts.to_json(),
        "added": made.added,
        "revised": made.revised,
        "withdrawn": made.withdrawn,
        "unchanged": made.unchanged,
        "problems": problems,
        "sources": named_sources(catalogue, principal, dataset, folder=folder),
    }


def _is_registered(catalogue: Catalogue, versioned: Versioned) -> bool:
    with suppress(SillageError):
        return catalogue.repository.find_alias(f"datalad:{versioned.datalad_id}") is not None
    return True


def _source(catalogue: Catalogue, path: Path) -> str | None:
    """Return the name of a folder, unless a withdrawn dataset keeps it."""
    name = source_name(path)
    held = catalogue.repository.find_alias(f"source:{name}")
    return None if held is not None and catalogue.repository.get(held).withdrawn else name


def _refuse_twice(catalogue: Catalogue, path: Path) -> None:
    known = catalogue.repository.find_alias(f"source:{source_name(path)}")
    if known is not None and not catalogue.repository.get(known).withdrawn:
        raise ConflictError(
            f"{path} is registered already",
            field="path",
            next_step=f"To read its present state: sillage dataset revise {known} {path}",
            params={"dataset": known},
        )


def _discard_abandoned(catalogue: Catalogue) -> None:
    """Remove data that were taken in by a service that died before the ledger named them."""
    held = catalogue.store.datasets()
    if not held:
        return
    named = {catalogue.data_path(r) for r in catalogue.repository.iterate("Dataset") if r.document.get("data_path")}
    for path in held:
        # A registration that is going on elsewhere may have taken its data in a moment ago.
        if path not in named and time.time() - path.stat().st_mtime > ABANDONED_S:
            catalogue.store.discard(path)


def _require_everywhere(principal: Principal) -> None:
    if not principal.everywhere(Permission.WRITE):
        raise NotPermittedError("adding datasets needs the role contributor on the whole catalogue")


def check_place(catalogue: Catalogue, principal: Principal, path: Path) -> None:
    """Refuse to take in data that the caller may not add, or not from there.

    Raises:
        NotPermittedError: The caller may not add data, or not from there.
    """
    _require_everywhere(principal)
    _require_root(catalogue, path)


def _require_root(catalogue: Catalogue, path: Path) -> None:
    roots: Sequence[Path] | None = catalogue.settings.import_roots
    if roots is not None and not any(path.resolve().is_relative_to(root.resolve()) for root in roots):
        raise NotPermittedError(
            f"{path} is not below a folder that may be registered from",
            next_step="Ask the administrator to add its folder to the setting import_roots.",
        )


def _checked(catalogue: Catalogue, path: Path) -> Path:
    _require_root(catalogue, path)
    if not path.exists():
        raise NotFoundError(f"there is nothing at {path}", field="path")
    if not path.is_dir():
        raise InvalidRequestError(f"{path} is not a folder", field="path")
    return path.resolve()
