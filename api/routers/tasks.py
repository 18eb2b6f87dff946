"""Tasks over HTTP: submit, look, follow live, cancel, retry."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.access import Principal
from api.catalogue import Catalogue
from api.dependencies import Caller, Cursor, Limit, Open, record_answer
from api.operations import tasks
from api.schemas import Listing, RecordAnswer, RunPipeline
from executors.states import TaskState

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])
LOOK_S = 0.25
"""What this process records wakes those who wait; batches, and what other processes record, are looked at so often."""

Stream = Annotated[str, Query(pattern="^(stdout|stderr)$")]
Wait = Annotated[float, Query(ge=0, le=60, description="Wait at most so many seconds for it to end.")]


@router.post("", status_code=202, response_model=RecordAnswer)
def submit(body: RunPipeline, catalogue: Open, principal: Caller) -> Any:
    """Submit a pipeline; answers before it has run. Follow it at `/tasks/{id}/events`."""
    return tasks.submit(
        catalogue,
        principal,
        pipeline=body.pipeline,
        cohort=body.cohort,
        inputs=body.inputs,
        select=body.select,
        choose=body.choose,
        parameters=body.parameters,
        runner=body.runner,
    )


@router.get("", response_model=Listing)
def list_tasks(
    catalogue: Open, principal: Caller, state: str | None = None, cursor: Cursor = None, limit: Limit = 100
) -> Any:
    """List tasks, oldest first."""
    return tasks.listing(catalogue, principal, state=state, cursor=cursor, limit=limit)


@router.get("/{id}", response_model=RecordAnswer)
async def show(id: str, catalogue: Open, principal: Caller, request: Request, wait: Wait = 0.0) -> Response:
    """Show a task or a batch; with `wait`, answer when it has ended or so many seconds are over."""
    if not wait:
        body = await run_in_threadpool(tasks.show, catalogue, principal, id)
    else:
        body = await _when_ended(catalogue, principal, id, request, until=time.monotonic() + wait)
    return record_answer(body)


@router.post("/{id}/cancel", response_model=RecordAnswer)
def cancel(id: str, catalogue: Open, principal: Caller) -> Any:
    """Cancel a task or a batch."""
    return tasks.cancel(catalogue, principal, id)


@router.post("/{id}/retry", status_code=202, response_model=RecordAnswer)
def retry(id: str, catalogue: Open, principal: Caller) -> Any:
    """Run what failed again, as a new attempt."""
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
    tasks.logs(catalogue, principal, id, stream)
    chunks = _log_chunks(catalogue, principal, id, stream, follow=follow, request=request)
    return StreamingResponse(chunks, media_type="text/plain; charset=utf-8")


@router.get("/{id}/events", response_class=StreamingResponse)
def events(id: str, catalogue: Open, principal: Caller, request: Request) -> StreamingResponse:
    """Follow a task or batch live (server-sent events): `state` on every change, `end` at the end."""
    tasks.show(catalogue, principal, id)
    return StreamingResponse(
        _state_events(catalogue, principal, id, request),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _log_chunks(
    catalogue: Catalogue, principal: Principal, id: str, stream: str, *, follow: bool, request: Request
) -> AsyncIterator[bytes]:
    offset = 0
    # The state is read before the log: what was printed before the end is then sure to be seen.
    async with aclosing(_looks(catalogue, principal, id, request)) as looks:
        async for _ in looks:
            while chunk := await run_in_threadpool(tasks.logs, catalogue, principal, id, stream, offset):
                offset += len(chunk)
                yield chunk
            if not follow:
                return


async def _state_events(catalogue: Catalogue, principal: Principal, id: str, request: Request) -> AsyncIterator[str]:
    last = None
    async for body in _looks(catalogue, principal, id, request):
        shown = {key: body.get(key) for key in ("id", "state", "complete", "total", "detail", "exit_code", "progress")}
        if "items" in body:
            shown["items"] = [{"id": item["id"], "state": item["state"]} for item in body["items"]]
        text = json.dumps(shown)
        if text != last:
            last = text
            yield f"event: state\ndata: {text}\n\n"
        if TaskState(body["state"]).is_final:
            yield f"event: end\ndata: {text}\n\n"


async def _when_ended(
    catalogue: Catalogue, principal: Principal, reference: str, request: Request, *, until: float
) -> dict[str, Any]:
    async with aclosing(_looks(catalogue, principal, reference, request)) as looks:
        async for body in looks:
            if time.monotonic() >= until:
                return body
    return body


async def _looks(
    catalogue: Catalogue, principal: Principal, reference: str, request: Request
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield what a task is now, and again when something may have become of it, until it has ended."""
    iri = await run_in_threadpool(catalogue.repository.resolve, reference)
    with catalogue.task_news.listening(iri) as news:
        while True:
            body = await run_in_threadpool(tasks.show, catalogue, principal, iri)
            yield body
            if TaskState(body["state"]).is_final or await request.is_disconnected():
                return
            await news.wait(LOOK_S)
