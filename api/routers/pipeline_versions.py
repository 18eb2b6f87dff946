"""What changes about a version of a pipeline, which itself never does: that it is deprecated; and its software."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.dependencies import Caller, Open
from api.operations import pipeline_versions, software
from api.schemas import Deprecation, RecordAnswer

router = APIRouter(prefix="/api/v1/pipelines/{id}/versions/{version}", tags=["pipelines"])


@router.post("/deprecate", response_model=RecordAnswer)
def deprecate(id: str, version: str, body: Deprecation, catalogue: Open, principal: Caller) -> Any:
    """Mark a version as no longer to be used; results made with it stay what they are."""
    return pipeline_versions.deprecate(
        catalogue, principal, id, version, reason=body.reason, replaced_by=body.replaced_by
    )


@router.post("/reinstate", response_model=RecordAnswer)
def reinstate(id: str, version: str, catalogue: Open, principal: Caller) -> Any:
    """Take the mark away again."""
    return pipeline_versions.reinstate(catalogue, principal, id, version)


@router.get("/codemeta")
def codemeta(id: str, version: str, catalogue: Open, principal: Caller) -> JSONResponse:
    """Describe the software of a version (CodeMeta 3.0, JSON-LD)."""
    said = software.show_codemeta(catalogue, principal, id, version)
    return JSONResponse(said, media_type="application/ld+json")
