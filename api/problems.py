"""Errors on the wire: one table from class to status, one body (RFC 9457) on every path."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from api.media import choose
from ontology import errors

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:sillage:problem:"
REQUEST_PREFIX = "urn:sillage:request:"

STATUS: dict[type[errors.SillageError], int] = {
    errors.InvalidRequestError: 400,
    errors.AmbiguousError: 400,
    errors.ValidationFailedError: 422,
    errors.UnauthenticatedError: 401,
    errors.NotPermittedError: 403,
    errors.NotCertifiedError: 403,
    errors.LeakageError: 403,
    errors.NotFoundError: 404,
    errors.WithdrawnError: 410,
    errors.ConflictError: 409,
    errors.RequirementFailedError: 412,
    errors.UnsupportedError: 501,
    errors.NotAcceptableError: 406,
    errors.UnsupportedMediaTypeError: 415,
    errors.IntegrityError: 500,
    errors.BackendUnavailableError: 503,
    errors.StorageFullError: 507,
    errors.OutcomeUnknownError: 500,
    errors.NotInstalledError: 501,
    errors.SillageError: 500,
}


def status_of(error: errors.SillageError) -> int:
    """Return the HTTP status of an error: that of its nearest class in the table."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def body_of(error: errors.SillageError, *, instance: str) -> dict[str, Any]:
    """Return the problem document of an error."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code,
        "title": error.title,
        "status": status_of(error),
        "detail": error.detail,
        "instance": instance,
    }
    optional = {"field": error.field, "next_step": error.next_step(), **error.params}
    body.update({key: value for key, value in optional.items() if value is not None and key not in body})
    return body


def respond(error: errors.SillageError, request: Request) -> JSONResponse:
    """Return the response to an error raised on purpose."""
    status = status_of(error)
    headers = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="sillage"'
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in (501, 503, 507):
        logger.error("%s answered %d", error.code, status, exc_info=error)
    else:
        logger.info("%s answered %d", error.code, status)
    return JSONResponse(body_of(error, instance=_instance(request)), status, headers=headers, media_type=MEDIA_TYPE)


Page = Callable[[Request, errors.SillageError], Response | None]


def install(app: FastAPI, *, page: Page) -> None:
    """Give every failure of ``app`` the one body, and those of its pages a page.

    Args:
        app: The application.
        page: Returns the page for a failure, or None when a program asked.
    """

    @app.exception_handler(errors.SillageError)
    def _ours(request: Request, error: errors.SillageError) -> Response:
        return page(request, error) or respond(error, request)

    @app.exception_handler(RequestValidationError)
    def _malformed(request: Request, error: RequestValidationError) -> Response:
        malformed = _from_validation(error)
        return page(request, malformed) or respond(malformed, request)

    @app.exception_handler(HTTPException)
    def _framework(request: Request, error: HTTPException) -> Response:
        if error.status_code == HTTPStatus.BAD_REQUEST:
            return respond(_unreadable(), request)
        if error.status_code == HTTPStatus.NOT_FOUND:
            absent = errors.NotFoundError("there is no page at this address", next_step="Begin at the search page.")
            if (shown := page(request, absent)) is not None:
                return shown
        phrase = HTTPStatus(error.status_code).phrase
        body = {
            "type": "about:blank",
            "title": phrase,
            "status": error.status_code,
            "detail": f"{request.method} {request.url.path}: {phrase}",
            "instance": _instance(request),
        }
        if asked_by_people(request.url.path, request.headers.get("accept", "")):
            return plain_page(body, error.headers)
        return JSONResponse(body, error.status_code, headers=error.headers, media_type=MEDIA_TYPE)


def fault_response(request_id: str, *, for_people: bool = False) -> Response:
    """Return the answer to a failure that nobody foresaw: it tells nothing but how to report it."""
    fault = errors.SillageError(
        "This is our fault, not yours.", next_step=f"Report it with the request id {request_id}."
    )
    body = body_of(fault, instance=f"{REQUEST_PREFIX}{request_id}")
    return plain_page(body) if for_people else JSONResponse(body, 500, media_type=MEDIA_TYPE)


def too_large_response(limit: int, request_id: str, *, for_people: bool = False) -> Response:
    """Return the answer to a body that is larger than ``limit`` bytes; it is not read."""
    body = {
        "type": "about:blank",
        "title": "Content Too Large",
        "status": 413,
        "detail": f"The body is larger than {limit // 1_000_000} MB.",
        "instance": f"{REQUEST_PREFIX}{request_id}",
        "next_step": "Raise the setting max_body_mb, or register data by path.",
    }
    headers = {"Connection": "close"}
    return plain_page(body, headers) if for_people else JSONResponse(body, 413, headers=headers, media_type=MEDIA_TYPE)


def asked_by_people(path: str, accept: str) -> bool:
    """Tell whether a browser asks for a page, and not a program."""
    return not path.startswith("/api/") and choose(accept, ["application/json", "text/html"]) == "text/html"


def plain_page(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """Return a failure as a page that needs neither templates nor a catalogue, either of which may be what failed."""
    said = {name: html.escape(str(value)) for name, value in body.items()}
    step = f"<p>{said['next_step']}</p>" if "next_step" in said else ""
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{said["title"]}</title><link rel="stylesheet" href="/static/sillage.css"></head><body><main>'
        f'<p class="kind">{said["status"]}</p><h1>{said["title"]}</h1><div class="error" role="alert">'
        f'<p>{said["detail"]}</p>{step}</div><p><a href="/">Back to the search</a></p>'
        f'<p class="mono">{said["instance"]}</p></main></body></html>',
        int(body["status"]),
        headers=dict(headers or {}),
    )


def _from_validation(error: RequestValidationError) -> errors.InvalidRequestError:
    problems = [
        {"field": ".".join(str(part) for part in item["loc"]), "detail": item["msg"]} for item in error.errors()
    ]
    first = problems[0]
    return errors.InvalidRequestError(
        f"{first['field']}: {first['detail']}",
        field=first["field"],
        next_step="What may be sent here says /openapi.json.",
        params={"problems": problems},
    )


def _unreadable() -> errors.InvalidRequestError:
    """Return the error of a body that is no text, or nested deeper than anybody writes."""
    return errors.InvalidRequestError(
        "the body cannot be read", field="body", next_step="Send JSON in UTF-8 that is not nested deeply."
    )


def _instance(request: Request) -> str:
    return f"{REQUEST_PREFIX}{request.scope.get('sillage.request_id', 'unknown')}"
