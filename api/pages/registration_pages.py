"""The page that registers a pipeline: a descriptor with its files, or one of those that ship."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.dependencies import Caller, Open
from api.operations import pipelines, references
from api.pages.registration_form import CARRIED_BYTES, Refusal, Sent, refusal, sent_with
from api.pages.rendering import page
from api.problems import status_of
from executors.pipelines.bundled import bundled_descriptor, list_bundled
from ontology.errors import SillageError, UnauthenticatedError

router = APIRouter()
PLACE = "/register-pipeline"
"""No pipeline is called by the path of this page, as one could be below ``/pipelines``."""


async def _sent(request: Request, principal: Caller) -> Sent:
    """Return what was sent, read only for somebody who may register it."""
    principal.require(Permission.REGISTER_PIPELINE)
    return await sent_with(request)


@router.get(PLACE)
def show_form(request: Request, catalogue: Open, principal: Caller) -> Response:
    """Show the form, and the pipelines that ship."""
    principal.require(Permission.REGISTER_PIPELINE)
    return _shown(request, catalogue, principal, sent=Sent())


@router.post(PLACE)
def register(request: Request, catalogue: Open, principal: Caller, sent: Annotated[Sent, Depends(_sent)]) -> Response:
    """Register what was sent and show it; or show the form again, with everything that is wrong."""
    try:
        document = sent.document()
        body = pipelines.register(catalogue, principal, document, sent.files(document))
    except UnauthenticatedError:
        raise
    except SillageError as error:
        refused = refusal(error, sent.text)
        return _shown(request, catalogue, principal, sent=sent, refused=refused, status=status_of(error))
    return RedirectResponse(f"/pipelines/{body['id']}", 303)


@router.post(f"{PLACE}/bundled")
def register_bundled(catalogue: Open, principal: Caller, name: Annotated[str, Form()] = "") -> Response:
    """Register a pipeline that ships, with its reference case, and show it."""
    body = references.register_bundled(catalogue, principal, name)
    return RedirectResponse(f"/pipelines/{body['id']}", 303)


def _shown(
    request: Request,
    catalogue: Catalogue,
    principal: Principal,
    *,
    sent: Sent,
    refused: Refusal | None = None,
    status: int = 200,
) -> Response:
    return page(
        request,
        "pipeline_register.html",
        principal,
        status=status,
        sent=sent,
        text=refused.text if refused else sent.text,
        refused=refused,
        most=CARRIED_BYTES,
        shipped=_shipped(catalogue),
    )


def _shipped(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return the pipelines that ship, each with the registered version that it is, where it is registered."""
    found = []
    for name in list_bundled():
        said = json.loads(bundled_descriptor(name).read_bytes())
        alias = f"pipeline:{said['name']}@{said['tool-version']}"
        found.append(
            {
                "name": name,
                "version": said["tool-version"],
                "description": said["description"],
                "registered": catalogue.repository.find_alias(alias),
            }
        )
    return found
