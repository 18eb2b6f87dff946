"""Pages of pipelines: what there is, how each version stands and why, and what a certificate says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.dependencies import Caller, Open
from api.operations import certificate_register, certification, pipeline_versions, references
from api.pages.rendering import may_change, names_of, page
from api.wire import summary_body
from ontology.errors import InvalidRequestError

router = APIRouter()
TASKS_SHOWN = 50
SHORTEST, LONGEST = 3, 2000
"""Characters of a reason."""


@router.get("/pipelines")
def list_pipelines(request: Request, catalogue: Open, principal: Caller, cursor: str | None = None) -> Response:
    """List pipelines, each with how its newest version stands."""
    found = certificate_register.pipeline_list(catalogue, principal, cursor=cursor)
    return page(
        request,
        "pipelines.html",
        principal,
        page=found,
        policy=catalogue.settings.uncertified,
        may_register=principal.everywhere(Permission.REGISTER_PIPELINE),
    )


@router.get("/pipelines/{id}")
def show_pipeline(request: Request, id: str, catalogue: Open, principal: Caller, cursor: str | None = None) -> Response:
    """Show a pipeline with its versions; or one version with how it stands, its certificates and its tasks."""
    body = certificate_register.pipeline(catalogue, principal, id)
    version = body["type"] == "PipelineVersion"
    return page(
        request,
        "pipeline.html",
        principal,
        r=body,
        policy=catalogue.settings.uncertified,
        may_run=principal.datasets(Permission.RUN) != frozenset(),
        **(_of_version(catalogue, principal, body, cursor) if version else {}),
    )


def _of_version(catalogue: Catalogue, principal: Principal, body: dict[str, Any], cursor: str | None) -> dict[str, Any]:
    certificate = body["standing"]["id"]
    history = certificate_register.history(catalogue, catalogue.repository.get(body["id"]))
    tasks = catalogue.repository.list_records("Task", part_of=body["id"], cursor=cursor, limit=TASKS_SHOWN)
    readable = [summary_body(task) for task in tasks.items if principal.may(Permission.READ, task)]
    versions = pipeline_versions.all_versions(catalogue, body["pipeline"])
    others = [record for record in pipeline_versions.in_order(versions)[::-1] if record.id != body["id"]]
    replaced_by = (body.get("deprecation") or {}).get("replaced_by")
    may_certify = principal.everywhere(Permission.CERTIFY)
    return {
        "may_certify": may_certify,
        "may_register": principal.everywhere(Permission.REGISTER_PIPELINE) and may_change(principal, body["creator"]),
        "references": references.listing(catalogue, principal, body["id"])["items"] if may_certify else [],
        "others": [{"id": record.id, "label": record.document["label"]} for record in others],
        "certificate": certificate_register.show(catalogue, principal, certificate) if certificate else None,
        "history": history,
        "tasks": {"items": readable, "total": tasks.total, "next": tasks.next},
        "names": names_of(catalogue, [*(item["certifier"] for item in history), replaced_by]),
        "tolerated": tolerated,
    }


@router.get("/certificates/{id}")
def show_certificate(request: Request, id: str, catalogue: Open, principal: Caller) -> Response:
    """Show a certificate: what was compared, on what hardware, and what rests on it."""
    body = certificate_register.show(catalogue, principal, id)
    return page(
        request,
        "certificate.html",
        principal,
        r=body,
        may_certify=principal.everywhere(Permission.CERTIFY),
        dependents=certificate_register.dependents(catalogue, principal, body["id"]),
        names=names_of(catalogue, [body["certifier"], (body["revoked"] or {}).get("by")]),
        tolerated=tolerated,
    )


@router.post("/pipelines/{id}/certify")
def certify(id: str, catalogue: Open, principal: Caller, reference: Annotated[str, Form()] = "") -> Response:
    """Run a reference case of a version and show the task, which has the verdict when it ends."""
    version = pipeline_versions.version_of(catalogue, principal, id)
    task = certification.certify(catalogue, principal, version.id, reference=reference or None)
    return RedirectResponse(f"/tasks/{task['id']}", 303)


@router.post("/pipelines/{id}/deprecate")
def deprecate(
    id: str,
    catalogue: Open,
    principal: Caller,
    reason: Annotated[str, Form()] = "",
    replaced_by: Annotated[str, Form()] = "",
) -> Response:
    """Mark a version as no longer to be used and show it."""
    name, version = _named(catalogue, principal, id)
    said = _reason(reason)
    pipeline_versions.deprecate(catalogue, principal, name, version, reason=said, replaced_by=replaced_by or None)
    return RedirectResponse(f"/pipelines/{id}", 303)


@router.post("/pipelines/{id}/reinstate")
def reinstate(id: str, catalogue: Open, principal: Caller) -> Response:
    """Take the mark of deprecation away again and show the version."""
    name, version = _named(catalogue, principal, id)
    pipeline_versions.reinstate(catalogue, principal, name, version)
    return RedirectResponse(f"/pipelines/{id}", 303)


@router.post("/certificates/{id}/revoke")
def revoke(id: str, catalogue: Open, principal: Caller, reason: Annotated[str, Form()] = "") -> Response:
    """Take a certificate back and show it, with all that rests on it."""
    certificate_register.revoke(catalogue, principal, id, reason=_reason(reason))
    return RedirectResponse(f"/certificates/{id}", 303)


def _named(catalogue: Catalogue, principal: Principal, id: str) -> tuple[str, str]:
    version = pipeline_versions.version_of(catalogue, principal, id).document
    return version["name"], version["tool_version"]


def _reason(text: str) -> str:
    if len(text.strip()) < SHORTEST:
        raise InvalidRequestError("say why", field="reason", next_step="Go back and give a reason; it is kept for all.")
    return text.strip()[:LONGEST]


def tolerated(rule: Mapping[str, Any]) -> str:
    """Return what a rule of comparison lets pass, as people say it."""
    kind = rule["kind"]
    if kind in ("digest", "present"):
        return "the same bytes" if kind == "digest" else "it is there"
    if kind == "labels":
        return f"Dice at least {rule['dice']}"
    if kind == "array":
        part = rule.get("mismatch_fraction", 0)
        return _within(rule) + (f", but for {part * 100:g} % of the elements" if part else "")
    others, ignored = len(rule.get("columns") or rule.get("members") or ()), len(rule.get("ignore") or ())
    what = "column" if kind == "table" else "member"
    said = [_within(rule.get("default") or {})]
    said += [f"{others} {what}{'s' if others > 1 else ''} with tolerances of their own"] if others else []
    said += [f"{ignored} ignored"] if ignored else []
    return "; ".join(said)


def _within(tolerance: Mapping[str, Any]) -> str:
    relative, absolute = tolerance.get("relative", 0), tolerance.get("absolute", 0)
    parts = [f"{relative * 100:g} %"] if relative else []
    parts += [f"{absolute:g}"] if absolute else []
    return f"within {' and '.join(parts)}" if parts else "exactly"
