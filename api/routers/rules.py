"""Rules on ingest over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.dependencies import Caller, Cursor, Limit, Open
from api.operations import records, rule_evaluation, rule_previews, rules
from api.schemas import AddRule, Listing, PreviewRule, RecordAnswer, RulePreview

router = APIRouter(prefix="/api/v1/rules", tags=["rules"])


@router.post("", status_code=201, response_model=RecordAnswer)
def add(body: AddRule, catalogue: Open, principal: Caller) -> Any:
    """Make a rule: when a version of a dataset comes in, whoever fulfils the condition is given to the pipeline."""
    return rules.add(catalogue, principal, **body.model_dump())


@router.post("/preview", response_model=RulePreview)
def preview(body: PreviewRule, catalogue: Open, principal: Caller) -> Any:
    """Say whom a rule would fire for if every dataset came in now, and whom not; nothing is made."""
    return rule_previews.preview(catalogue, principal, **body.model_dump())


@router.get("", response_model=Listing)
def list_rules(catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List the rules."""
    return records.listing(catalogue, principal, "Rule", cursor=cursor, limit=limit)


@router.get("/{id}", response_model=RecordAnswer)
def show(id: str, catalogue: Open, principal: Caller) -> Any:
    """Show a rule, by name or id."""
    return rules.show(catalogue, principal, id)


@router.post("/{id}/enable", response_model=RecordAnswer)
def enable(id: str, catalogue: Open, principal: Caller) -> Any:
    """Let a rule act."""
    return rules.enable(catalogue, principal, id, enabled=True)


@router.post("/{id}/disable", response_model=RecordAnswer)
def disable(id: str, catalogue: Open, principal: Caller) -> Any:
    """Let a rule act no more; what it started goes on."""
    return rules.enable(catalogue, principal, id, enabled=False)


@router.get("/{id}/evaluations", response_model=Listing)
def evaluations(id: str, catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List what a rule did with each version of each dataset."""
    return rule_evaluation.listing(catalogue, principal, id, cursor=cursor, limit=limit)


@router.get("/{id}/evaluations/{evaluation}", response_model=RecordAnswer)
def evaluation(id: str, evaluation: str, catalogue: Open, principal: Caller) -> Any:
    """Show one evaluation: for whom the rule fired, for whom not, and which conditions these do not meet."""
    rules.find(catalogue, principal, id)
    return rule_evaluation.show(catalogue, principal, evaluation)
