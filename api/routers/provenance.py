"""Lineage, PROV, evidence packs and audit."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Header, Query, Response

from api.dependencies import Caller, Limit, Open
from api.media import prov_format
from api.operations import audit, evidence, lineage, run_exports

router = APIRouter(prefix="/api/v1", tags=["provenance"])
Depth = Annotated[int | None, Query(ge=0, description="At most so many steps; unset: all.")]


@router.get("/lineage/{id}")
def trace(
    id: str,
    catalogue: Open,
    principal: Caller,
    direction: Annotated[str, Query(pattern="^(up|down)$")] = "up",
    depth: Depth = None,
    limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
) -> dict[str, Any]:
    """Trace a record or file: `up` to what it rests on, `down` to what rests on it."""
    return lineage.trace(catalogue, principal, id, direction=direction, depth=depth, limit=limit)


@router.get("/prov/{id}")
def export(
    id: str,
    catalogue: Open,
    principal: Caller,
    format: Annotated[
        str | None,
        Query(
            description="json, n, turtle, trig, jsonld, xml, ro-crate, ro-crate-metadata, bids-prov; unset: by `Accept`"
        ),
    ] = None,
    accept: Annotated[str, Header()] = "*/*",
    cursor: Annotated[str | None, Query(description="Of a batch: the page that `Link` named as the next.")] = None,
    limit: Annotated[int | None, Query(ge=1, le=1000, description="Of a batch: tasks on a page; unset: 1000.")] = None,
) -> Response:
    """Export the full upstream provenance of a record: as W3C PROV, Workflow Run RO-Crate or BIDS-Prov.

    That of a batch has pages, each a document by itself; the header `Link` leads to the next (RFC 8288, `rel="next"`).
    """
    name, media_type = prov_format(format, accept)
    found = run_exports.export(catalogue, principal, id, format=name, cursor=cursor, limit=limit)
    headers = {"Content-Disposition": f'attachment; filename="{found.file_name}"'} if found.file_name else {}
    if found.next is not None:
        following = {"format": name, "cursor": found.next, **({"limit": limit} if limit else {})}
        headers["Link"] = f'</api/v1/prov/{quote(id, safe=":")}?{urlencode(following)}>; rel="next"'
    return Response(found.content, media_type=media_type, headers=headers)


@router.get("/evidence/{id}", response_class=Response)
def pack(id: str, catalogue: Open, principal: Caller) -> Response:
    """Download the evidence pack of a result: everything that an auditor needs, verifiable offline."""
    content, name = evidence.pack(catalogue, principal, id)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/zip", headers=headers)


@router.get("/audit/entries")
def entries(
    catalogue: Open,
    principal: Caller,
    after: Annotated[int | None, Query(ge=-1)] = None,
    cursor: Annotated[int | None, Query(ge=-1)] = None,
    limit: Limit = 100,
    subject: str | None = None,
    action: str | None = None,
    by: str | None = None,
) -> dict[str, Any]:
    """List ledger entries, oldest first."""
    start = next((value for value in (cursor, after) if value is not None), -1)
    return audit.entries(catalogue, principal, after=start, limit=limit, subject=subject, action=action, by=by)


@router.get("/audit/proof/{sequence}")
def proof(sequence: int, catalogue: Open, principal: Caller) -> dict[str, Any]:
    """Prove that an entry is in the ledger (RFC 9162 inclusion proof)."""
    return audit.proof(catalogue, principal, sequence)


@router.get("/audit/checkpoint")
def checkpoint(catalogue: Open, principal: Caller, since: Annotated[int | None, Query(ge=1)] = None) -> dict[str, Any]:
    """Sign the present state of the ledger; with `since`, prove that nothing before was changed."""
    return audit.checkpoint(catalogue, principal, since=since)
