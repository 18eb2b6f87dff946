"""Pages of work and its trail: tasks, lineage, audit."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.access import Permission
from api.dependencies import Caller, Open
from api.operations import audit, lineage, records, tasks
from api.pages.rendering import can_read_data, names_of, page, pictures_of
from api.wire import record_body
from executors.states import TaskState
from provenance.lineage import layout, to_svg

router = APIRouter()
LOG_TAIL = 20_000


@router.get("/tasks")
def list_tasks(request: Request, catalogue: Open, principal: Caller, cursor: str | None = None) -> Response:
    """List tasks."""
    return page(request, "tasks.html", principal, page=tasks.listing(catalogue, principal, cursor=cursor))


@router.get("/tasks/{id}")
def show_task(request: Request, id: str, catalogue: Open, principal: Caller) -> Response:
    """Show a task or a batch; an unfinished one follows itself live."""
    body = tasks.show(catalogue, principal, id)
    record = records.find(catalogue, principal, body["id"])
    readable = can_read_data(principal, record)
    logs = {}
    if record.type == "Task" and readable:
        for stream in ("stdout", "stderr"):
            text = tasks.logs(catalogue, principal, record.id, stream)
            logs[stream] = text[-LOG_TAIL:].decode(errors="replace")
    return page(
        request,
        "task.html",
        principal,
        r=body,
        final=TaskState(body["state"]).is_final,
        logs=logs,
        readable=readable,
        pictures=pictures_of(body["outputs"]) if readable and record.type == "Task" else [],
        may_run=principal.may(Permission.RUN, record),
        names=names_of(catalogue, [body.get("cohort"), body.get("participant")]),
    )


@router.post("/tasks/{id}/cancel")
def cancel(id: str, catalogue: Open, principal: Caller) -> Response:
    """Cancel and show the task."""
    return RedirectResponse(f"/tasks/{tasks.cancel(catalogue, principal, id)['id']}", 303)


@router.post("/tasks/{id}/retry")
def retry(id: str, catalogue: Open, principal: Caller) -> Response:
    """Run again and show the task."""
    return RedirectResponse(f"/tasks/{tasks.retry(catalogue, principal, id)['id']}", 303)


@router.get("/lineage/{id:path}")
def draw(request: Request, id: str, catalogue: Open, principal: Caller, direction: str = "up") -> Response:
    """Draw the lineage of a record or file."""
    subject = records.find(catalogue, principal, id)
    found = lineage.readable(catalogue, principal, subject.id, direction=direction, limit=10_000)
    edges = [(edge.source, edge.predicate, edge.target) for edge in found.edges]
    laid_out = layout(found.nodes, edges, focus=[subject.id])
    svg = to_svg(laid_out, link=lambda node: f"/id/{node.id}", title="Lineage")
    return page(
        request,
        "lineage.html",
        principal,
        r=record_body(subject, principal),
        direction=direction,
        nodes=sorted(found.nodes, key=lambda node: (node.depth, node.type, node.label)),
        edge_count=len(found.edges),
        truncated=found.truncated,
        collapsed=len(laid_out.nodes) < len(found.nodes),
        svg=svg,
    )


@router.get("/audit")
def show_audit(
    request: Request,
    catalogue: Open,
    principal: Caller,
    action: str = "",
    subject: str = "",
    before: int | None = None,
) -> Response:
    """Show the newest entries of the ledger, and a signed checkpoint."""
    end = catalogue.repository.sequence + 1 if before is None else before
    filtered = bool(action or subject)
    found = audit.entries(
        catalogue,
        principal,
        after=-1 if filtered else max(-1, end - 101),
        limit=1000 if filtered else 100,
        action=action or None,
        subject=subject or None,
    )
    items = [entry for entry in found["items"] if entry["sequence"] < end][::-1]
    older = items[-1]["sequence"] if items and items[-1]["sequence"] > 0 and not filtered else None
    return page(
        request,
        "audit.html",
        principal,
        page={**found, "items": items},
        names=names_of(catalogue, {entry["principal"] for entry in items}),
        newest=True,
        older=older,
        action=action,
        subject=subject,
        checkpoint=audit.checkpoint(catalogue, principal),
    )
