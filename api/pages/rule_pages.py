"""Pages of rules on ingest: all of them, what one did, and what it did with one version of a dataset."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.dependencies import Caller, Open
from api.operations import records, rule_evaluation, rules
from api.pages.rendering import may_change, names_of, page, titles_of

router = APIRouter()
SHOWN = 200
"""Participants of an evaluation on one page."""
OUTCOMES = {"fires": "fires", "unchanged": "unchanged", "does-not-match": "does_not_match"}
"""How a participant comes off, and its member of ``counts``."""


@router.get("/rules")
def list_rules(request: Request, catalogue: Open, principal: Caller, cursor: str | None = None) -> Response:
    """List the rules."""
    found = records.listing(catalogue, principal, "Rule", cursor=cursor, limit=100)
    return page(request, "rules.html", principal, page=found, may_add=_may_add(principal))


def _may_add(principal: Principal) -> bool:
    return all(principal.datasets(each) != frozenset() for each in (Permission.RUN, Permission.FREEZE))


@router.get("/rules/{id}")
def show_rule(request: Request, id: str, catalogue: Open, principal: Caller, cursor: str | None = None) -> Response:
    """Show a rule with everything that it did."""
    body = rules.show(catalogue, principal, id)
    found = rule_evaluation.listing(catalogue, principal, body["id"], cursor=cursor)
    return page(
        request,
        "rule.html",
        principal,
        r=body,
        page=found,
        titles=titles_of(catalogue, [item["dataset"] for item in found["items"]]),
        names=names_of(catalogue, [body["creator"], body["pipeline"]]),
        newest="@" not in body["pipeline"] and not body["pipeline"].startswith("urn:"),
        may_run=principal.datasets(Permission.RUN) != frozenset() and may_change(principal, body["creator"]),
    )


@router.get("/evaluations/{id}")
def show_evaluation(
    request: Request,
    id: str,
    catalogue: Open,
    principal: Caller,
    outcome: str = "",
    start: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """Show for whom a rule fired, for whom not, and which conditions these do not meet."""
    body = rule_evaluation.show(catalogue, principal, id)
    members = [each for each in body["members"] if not outcome or each["outcome"] == outcome]
    shown = members[start : start + SHOWN]
    people = catalogue.repository.get_many([each["participant"] for each in shown])
    return page(
        request,
        "evaluation.html",
        principal,
        r=body,
        members=shown,
        total=len(members),
        start=start,
        next=start + SHOWN if start + SHOWN < len(members) else None,
        asked=outcome,
        outcomes=OUTCOMES,
        people={iri: person.document.get("label") for iri, person in people.items()},
        names=names_of(catalogue, [body["rule"], body["task"], body["cohort"], body["pipeline"]]),
        titles=titles_of(catalogue, [body["dataset"]]),
    )


@router.post("/rules/{id}/enable")
def enable(id: str, catalogue: Open, principal: Caller) -> Response:
    """Let a rule act and show it."""
    return RedirectResponse(f"/rules/{rules.enable(catalogue, principal, id, enabled=True)['name']}", 303)


@router.post("/rules/{id}/disable")
def disable(id: str, catalogue: Open, principal: Caller) -> Response:
    """Let a rule act no more and show it."""
    return RedirectResponse(f"/rules/{rules.enable(catalogue, principal, id, enabled=False)['name']}", 303)


def rule_of(catalogue: Catalogue, cohort: str | None) -> dict[str, Any] | None:
    """Return the rule that froze a cohort to run a pipeline on; None where a person did."""
    if cohort is None:
        return None
    rule = catalogue.repository.get(cohort).document.get("rule")
    return None if rule is None else {"id": rule, "name": catalogue.repository.get(rule).document["name"]}
