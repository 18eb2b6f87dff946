"""The web pages: rendered on the server from the same operations as the HTTP interface."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.staticfiles import StaticFiles

from api.pages import browse, cohort_pages, contents, landing, search, session, work
from api.pages.session import problem_page

__all__ = ["pages_router", "problem_page", "static_files"]

pages_router = APIRouter(include_in_schema=False)
for module in (session, search, cohort_pages, browse, work, contents, landing):
    pages_router.include_router(module.router)


def static_files() -> StaticFiles:
    """Return the application that serves the style sheet and the script."""
    return StaticFiles(directory=Path(__file__).parent / "static")
