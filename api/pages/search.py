"""The search page and cohorts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.access import Permission
from api.dependencies import Caller, Open
from api.operations import cohorts, records
from api.pages.rendering import identifier_of, page, titles_of
from api.problems import body_of
from ontology.errors import InvalidRequestError, NotFoundError
from ontology.namespaces import INFLUENCED_BY

router = APIRouter()
FACETS = ("diagnosis", "sex", "dataset", "suffix", "magnetic_field_strength", "manufacturer", "handedness")
EXAMPLES = (
    (
        "demyelinating disease, 30-50, FLAIR at 3 T and T1w",
        "under(diagnosis, 'demyelinating disease') AND age BETWEEN 30 AND 50"
        " AND has(suffix = 'FLAIR' AND magnetic_field_strength >= 3) AND has(suffix = 'T1w')",
    ),
    ("women over 40", "sex = 'female' AND age > 40"),
    ("no diagnosis", "diagnosis IS NULL"),
    ("two T1w or more", "count(suffix = 'T1w') >= 2"),
)


@router.get("/")
def search(request: Request, catalogue: Open, principal: Caller, q: str = "", cursor: str | None = None) -> Response:
    """Ask a query; without one, everybody."""
    answer, problem = None, None
    try:
        answer = cohorts.find(
            catalogue, principal, q.strip() or "TRUE", facets=FACETS, explain=bool(q.strip()), cursor=cursor
        )
    except (InvalidRequestError, NotFoundError) as error:
        problem = body_of(error, instance="")
    titles = titles_of(catalogue, {hit["dataset"] for hit in answer["items"]}) if answer else {}
    if answer:
        known = titles_of(catalogue, [v["value"] for v in answer["facets"].get("dataset", [])])
        for value in answer["facets"].get("dataset", []):
            value["label"] = known.get(value["value"], value["label"])
    return page(
        request,
        "search.html",
        principal,
        status=400 if problem else 200,
        q=q,
        answer=answer,
        problem=problem,
        titles=titles,
        refine=refine,
        examples=EXAMPLES,
        may_freeze=any(Permission.FREEZE in held for held in principal.grants.values()),
    )


def refine(query: str, name: str, value: dict[str, Any]) -> str:
    """Return the query with one more condition: the facet's value."""
    acquisition = name in ("suffix", "magnetic_field_strength", "manufacturer")
    text = value["value"]
    literal = str(text) if isinstance(text, int | float) else "'" + str(text).replace("'", "''") + "'"
    condition = f"{name} = {literal}"
    if acquisition:
        condition = f"has({condition})"
    if not query.strip():
        return condition
    whole = f"({query})" if " OR " in query.upper() else query
    return f"{whole} AND {condition}"


@router.post("/cohorts/freeze")
def freeze(catalogue: Open, principal: Caller, q: Annotated[str, Form()] = "") -> Response:
    """Freeze the query that the form holds."""
    cohort = cohorts.freeze(catalogue, principal, q.strip() or "TRUE")
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
