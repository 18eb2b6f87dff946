"""Pages of work and its trail: tasks, rules, lineage, audit."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.dependencies import Caller, Open
from api.operations import audit, lineage, records
from api.pages import rule_add_pages, rule_pages, task_pages
from api.pages.rendering import names_of, page
from api.pages.resting import of_tasks
from api.wire import record_body
from provenance.lineage import layout, to_svg

router = APIRouter()
LISTED = 500
"""Records of a lineage that its table has."""
router.include_router(task_pages.router)
router.include_router(rule_pages.router)
router.include_router(rule_add_pages.router)


@router.get("/lineage/{id:path}")
def draw(request: Request, id: str, catalogue: Open, principal: Caller, direction: str = "up") -> Response:
    """Draw the lineage of a record or file."""
    subject = records.find(catalogue, principal, id)
    found = lineage.readable(catalogue, principal, subject.id, direction=direction, limit=10_000)
    edges = [(edge.source, edge.predicate, edge.target) for edge in found.edges]
    laid_out = layout(found.nodes, edges, focus=[subject.id])
    shown = sorted(found.nodes, key=lambda node: (node.depth, node.type, node.label))
    held = of_tasks(catalogue, principal, [node.id for node in shown[:LISTED] if node.type == "Task"])
    svg = to_svg(laid_out, link=lambda node: f"/id/{node.id}", title="Lineage")
    return page(
        request,
        "lineage.html",
        principal,
        r=record_body(subject, principal),
        direction=direction,
        nodes=shown,
        listed=LISTED,
        certificates=held,
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
