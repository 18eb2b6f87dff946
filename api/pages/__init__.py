"""The web pages: rendered on the server from the same operations as the HTTP interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from starlette.staticfiles import StaticFiles
from typing_extensions import override

from api.pages import (
    browse,
    cohort_pages,
    contents,
    landing,
    model_pages,
    pipeline_pages,
    registration_pages,
    run_pages,
    search,
    session,
    work,
)
from api.pages.session import problem_page

__all__ = ["pages_router", "problem_page", "static_files"]

pages_router = APIRouter(include_in_schema=False)
MODULES = (
    session,
    search,
    cohort_pages,
    browse,
    pipeline_pages,
    registration_pages,
    run_pages,
    model_pages,
    work,
    contents,
    landing,
)
for module in MODULES:
    pages_router.include_router(module.router)


class Revalidated(StaticFiles):
    """Static files that a browser asks about before it uses them again: its modules must be of one version."""

    @override
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Return the file, or that it has not changed."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def static_files() -> StaticFiles:
    """Return the application that serves the style sheets and the scripts."""
    return Revalidated(directory=Path(__file__).parent / "static")
