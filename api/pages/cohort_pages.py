"""Pages of cohorts: frozen answers, what has changed since, and what ran over them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.dependencies import Caller, Open
from api.operations import cohorts, records
from api.pages.rendering import identifier_of, page, titles_of
from ontology.namespaces import INFLUENCED_BY

router = APIRouter()


@router.post("/cohorts/freeze")
def freeze(
    catalogue: Open, principal: Caller, q: Annotated[str, Form()] = "", label: Annotated[str, Form()] = ""
) -> Response:
    """Freeze the query that the form holds, under a name."""
    cohort = cohorts.freeze(catalogue, principal, q.strip() or "TRUE", label=label.strip()[:500] or None)
    return RedirectResponse(f"/cohorts/{cohort['id']}", 303)


@router.get("/cohorts")
def list_cohorts(request: Request, catalogue: Open, principal: Caller, cursor: str | None = None) -> Response:
    """List the frozen cohorts."""
    found = records.listing(catalogue, principal, "Cohort", cursor=cursor)
    return page(request, "cohorts.html", principal, page=found)


@router.get("/cohorts/{id}")
def show_cohort(request: Request, id: str, catalogue: Open, principal: Caller) -> Response:
    """Show a cohort, what has changed since, and what ran over it."""
    cohort = cohorts.show(catalogue, principal, id)
    changes = cohorts.diff(catalogue, principal, id)
    members = catalogue.repository.get_many([member["participant"] for member in cohort["members"]])
    labels = {iri: record.document.get("label") for iri, record in members.items()}
    runs = catalogue.repository.edges_to([cohort["id"]], [INFLUENCED_BY])
    tasks = catalogue.repository.get_many([edge.source for edge in runs])
    return page(
        request,
        "cohort.html",
        principal,
        r=cohort,
        changes=changes,
        labels=labels,
        members=sorted(cohort["members"], key=lambda m: (m["dataset"], str(labels.get(m["participant"])))),
        titles=titles_of(catalogue, cohort["datasets"]),
        identifier=identifier_of(catalogue, cohort["id"]),
        tasks=[{"id": iri, **task.document} for iri, task in tasks.items()],
    )
