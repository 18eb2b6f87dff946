"""The form that adds a rule: what was typed as a rule, and all that is wrong with it, by its field."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from api.access import Principal
from api.catalogue import Catalogue
from api.operations import certificate_register, rules
from api.operations.candidates import choices_document
from api.operations.pipeline_versions import all_versions, in_order, version_of
from api.operations.submissions import Request
from api.pages import run_form
from catalog.model import Record
from executors.pipelines.descriptor import PipelineDescriptor
from ontology.canonical import canonical_json
from ontology.errors import InvalidRequestError, NotFoundError, SillageError, UnauthenticatedError

PIPELINES = 200
"""Pipelines that the form lists; any other is given by its name in the address."""
ON = run_form.ON


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A rule as it was typed.

    Attributes:
        name: What it shall be called.
        when: Its condition.
        pipeline: What it runs.
        enabled: Whether it acts from the start.
        existing: Whether it also looks at what is there already.
        parameters: Values, by parameter.
        select: Conditions on acquisitions, by input.
        choose: What is done with several that match, by input.
        runner: Where it runs; None for the catalogue's own.
    """

    name: str
    when: str
    pipeline: str
    enabled: bool
    existing: bool
    parameters: Mapping[str, Any]
    select: Mapping[str, str]
    choose: Mapping[str, str]
    runner: str | None

    @property
    def fingerprint(self) -> str:
        """What tells one rule from another, so that only what was looked at is added."""
        return hashlib.sha256(canonical_json(asdict(self))).hexdigest()


def read(descriptor: PipelineDescriptor | None, typed: run_form.Typed) -> Asked:
    """Return the rule that a filled-in form makes."""
    named = {name: typed.get(name, "").strip() for name in ("name", "when", "pipeline")}
    run = None if descriptor is None else run_form.read(descriptor, named["pipeline"], typed)
    return Asked(
        **named,
        enabled=typed.get("enabled") == ON,
        existing=typed.get("existing") == ON,
        parameters=run.parameters if run else {},
        select=run.select if run else {},
        choose=run.choose if run else {},
        runner=typed.get("runner") or None,
    )


def version_named(catalogue: Catalogue, principal: Principal, name: str) -> Record | None:
    """Return the version whose fields the form has; None as long as no pipeline is chosen, or one that is not there."""
    try:
        return version_of(catalogue, principal, name) if name else None
    except NotFoundError:
        return None


def errors_of(
    catalogue: Catalogue, principal: Principal, asked: Asked, descriptor: PipelineDescriptor | None
) -> dict[str, str]:
    """Return all that is wrong with a rule, by the field that it is about."""
    found: dict[str, str] = {}
    for field, check in _checks(catalogue, principal, asked):
        try:
            check()
        except UnauthenticatedError:
            raise
        except SillageError as error:
            found |= _said(error, field, asked, descriptor)
    return found


def _checks(catalogue: Catalogue, principal: Principal, asked: Asked) -> Iterator[tuple[str, Callable[[], object]]]:
    def runnable() -> None:
        choices = choices_document(asked.select, asked.choose)
        rules.require_runnable(catalogue, principal, asked.pipeline, asked.parameters, choices)

    given: dict[str, Callable[[], object]] = {
        "name": lambda: rules.free_alias(catalogue, asked.name),
        "when": lambda: rules.condition(catalogue, principal, asked.when),
        "pipeline": runnable,
    }
    for field, check in given.items():
        yield field, check if getattr(asked, field) else _needed
    if asked.runner is not None:
        runner = asked.runner
        yield "runner", lambda: catalogue.runner(runner)


def _needed() -> None:
    raise InvalidRequestError(run_form.NEEDED)


def _said(error: SillageError, field: str, asked: Asked, descriptor: PipelineDescriptor | None) -> dict[str, str]:
    """Return what an error says, at the field of the pipeline that it is about, or at the one that was looked at."""
    if field == "pipeline" and descriptor is not None:
        run = Request(pipeline=asked.pipeline, parameters=asked.parameters, select=asked.select, choose=asked.choose)
        placed = run_form.errors_of(error, run, descriptor)
        if placed:
            return placed
    step = error.next_step()
    return {field: f"{error.detail} {step}" if step and error.detail[-1:] in ".!?" else _joined(error.detail, step)}


def _joined(detail: str, step: str | None) -> str:
    return f"{detail}. {step}" if step else detail


def choices_of(catalogue: Catalogue, principal: Principal) -> list[dict[str, Any]]:
    """Return the pipelines that a rule may run: each by its name, for its newest version, and each version of it."""
    listed = certificate_register.pipeline_list(catalogue, principal, limit=PIPELINES)["items"]
    found = []
    for item in listed:
        versions = [v.document for v in in_order(all_versions(catalogue, item["id"]))[::-1]]
        usable = [v["tool_version"] for v in versions if not v.get("deprecated")]
        found.append({"name": item["name"], "newest": item["semver"], "versions": usable})
    return found
