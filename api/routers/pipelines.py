"""Pipelines and their versions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.dependencies import Caller, Cursor, Limit, Open
from api.operations import certificate_register, pipelines, references
from api.schemas import Listing, RecordAnswer, RegisterPipeline

router = APIRouter(prefix="/api/v1/pipelines", tags=["pipelines"])


@router.post("", status_code=201, response_model=RecordAnswer)
def register(body: RegisterPipeline, catalogue: Open, principal: Caller) -> Any:
    """Register a version of a pipeline; versions are immutable."""
    if body.bundled:
        return references.register_bundled(catalogue, principal, body.bundled)
    return pipelines.register(catalogue, principal, body.descriptor, pipelines.decode_files(body.files))


@router.get("", response_model=Listing)
def list_pipelines(catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List the registered pipelines."""
    return certificate_register.pipeline_list(catalogue, principal, cursor=cursor, limit=limit)


@router.get("/{id}", response_model=RecordAnswer)
def show(id: str, catalogue: Open, principal: Caller) -> Any:
    """Show a pipeline with its versions."""
    return certificate_register.pipeline(catalogue, principal, id)


@router.get("/{id}/versions/{version}", response_model=RecordAnswer)
def show_version(id: str, version: str, catalogue: Open, principal: Caller) -> Any:
    """Show one version: descriptor, environment, digests."""
    return certificate_register.pipeline_version(catalogue, principal, id, version)
