"""Cohorts as data: a DataLad dataset of just a cohort's files, as they were when it was frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from catalog.cohorts.comparison import sequence_of
from catalog.cohorts.frozen_values import FrozenMember, State, frozen_members
from catalog.cohorts.materialise import Source, result
from catalog.cohorts.materialise import materialise as make
from catalog.model import Record
from ontology.errors import InvalidRequestError, NotFoundError, NotPermittedError
from ontology.identifiers import last_part

COHORT = frozenset({"Cohort"})


def materialise(
    catalogue: Catalogue, principal: Principal, reference: str, target: Path, *, local: bool, share: bool = True
) -> dict[str, Any]:
    """Make a dataset of a cohort's files in a folder of this machine; the access is on the ledger before it is made.

    Args:
        catalogue: Where the cohort is.
        principal: Who asks; needs to read the data of every dataset of the cohort.
        reference: The cohort.
        target: A folder that is not there yet, or empty.
        share: Whether content is shared with the catalogue's datasets, or stays there until it is asked for.
        local: Whether the caller works on this machine: a service writes no folders for those who call it.

    Raises:
        NotPermittedError: The caller may not read all the data, or calls over the network.
        ConflictError: The folder is not empty.
        InvalidRequestError: It cannot be made there, or all members were withdrawn.
        NotFoundError: The data of a dataset are not on this machine.
    """
    cohort = records.find(catalogue, principal, reference, types=COHORT, permission=Permission.READ_DATA)
    if not local:
        raise NotPermittedError(
            "a service does not write folders for those who call it",
            next_step="Run `sillage cohort materialise` with --catalog on the machine of the catalogue.",
        )
    if target.resolve().is_relative_to(catalogue.directory):
        raise InvalidRequestError(f"{target} lies within the catalogue", field="path")
    members = list(frozen_members(cohort.document, catalogue.repository))
    present = [member for member in members if member.state is not State.WITHDRAWN and member.label]
    sources = _sources(catalogue, cohort, present)
    said = {"participants": len(present), "datasets": [source.iri for source in sources]}
    records.note_access(catalogue, principal, "cohort.materialise", cohort.id, said)
    stated = {name: str(cohort.document[name]) for name in ("label", "digest")}
    made = make(target, sources, cohort={**stated, "id": cohort.id}, share=share)
    withdrawn = len(members) - len(present)
    notices = [f"{withdrawn} participants were withdrawn since and are left out"] if withdrawn else []
    return {"id": cohort.id, "type": "MaterialisedCohort", **result(made, sources), "notices": notices}


def _sources(catalogue: Catalogue, cohort: Record, members: list[FrozenMember]) -> list[Source]:
    sequences = {m["participant"]: sequence_of(m, cohort.document) for m in cohort.document["members"]}
    grouped: dict[str, list[FrozenMember]] = {}
    for member in members:
        grouped.setdefault(member.dataset, []).append(member)
    if not grouped:
        raise InvalidRequestError("all members of this cohort were withdrawn", field="cohort")
    names: dict[str, str] = {}
    for iri in sorted(grouped):
        names[iri] = _folder_name(catalogue.repository.get(iri), taken=set(names.values()))
    return [
        _source(
            catalogue,
            iri,
            inside,
            sequence=max(sequences[member.participant] for member in inside),
            folder=f"sourcedata/{names[iri]}/" if len(grouped) > 1 else "",
            sibling=f"source-{names[iri]}" if len(grouped) > 1 else "source",
        )
        for iri, inside in sorted(grouped.items())
    ]


def _source(
    catalogue: Catalogue, iri: str, members: list[FrozenMember], *, sequence: int, folder: str, sibling: str
) -> Source:
    dataset = catalogue.repository.get(iri)
    if not dataset.document.get("data_path"):
        raise NotFoundError(f"the data of {iri} are not on this machine", field="cohort")
    return Source(
        iri=iri,
        title=str(dataset.document.get("label") or iri),
        path=catalogue.data_path(dataset),
        commit=_commit_at(catalogue, dataset, sequence),
        labels=frozenset(str(member.label) for member in members),
        folder=folder,
        sibling=sibling,
        in_store=catalogue.store.owns(catalogue.data_path(dataset)),
    )


def _commit_at(catalogue: Catalogue, dataset: Record, sequence: int) -> str:
    """Return the commit at which a dataset's data were at a ledger entry."""
    before: Mapping[str, Any] = {}
    for version in catalogue.repository.versions(dataset.id):
        if version.sequence <= sequence:
            before = version.document
    if before.get("current"):
        commit = catalogue.repository.get(before["current"]).document.get("commit")
        if commit:
            return str(commit)
    return catalogue.data_commit(dataset)


def _folder_name(dataset: Record, *, taken: set[str]) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", str(dataset.document.get("label") or "").casefold()).strip("-")[:40].strip("-")
    return name if name and name not in taken else f"{name or 'dataset'}-{last_part(dataset.id)[:8]}"
