"""The page that adds a rule: what it would do is shown before it is made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from api.dependencies import Caller, Open
from api.operations import rule_previews, rules
from api.pages import rule_form, run_form
from api.pages.rendering import page
from executors.pipelines.descriptor import PipelineDescriptor
from executors.registry import runner_names

router = APIRouter()
PLACE = "/add-rule"
"""No rule is called by the path of this page, as one could be below ``/rules``."""


async def _typed(request: Request, principal: Caller) -> dict[str, str]:
    """Return what was typed into a form whose fields the descriptor of a pipeline decides."""
    rules.require_may_add(principal)
    form = await request.form(max_files=0, max_fields=1000)
    return {name: value for name, value in form.items() if isinstance(value, str)}


Typed = Annotated[dict[str, str], Depends(_typed)]


@router.get(PLACE)
def show_form(request: Request, catalogue: Open, principal: Caller, pipeline: str = "", when: str = "") -> Response:
    """Show the form; with ``pipeline`` and ``when`` as they were chosen on another page."""
    rules.require_may_add(principal)
    return _shown(request, catalogue, principal, {"pipeline": pipeline, "when": when, "enabled": rule_form.ON})


@router.post(PLACE)
def add(request: Request, catalogue: Open, principal: Caller, typed: Typed) -> Response:
    """Show what the rule would do; make it where just this was shown before."""
    descriptor = _descriptor(catalogue, principal, typed)
    asked = rule_form.read(descriptor, typed)
    errors = rule_form.errors_of(catalogue, principal, asked, descriptor)
    if errors:
        return _shown(request, catalogue, principal, typed, errors=errors, status=400)
    adding = typed.get("action") == "add"
    if adding and typed.get("seen") == asked.fingerprint:
        made = rules.add(
            catalogue,
            principal,
            name=asked.name,
            when=asked.when,
            pipeline=asked.pipeline,
            parameters=asked.parameters,
            select=asked.select,
            choose=asked.choose,
            runner=asked.runner,
            existing=asked.existing,
            enabled=asked.enabled,
        )
        return RedirectResponse(f"/rules/{made['name']}", 303)
    found = rule_previews.preview(catalogue, principal, when=asked.when)
    return _shown(request, catalogue, principal, typed, preview=found, seen=asked.fingerprint, changed=adding)


def _descriptor(catalogue: Open, principal: Caller, typed: run_form.Typed) -> PipelineDescriptor | None:
    version = rule_form.version_named(catalogue, principal, typed.get("pipeline", "").strip())
    return PipelineDescriptor.parse(version.document["descriptor"]) if version else None


def _shown(
    request: Request,
    catalogue: Open,
    principal: Caller,
    typed: run_form.Typed,
    *,
    errors: dict[str, str] | None = None,
    status: int = 200,
    **members: Any,
) -> Response:
    descriptor = _descriptor(catalogue, principal, typed)
    shown: dict[str, Any] = {"preview": None, "seen": "", "changed": False, **members}
    return page(
        request,
        "rule_add.html",
        principal,
        status=status,
        typed=typed,
        errors=errors or {},
        d=descriptor,
        parameters=run_form.parameters_of(descriptor) if descriptor else [],
        inputs=[each for each in run_form.inputs_of(descriptor) if each["narrowed"]] if descriptor else [],
        notes=run_form.notes_of(descriptor) if descriptor else [],
        pipelines=rule_form.choices_of(catalogue, principal),
        choices=run_form.CHOICE_WORDS,
        runners=runner_names(),
        own_runner=catalogue.settings.runner,
        **shown,
    )
