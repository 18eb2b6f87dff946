"""Batches: one pipeline over many participants, planned and handed over piece by piece.

A batch's record says how far it has come; its tasks point at it. Nothing here reads all of them: states are counted
and listed by what tasks point at (:func:`api.operations.task_specs.state_node`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from api.operations.batch_words import summary
from api.operations.task_specs import PENDING, state_node
from api.operations.time_left import Estimate, Planning, time_left
from api.task_paces import duration_of
from api.wire import page_body, record_body
from catalog.model import Change, Commit, Durability, MustBeAt, Page, Put, Record, Requirement
from executors.model import utc_now
from executors.states import RETRYABLE, TaskState
from ontology.errors import ConflictError, InvalidRequestError, RequirementFailedError
from ontology.namespaces import ASSOCIATED_WITH, INFLUENCED_BY

BATCH = frozenset({"TaskBatch"})
REFUSED = "REFUSED"
"""What an item that never became a task is listed as; no state of TES."""
REFUSALS = "RefusedItems"
STATES = tuple(state for state in TaskState if state is not TaskState.UNKNOWN)
SHOWN = 100
SAMPLE = 50
"""Tasks that are read to learn how long they take, where this process has not seen any end."""
_INTERNAL = ("window", "retry_before", "named")


class Phase(StrEnum):
    """How far a batch has come."""

    PLANNING = "planning"
    RUNNING = "running"
    ENDED = "ended"


def batch_document(common: Mapping[str, Any], cohort: Record, *, named: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the document of a batch of which nothing is planned yet.

    Args:
        common: The members that all its tasks share.
        cohort: On whose members it runs.
        named: Files that every task gets, by input.
    """
    return {
        **common,
        "label": f"{common['pipeline_name']} over {cohort.document.get('label') or 'a cohort'}",
        "phase": Phase.PLANNING.value,
        "size": len(cohort.document["members"]),
        "position": 0,
        "planned": 0,
        "refused_count": 0,
        "reused_count": 0,
        "canceling": False,
        "retry_before": None,
        "held_back": None,
        "window": [],
        "named": {name: list(files) for name, files in named.items()},
        "datasets": sorted(cohort.document.get("datasets") or []),
        "creation_time": utc_now(),
        "end_time": None,
    }


def batch_put(catalogue: Catalogue, iri: str, document: Mapping[str, Any], *, action: str | None = None) -> Put:
    """Return the change that writes a batch; one with work to do points at the catalogue."""
    edges = [(ASSOCIATED_WITH, document["principal"]), (INFLUENCED_BY, document["cohort"])]
    if document["phase"] != Phase.ENDED:
        edges.append((PENDING, catalogue.iri))
    return Put(id=iri, type="TaskBatch", document=document, edges=edges, action=action)


def change_batch(
    catalogue: Catalogue,
    iri: str,
    changed: Callable[[Record], Mapping[str, Any]],
    *,
    action: str,
    principal: str | None = None,
    durability: Durability = Durability.FULL,
    changes: Sequence[Change] = (),
    requirements: Sequence[Requirement] = (),
) -> None:
    """Change some members of a batch's record, again and again until nobody else changed it meanwhile.

    Args:
        catalogue: The catalogue.
        iri: The batch.
        changed: Returns the members that change, given the batch as it is.
        action: What the ledger calls it.
        principal: Who does it; the one who submitted the batch unless told.
        durability: See :class:`Durability`.
        changes: What else is written with it.
        requirements: What must hold for ``changes``.

    Raises:
        RequirementFailedError: One of ``requirements`` does not hold.
    """
    while True:
        batch = catalogue.repository.get(iri)
        commit = Commit(
            principal=principal or batch.document["principal"],
            action=action,
            changes=[*changes, batch_put(catalogue, iri, {**batch.document, **changed(batch)}, action=action)],
            requirements=[*requirements, MustBeAt(iri, batch.version)],
            durability=durability,
        )
        try:
            catalogue.repository.commit(commit)
        except RequirementFailedError:
            if catalogue.repository.get(iri).version == batch.version:
                raise
            continue
        catalogue.task_news.tell(iri)
        return


