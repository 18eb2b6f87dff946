"""What somebody asks to be run, read and checked: the same for a plan and for the run itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import certificates, records
from api.operations.candidates import choices_document, read_choices
from api.operations.chosen_resources import read_resources, require_within, with_chosen
from api.operations.pipeline_versions import deprecation_notice, version_of
from api.operations.pipelines import environment_for, pinned_of
from api.operations.planning import Planner
from catalog.model import Record
from catalog.search.query import parse
from executors.pipelines.descriptor import PipelineDescriptor
from ontology.errors import InvalidRequestError, NotPermittedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks for.

    Attributes:
        pipeline: Name, ``name@version`` or id.
        cohort: On whose members; None where inputs are named one by one.
        inputs: Ids, or paths on this machine, by the name of the input.
        parameters: Values by name; text where a command line or a form has no other.
        runner: Name; None for the catalogue's own.
        reuse: Whether identical work that is done is taken over.
        select: Further conditions on acquisitions, by input.
        choose: What is done with several that match, by input.
        allow_leakage: Why a model may be used on people whom it was trained on.
        resources: What each task may use, where it is not what the pipeline says.
    """

    pipeline: str
    cohort: str | None = None
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    runner: str | None = None
    reuse: bool = False
    select: Mapping[str, str] = field(default_factory=dict)
    choose: Mapping[str, str] = field(default_factory=dict)
    allow_leakage: str | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A request that was found sound, before anything is planned or written.

    Attributes:
        version: Record of the pipeline version.
        descriptor: Its descriptor.
        cohort: Record of the cohort, if there is one.
        inputs: Files named one by one.
        common: The members that all tasks of it share, but for those that say how the pipeline stands.
        planner: Plans it.
    """

    version: Record
    descriptor: PipelineDescriptor
    cohort: Record | None
    inputs: Mapping[str, Sequence[str]]
    common: Mapping[str, Any]
    planner: Planner

    @property
    def members(self) -> list[str]:
        """The participants of the cohort; empty when there is none."""
        return [member["participant"] for member in self.cohort.document["members"]] if self.cohort is not None else []

    @property
    def is_by_participant(self) -> bool:
        """Whether each participant gets tasks of their own."""
        return self.cohort is not None and self.common["level"] != "group"


def checked(catalogue: Catalogue, principal: Principal, asked: Request, *, registers: bool = True) -> Submission:
    """Return a request that was found sound.

    Args:
        catalogue: The catalogue.
        principal: Who asks.
        asked: For what.
        registers: Whether inputs that are given by path are registered on the way.

    Raises:
        NotPermittedError: The caller may not run pipelines, or not on these data.
        NotFoundError: There is no such pipeline, cohort or runner.
        InvalidRequestError: An input or condition is not one, or more is asked for than the runner has.
        ValidationFailedError: A parameter has a name or value that the pipeline does not take.
        UnsupportedError: The runner does not run pipelines of this kind.
    """
    principal.require(Permission.RUN)
    if asked.allow_leakage:
        principal.require(Permission.ALLOW_LEAKAGE)
    version = version_of(catalogue, principal, asked.pipeline)
    descriptor = PipelineDescriptor.parse(version.document["descriptor"])
    cohort = _cohort(catalogue, principal, asked.cohort) if asked.cohort else None
    runner = asked.runner or catalogue.settings.runner
    given = read_parameters(descriptor, asked.parameters)
    descriptor.check_parameters(given)
    _require_runnable(catalogue, version, descriptor, runner)
    _check_conditions(asked.select)
    resources = read_resources(asked.resources)
    require_within(catalogue, runner, with_chosen(descriptor.resources, resources), resources)
    said = choices_document(asked.select, asked.choose)
    common = {
        **_plan_members(version, descriptor, given),
        "cohort": cohort.id if cohort else None,
        "parameters": given,
        "runner": runner,
        "principal": principal.agent,
        "reuse": asked.reuse,
        "choices": said,
        **({"allow_leakage": asked.allow_leakage} if asked.allow_leakage else {}),
        **({"resources": resources} if resources else {}),
    }
    choices = read_choices(said)
    planner = Planner(catalogue, principal, descriptor, parameters=given, choices=choices, registers=registers)
    return Submission(
        version=version, descriptor=descriptor, cohort=cohort, inputs=asked.inputs, common=common, planner=planner
    )


def _cohort(catalogue: Catalogue, principal: Principal, reference: str) -> Record:
    found = records.find(catalogue, principal, reference, types=frozenset({"Cohort"}))
    principal.require(Permission.RUN, found)
    return found


def _check_conditions(select: Mapping[str, str]) -> None:
    """Refuse at once a condition that is none, rather than once for every participant."""
    for name, text in select.items():
        try:
            parse(text)
        except InvalidRequestError as error:
            raise InvalidRequestError(
                f"the condition for input {name!r} is none: {error.detail}",
                field=f"select.{name}",
                next_step=error.next_step(),
                params=error.params,
            ) from error


def _plan_members(version: Record, descriptor: PipelineDescriptor, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a task that say what is run."""
    return {
        "name": descriptor.name,
        "pipeline": version.id,
        "pipeline_name": descriptor.name,
        "pipeline_version": descriptor.version,
        "level": descriptor.level_of(given),
    }


def standing_members(catalogue: Catalogue, version: Record, found: certificates.Standing) -> dict[str, Any]:
    """Return the members of a task that say how its pipeline stands."""
    remarks = (certificates.warning(catalogue, version, found), deprecation_notice(version))
    return {"certificate": found.to_json(), "remarks": [remark for remark in remarks if remark]}


def _require_runnable(catalogue: Catalogue, version: Record, descriptor: PipelineDescriptor, runner: str) -> None:
    """Refuse now what no runner here could do, rather than once for every participant.

    Raises:
        NotPermittedError: It asks for the network, and the policy does not allow it.
        UnsupportedError: Its environment is an image, and the runner runs none, or does not have this one.
        ValidationFailedError: The environment is not what the descriptor is locked to.
    """
    if descriptor.network and not catalogue.settings.allow_network:
        raise NotPermittedError(
            f"{descriptor.name} asks for the network, which pipelines may not have here",
            next_step="An administrator can set allow_network.",
        )
    catalogue.runner(runner).require(environment_for(pinned_of(version), catalogue.settings.pythons))


def read_parameters(descriptor: PipelineDescriptor, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with text turned into what the descriptor says they are: a command line has only text.

    What cannot be turned is left as it is, for the descriptor's own check to refuse.
    """
    types = {item["id"]: item["type"] for item in descriptor.inputs}
    return {name: _read_parameter(types.get(name), value) for name, value in given.items()}


def _read_parameter(type: str | None, value: Any) -> Any:
    if isinstance(value, list):
        return [_read_parameter(type, each) for each in value]
    if not isinstance(value, str):
        return value
    if type == "Number":
        for read in (int, float):
            with suppress(ValueError):
                return read(value)
    if type == "Flag" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value
