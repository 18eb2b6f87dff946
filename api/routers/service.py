"""The service itself: health, readiness, metrics, conformance."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse

from api.dependencies import Open
from api.operations import maintenance

router = APIRouter(tags=["service"])


@router.get("/health")
def health() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "pass"}


@router.get("/ready")
def ready(
    catalogue: Open,
    part: Annotated[
        Literal["repository", "search"] | None, Query(description="Ask this part alone; otherwise both.")
    ] = None,
) -> dict[str, Any]:
    """Say that repository and search can be asked; otherwise 503 and which of them cannot."""
    return maintenance.readiness(catalogue, part)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> str:
    """Return counters in the Prometheus text format."""
    text: str = request.app.state.metrics.text()
    return text


@router.get("/conformance")
def conformance(catalogue: Open) -> dict[str, Any]:
    """List the standards that this service answers by, and what its backends declare."""
    return {
        "conformsTo": [
            "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
            "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
            "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
            "http://www.w3.org/TR/prov-dm/",
            "https://www.rfc-editor.org/info/rfc9457",
            "https://www.rfc-editor.org/info/rfc9162",
            "https://c2sp.org/tlog-checkpoint",
        ],
        "capabilities": {
            "repository": asdict(catalogue.repository.capabilities),
            "search": asdict(catalogue.search.capabilities),
        },
    }