def end_batch(catalogue: Catalogue, batch: Record) -> None:
    """Write down that nothing of a batch is left to do.

    Raises:
        RequirementFailedError: It changed meanwhile.
    """
    ended: dict[str, Any] = {"phase": Phase.ENDED.value, "window": [], "end_time": utc_now(), "held_back": None}
    catalogue.repository.commit(
        Commit(
            principal=batch.document["principal"],
            action="task.end-batch",
            changes=[batch_put(catalogue, batch.id, {**batch.document, **ended})],
            requirements=[MustBeAt(batch.id, batch.version)],
        )
    )
    catalogue.task_news.tell(batch.id)


def counts(catalogue: Catalogue, batch: str) -> dict[TaskState, int]:
    """Return how many tasks of a batch are in each state, from an index."""
    found: dict[TaskState, int] = {}
    for state in STATES:
        page = catalogue.repository.list_records("Task", part_of=state_node(batch, state), limit=1)
        if page.total:
            found[state] = page.total
    return found


def state_of(document: Mapping[str, Any], counted: Mapping[TaskState, int]) -> TaskState:
    """Return the state of a batch, told from its record and the states of its tasks.

    It is final once the end of the batch is on the ledger, and not a moment before: nothing follows by itself then. A
    task that moves while the states are counted one after the other may be missing from the counts: it has not ended.
    """
    ended = sum(number for state, number in counted.items() if state.is_final)
    canceled = bool(document["canceling"])
    if document["phase"] != Phase.ENDED or ended < document["planned"]:
        begun = any(state is not TaskState.QUEUED for state in counted)
        return TaskState.CANCELING if canceled else TaskState.RUNNING if begun else TaskState.QUEUED
    if canceled and (document["position"] < document["size"] or counted.get(TaskState.CANCELED)):
        return TaskState.CANCELED
    whole = document["position"] >= document["size"] and not document["refused_count"]
    if whole and set(counted) == {TaskState.COMPLETE}:
        return TaskState.COMPLETE
    return TaskState.CANCELED if set(counted) == {TaskState.CANCELED} else TaskState.EXECUTOR_ERROR


def status(catalogue: Catalogue, batch: Record) -> dict[str, Any]:
    """Return what of a batch changes while it runs: state, phase, numbers and the time that it will still take."""
    document = batch.document
    counted = counts(catalogue, batch.id)
    state = state_of(document, counted)
    left = None if state.is_final else _estimate(catalogue, batch, counted)
    found: dict[str, Any] = {
        "state": state.value,
        "phase": document["phase"],
        "size": document["size"],
        "looked_at": document["position"],
        "planned": document["planned"],
        "total": document["planned"],
        "complete": counted.get(TaskState.COMPLETE, 0),
        "counts": {each.value: number for each, number in counted.items()},
        "refused_count": document["refused_count"],
        "reused_count": document["reused_count"],
        "held_back": document["held_back"],
        "time_left": left.to_json() if left else None,
    }
    return {**found, "summary": summary(found)}


def _estimate(catalogue: Catalogue, batch: Record, counted: Mapping[TaskState, int]) -> Estimate | None:
    """Return how long a batch will still take; None while too little is known."""
    durations = catalogue.paces.of(batch.id)
    if not durations:
        for state in (TaskState.COMPLETE, TaskState.EXECUTOR_ERROR):
            page = catalogue.repository.list_records("Task", part_of=state_node(batch.id, state), limit=SAMPLE)
            durations += [took for task in page.items if (took := duration_of(task.document)) is not None]
    running = counted.get(TaskState.RUNNING, 0) + counted.get(TaskState.INITIALIZING, 0)
    page = catalogue.repository.list_records("Task", part_of=state_node(batch.id, TaskState.RUNNING), limit=SAMPLE)
    now = datetime.now(UTC)
    begun = [task.document.get("start_time") for task in page.items]
    ages = [(now - datetime.fromisoformat(time)).total_seconds() for time in begun if time]
    unplanned = batch.document["size"] - batch.document["position"]
    planning = Planning(
        items=unplanned if batch.document["phase"] == Phase.PLANNING else 0,
        paces=catalogue.paces.of_planning(batch.id),
    )
    waiting = counted.get(TaskState.QUEUED, 0) + planning.items
    return time_left(durations, waiting=waiting, ages=ages, parallel=running, planning=planning)


def body(catalogue: Catalogue, principal: Principal, batch: Record) -> dict[str, Any]:
    """Return a batch as it goes over the wire, with its first items."""
    shown = record_body(batch, principal)
    for name in _INTERNAL:
        shown.pop(name, None)
    page = catalogue.repository.list_records("Task", part_of=batch.id, limit=SHOWN)
    tasks = [task for task in page.items if principal.may(Permission.READ, task)]
    refused = refusals(catalogue, batch, limit=1)
    return {
        **shown,
        **status(catalogue, batch),
        "items": [item_body(task) for task in tasks],
        "next": page.next,
        "refused": refused["items"][:SHOWN],
        "inputs": [],
        "outputs": [output for task in tasks for output in task.document["outputs"]],
        "exit_code": None,
    }


