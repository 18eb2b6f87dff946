"""DOIs over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.dependencies import Caller, Cursor, Limit, Open
from api.operations import identifiers, records
from api.schemas import Body, Listing, RecordAnswer, Reserve

router = APIRouter(prefix="/api/v1/identifiers", tags=["identifiers"])


class Hide(Body):
    """Why a DOI is taken out of the index."""

    reason: str | None = None


@router.post("", status_code=201, response_model=RecordAnswer)
def reserve(body: Reserve, catalogue: Open, principal: Caller) -> Any:
    """Reserve a DOI (draft); asked again for the same record, the same DOI is answered."""
    return identifiers.reserve(catalogue, principal, body.subject)


@router.get("", response_model=Listing)
def list_identifiers(catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List the DOIs of this catalogue."""
    return records.listing(catalogue, principal, "Identifier", cursor=cursor, limit=limit)


@router.post("/{id:path}/publish", response_model=RecordAnswer)
def mint(id: str, catalogue: Open, principal: Caller) -> Any:
    """Make a reserved DOI findable."""
    return identifiers.mint(catalogue, principal, _reference(id))


@router.post("/{id:path}/hide", response_model=RecordAnswer)
def hide(id: str, body: Hide, catalogue: Open, principal: Caller) -> Any:
    """Take a DOI out of the index."""
    return identifiers.hide(catalogue, principal, _reference(id), reason=body.reason)


def _reference(id: str) -> str:
    return f"doi:{id.lower()}" if id.startswith("10.") else id
