"""From a pipeline and a cohort to tasks: which files each one gets, at which paths, and the command line.

A plan is made before anything is written, so that what cannot run is refused with its reason, item by item,
and what can run does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations.bids_views import dataset_view, earlier_results
from api.operations.candidates import Choice, chosen, in_order
from api.operations.input_files import FileFinder, PlannedInput, apart, paths_by_input
from catalog.model import Record
from catalog.search.query import parse
from executors.pipelines.descriptor import PipelineDescriptor
from executors.pipelines.extension import Selection
from ontology.errors import InvalidRequestError, NotFoundError, SillageError, ValidationFailedError

NO_CHOICE = Choice()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """One task before it is written: about whom, and with which files.

    Attributes:
        label: For people.
        participant: Whom it is about; None when it is about several or nobody.
        inputs: Its files.
        datasets: Which datasets these come from.
        part: Number of the task among several for one participant, from 0.
        leakage: What was found of models among its inputs (:mod:`api.operations.leakage`); None where there is none.
    """

    label: str
    participant: str | None
    inputs: Sequence[PlannedInput]
    datasets: frozenset[str]
    part: int = 0
    leakage: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Plan:
    """The tasks that can run, and for whom they cannot."""

    tasks: list[PlannedTask] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)


class Planner:
    """Plans one submission.

    Args:
        catalogue: The catalogue.
        principal: Who submits it; only data that they may read are planned with.
        descriptor: The pipeline.
        parameters: Values that were given; a BIDS App takes its level from them.
        choices: What the caller says of each input beside the descriptor.
        registers: Whether inputs that are given by path are registered on the way; else they are only looked at.

    Raises:
        InvalidRequestError: A choice is for an input that the pipeline does not have.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        principal: Principal,
        descriptor: PipelineDescriptor,
        *,
        parameters: Mapping[str, Any] | None = None,
        choices: Mapping[str, Choice] | None = None,
        registers: bool = True,
    ) -> None:
        self._catalogue, self._principal, self._descriptor = catalogue, principal, descriptor
        self._choices = choices or {}
        self._level = descriptor.level_of(parameters or {})
        self._files = FileFinder(catalogue, principal, registers=registers)
        self._app = descriptor.bids_app
        rules = dict(descriptor.selections)
        if self._app is not None:
            rules.pop(self._app.bids_dir, None)
            rules.pop(self._app.output_dir, None)
        self._rules = rules
        for name in self._choices:
            self._known(name)
        self._each = self._input_for_each()

    def _input_for_each(self) -> str | None:
        names = [name for name, rule in self._rules.items() if self._choice(name).rule(rule) == "each"]
        if len(names) > 1:
            raise InvalidRequestError(
                f"{' and '.join(names)} cannot both have one task for each candidate",
                field=names[1],
                next_step="Let one of them be chosen by first, last or all.",
            )
        return names[0] if names else None

    @property
    def splits(self) -> bool:
        """Whether one participant may become several tasks."""
        return self._each is not None and self._level == "participant"

    def plan(self, *, cohort: Record | None, named: Mapping[str, Sequence[str]]) -> Plan:
        """Return the tasks for a cohort, or the one task for inputs named one by one.

        Raises:
            InvalidRequestError: An input has a name that the pipeline does not know.
            ValidationFailedError: Nothing can run; ``params['problems']`` says why for each item.
        """
        fixed = self.fixed(named)
        plan = Plan()
        members = [member["participant"] for member in cohort.document["members"]] if cohort is not None else []
        if cohort is None:
            if self._app is not None:
                raise InvalidRequestError(f"{self._descriptor.name} is a BIDS App and runs on a cohort", field="cohort")
            plan.tasks.append(self._task(self._descriptor.name, None, fixed))
        elif self._level == "group":
            plan.tasks.append(self._for_group(members, fixed))
        else:
            self._per_participant(plan, members, fixed)
        if not plan.tasks:
            raise ValidationFailedError(
                f"{self._descriptor.name} can run on nobody in this cohort", params={"problems": plan.refused}
            )
        return plan

    def plan_members(self, members: Sequence[str], named: Mapping[str, Sequence[str]]) -> Plan:
        """Return the tasks for some members of a cohort, and on whom it cannot run; both may be empty.

        Raises:
            InvalidRequestError: An input has a name that the pipeline does not know.
        """
        plan = Plan()
        self._per_participant(plan, members, self.fixed(named))
        return plan

    def fixed(self, named: Mapping[str, Sequence[str]]) -> list[PlannedInput]:
        """Return the files that inputs named one by one mean, the same for every task.

        Raises:
            InvalidRequestError: An input has a name that the pipeline does not know.
        """
        found: list[PlannedInput] = []
        for name, references in named.items():
            self._known(name)
            rule = self._rules.get(name, Selection())
            for reference in references:
                found += self._files.by_reference(name, reference, sidecars=rule.sidecars)
        if self._app is None:
            return found
        results = [item for item in found if item.input == self._app.output_dir]
        return [*(item for item in found if item not in results), *earlier_results(results)]

    def _known(self, name: str) -> None:
        known = [*self._rules, *((self._app.bids_dir, self._app.output_dir) if self._app else ())]
        if name not in known:
            raise InvalidRequestError(
                f"{self._descriptor.name} has no file input {name!r}",
                field="inputs",
                next_step=f"It has: {', '.join(known) or 'none'}.",
            )

    def _choice(self, name: str) -> Choice:
        return self._choices.get(name, NO_CHOICE)

    def _for_group(self, members: Sequence[str], fixed: Sequence[PlannedInput]) -> PlannedTask:
        known = self._catalogue.repository.get_many(members)
        people = [known[iri] for iri in members if iri in known and not known[iri].withdrawn]
        found = [item for person in people for item in self._selected(person.id)]
        if self._app is not None:
            found += dataset_view(self._files, self._app, people, self._seen_by_app(people))
        return self._task(f"{self._descriptor.name}, group", None, [*fixed, *found])

    def _per_participant(self, plan: Plan, ids: Sequence[str], fixed: Sequence[PlannedInput]) -> None:
        known = self._catalogue.repository.get_many(ids)
        labels = {iri: (record.dataset or "", str(record.document.get("label"))) for iri, record in known.items()}
        for iri in sorted(ids, key=lambda iri: (*labels.get(iri, ("", "")), iri)):
            try:
                if iri not in known or known[iri].withdrawn:
                    raise NotFoundError("the participant was withdrawn")
                plan.tasks += list(self._of_participant(known[iri], fixed))
            except SillageError as error:
                plan.refused.append({"participant": iri, "field": error.field, "detail": error.detail})

    def _of_participant(self, person: Record, fixed: Sequence[PlannedInput]) -> Iterator[PlannedTask]:
        """Yield the tasks of one participant: one, or one for each candidate of the input that says so."""
        name = self._descriptor.name
        if self._each is None:
            inputs = [*fixed, *self._selected(person.id)]
            if self._app is not None:
                inputs += dataset_view(self._files, self._app, [person], self._seen_by_app([person]))
            yield self._task(f"{name} {person.document['label']}", person, inputs)
            return
        candidates = in_order(self._candidates(self._each, person.id))
        if not candidates:
            yield self._task(f"{name} {person.document['label']}", person, fixed)
        for part, acquisition in enumerate(candidates):
            inputs = [*fixed, *self._files_of(self._each, acquisition)]
            inputs += self._selected(person.id, session=acquisition.document.get("session"))
            yield self._task(f"{name} {acquisition.document['label']}", person, inputs, part=part)

    def _task(
        self, label: str, participant: Record | None, inputs: Sequence[PlannedInput], *, part: int = 0
    ) -> PlannedTask:
        given = {item.input for item in inputs}
        for name, rule in self._rules.items():
            if not rule.optional and name not in given:
                raise InvalidRequestError(f"no file for input {name!r}", field=name)
        return PlannedTask(
            label=label,
            participant=participant.id if participant else None,
            inputs=apart(inputs),
            datasets=frozenset(item.owner.dataset for item in inputs if item.owner.dataset),
            part=part,
        )

    def _selected(self, participant: str, *, session: str | None = None) -> Iterator[PlannedInput]:
        """Yield the files that conditions choose among a participant's acquisitions.

        Where there is one task for each candidate of another input, those of the same session go before all others.
        """
        for name, rule in self._rules.items():
            if name == self._each and self._level == "participant":
                continue
            found = self._candidates(name, participant)
            found = [a for a in found if session is not None and a.document.get("session") == session] or found
            how = self._choice(name).rule(rule)
            for acquisition in chosen(name, found, "all" if self._level == "group" and how == "one" else how):
                yield from self._files_of(name, acquisition)

    def _candidates(self, name: str, participant: str) -> list[Record]:
        condition = self._choice(name).condition(self._rules[name])
        return self._acquisitions(condition, participant) if condition is not None else []

    def _acquisitions(self, condition: str, participant: str) -> list[Record]:
        """Return what fulfils a condition; what a pipeline made is never taken for what a scanner did."""
        readable = self._principal.datasets(Permission.READ_DATA)
        found = self._catalogue.search.select(parse(condition), participant=participant, datasets=readable)
        known = self._catalogue.repository.get_many(found)
        return [a for iri in found if (a := known.get(iri)) and not a.document.get("derived")]

    def _seen_by_app(self, people: Iterable[Record]) -> Iterator[Record]:
        """Yield the acquisitions that are in a BIDS App's dataset: all of its participants', or those asked for."""
        name = self._app.bids_dir if self._app is not None else ""
        condition = self._choice(name).condition(self._descriptor.selections.get(name, Selection()))
        for person in people:
            if condition is not None:
                yield from self._acquisitions(condition, person.id)
                continue
            for acquisition in self._catalogue.repository.iterate("Acquisition", part_of=person.id):
                if not acquisition.document.get("derived") and self._principal.may(Permission.READ_DATA, acquisition):
                    yield acquisition

    def _files_of(self, name: str, acquisition: Record) -> list[PlannedInput]:
        return self._files.of(name, acquisition, sidecars=self._rules[name].sidecars)


def command_values(
    descriptor: PipelineDescriptor, parameters: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return every value of a command line: what was given, the sandbox paths of files, what a BIDS App is told."""
    values = {**parameters, **paths_by_input(inputs)}
    app = descriptor.bids_app
    if app is None:
        return values
    labels = app.labels([item["path"] for item in inputs if item["input"] == app.bids_dir])
    return values | app.values(descriptor.level_of(parameters), labels)
