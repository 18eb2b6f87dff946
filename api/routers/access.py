"""Principals, tokens and grants."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.dependencies import Caller, Cursor, Limit, Open
from api.operations import access, records
from api.schemas import GrantRole, Listing, NewPrincipal, RecordAnswer

router = APIRouter(prefix="/api/v1", tags=["access"])


@router.post("/principals", status_code=201)
def create(body: NewPrincipal, catalogue: Open, principal: Caller) -> dict[str, Any]:
    """Make an agent with a token; the token is shown this once."""
    return access.create_token(
        catalogue,
        principal,
        name=body.name,
        role=body.role,
        dataset=body.dataset,
        minimum=body.minimum,
        days=body.days,
    )


@router.get("/principals", response_model=Listing)
def list_principals(catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List the agents that the catalogue knows."""
    return records.listing(catalogue, principal, "Agent", cursor=cursor, limit=limit)


@router.get("/tokens", response_model=Listing)
def list_tokens(catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List tokens, without their secrets."""
    return records.listing(catalogue, principal, "Token", cursor=cursor, limit=limit)


@router.delete("/tokens/{id}", response_model=RecordAnswer)
def revoke(id: str, catalogue: Open, principal: Caller) -> Any:
    """Revoke a token."""
    return access.revoke_token(catalogue, principal, id)


@router.post("/grants", status_code=201, response_model=RecordAnswer)
def grant(body: GrantRole, catalogue: Open, principal: Caller) -> Any:
    """Give an agent a role on a dataset or on the whole catalogue."""
    return access.grant(
        catalogue, principal, agent=body.agent, role=body.role, dataset=body.dataset, minimum=body.minimum
    )


@router.get("/grants", response_model=Listing)
def list_grants(catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List who holds which role where."""
    return records.listing(catalogue, principal, "Grant", cursor=cursor, limit=limit)


@router.delete("/grants", status_code=204)
def withdraw(body: GrantRole, catalogue: Open, principal: Caller) -> None:
    """Take a role back."""
    access.withdraw_grant(catalogue, principal, agent=body.agent, role=body.role, dataset=body.dataset)