def item_body(task: Record) -> dict[str, Any]:
    """Return what a listing of a batch shows of one of its tasks."""
    document = task.document
    return {
        "id": task.id,
        "type": "Task",
        "item": document.get("item"),
        "state": document["state"],
        "label": document["label"],
        "participant": document.get("participant"),
        "attempt": document["attempt"],
        "reason": document.get("detail") or document.get("reason"),
        "outputs": len(document["outputs"]),
        "reused": document.get("reused"),
        "start_time": document.get("start_time"),
        "end_time": document.get("end_time"),
    }


def items(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    *,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = SHOWN,
) -> dict[str, Any]:
    """Return one page of a batch's items in the order of the cohort, all or those in one state.

    Args:
        catalogue: The catalogue.
        principal: Who asks.
        reference: The batch.
        state: A state of TES, or ``REFUSED`` for those that never became tasks.
        cursor: The ``next`` of the page before.
        limit: At most so many; refused items come in the pieces in which they were planned.

    Raises:
        InvalidRequestError: There is no such state.
    """
    batch = records.find(catalogue, principal, reference, types=BATCH)
    if state == REFUSED:
        return refusals(catalogue, batch, cursor=cursor, limit=1)
    node = batch.id if state is None else state_node(batch.id, checked_state(state))
    page = catalogue.repository.list_records("Task", part_of=node, cursor=cursor, limit=limit)
    seen = [task for task in page.items if principal.may(Permission.READ, task)]
    return page_body(Page(seen, page.total - (len(page.items) - len(seen)), page.next), item_body)


def checked_state(state: str) -> TaskState:
    """Return a state by its name.

    Raises:
        InvalidRequestError: There is no such state.
    """
    if state not in STATES:
        raise InvalidRequestError(
            f"{state!r} is not a task state", field="state", next_step=f"One of: {', '.join(STATES)}."
        )
    return TaskState(state)


def refusals(catalogue: Catalogue, batch: Record, *, cursor: str | None = None, limit: int = 1) -> dict[str, Any]:
    """Return items of a batch that could not become tasks, each with its reason, piece by piece."""
    if not batch.document["refused_count"]:
        return {"items": [], "total": 0, "next": None}
    page = catalogue.repository.list_records(REFUSALS, part_of=batch.id, cursor=cursor, limit=limit)
    found = [{**item, "state": REFUSED} for record in page.items for item in record.document["refused"]]
    return {"items": found, "total": batch.document["refused_count"], "next": page.next}


def cancel(catalogue: Catalogue, principal: Principal, batch: Record) -> None:
    """Ask for the end of a batch: nothing more of it is planned or handed over, and what runs is stopped.

    Raises:
        ConflictError: It has ended.
    """

    def asked(now: Record) -> dict[str, Any]:
        if now.document["phase"] == Phase.ENDED:
            raise ConflictError("The batch has ended.", field="id")
        return {"canceling": True, "retry_before": None}

    change_batch(catalogue, batch.id, asked, action="task.cancel-batch", principal=principal.agent)


def retry(catalogue: Catalogue, principal: Principal, batch: Record) -> None:
    """Ask for new attempts of everything in a batch that ended in an error before now.

    Raises:
        ConflictError: Nothing in it did.
    """
    counted = counts(catalogue, batch.id)
    if not any(counted.get(state) for state in RETRYABLE):
        raise ConflictError(
            "Nothing in this batch ended in an error.",
            field="id",
            next_step="A cancelled batch is submitted again; --reuse takes over what is done.",
        )
    until = catalogue.repository.sequence

    change_batch(
        catalogue,
        batch.id,
        lambda now: {**reopened(now), "retry_before": until},
        action="task.retry-batch",
        principal=principal.agent,
    )


def reopened(batch: Record) -> dict[str, Any]:
    """Return the members of a batch that has something to do again; what was never planned stays so."""
    planning = batch.document["phase"] == Phase.PLANNING and not batch.document["canceling"]
    phase = Phase.PLANNING if planning else Phase.RUNNING
    return {"phase": phase.value, "canceling": False, "end_time": None}
