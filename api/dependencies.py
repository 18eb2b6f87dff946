"""What every route needs: the open catalogue and the principal that the request comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.security import HTTPBearer

from api.access import Principal
from api.catalogue import Catalogue
from api.identity import ANONYMOUS
from ontology.errors import UnauthenticatedError

COOKIE = "sillage_token"
_scheme = HTTPBearer(auto_error=False, description="A token made by `sillage token create`.")


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


def visitor(request: Request) -> Principal:
    """Return the principal, anonymous when no token is sent.

    Raises:
        UnauthenticatedError: A token is sent and is not good.
    """
    return open_catalogue_of(request).identity.authenticate(secret_of(request))


def caller(request: Request, _: Annotated[object, Depends(_scheme)]) -> Principal:
    """Return the authenticated principal.

    Raises:
        UnauthenticatedError: No token, or one that is not good.
    """
    principal = visitor(request)
    if principal.agent == ANONYMOUS:
        raise UnauthenticatedError("this needs a token")
    return principal


def point_to_provenance(response: Response, body: Mapping[str, Any]) -> None:
    """Add what a record's answer says of itself: its version as ETag, and where its provenance is (PROV-AQ, 3.1)."""
    response.headers["ETag"] = f'"{body["version"]}"'
    target = f"/api/v1/prov/{body['id']}"
    response.headers["Link"] = f'<{target}>; rel="http://www.w3.org/ns/prov#has_provenance"; anchor="{body["id"]}"'


Open = Annotated[Catalogue, Depends(open_catalogue_of)]
Caller = Annotated[Principal, Depends(caller)]
Visitor = Annotated[Principal, Depends(visitor)]
Cursor = Annotated[str | None, Query(description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many items.")]
