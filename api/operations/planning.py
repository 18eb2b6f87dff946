"""From a pipeline and a cohort to tasks: which files each one gets, at which paths, and the command line.

A plan is made before anything is written, so that what cannot run is refused with its reason, item by item,
and what can run does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from catalog.model import Record
from catalog.search.query import parse
from executors.pipelines.descriptor import PipelineDescriptor
from ontology.errors import InvalidRequestError, NotFoundError, SillageError, ValidationFailedError
from ontology.identifiers import last_part
from ontology.namespaces import DERIVED_FROM

INPUT_ROOT = PurePosixPath("/inputs")
IMAGE_ROLES = ("image", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInput:
    """One file for one input of a pipeline."""

    input: str
    file: Record
    owner: Record
    path: str

    def to_json(self) -> dict[str, Any]:
        """Return the member of a task's ``inputs``."""
        return {
            "id": self.file.id,
            "input": self.input,
            "path": self.path,
            "sha256": self.file.document.get("sha256"),
            "size": self.file.document.get("size"),
            "part_of": self.owner.id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """One task before it is written: about whom, and with which files."""

    label: str
    participant: str | None
    inputs: Sequence[PlannedInput]
    datasets: frozenset[str]


@dataclass(slots=True)
class Plan:
    """The tasks that can run, and for whom they cannot."""

    tasks: list[PlannedTask] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)


