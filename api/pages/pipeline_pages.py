"""Pages of pipelines: what there is, how each version stands and why, and what a certificate says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.dependencies import Caller, Open
from api.operations import certificate_register
from api.pages.rendering import names_of, page
from api.wire import summary_body

router = APIRouter()
TASKS_SHOWN = 50


@router.get("/pipelines")
def list_pipelines(request: Request, catalogue: Open, principal: Caller, cursor: str | None = None) -> Response:
    """List pipelines, each with how its newest version stands."""
    found = certificate_register.pipeline_list(catalogue, principal, cursor=cursor)
    return page(request, "pipelines.html", principal, page=found, policy=catalogue.settings.uncertified)


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
        **(_of_version(catalogue, principal, body, cursor) if version else {}),
    )


def _of_version(catalogue: Catalogue, principal: Principal, body: dict[str, Any], cursor: str | None) -> dict[str, Any]:
    certificate = body["standing"]["id"]
    history = certificate_register.history(catalogue, catalogue.repository.get(body["id"]))
    tasks = catalogue.repository.list_records("Task", part_of=body["id"], cursor=cursor, limit=TASKS_SHOWN)
    readable = [summary_body(task) for task in tasks.items if principal.may(Permission.READ, task)]
    return {
        "certificate": certificate_register.show(catalogue, principal, certificate) if certificate else None,
        "history": history,
        "tasks": {"items": readable, "total": tasks.total, "next": tasks.next},
        "names": names_of(catalogue, [item["certifier"] for item in history]),
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
        dependents=certificate_register.dependents(catalogue, principal, body["id"]),
        names=names_of(catalogue, [body["certifier"], (body["revoked"] or {}).get("by")]),
        tolerated=tolerated,
    )


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
