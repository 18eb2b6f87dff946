"""Maintenance: what the catalogue holds, whether all of it is sound, and rebuilding its views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from catalog.model import Problem
from ontology.errors import IntegrityError, SillageError

COUNTED = ("Dataset", "Participant", "Acquisition", "Entity", "Cohort", "Pipeline", "Task", "Identifier", "Vocabulary")


def status(catalogue: Catalogue, principal: Principal) -> dict[str, Any]:
    """Return counts by type, the ledger's size, and how far each view has come."""
    principal.require(Permission.READ)
    datasets = principal.datasets(Permission.READ)
    counted = {
        type: catalogue.repository.list_records(type, datasets=datasets, limit=1).total
        for type in COUNTED
        if datasets is None or type in ("Dataset", "Participant", "Acquisition", "Entity")
    }
    catalogue.refresh_search()
    return {
        "id": catalogue.iri,
        "type": "Catalog",
        "title": catalogue.title,
        "ledger_entries": catalogue.repository.sequence + 1,
        "records": counted,
        "vocabularies": list(catalogue.terms.vocabularies()),
        "search_applied": catalogue.search.applied,
        "runner": catalogue.settings.runner,
    }


def check(catalogue: Catalogue, principal: Principal, *, data: bool = True) -> dict[str, Any]:
    """Verify the ledger, records, views and the checksum of every file that is here; report each problem."""
    principal.require(Permission.MAINTAIN)
    problems: list[dict[str, str]] = []
    entries: int | None = None
    try:
        problems += [{"where": p.where, "detail": p.detail} for p in _problems(catalogue, data=data)]
        entries = catalogue.repository.sequence + 1
    except IntegrityError as error:
        problems.append({"where": "ledger", "detail": error.detail})
    return {"valid": not problems, "problems": problems, "ledger_entries": entries}


def _problems(catalogue: Catalogue, *, data: bool) -> Iterator[Problem]:
    broken = False
    for problem in catalogue.repository.check():
        broken = True
        yield problem
    if broken:
        # Views of a damaged ledger and the data it names would only repeat the same damage in other words.
        return
    catalogue.refresh_search()
    yield from catalogue.search.check(catalogue.repository)
    if not data:
        return
    for dataset in catalogue.repository.iterate("Dataset"):
        if not dataset.document.get("data_path"):
            continue
        try:
            yield from catalogue.store.check(catalogue.data_path(dataset), commit=catalogue.data_commit(dataset))
        except SillageError as error:
            yield Problem(dataset.id, error.detail)


def reindex(catalogue: Catalogue, principal: Principal) -> dict[str, Any]:
    """Rebuild the search index from the repository."""
    principal.require(Permission.MAINTAIN)
    catalogue.search.rebuild(catalogue.repository)
    return {"search_applied": catalogue.search.applied, "ledger_entries": catalogue.repository.sequence + 1}
