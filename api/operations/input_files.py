"""The files that a task gets: from records to files, each with its place in the sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from api.operations.path_inputs import is_path, known_file, registered_file, unregistered_file
from api.operations.reference_files import case_file
from catalog.model import Record
from ontology.errors import InvalidRequestError, NotFoundError
from ontology.identifiers import last_part
from ontology.namespaces import DERIVED_FROM, GENERATED_BY

INPUT_ROOT = PurePosixPath("/inputs")
IMAGE_ROLES = ("image", None)
COMPANIONS = ("sidecar", "associated")
OF_TASKS = frozenset({"Task", "TaskBatch"})
WITH_FILES = frozenset({"Acquisition", "Entity"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInput:
    """One file for one input of a pipeline.

    Attributes:
        input: Name of the input.
        file: Record of the file.
        owner: Record that the file is part of.
        path: Where the task finds it.
        companion: It lies beside what the command line names, and is not named there itself.
    """

    input: str
    file: Record
    owner: Record
    path: str
    companion: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the member of a task's ``inputs``."""
        said = {
            "id": self.file.id,
            "input": self.input,
            "path": self.path,
            "sha256": self.file.document.get("sha256"),
            "size": self.file.document.get("size"),
            "part_of": self.owner.id,
        }
        return said | ({"companion": True} if self.companion else {})


class FileFinder:
    """Finds files for the inputs of one submission, with what its principal may read.

    Args:
        catalogue: The catalogue.
        principal: Who submits it.
        registers: Whether inputs that are given by path are registered on the way; else they are only looked at.
    """

    def __init__(self, catalogue: Catalogue, principal: Principal, *, registers: bool = True) -> None:
        self._catalogue, self._principal, self._registers = catalogue, principal, registers
        self._datasets: dict[str, Record] = {}
        self._shared: dict[str, dict[str, Record]] = {}

    def by_reference(self, name: str, reference: str, *, sidecars: bool = False) -> list[PlannedInput]:
        """Return the files that a reference means: of a file, an acquisition, an output, a task's or batch's results.

        A model means its weights. A path on this machine is registered on the way.

        Args:
            name: Name of the input that they are for.
            reference: Id of a record, or a path.
            sidecars: Whether what belongs to an image comes with it.

        Raises:
            InvalidRequestError: It means something that has no files.
            NotFoundError: There is no such record, or the caller may not read its data.
        """
        if is_path(reference):
            path = Path(reference.removeprefix("file://"))
            if not self._registers and known_file(self._catalogue, self._principal, path) is None:
                file, owner = unregistered_file(path)
                return [PlannedInput(input=name, file=file, owner=owner, path=str(INPUT_ROOT / "given" / path.name))]
            reference = registered_file(self._catalogue, self._principal, path)
        record = self._find(reference)
        if record.type == "File":
            owner = self._find(record.document["part_of"])
            beside = self.of(name, owner, sidecars=True) if sidecars and owner.type == "Acquisition" else []
            return [self.planned(name, record, owner), *(item for item in beside if item.companion)]
        if record.type in WITH_FILES:
            return self.of(name, record, sidecars=sidecars)
        if record.type in OF_TASKS:
            return self._results(name, record)
        if record.type == "Model":
            return self.by_reference(name, record.document["file"])
        raise InvalidRequestError(
            f"{reference} is a {record.type}; an input is a file, an acquisition, an output, a model for its weights, "
            "or a task for all its outputs",
            field="inputs",
        )

    def _find(self, reference: str) -> Record:
        return records.find(self._catalogue, self._principal, reference, permission=Permission.READ_DATA)

    def _results(self, name: str, task: Record) -> list[PlannedInput]:
        tasks = [task.id] if task.type == "Task" else list(self._tasks_of(task))
        edges = self._catalogue.repository.edges_to(tasks, [GENERATED_BY])
        made = self._catalogue.repository.get_many(sorted({edge.source for edge in edges}))
        outputs = sorted(iri for iri, record in made.items() if record.type in WITH_FILES)
        found = [item for iri in outputs for item in self.of(name, self._find(iri))]
        if not found:
            raise NotFoundError(f"{task.id} has no outputs", field="inputs")
        return found

    def _tasks_of(self, batch: Record) -> Iterator[str]:
        yield from (record.id for record in self._catalogue.repository.iterate("Task", part_of=batch.id))

    def of(self, name: str, owner: Record, *, sidecars: bool = False) -> list[PlannedInput]:
        """Return the files of an acquisition or output.

        Args:
            name: Name of the input that they are for.
            owner: The record.
            sidecars: Whether what belongs to an image comes with it, inherited files too.
        """
        listed = owner.document["files"]
        images = [file for file in listed if file.get("role") in IMAGE_ROLES or owner.type == "Entity"]
        beside = [file for file in listed if sidecars and file not in images and file.get("role") in COMPANIONS]
        known = self._catalogue.repository.get_many([file["id"] for file in (*images, *beside)])
        found = [self.planned(name, known[file["id"]], owner) for file in images if file["id"] in known]
        found += [
            self.planned(name, known[file["id"]], owner, companion=True) for file in beside if file["id"] in known
        ]
        return found + (list(self._inherited(name, owner)) if sidecars else [])

    def _inherited(self, name: str, owner: Record) -> Iterator[PlannedInput]:
        """Yield the files of a dataset that an acquisition shares with others (BIDS 1.11, inheritance principle)."""
        for path in owner.document.get("shared") or ():
            file = self.shared_files(str(owner.dataset)).get(path)
            if file is not None:
                yield self.planned(name, file, self.version(str(owner.dataset)), companion=True)

    def shared_files(self, dataset: str) -> Mapping[str, Record]:
        """Return the files of a dataset's present version that are no acquisition's own, by path."""
        if dataset not in self._shared:
            listed = self.version(dataset).document["files"] if self.dataset(dataset).document.get("current") else []
            known = self._catalogue.repository.get_many([file["id"] for file in listed])
            self._shared[dataset] = {file["path"]: known[file["id"]] for file in listed if file["id"] in known}
        return self._shared[dataset]

    def version(self, dataset: str) -> Record:
        """Return the present version of a dataset."""
        return self._catalogue.repository.get(self.dataset(dataset).document["current"])

    def planned(
        self, name: str, file: Record, owner: Record, *, companion: bool = False, path: str | None = None
    ) -> PlannedInput:
        """Return a file with its place; beside others of its dataset, as there, unless ``path`` says another."""
        if owner.dataset is None:
            raise InvalidRequestError(f"{owner.id} belongs to no dataset", field="inputs")
        dataset = self.dataset(owner.dataset)
        where = path or str(INPUT_ROOT / last_part(dataset.id)[:8] / file.document["path"])
        return PlannedInput(input=name, file=file, owner=owner, path=where, companion=companion)

    def dataset(self, iri: str) -> Record:
        """Return a dataset whose data the caller may read."""
        if iri not in self._datasets:
            self._datasets[iri] = self._find(iri)
        return self._datasets[iri]