class Planner:
    """Plans one submission."""

    def __init__(self, catalogue: Catalogue, principal: Principal, descriptor: PipelineDescriptor) -> None:
        self._catalogue, self._principal, self._descriptor = catalogue, principal, descriptor
        self._datasets: dict[str, Record] = {}

    def plan(self, *, cohort: Record | None, named: Mapping[str, Sequence[str]]) -> Plan:
        """Return the tasks for a cohort, or the one task for inputs named one by one.

        Raises:
            InvalidRequestError: An input has a name that the pipeline does not know.
            ValidationFailedError: Nothing can run; ``params['problems']`` says why for each item.
        """
        fixed = self._named(named)
        plan = Plan()
        if cohort is None:
            plan.tasks.append(self._task(self._descriptor.name, None, fixed))
        elif self._descriptor.level == "group":
            members = [member["participant"] for member in cohort.document["members"]]
            selected = [item for member in members for item in self._selected(member, single=False)]
            plan.tasks.append(self._task(f"{self._descriptor.name}, group", None, [*fixed, *selected]))
        else:
            self._per_participant(plan, [member["participant"] for member in cohort.document["members"]], fixed)
        if not plan.tasks:
            raise ValidationFailedError(
                f"{self._descriptor.name} can run on nobody in this cohort", params={"problems": plan.refused}
            )
        return plan

    def plan_members(self, members: Sequence[str], named: Mapping[str, Sequence[str]]) -> Plan:
        """Return the tasks for some members of a cohort, one each, and on whom it cannot run; both may be empty.

        Raises:
            InvalidRequestError: An input has a name that the pipeline does not know.
        """
        plan = Plan()
        self._per_participant(plan, members, self._named(named))
        return plan

    def fixed(self, named: Mapping[str, Sequence[str]]) -> list[PlannedInput]:
        """Return the files that inputs named one by one mean, the same for every task.

        Raises:
            InvalidRequestError: An input has a name that the pipeline does not know.
        """
        return self._named(named)

    def _per_participant(self, plan: Plan, ids: Sequence[str], fixed: Sequence[PlannedInput]) -> None:
        known = self._catalogue.repository.get_many(ids)
        labels = {iri: (record.dataset or "", str(record.document.get("label"))) for iri, record in known.items()}
        for iri in sorted(ids, key=lambda iri: (*labels.get(iri, ("", "")), iri)):
            try:
                if iri not in known or known[iri].withdrawn:
                    raise NotFoundError("the participant was withdrawn")
                inputs = [*fixed, *self._selected(iri, single=True)]
                plan.tasks.append(self._task(self._descriptor.name, known[iri], inputs))
            except SillageError as error:
                plan.refused.append({"participant": iri, "field": error.field, "detail": error.detail})

    def _task(self, label: str, participant: Record | None, inputs: Sequence[PlannedInput]) -> PlannedTask:
        missing = [
            name
            for name, rule in self._descriptor.selections.items()
            if not rule.optional and not any(item.input == name for item in inputs)
        ]
        if missing:
            raise InvalidRequestError(f"no file for input {missing[0]!r}", field=missing[0])
        about = f"{label} {participant.document['label']}" if participant else label
        datasets = frozenset(item.owner.dataset for item in inputs if item.owner.dataset)
        return PlannedTask(
            label=about, participant=participant.id if participant else None, inputs=inputs, datasets=datasets
        )

    def _selected(self, participant: str, *, single: bool) -> Iterable[PlannedInput]:
        """Yield the files that the descriptor's own conditions choose among a participant's acquisitions."""
        for name, rule in self._descriptor.selections.items():
            if rule.select is None:
                continue
            readable = self._principal.datasets(Permission.READ_DATA)
            chosen = self._catalogue.search.select(parse(rule.select), participant=participant, datasets=readable)
            acquisitions = self._catalogue.repository.get_many(chosen)
            # What a pipeline made is never taken for what a scanner did; it is named by --input.
            found = [a for iri in chosen if (a := acquisitions.get(iri)) and not a.document.get("derived")]
            if single and rule.choose == "one" and len(found) > 1:
                raise InvalidRequestError(
                    f"{len(found)} acquisitions answer to input {name!r}", field=name, next_step="Name one by --input."
                )
            for acquisition in found:
                yield from self._files(name, acquisition)

    def _named(self, named: Mapping[str, Sequence[str]]) -> list[PlannedInput]:
        known = self._descriptor.selections
        found: list[PlannedInput] = []
        for name, references in named.items():
            if name not in known:
                raise InvalidRequestError(
                    f"{self._descriptor.name} has no file input {name!r}",
                    field="inputs",
                    next_step=f"It has: {', '.join(known) or 'none'}.",
                )
            for reference in references:
                found += self._by_reference(name, reference)
        return found

    def _by_reference(self, name: str, reference: str) -> Iterable[PlannedInput]:
        record = records.find(self._catalogue, self._principal, reference, permission=Permission.READ_DATA)
        if record.type == "File":
            owner = records.find(
                self._catalogue, self._principal, record.document["part_of"], permission=Permission.READ_DATA
            )
            return [self._input(name, record, owner)]
        if record.type in ("Acquisition", "Entity"):
            return list(self._files(name, record))
        raise InvalidRequestError(
            f"{reference} is a {record.type}; an input is a file, an acquisition or an output", field="inputs"
        )

    def _files(self, name: str, owner: Record) -> Iterable[PlannedInput]:
        for file in owner.document["files"]:
            if file.get("role") in IMAGE_ROLES or owner.type == "Entity":
                yield self._input(name, self._catalogue.repository.get(file["id"]), owner)

    def _input(self, name: str, file: Record, owner: Record) -> PlannedInput:
        dataset = self._dataset(owner)
        where = INPUT_ROOT / last_part(dataset.id)[:8] / file.document["path"]
        return PlannedInput(input=name, file=file, owner=owner, path=str(where))

    def _dataset(self, owner: Record) -> Record:
        iri = owner.dataset
        if iri is None:
            raise InvalidRequestError(f"{owner.id} belongs to no dataset", field="inputs")
        if iri not in self._datasets:
            self._datasets[iri] = records.find(self._catalogue, self._principal, iri, permission=Permission.READ_DATA)
        return self._datasets[iri]


def host_path(catalogue: Catalogue, file: Record) -> Path:
    """Return where a file's content lies on this machine.

    Raises:
        NotFoundError: The content is not here, or its dataset has no data here.
    """
    dataset = catalogue.repository.get(str(file.dataset))
    if not dataset.document.get("data_path"):
        raise NotFoundError(f"the data of {dataset.id} are not on this machine", field="inputs")
    owner = catalogue.repository.get(file.document["part_of"])
    commit = owner.document.get("commit") or catalogue.data_commit(dataset)
    return catalogue.store.locate(catalogue.data_path(dataset), commit, file.document["path"])


def input_values(inputs: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the sandbox paths of a task's files by input name, as the command line wants them."""
    values: dict[str, list[str]] = {}
    for item in inputs:
        values.setdefault(item["input"], []).append(item["path"])
    return values


def sources_of(inputs: Iterable[Mapping[str, Any]], only: Sequence[str] | None) -> list[tuple[str, str]]:
    """Return the edges from an output to what it derives from: all inputs, or those that the descriptor names."""
    owners = {item["part_of"] for item in inputs if only is None or item["input"] in only}
    return [(DERIVED_FROM, owner) for owner in sorted(owners)]
