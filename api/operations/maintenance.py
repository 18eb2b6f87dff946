"""Maintenance: what the catalogue holds, whether all of it is sound, and rebuilding its views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.engines import repository_engine, search_engine
from api.operations.batches import STATES
from api.operations.certificates import State, standings
from api.operations.task_specs import state_node
from catalog.model import Problem
from executors.states import TaskState
from ontology.errors import BackendUnavailableError, IntegrityError, SillageError

COUNTED = ("Dataset", "Participant", "Acquisition", "Entity", "Cohort", "Pipeline", "Task", "Identifier", "Vocabulary")


def status(catalogue: Catalogue, principal: Principal) -> dict[str, Any]:
    """Return counts by type, how pipelines stand, tasks by state, and how far each view has come.

    Tasks are counted for whoever may read every dataset.
    """
    principal.require(Permission.READ)
    datasets = principal.datasets(Permission.READ)
    counted = {
        type: catalogue.repository.list_records(type, datasets=datasets, limit=1).total
        for type in COUNTED
        if datasets is None or type in ("Dataset", "Participant", "Acquisition", "Entity")
    }
    repository, search = _repository_state(catalogue), _search_state(catalogue)
    return {
        "id": catalogue.iri,
        "type": "Catalog",
        "title": catalogue.title,
        "ledger_entries": catalogue.repository.sequence + 1,
        "records": counted,
        "pipelines": _pipelines_by_standing(catalogue),
        **({"tasks": _tasks_by_state(catalogue, counted["Task"])} if datasets is None else {}),
        "vocabularies": list(catalogue.terms.vocabularies()),
        "search_applied": search["sequence"],
        "engines": {"repository": repository, "search": search},
        "runner": catalogue.settings.runner,
    }


def _pipelines_by_standing(catalogue: Catalogue) -> dict[str, int]:
    """Return how many pipelines stand how now, each by its newest version."""
    pipelines = catalogue.repository.iterate("Pipeline")
    versions = catalogue.repository.get_many([str(pipeline.document["current"]) for pipeline in pipelines])
    found = Counter(each.state for each in standings(catalogue, versions.values()).values())
    return {state.value: found[state] for state in State}


def _tasks_by_state(catalogue: Catalogue, total: int) -> dict[str, int]:
    """Return how many tasks are in each state, from an index: of the many that are complete, what the others leave."""
    rest = [state for state in STATES if state is not TaskState.COMPLETE]
    found = {
        state.value: catalogue.repository.list_records("Task", part_of=state_node(catalogue.iri, state), limit=1).total
        for state in rest
    }
    complete = max(0, total - sum(found.values()))
    return {state: number for state, number in {TaskState.COMPLETE.value: complete, **found}.items() if number}


def _repository_state(catalogue: Catalogue) -> dict[str, Any]:
    engine = repository_engine(catalogue.settings)
    return {
        "engine": engine.kind,
        "version": catalogue.repository.engine_version,
        "address": engine.address,
        "sequence": catalogue.repository.sequence,
    }


def _search_state(catalogue: Catalogue) -> dict[str, Any]:
    """Say how far search has come; that it is away is an answer as well."""
    engine = search_engine(catalogue.settings)
    state: dict[str, Any] = {"engine": engine.kind, "version": None, "address": engine.address, "sequence": None}
    fraction = catalogue.rebuilding.fraction
    if fraction is not None:
        state["rebuilt"] = round(fraction, 3)
    try:
        state["version"] = catalogue.search.engine_version
        if fraction is None:
            catalogue.refresh_search()
        state["sequence"] = catalogue.search.applied
    except BackendUnavailableError as error:
        state["away"] = error.detail
    return state


def readiness(catalogue: Catalogue, part: str | None = None) -> dict[str, Any]:
    """Ask every engine, or one, whether it answers; return the sequence that each has come to.

    Raises:
        BackendUnavailableError: One does not; ``params['parts']`` says which, and why.
    """
    asked = {"repository": lambda: catalogue.repository.sequence, "search": lambda: catalogue.search.applied}
    parts: dict[str, dict[str, Any]] = {}
    for name in [part] if part else asked:
        try:
            parts[name] = {"status": "pass", "sequence": asked[name]()}
        except SillageError as error:
            parts[name] = {"status": "fail", "detail": error.detail}
    away = [name for name, state in parts.items() if state["status"] == "fail"]
    if away:
        raise BackendUnavailableError(
            f"{' and '.join(away)} cannot be used: {parts[away[0]]['detail']}",
            next_step="See whether the server runs and can be reached; nothing that was acknowledged is lost.",
            params={"parts": parts},
        )
    return {"status": "pass", "parts": parts}


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


def reindex(catalogue: Catalogue, principal: Principal, *, check_only: bool = False) -> dict[str, Any]:
    """Rebuild the search index from the repository while the old one answers; or only compare it.

    Raises:
        ConflictError: It is being rebuilt already.
        BackendUnavailableError: Search is away; the old index is as it was.
    """
    principal.require(Permission.MAINTAIN)
    if not check_only:
        with catalogue.another_search() as other, catalogue.rebuilding.watching(catalogue.repository) as watched:
            other.rebuild(watched)
    catalogue.refresh_search()
    body: dict[str, Any] = {
        "search_applied": catalogue.search.applied,
        "ledger_entries": catalogue.repository.sequence + 1,
    }
    if check_only:
        found = [{"where": p.where, "detail": p.detail} for p in catalogue.search.check(catalogue.repository)]
        body |= {"valid": not found, "problems": found}
    return body
