"""Logging in and out: the token in a cookie that scripts cannot read and other sites cannot send."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.dependencies import COOKIE, Open
from api.pages.rendering import page
from api.problems import asked_by_people, body_of, status_of
from ontology.errors import SillageError, UnauthenticatedError

router = APIRouter()
DAYS = 30


@router.get("/login")
def login(request: Request, next: str = "/") -> Response:
    """Show the form."""
    return page(request, "login.html", None, next=_local(next), failed=None)


@router.post("/login")
def enter(
    request: Request, catalogue: Open, token: Annotated[str, Form()], next: Annotated[str, Form()] = "/"
) -> Response:
    """Check the token and keep it in a cookie."""
    try:
        catalogue.identity.authenticate(token.strip())
    except UnauthenticatedError as error:
        return page(request, "login.html", None, status=401, next=_local(next), failed=error.detail)
    response = RedirectResponse(_local(next), 303)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token.strip(), max_age=DAYS * 86_400, httponly=True, samesite="strict", secure=secure)
    return response


@router.post("/logout")
def leave() -> Response:
    """Forget the token."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


def problem_page(request: Request, error: SillageError) -> Response | None:
    """Return the page for a failure; None when a program asked, which gets the problem document.

    Who is not logged in is sent to do so, and comes back.
    """
    if not asked_by_people(request.url.path, request.headers.get("accept", "")):
        return None
    if isinstance(error, UnauthenticatedError) and request.method == "GET":
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(asked, safe='')}", 303)
    body = body_of(error, instance=f"request {request.scope.get('sillage.request_id', '')}")
    return page(request, "problem.html", None, status=status_of(error), problem=body)


def _local(path: str) -> str:
    """Return a path of this site, whatever was asked for."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
