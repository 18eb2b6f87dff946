"""Cohort queries and frozen cohorts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.dependencies import Caller, Cursor, Limit, Open, json_answer, record_answer
from api.operations import cohorts, records
from api.schemas import (
    CohortAnswer,
    CohortQuery,
    FreezeCohort,
    Listing,
    RecordAnswer,
    Suggestions,
    WhyNotAnswer,
    WhyNotQuery,
)

router = APIRouter(prefix="/api/v1/cohorts", tags=["cohorts"])

At = Annotated[int | None, Query(ge=0, description="Place in `q`, in characters; unset: its end.")]


@router.post("/query", response_model=CohortAnswer)
def find(body: CohortQuery, catalogue: Open, principal: Caller) -> Response:
    """Find participants by a CQL2 query; see `docs/reference/query-language.md`."""
    found = cohorts.find(
        catalogue,
        principal,
        body.query,
        facets=body.facets,
        histograms=body.histograms,
        trees=body.trees,
        explain=body.explain,
        cursor=body.cursor,
        limit=body.limit,
    )
    return json_answer(found)


@router.post("/why-not", response_model=WhyNotAnswer)
def why_not(body: WhyNotQuery, catalogue: Open, principal: Caller) -> Response:
    """Say what each condition of a query takes away, and which of them a participant does not meet."""
    return json_answer(cohorts.why_not(catalogue, principal, body.query, participant=body.participant))


@router.get("/suggest", response_model=Suggestions)
def suggest(catalogue: Open, principal: Caller, q: str = "", at: At = None) -> Response:
    """Say what may stand at a place of a query that somebody types; values that one participant alone has are not."""
    return json_answer(cohorts.suggest(catalogue, principal, q, at))


@router.get("/properties")
def properties(catalogue: Open, principal: Caller) -> dict[str, Any]:
    """List the properties that a query may name."""
    return cohorts.properties(catalogue, principal)


@router.post("", status_code=201, response_model=RecordAnswer)
def freeze(body: FreezeCohort, catalogue: Open, principal: Caller, response: Response) -> Any:
    """Freeze the present answer to a query."""
    cohort = cohorts.freeze(catalogue, principal, body.query, label=body.label)
    response.headers["Location"] = f"/api/v1/cohorts/{cohort['id']}"
    return cohort


@router.get("", response_model=Listing)
def list_cohorts(catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List the frozen cohorts."""
    return records.listing(catalogue, principal, "Cohort", cursor=cursor, limit=limit)


@router.get("/{id}", response_model=RecordAnswer)
def show(id: str, catalogue: Open, principal: Caller) -> Response:
    """Show a frozen cohort with its members."""
    return record_answer(cohorts.show(catalogue, principal, id))


@router.get("/{id}/diff")
def diff(id: str, catalogue: Open, principal: Caller) -> dict[str, Any]:
    """Say exactly what has changed since a cohort was frozen."""
    return cohorts.diff(catalogue, principal, id)
