"""What every route needs: the open catalogue and the principal that the request comes from.

Dependencies are coroutines although they seldom wait: handing a call to a thread costs more than what they do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query, Request, Response
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from api.access import Principal
from api.catalogue import Catalogue
from api.identity import ANONYMOUS
from ontology.errors import UnauthenticatedError

COOKIE = "sillage_token"


def open_catalogue_of(request: Request) -> Catalogue:
    """Return the catalogue that the application serves."""
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue


def secret_of(request: Request) -> str | None:
    """Return the bearer token of a request, from its header or, for pages, from the session cookie.

    A cookie is believed only for reading: a form of another site could send it along with a POST.
    """
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, secret = header.partition(" ")
        return secret.strip() if scheme.lower() == "bearer" else ""
    if request.method in ("GET", "HEAD") or request.headers.get("sec-fetch-site") == "same-origin":
        return request.cookies.get(COOKIE)
    return None


async def visitor(request: Request) -> Principal:
    """Return the principal, anonymous when no token is sent.

    Raises:
        UnauthenticatedError: A token is sent and is not good.
    """
    identity, secret = open_catalogue_of(request).identity, secret_of(request)
    principal = identity.known(secret)
    return principal if principal is not None else await run_in_threadpool(identity.authenticate, secret)


class TokenScheme(HTTPBearer):
    """The security scheme as OpenAPI shows it, which yields the authenticated principal."""

    async def __call__(self, request: Request) -> Principal:  # type: ignore[override]
        """Return the authenticated principal.

        Raises:
            UnauthenticatedError: No token, or one that is not good.
        """
        principal = await visitor(request)
        if principal.agent == ANONYMOUS:
            raise UnauthenticatedError("this needs a token")
        return principal


def record_answer(body: Mapping[str, Any]) -> Response:
    """Return the answer that is a record, with its version as ETag and where its provenance is (PROV-AQ, 3.1)."""
    target = f"/api/v1/prov/{body['id']}"
    headers = {
        "ETag": f'"{body["version"]}"',
        "Link": f'<{target}>; rel="http://www.w3.org/ns/prov#has_provenance"; anchor="{body["id"]}"',
    }
    return json_answer(body, headers)


def json_answer(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that is JSON already, without holding it against its model once more."""
    try:
        content = orjson.dumps(body)
    except TypeError:  # Sidecars may be nested deeper than it goes.
        content = json.dumps(body).encode()
    return Response(content, media_type="application/json", headers=dict(headers or {}))


async def _open(request: Request) -> Catalogue:
    return open_catalogue_of(request)


Open = Annotated[Catalogue, Depends(_open)]
Caller = Annotated[
    Principal,
    Depends(TokenScheme(scheme_name="HTTPBearer", description="A token made by `sillage token create`.")),
]
Visitor = Annotated[Principal, Depends(visitor)]
Cursor = Annotated[str | None, Query(description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many items.")]
