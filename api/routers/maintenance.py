"""Status, checks, rebuilding views, backup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api.access import Permission
from api.archive import archive, require_backup
from api.dependencies import Caller, Open
from api.operations import maintenance

router = APIRouter(prefix="/api/v1", tags=["maintenance"])
CHUNK = 1 << 20


@router.get("/status")
def status(catalogue: Open, principal: Caller) -> dict[str, Any]:
    """Say what the catalogue holds and how far its views have come."""
    return maintenance.status(catalogue, principal)


@router.post("/check")
def check(
    catalogue: Open, principal: Caller, data: Annotated[bool, Query(description="Also hash the data.")] = True
) -> dict[str, Any]:
    """Verify every invariant and every checksum."""
    return maintenance.check(catalogue, principal, data=data)


@router.post("/reindex")
def reindex(
    catalogue: Open,
    principal: Caller,
    check: Annotated[bool, Query(description="Rebuild nothing: compare the index with one built now.")] = False,
) -> dict[str, Any]:
    """Rebuild the search index from the ledger; questions are answered from the old one meanwhile."""
    return maintenance.reindex(catalogue, principal, check_only=check)


@router.get("/backup", response_class=StreamingResponse)
def backup(catalogue: Open, principal: Caller) -> StreamingResponse:
    """Download a consistent copy of the catalogue, made while it is in use."""
    principal.require(Permission.MAINTAIN)
    require_backup(catalogue)  # before the answer has begun

    def chunks() -> Iterator[bytes]:
        with archive(catalogue) as path, path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    return StreamingResponse(chunks(), media_type="application/x-tar")
