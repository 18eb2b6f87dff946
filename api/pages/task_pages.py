"""Pages of tasks and batches: lists with filters, how a task went, and a batch item by item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.dependencies import Caller, Open
from api.operations import batch_items, batches, records, tasks
from api.operations.batch_items import Wanted
from api.operations.leakage_sums import nodes_of
from api.pages.rendering import can_read_data, may_change, names_of, page, pictures_of
from api.pages.resting import certificate_of
from api.pages.rule_pages import rule_of
from catalog.model import Record
from executors.runner import STREAMS
from executors.states import TaskState
from ontology.errors import NotFoundError

router = APIRouter()
LOG_TAIL = 20_000
CELLS = 500
"""Items of a batch on one page."""
LETTERS = {
    "QUEUED": "q",
    "INITIALIZING": "i",
    "RUNNING": "r",
    "PAUSED": "p",
    "COMPLETE": "\N{CHECK MARK}",
    "EXECUTOR_ERROR": "!",
    "SYSTEM_ERROR": "S",
    "CANCELED": "c",
    "CANCELING": "c",
    "PREEMPTED": "v",
    "REFUSED": "\N{MULTIPLICATION SIGN}",
}
"""What stands in a cell beside its colour."""
_STEPS = {
    "submit": "Queued",
    "retry": "Queued again",
    "initialize": "Initialising",
    "start": "Running",
    "complete": "Complete",
    "fail": "Failed",
    "abort": "Ended by an error of the system",
    "cancel": "Asked to stop",
    "stop": "Cancelled",
    "preempt": "Preempted",
    "reuse": "Complete: the outputs of identical work were taken over",
}


@router.get("/tasks")
def list_tasks(
    request: Request,
    catalogue: Open,
    principal: Caller,
    state: str = "",
    pipeline: str = "",
    kind: str = "",
    cursor: str | None = None,
) -> Response:
    """List tasks, by state and pipeline, or batches."""
    only_batches = kind == "batches"
    missing = ""
    try:
        found = tasks.listing(
            catalogue,
            principal,
            state=None if only_batches else state or None,
            pipeline=None if only_batches else pipeline or None,
            batches_only=only_batches,
            cursor=cursor,
        )
    except NotFoundError as error:
        found, missing = {"items": [], "total": 0, "next": None}, error.detail
    return page(
        request,
        "tasks.html",
        principal,
        page=found,
        missing=missing,
        states=batches.STATES,
        asked={"state": state, "pipeline": pipeline, "kind": kind},
    )


class Filters(BaseModel):
    """Which items of a batch are shown."""

    state: str | None = None
    leakage: str | None = None
    relation: str | None = None
    reason: str | None = None
    cursor: str | None = None


@router.get("/tasks/{id}")
def show_task(
    request: Request,
    id: str,
    catalogue: Open,
    principal: Caller,
    filters: Annotated[Filters, Query()],
) -> Response:
    """Show a task or a batch; an unfinished one follows itself live."""
    body = tasks.show(catalogue, principal, id)
    record = records.find(catalogue, principal, body["id"])
    common: dict[str, Any] = {
        "r": body,
        "final": TaskState(body["state"]).is_final,
        "may_run": principal.may(Permission.RUN, record) and may_change(principal, record.document["principal"]),
        "may_again": principal.datasets(Permission.RUN) != frozenset() and not body.get("certification"),
        "certificate": certificate_of(catalogue, body),
        "rule": rule_of(catalogue, body.get("cohort")),
        "names": names_of(catalogue, [body.get("cohort"), body.get("participant"), body.get("batch"), *_on_ways(body)]),
    }
    if record.type == "TaskBatch":
        asked = {name: value for name, value in filters if value and name != "cursor"}
        items = batch_items.items(catalogue, principal, record.id, Wanted(**asked), cursor=filters.cursor, limit=CELLS)
        return page(
            request,
            "batch.html",
            principal,
            **common,
            page=items,
            letters=LETTERS,
            state=filters.state or "",
            asked=", ".join(asked.values()),
            query=urlencode(asked),
            cursor=filters.cursor,
        )
    readable = can_read_data(principal, record)
    return page(
        request,
        "task.html",
        principal,
        **common,
        **_printed(catalogue, principal, record, readable=readable),
        readable=readable,
        timeline=_timeline(catalogue, body),
        pictures=pictures_of(body["outputs"]) if readable else [],
    )


def _on_ways(body: Mapping[str, Any]) -> list[str | None]:
    """Return the records that the leakage of a batch names."""
    found = body.get("leakage") if body["type"] == "TaskBatch" else None
    return nodes_of(found) if found else []


def _printed(catalogue: Catalogue, principal: Principal, record: Record, *, readable: bool) -> dict[str, Any]:
    """Return the ends of a task's logs, and the place behind them, from where its page goes on live."""
    if not readable:
        return {"logs": {}, "place": ""}
    logs, ends = {}, []
    tasks.note_logs(catalogue, principal, record.id)
    for stream in STREAMS:
        text = tasks.logs(catalogue, principal, record.id, stream)
        logs[stream] = text[-LOG_TAIL:].decode(errors="replace")
        ends.append(str(len(text)))
    return {"logs": logs, "place": ":".join([str(record.document["attempt"]), *ends])}


def _timeline(catalogue: Catalogue, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of a task with their times, as the ledger has them."""
    entries = catalogue.repository.entries(subject=body["id"], limit=1000).items
    steps = [
        {"time": entry.time, "text": _STEPS[verb]}
        for entry in entries
        if (verb := entry.action.removeprefix("task.")) in _STEPS and entry.version is not None
    ]
    ended = (body.get("record") or {}).get("ended")
    if ended and body["state"] == TaskState.COMPLETE:
        steps.append({"time": ended, "text": "Saving its outputs"})
    return sorted(steps, key=lambda step: step["time"])


@router.post("/tasks/{id}/cancel")
def cancel(id: str, catalogue: Open, principal: Caller) -> Response:
    """Cancel and show the task."""
    return RedirectResponse(f"/tasks/{tasks.cancel(catalogue, principal, id)['id']}", 303)


@router.post("/tasks/{id}/retry")
def retry(id: str, catalogue: Open, principal: Caller) -> Response:
    """Run again and show the task."""
    return RedirectResponse(f"/tasks/{tasks.retry(catalogue, principal, id)['id']}", 303)
