"""Pages of models: what there is, whom each has seen in numbers, and what it was used on."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.dependencies import Caller, Open
from api.operations import models
from api.pages.rendering import names_of, page

router = APIRouter()


@router.get("/models")
def list_models(request: Request, catalogue: Open, principal: Caller, cursor: str | None = None) -> Response:
    """List models."""
    found = models.listing(catalogue, principal, cursor=cursor)
    return page(request, "models.html", principal, page=found, policy=catalogue.settings.leakage)


@router.get("/models/{id}")
def show_model(request: Request, id: str, catalogue: Open, principal: Caller) -> Response:
    """Show a model."""
    body = models.show(catalogue, principal, id)
    cohorts = names_of(catalogue, body["cohorts"])
    return page(request, "model.html", principal, r=body, names=cohorts)
