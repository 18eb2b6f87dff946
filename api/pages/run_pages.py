"""Pages that start runs: choose a pipeline, fill in its form, look at the plan, start it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.dependencies import Caller, Open
from api.operations import certificate_register, certificates, records, run_plans, tasks
from api.operations.chosen_resources import room
from api.operations.leakage_sums import nodes_of
from api.operations.pipeline_versions import deprecation_notice, version_of
from api.operations.submissions import Request as RunRequest
from api.pages import run_form
from api.pages.rendering import names_of, page
from api.problems import body_of, status_of
from catalog.model import Record
from executors.pipelines.descriptor import PipelineDescriptor
from executors.registry import runner_names
from ontology.errors import InvalidRequestError, SillageError, UnauthenticatedError

router = APIRouter()
COHORTS = 200
"""Cohorts that the form lists; any other is given by its id."""


async def _typed(request: Request) -> dict[str, str]:
    """Return what was typed into a form whose fields the descriptor of a pipeline decides."""
    form = await request.form(max_files=0, max_fields=1000)
    return {name: value for name, value in form.items() if isinstance(value, str)}


Typed = Annotated[dict[str, str], Depends(_typed)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """The form of one pipeline version for one person."""

    request: Request
    catalogue: Catalogue
    principal: Principal
    version: Record

    @property
    def descriptor(self) -> PipelineDescriptor:
        return PipelineDescriptor.parse(self.version.document["descriptor"])

    def show(self, typed: Mapping[str, str], *, status: int = 200, **members: Any) -> Response:
        """Return the page with the form as it is typed."""
        shown: dict[str, Any] = {
            "plan": None,
            "problem": None,
            "errors": {},
            "changed": False,
            "planned": "",
            **members,
        }
        offered, more = _cohorts(self.catalogue, self.principal, typed.get("cohort", ""))
        plan = shown["plan"] or {}
        people = [item["participant"] for item in (*plan.get("items", ()), *plan.get("refused", ()))]
        found = plan.get("leakage")
        if found:
            people += [*nodes_of(found), *(who for each in found["relations"] for who in each["participants"])]
        return page(
            self.request,
            "run.html",
            self.principal,
            status=status,
            v=self.version,
            d=self.descriptor,
            typed=typed,
            parameters=run_form.parameters_of(self.descriptor),
            inputs=run_form.inputs_of(self.descriptor),
            notes=run_form.notes_of(self.descriptor),
            choices=run_form.CHOICE_WORDS,
            cohorts=offered,
            more_cohorts=more,
            resources=run_form.resources_of(self.descriptor),
            room=_room(self.catalogue, typed.get("runner", "")),
            runners=runner_names(),
            own_runner=self.catalogue.settings.runner,
            standing=certificates.standing(self.catalogue, self.version).to_json(),
            deprecated=deprecation_notice(self.version),
            policy=self.catalogue.settings.uncertified,
            may_allow=_may(self.principal, Permission.ALLOW_LEAKAGE),
            names=names_of(self.catalogue, people),
            **shown,
        )


def _room(catalogue: Catalogue, runner: str) -> str:
    """Return what a runner has for its tasks; nothing where it does not answer."""
    name = runner or catalogue.settings.runner
    try:
        return f"The runner {name} has {room(catalogue.runner(name).capabilities)}."
    except SillageError:
        return ""


def _may(principal: Principal, permission: Permission) -> bool:
    return principal.datasets(permission) != frozenset()


def _form(request: Request, catalogue: Catalogue, principal: Principal, pipeline: str) -> _Form:
    principal.require(Permission.RUN)
    version = version_of(catalogue, principal, pipeline)
    return _Form(request=request, catalogue=catalogue, principal=principal, version=version)


def _cohorts(catalogue: Catalogue, principal: Principal, chosen: str) -> tuple[list[dict[str, Any]], bool]:
    """Return the cohorts that somebody may run over, newest first, and whether there are more than these."""
    listed = catalogue.repository.list_records("Cohort", limit=COHORTS)
    found = {record.id: record for record in reversed(listed.items)}
    if chosen and chosen not in found:
        found = {**catalogue.repository.get_many([chosen]), **found}
    runnable = [
        record for record in found.values() if record.type == "Cohort" and principal.may(Permission.RUN, record)
    ]
    return [
        {
            "id": record.id,
            "label": record.document.get("label") or record.id.removeprefix("urn:uuid:")[:8],
            "count": len(record.document["members"]),
            "created": record.created,
        }
        for record in runnable
    ], listed.next is not None


@router.get("/run")
def choose(
    request: Request, catalogue: Open, principal: Caller, pipeline: str = "", cohort: str = "", image: str = ""
) -> Response:
    """Choose the pipeline that is run over a cohort or on an image; with ``pipeline`` go to its form."""
    principal.require(Permission.RUN)
    if pipeline:
        version = version_of(catalogue, principal, pipeline)
        given = {name: value for name, value in (("cohort", cohort), ("image", image)) if value}
        return RedirectResponse(f"/pipelines/{version.id}/run?{urlencode(given)}", 303)
    about = records.find(catalogue, principal, cohort or image) if cohort or image else None
    found = certificate_register.pipeline_list(catalogue, principal, limit=1000)
    name = None if about is None else about.document.get("label") or about.id.removeprefix("urn:uuid:")[:8]
    return page(
        request, "run_choose.html", principal, page=found, cohort=cohort, image=image, about=about, about_name=name
    )


@router.get("/pipelines/{id}/run")
def show_form(
    request: Request,
    id: str,
    catalogue: Open,
    principal: Caller,
    cohort: str = "",
    image: str = "",
    like: str = "",
) -> Response:
    """Show the form of a pipeline; filled in as it was for another task, where there is one to be like."""
    form = _form(request, catalogue, principal, id)
    asked = RunRequest(pipeline=form.version.id, cohort=cohort or None)
    if like:
        asked = _like(form, like)
    elif image:
        first = next((item["name"] for item in run_form.inputs_of(form.descriptor) if item["named"]), None)
        asked = RunRequest(pipeline=form.version.id, inputs={first: [image]} if first else {})
    typed = run_form.typed_of(asked, form.descriptor)
    if asked.cohort:
        typed["cohort"] = records.find(catalogue, principal, asked.cohort, types=frozenset({"Cohort"})).id
    return form.show(typed)


def _like(form: _Form, reference: str) -> RunRequest:
    """Return what a task or batch was asked for; of a batch's task, which has one participant, its files by id."""
    task = records.find(form.catalogue, form.principal, reference, types=tasks.TASKS)
    document = dict(task.document)
    if task.type == "TaskBatch":
        return run_plans.request_of(document, document["named"])
    files: dict[str, list[str]] = {}
    if not document.get("cohort") or (document.get("batch") and form.descriptor.bids_app is None):
        document |= {"cohort": None, "choices": {}}
        for item in document["inputs"]:
            if not item.get("companion"):
                files.setdefault(item["input"], []).append(item["id"])
    return run_plans.request_of(document, files)


@router.post("/pipelines/{id}/run")
def run(request: Request, id: str, catalogue: Open, principal: Caller, typed: Typed) -> Response:
    """Plan what the form asks for; start it where just this was planned."""
    form = _form(request, catalogue, principal, id)
    asked = run_form.read(form.descriptor, form.version.id, typed)
    mark = run_form.fingerprint(asked)
    starting = typed.get("action") == "start"
    try:
        if starting and typed.get("planned") == mark:
            return RedirectResponse(f"/tasks/{tasks.submit_request(catalogue, principal, asked)['id']}", 303)
        if not asked.cohort and not asked.inputs and run_form.inputs_of(form.descriptor):
            raise InvalidRequestError("choose a cohort, or name files for an input", field="cohort")
        plan = run_plans.plan_run(catalogue, principal, asked)
    except UnauthenticatedError:
        raise
    except SillageError as error:
        errors = run_form.errors_of(error, asked, form.descriptor)
        problem = body_of(error, instance="")
        return form.show(typed, status=status_of(error), problem=problem, errors=errors)
    return form.show(typed, plan=plan, planned=mark, changed=starting)
