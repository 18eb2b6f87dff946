"""The search page: a query built by clicking or typed, and the answer beside it.

The answer is rendered here and nowhere else: the page's script fetches it as markup for each change of the query, and
without scripts the form does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.dependencies import Caller, Open
from api.operations import cohorts
from api.pages.explained import told
from api.pages.refinement import HISTOGRAM, TREE, Divider, Link, dividers, divisions, labels_of, mended, remedies
from api.pages.rendering import page, titles_of
from api.problems import body_of
from ontology.errors import InvalidRequestError, NotFoundError

router = APIRouter()
HITS = 25
MODULES = sorted(path.name for path in (Path(__file__).parent / "static" / "search").glob("*.js"))
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
    """Show the page with the answer to a query; without one, everybody."""
    shown = dividers(catalogue, principal)
    return _rendered(request, "search.html", catalogue, principal, query=q, cursor=cursor, shown=shown)


@router.get("/search/answer")
def answer(
    request: Request, catalogue: Open, principal: Caller, q: str = "", show: str = "", cursor: str | None = None
) -> Response:
    """Give the part of the page that changes with the query; ``show`` is what the page divides answers by."""
    shown = Divider.read(show) if show else dividers(catalogue, principal)
    return _rendered(request, "answer.html", catalogue, principal, query=q, cursor=cursor, shown=shown)


@router.get("/search/why")
def why(request: Request, catalogue: Open, principal: Caller, q: str = "", participant: str = "") -> Response:
    """Say which condition of a query removed most, and of one participant which it fails."""
    asked, named = q.strip() or "TRUE", participant.strip()
    people = _called(catalogue, principal, named) if named else []
    one = people[0]["id"] if len(people) == 1 else None
    found = cohorts.why_not(catalogue, principal, asked, participant=one)
    labels = labels_of(catalogue, cohorts.parse_query(found["query"]).json)
    return page(
        request,
        "why.html",
        principal,
        q=q,
        found=found,
        remedies=remedies(found),
        labels=labels,
        named=named,
        people=people,
        titles=titles_of(catalogue, {person["dataset"] for person in people}),
    )


def _called(catalogue: Catalogue, principal: Principal, name: str) -> list[dict[str, Any]]:
    """Return the participants that have this label or id, a few at most."""
    either = {"op": "or", "args": [{"op": "=", "args": [{"property": by}, name]} for by in ("label", "id")]}
    items: list[dict[str, Any]] = cohorts.find(catalogue, principal, either, limit=10)["items"]
    return items


def _rendered(
    request: Request,
    template: str,
    catalogue: Catalogue,
    principal: Principal,
    *,
    query: str,
    cursor: str | None,
    shown: tuple[Divider, ...],
) -> Response:
    asked = query.strip()
    values: dict[str, Any] = {"q": query, "answer": None, "problem": None, "show": Divider.write(shown)}
    try:
        values |= _answered(catalogue, principal, asked, cursor=cursor, shown=shown)
    except (InvalidRequestError, NotFoundError) as error:
        values["problem"] = body_of(error, instance="")
        values["candidates"] = _candidates(catalogue, asked, error)
    may_freeze = any(Permission.FREEZE in held for held in principal.grants.values())
    status = 400 if values["problem"] else 200
    return page(
        request, template, principal, status=status, examples=EXAMPLES, modules=MODULES, may_freeze=may_freeze, **values
    )


def _answered(
    catalogue: Catalogue, principal: Principal, asked: str, *, cursor: str | None, shown: tuple[Divider, ...]
) -> dict[str, Any]:
    found = cohorts.find(
        catalogue,
        principal,
        asked or "TRUE",
        facets=[divider.name for divider in shown if divider.kind != HISTOGRAM],
        histograms=[divider.name for divider in shown if divider.kind == HISTOGRAM],
        trees=[divider.name for divider in shown if divider.kind == TREE],
        explain=bool(asked),
        cursor=cursor,
        limit=HITS,
    )
    of_datasets = [value["value"] for value in found["facets"].get("dataset", [])]
    titles = titles_of(catalogue, [*of_datasets, *(hit["dataset"] for hit in found["items"])])
    labels = {**labels_of(catalogue, found["query_json"]), **titles}
    return {
        "answer": found,
        "told": told,
        "titles": titles,
        "divisions": divisions(found, shown, titles),
        "tree": json.dumps(found["query_json"] if asked else True),
        "labels": json.dumps(labels),
        "count_text": count_text(found),
        "freezable": found.get("suppressed", found).get("readable", found["count"]),
    }


def count_text(found: Mapping[str, Any]) -> str:
    """Return in words how many match, as far as that is told."""
    if found["count"] is None:
        return f"fewer than {found['fewer_than']} participants"
    least = "at least " if found["count"] and "suppressed" in found else ""
    return f"{least}{found['count']:,} participant{'' if found['count'] == 1 else 's'}"


def _candidates(catalogue: Catalogue, asked: str, error: InvalidRequestError | NotFoundError) -> list[Link]:
    """Return what may have been meant, each with the query that says so."""
    found = []
    for candidate in error.params.get("candidates") or []:
        named = candidate if isinstance(candidate, dict) else {"curie": str(candidate), "label": str(candidate)}
        text = mended(catalogue, asked, field=error.field or "", instead=str(named["curie"]))
        found.append(Link(label=str(named.get("label") or named["curie"]), value=str(named["curie"]), query=text))
    return found
