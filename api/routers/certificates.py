"""Reference cases, certification, and the register of certificates."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from api.dependencies import Caller, Cursor, Limit, Open
from api.operations import certificate_register, certification, pipelines, references
from api.operations.pipeline_versions import one_version
from api.schemas import Certify, Listing, Reason, RecordAnswer, RegisterReference

router = APIRouter(prefix="/api/v1", tags=["certificates"])
DSSE = "application/vnd.dsse.envelope.v1+json"


@router.post("/pipelines/{id}/versions/{version}/references", status_code=201, response_model=RecordAnswer)
def register_reference(id: str, version: str, body: RegisterReference, catalogue: Open, principal: Caller) -> Any:
    """Register a reference case of a pipeline version: inputs, expected outputs, and a tolerance for each."""
    chosen = one_version(catalogue, principal, id, version).id
    return references.register(catalogue, principal, chosen, body.reference, pipelines.decode_files(body.files))


@router.get("/pipelines/{id}/versions/{version}/references", response_model=Listing)
def list_references(
    id: str, version: str, catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100
) -> Any:
    """List the reference cases of a pipeline version."""
    chosen = one_version(catalogue, principal, id, version).id
    return references.listing(catalogue, principal, chosen, cursor=cursor, limit=limit)


@router.post("/pipelines/{id}/versions/{version}/certify", status_code=202, response_model=RecordAnswer)
def certify(id: str, version: str, body: Certify, catalogue: Open, principal: Caller) -> Any:
    """Run a reference case; the task that is answered has the verdict, and the certificate, when it ends."""
    chosen = one_version(catalogue, principal, id, version).id
    return certification.certify(
        catalogue, principal, chosen, reference=body.reference, runner=body.runner, days=body.days
    )


@router.get("/certificates", response_model=Listing)
def list_certificates(
    catalogue: Open,
    principal: Caller,
    pipeline: Annotated[str | None, Query(description="Only of this version: `name@version`, name or id.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """List certificates, each with what it counts for now."""
    return certificate_register.listing(catalogue, principal, pipeline=pipeline, cursor=cursor, limit=limit)


@router.get("/certificates/{id}", response_model=RecordAnswer)
def show(id: str, catalogue: Open, principal: Caller) -> Any:
    """Show a certificate: what it says, the public key, and what it counts for now."""
    return certificate_register.show(catalogue, principal, id)


@router.get("/certificates/{id}/envelope", response_class=JSONResponse)
def envelope(id: str, catalogue: Open, principal: Caller) -> JSONResponse:
    """Return the signed envelope (DSSE 1.0 with an in-toto Statement v1), for other tools to verify."""
    return JSONResponse(certificate_register.envelope(catalogue, principal, id), media_type=DSSE)


@router.get("/certificates/{id}/dependents", response_model=Listing)
def dependents(id: str, catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List the tasks that started under a certificate, each with everything that was derived from it."""
    return certificate_register.dependents(catalogue, principal, id, cursor=cursor, limit=limit)


@router.post("/certificates/{id}/revoke", response_model=RecordAnswer)
def revoke(id: str, body: Reason, catalogue: Open, principal: Caller) -> Any:
    """Take a certificate back; the answer has the first page of what rests on it."""
    return certificate_register.revoke(catalogue, principal, id, reason=body.reason)
