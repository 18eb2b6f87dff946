"""Models, and whether one may be used on some people."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.dependencies import Caller, Cursor, Limit, Open
from api.operations import models
from api.schemas import Answer, Listing, RecordAnswer, RegisterModel

router = APIRouter(prefix="/api/v1/models", tags=["models"])


@router.post("", status_code=201, response_model=RecordAnswer)
def register(body: RegisterModel, catalogue: Open, principal: Caller) -> Any:
    """Register a model that was not trained here, and say whom it was trained on, or that this is not known."""
    return models.register(
        catalogue,
        principal,
        file=body.file,
        architecture=body.architecture,
        framework=body.framework,
        trained_on=body.trained_on,
        ancestors=body.ancestors,
        training_data_unknown=body.training_data_unknown,
    )


@router.get("", response_model=Listing)
def list_models(catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List models, oldest first."""
    return models.listing(catalogue, principal, cursor=cursor, limit=limit)


@router.get("/{id}", response_model=RecordAnswer)
def show(id: str, catalogue: Open, principal: Caller) -> Any:
    """Show a model, by its id or that of a file with its weights: its training, what is behind it, its uses."""
    return models.show(catalogue, principal, id)


@router.get("/{id}/leakage", response_model=Answer)
def check(
    id: str,
    catalogue: Open,
    principal: Caller,
    cohort: Annotated[str, Query(description="The people whom the model is to be used on.")],
    limit: Limit = 100,
) -> Any:
    """Tell before anything is run who of a cohort was in the training of a model, and by what way."""
    return models.check(catalogue, principal, id, cohort=cohort, limit=limit)
