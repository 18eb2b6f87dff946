"""Tasks over HTTP: submit, look, follow live, cancel, retry."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.dependencies import Caller, Cursor, Limit, Open, record_answer
from api.live import Live, Place
from api.operations import batch_items, records, run_plans, tasks
from api.operations.batch_items import Wanted
from api.operations.submissions import Request as RunRequest
from api.schemas import Listing, RecordAnswer, RunPipeline, RunPlan

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])
LOOK_S = 0.25
"""What this process records wakes those who wait; what other processes record is looked at so often."""

Stream = Annotated[str, Query(pattern="^(stdout|stderr)$")]
Wait = Annotated[float, Query(ge=0, le=60, description="Wait at most so many seconds for it to end.")]
State = Annotated[str | None, Query(description="Only those in this state, by its TES name.")]
ItemState = Annotated[str | None, Query(description="As above, or `REFUSED`: those that could not become tasks.")]
Verdict = Annotated[str | None, Query(description="Only those of this leakage: `clean`, `unknown` or `shared`.")]
Related = Annotated[
    str | None, Query(description="Only those whose people have this relation to a training, as the closest.")
]
Reason = Annotated[str | None, Query(description="Only those that ended for this reason, or with this field at fault.")]
After = Annotated[str | None, Query(description="Id of the last event that was seen; the header comes first.")]


@router.post("", status_code=202, response_model=RecordAnswer)
def submit(body: RunPipeline, catalogue: Open, principal: Caller) -> Any:
    """Submit a pipeline; answers before it has run. Follow it at `/tasks/{id}/events`."""
    return tasks.submit_request(catalogue, principal, RunRequest(**body.model_dump()))


@router.post("/plan", response_model=RunPlan)
def plan(body: RunPipeline, catalogue: Open, principal: Caller) -> Any:
    """Say what a submission would do, and start nothing: how many tasks, on whom not and why, leakage, certificate."""
    return run_plans.plan_run(catalogue, principal, RunRequest(**body.model_dump()))


@router.get("", response_model=Listing)
def list_tasks(
    catalogue: Open,
    principal: Caller,
    state: State = None,
    pipeline: Annotated[str | None, Query(description="Name (its newest version), `name@version` or id.")] = None,
    batch: Annotated[str | None, Query(description="Only tasks of this batch.")] = None,
    type: Literal["Task", "TaskBatch"] = "Task",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """List tasks, or batches, oldest first."""
    return tasks.listing(
        catalogue,
        principal,
        state=state,
        pipeline=pipeline,
        batch=batch,
        batches_only=type == "TaskBatch",
        cursor=cursor,
        limit=limit,
    )


@router.get("/{id}", response_model=RecordAnswer)
async def show(id: str, catalogue: Open, principal: Caller, request: Request, wait: Wait = 0.0) -> Response:
    """Show a task or a batch; with `wait`, answer when it has ended or so many seconds are over."""
    if wait:
        await _ended(catalogue, principal, id, request, until=time.monotonic() + wait)
    return record_answer(await run_in_threadpool(tasks.show, catalogue, principal, id))


@router.get("/{id}/items", response_model=Listing)
def items(
    id: str,
    catalogue: Open,
    principal: Caller,
    state: ItemState = None,
    leakage: Verdict = None,
    relation: Related = None,
    reason: Reason = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """List the items of a batch in the order of its cohort, all or those that fulfil what is asked for."""
    wanted = Wanted(state=state, leakage=leakage, relation=relation, reason=reason)
    return batch_items.items(catalogue, principal, id, wanted, cursor=cursor, limit=limit)


@router.post("/{id}/cancel", response_model=RecordAnswer)
def cancel(id: str, catalogue: Open, principal: Caller) -> Any:
    """Cancel a task; or a batch, whose tasks are stopped after the answer."""
    return tasks.cancel(catalogue, principal, id)


@router.post("/{id}/retry", status_code=202, response_model=RecordAnswer)
def retry(id: str, catalogue: Open, principal: Caller) -> Any:
    """Run what failed again, as a new attempt: a task, or all of a batch that ended in an error."""
    return tasks.retry(catalogue, principal, id)


@router.get("/{id}/logs", response_class=StreamingResponse)
def logs(
    id: str,
    catalogue: Open,
    principal: Caller,
    request: Request,
    stream: Stream = "stdout",
    follow: bool = False,
) -> StreamingResponse:
    """Return what a task has printed; with `follow`, go on until it ends."""
    tasks.note_logs(catalogue, principal, id)
    chunks = _log_chunks(catalogue, principal, id, stream, follow=follow, request=request)
    return StreamingResponse(chunks, media_type="text/plain; charset=utf-8")


@router.get("/{id}/events", response_class=StreamingResponse)
async def events(
    id: str,
    catalogue: Open,
    principal: Caller,
    request: Request,
    logs: bool = True,
    after: After = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Follow a task or batch live by server-sent events.

    `state` on every change (of a batch: counts and the time left), `usage` at most once a second, `log` with whole
    lines, `end` at the end. After a break it goes on from `Last-Event-ID`. Logs are for who may read the data.
    """
    place = Place.parse(last_event_id or after)
    record = await run_in_threadpool(records.find, catalogue, principal, id, types=tasks.TASKS)
    readable = logs and record.type == "Task" and principal.may(Permission.READ_DATA, record)
    if readable:
        await run_in_threadpool(tasks.note_logs, catalogue, principal, record.id)
    return StreamingResponse(
        _live_of(request, catalogue).events(record, place, logs=readable),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _live_of(request: Request, catalogue: Catalogue) -> Live:
    live: Live | None = getattr(request.app.state, "live", None)
    if live is None:
        live = request.app.state.live = Live(catalogue)
    return live


async def _log_chunks(
    catalogue: Catalogue, principal: Principal, id: str, stream: str, *, follow: bool, request: Request
) -> AsyncIterator[bytes]:
    offset, ended = 0, not follow
    while True:
        # The state is read before the log: what was printed before the end is then sure to be seen.
        ended = ended or await _ended(catalogue, principal, id, request, until=time.monotonic() + LOOK_S)
        while chunk := await run_in_threadpool(tasks.logs, catalogue, principal, id, stream, offset):
            offset += len(chunk)
            yield chunk
        if ended:
            return


async def _ended(catalogue: Catalogue, principal: Principal, reference: str, request: Request, *, until: float) -> bool:
    """Wait until a task or batch has ended, or the time is over, or nobody waits any more; tell whether it has."""
    record = await run_in_threadpool(records.find, catalogue, principal, reference, types=tasks.TASKS)
    with catalogue.task_news.listening(record.id) as news:
        while not (ended := (await run_in_threadpool(tasks.state_now, catalogue, record.id)).is_final):
            left = until - time.monotonic()
            if left <= 0 or await request.is_disconnected():
                break
            await news.wait(min(left, LOOK_S))
            if record.type == "TaskBatch":
                # Its tasks may end many times a second, and each end would be news.
                await asyncio.sleep(min(LOOK_S, max(0.0, until - time.monotonic())))
    return ended