def apart(inputs: Iterable[PlannedInput]) -> list[PlannedInput]:
    """Return files at places of their own: results of several tasks may have one path in their dataset.

    A file that several inputs name stays one file, at one place.
    """
    held: dict[str, str] = {}
    found = []
    for item in inputs:
        if held.setdefault(item.path, item.file.id) != item.file.id:
            below = PurePosixPath(item.path)
            path = below.parent / last_part(item.file.id)[:13] / below.name
            item = replace(item, path=str(path))
            held[item.path] = item.file.id
        found.append(item)
    return found


def host_path(catalogue: Catalogue, file: Record) -> Path:
    """Return where a file's content lies on this machine.

    Raises:
        NotFoundError: The content is not here, or its dataset has no data here.
    """
    if file.dataset is None:
        return case_file(catalogue, catalogue.repository.get(file.document["part_of"]), file.document["path"])
    dataset = catalogue.repository.get(str(file.dataset))
    if not dataset.document.get("data_path"):
        raise NotFoundError(f"the data of {dataset.id} are not on this machine", field="inputs")
    owner = catalogue.repository.get(file.document["part_of"])
    path, relpath = catalogue.data_path(dataset), file.document["path"]
    if owner.document.get("task") and file.document.get("sha256"):
        # A result is found by its digest alone; listing all results of a pipeline for each would take ever longer.
        with suppress(NotFoundError):
            size = file.document["size"]
            return catalogue.store.saved_output(path, relpath, sha256=file.document["sha256"], size=size)
    return catalogue.store.locate(path, owner.document.get("commit") or catalogue.data_commit(dataset), relpath)


def paths_by_input(inputs: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the sandbox paths of a task's files by input name, without those that only lie beside others."""
    values: dict[str, list[str]] = {}
    for item in inputs:
        if not item.get("companion"):
            values.setdefault(item["input"], []).append(item["path"])
    return values


def sources_of(inputs: Iterable[Mapping[str, Any]], only: Sequence[str] | None) -> list[tuple[str, str]]:
    """Return the edges from an output to what it derives from: all inputs, or those that the descriptor names."""
    own = [item for item in inputs if not item.get("companion")]
    owners = {item["part_of"] for item in own if only is None or item["input"] in only}
    return [(DERIVED_FROM, owner) for owner in sorted(owners)]
