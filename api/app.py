"""The application: one factory, no module-level state."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from api import problems
from api.catalogue import Catalogue, open_catalogue
from api.kept_answers import KeptAnswers
from api.middleware import Envelope, Metrics, RequestIdFilter
from api.operations.tasks import start_service
from api.pages import pages_router, problem_page, static_files
from api.routers import (
    access,
    catalog,
    certificates,
    cohort_objects,
    cohorts,
    identifiers,
    identity,
    maintenance,
    models,
    pipeline_versions,
    pipelines,
    provenance,
    rules,
    service,
    tasks,
)
from api.schemas import ProblemAnswer
from api.settings import Settings, load_settings

VERSION = "0.1.0"
ROUTERS = (
    service,
    catalog,
    identity,
    cohorts,
    cohort_objects,
    pipelines,
    pipeline_versions,
    certificates,
    models,
    tasks,
    rules,
    provenance,
    identifiers,
    access,
    maintenance,
)


def create_app(directory: Path, *, settings: Settings | None = None) -> FastAPI:
    """Return the application for the catalogue in ``directory``; it opens the catalogue at once.

    Raises:
        NotFoundError: No catalogue is there.
        InvalidRequestError: Its settings cannot be read.
    """
    settings = settings or load_settings(directory)
    catalogue = open_catalogue(directory, settings=settings)
    app = FastAPI(
        title=catalogue.title,
        version=VERSION,
        summary="FAIR metadata catalogue and provenance API for in-vivo imaging",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=_lifespan(catalogue),
        responses={"default": {"model": ProblemAnswer, "description": "An error (RFC 9457)."}},
    )
    metrics = Metrics()
    app.state.catalogue, app.state.metrics = catalogue, metrics
    app.add_middleware(KeptAnswers, catalogue=catalogue)
    app.add_middleware(Envelope, metrics=metrics, max_body=settings.max_body_mb * 1_000_000)
    problems.install(app, page=problem_page)
    for module in ROUTERS:
        app.include_router(module.router)
    app.include_router(pages_router)
    app.mount("/static", static_files(), name="static")
    return app


def _lifespan(catalogue: Catalogue):  # type: ignore[no-untyped-def]
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        start_service(catalogue)
        try:
            yield
        finally:
            await run_in_threadpool(catalogue.close)

    return lifespan


def configure_logging(level: str) -> None:
    """Write log lines to standard error, each with its request id."""
    handler = logging.StreamHandler()
    handler.addFilter(RequestIdFilter())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(request_id)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
