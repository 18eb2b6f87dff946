"""The DataLad dataset that a pipeline version's results of some datasets are kept in, with all that repeats them.

It points at the datasets that the pipeline was run on (``sourcedata/``), and holds the pipeline's own files, the
environments and one description of each run (``code/``), so that ``datalad rerun`` gets the same again without
Sillage (``docs/decisions/0016-rerun-without-sillage.md``).
"""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from api.catalogue import Catalogue
from api.operations.attribution import Attribution
from api.operations.outputs import dataset_path, output_puts
from api.operations.task_specs import PIPELINE_MOUNT, spec_of
from catalog.model import Commit, Put, Record
from catalog.versions.folder import DESCRIPTION_LIMIT
from catalog.versions.model import Subdataset
from catalog.versions.outputs import Output
from catalog.versions.results import describe_results
from catalog.versions.surroundings import Surroundings
from executors.model import TaskEvent
from executors.pipelines.descriptor import PipelineDescriptor
from executors.rerun.datalad_record import PROGRAM, datalad_run_record
from executors.rerun.run_file import Source, environment_file, program, run_file
from ontology.canonical import canonical_json
from ontology.errors import ConflictError, SillageError
from ontology.identifiers import last_part, new_iri
from ontology.namespaces import DERIVED_FROM

TABLE = "participants.tsv"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """A dataset that a task read: its record, where the results' dataset points at it, and its version."""

    dataset: Record
    folder: str
    subdataset: Subdataset
    version: str | None

    def to_json(self) -> dict[str, str]:
        """Return the member of ``SourceDatasets`` (BIDS 1.11, derived dataset)."""
        doi = self.dataset.document.get("doi")
        url = self.subdataset.public_url or (f"https://doi.org/{doi}" if doi else self.dataset.id)
        members = {"URL": url, "DOI": doi, "Version": self.version or self.subdataset.commit}
        return {name: str(value) for name, value in members.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a task's results are saved with."""

    title: str
    version: Record
    description: Mapping[str, Any]
    origins: Mapping[str, _Origin]
    environment: tuple[str, bytes]
    surroundings: Surroundings


def keep_outputs(catalogue: Catalogue, task: Record, event: TaskEvent) -> tuple[list[Put], list[dict[str, Any]]]:
    """Save a task's outputs as a commit of its derivative dataset; repeating it after a crash changes nothing.

    Returns:
        The records of the outputs, and the members of the task's ``outputs``.

    Raises:
        SillageError: They could not be saved; a dataset that was made for them is gone again.
    """
    plan = _plan(catalogue, task, event)
    alias = _alias(catalogue, task)
    derivative, saved = _known(catalogue, alias), None
    if derivative is None:
        with catalogue.store.making:
            derivative = _known(catalogue, alias)
            if derivative is None:
                derivative, saved = _first(catalogue, task, event, plan, alias)
    path = catalogue.data_path(derivative)
    saved = saved or _save(catalogue, path, task, event, plan)
    sizes = {dataset_path(output): output for output in event.outputs}

    def located(place: str) -> Path:
        output = sizes[place]
        return catalogue.store.saved_output(path, place, sha256=output.sha256, size=output.size)

    hints = PipelineDescriptor.parse(plan.version.document["descriptor"]).outputs
    attribution = Attribution.of(task, catalogue.repository)
    return output_puts(
        task, derivative, event.outputs, commit=saved, hints=hints, located=located, attribution=attribution
    )


def _alias(catalogue: Catalogue, task: Record) -> str:
    """Return the name of the dataset that takes a task's results now: after one that was withdrawn comes another."""
    first = f"derivative:{task.document['pipeline']}/{'+'.join(sorted(task.document['datasets']))}"
    for number in itertools.count(1):
        alias = first if number == 1 else f"{first}#{number}"
        iri = catalogue.repository.find_alias(alias)
        if iri is None or not catalogue.repository.get(iri).withdrawn:
            return alias
    raise AssertionError(first)


def _known(catalogue: Catalogue, alias: str) -> Record | None:
    iri = catalogue.repository.find_alias(alias)
    return None if iri is None else catalogue.repository.get(iri)


def _first(catalogue: Catalogue, task: Record, event: TaskEvent, plan: _Plan, alias: str) -> tuple[Record, str]:
    """Make the dataset with its first results, and its record; or leave nothing.

    Returns:
        The record, and the commit that holds the results.
    """
    path = _make(catalogue, plan, alias)
    try:
        saved = _save(catalogue, path, task, event, plan)
    except SillageError:
        catalogue.store.discard_unused(path)
        raise
    return _register(catalogue, task, plan, alias, path, saved), saved


def _make(catalogue: Catalogue, plan: _Plan, alias: str) -> Path:
    """Make the dataset, or return it where another task, or this one before a crash, has made it.

    Its identifier follows from what it is for, so that nobody makes a second.
    """
    identifier = uuid.uuid5(uuid.UUID(last_part(catalogue.iri)), alias)
    made = catalogue.store.create_derivative(
        name=plan.title, description=plan.description, identifier=str(identifier), surroundings=plan.surroundings
    )
    return made.path


def _register(catalogue: Catalogue, task: Record, plan: _Plan, alias: str, path: Path, commit: str) -> Record:
    """Write the record of the dataset, now that it holds something."""
    licences = {str(origin.dataset.document.get("license") or "") for origin in plan.origins.values()}
    document = {
        "label": plan.title,
        "title": plan.title,
        "dataset_type": "derivative",
        "license": licences.pop() if len(licences) == 1 else None,
        "source_datasets": sorted(task.document["datasets"]),
        "generated_by": plan.description["GeneratedBy"],
        "access_rights": "restricted",
        "data_path": catalogue.stored_path(path),
        "commit": commit,
        "pipeline": task.document["pipeline"],
    }
    put = Put(
        id=new_iri(),
        type="Dataset",
        document=document,
        edges=[(DERIVED_FROM, iri) for iri in sorted(task.document["datasets"])],
        aliases=[alias, f"datalad:{path.name}"],
    )
    try:
        catalogue.repository.commit(
            Commit(principal=task.document["principal"], action="dataset.derive", changes=[put])
        )
    except ConflictError:
        # Another task of the same batch wrote it first.
        known = _known(catalogue, alias)
        if known is None:
            raise
        return known
    return catalogue.repository.get(put.id)


def _plan(catalogue: Catalogue, task: Record, event: TaskEvent) -> _Plan:
    version = catalogue.repository.get(task.document["pipeline"])
    origins = _origins(catalogue, task.document["datasets"])
    name = f"{task.document['pipeline_name']} {task.document['pipeline_version']}"
    titles = [str(origin.dataset.document.get("title") or iri) for iri, origin in origins.items()]
    title = f"{name} of {', '.join(titles)}" if titles else name
    description = {
        "GeneratedBy": [_generated_by(version)],
        "SourceDatasets": [origin.to_json() for origin in origins.values()],
    }
    lock = (version.document.get("environment") or {}).get("lock") or ()
    environment = environment_file((event.record or {}).get("environment", {}), lock)
    code = _code(version)
    files = {
        PROGRAM: program(),
        environment[0]: environment[1],
        f"{code}.json": canonical_json(version.document["descriptor"]) + b"\n",
        "dataset_description.json": describe_results(title, description),
        "README.md": _readme(title),
    }
    digest = version.document.get("files_digest")
    surroundings = Surroundings(
        files=files,
        folders={code: catalogue.directory / "pipelines" / digest} if digest else {},
        subdatasets={origin.folder: origin.subdataset for origin in origins.values()},
    )
    return _Plan(
        title=title,
        version=version,
        description=description,
        origins=origins,
        environment=environment,
        surroundings=surroundings,
    )


def _origins(catalogue: Catalogue, datasets: Iterable[str]) -> dict[str, _Origin]:
    """Return the datasets that a task read, those without data here left out."""
    known = catalogue.repository.get_many(sorted(datasets))
    found = {}
    for iri, dataset in sorted(known.items()):
        if not dataset.document.get("data_path"):
            continue
        path = catalogue.data_path(dataset)
        subdataset = catalogue.store.subdataset(path, catalogue.data_commit(dataset), name=last_part(iri))
        current = dataset.document.get("current")
        version = catalogue.repository.get(current).document.get("name") if current else None
        folder = f"sourcedata/{last_part(iri)[:8]}"
        found[iri] = _Origin(dataset=dataset, folder=folder, subdataset=subdataset, version=version)
    return found


def _save(catalogue: Catalogue, path: Path, task: Record, event: TaskEvent, plan: _Plan) -> str:
    spec = spec_of(catalogue, task)
    sources = _sources(catalogue, task, plan)
    tables = {item.path: table for item in spec.contents if (table := _table(item.path, sources)) is not None}
    mounts = {PIPELINE_MOUNT: _code(plan.version)} if plan.surroundings.folders else {}
    place, note = run_file(
        spec,
        key=last_part(task.id),
        environment=plan.environment[0],
        mounts=mounts,
        sources=sources,
        tables=tables,
        outputs=[(output, dataset_path(output)) for output in event.outputs],
        record=event.record or {},
    )
    record = datalad_run_record(
        spec.command,
        run_file=place,
        inputs={source.place for source in (*sources.values(), *tables.values())},
        outputs=[dataset_path(output) for output in event.outputs],
        extra_inputs=[place for place, lies in plan.surroundings.folders.items() if _is_annexed(lies)],
        exit_code=event.exit_code or 0,
    )
    return catalogue.store.save_outputs(
        path,
        [Output(output.host_path, dataset_path(output), output.sha256, output.seen) for output in event.outputs],
        message=f"{task.document['pipeline_name']} {task.document['pipeline_version']}",
        run_record=record,
        surroundings=plan.surroundings,
        notes={place: note},
        keep_staged=True,  # The ledger does not have them yet: should we die now, they are collected again.
    )


def _sources(catalogue: Catalogue, task: Record, plan: _Plan) -> dict[str, Source]:
    """Return where each input lies below ``sourcedata``, by its path in the sandbox."""
    inputs = task.document["inputs"]
    owners = catalogue.repository.get_many({item["part_of"] for item in inputs})
    found: dict[str, Source] = {}
    for item in inputs:
        owner = owners.get(item["part_of"])
        origin = plan.origins.get(str(owner.dataset)) if owner is not None else None
        path = _path_of(owner, item["id"]) if owner is not None else None
        if owner is not None and origin is not None and path is not None:
            commit = owner.document.get("commit") or origin.subdataset.commit
            found[item["path"]] = Source(place=f"{origin.folder}/{path}", dataset=origin.folder, commit=commit)
    return found


def _path_of(owner: Record, file: str) -> str | None:
    return next((str(each["path"]) for each in owner.document["files"] if each["id"] == file), None)


def _table(path: str, sources: Mapping[str, Source]) -> Source | None:
    """Return the table of a dataset that a small file holds rows of: it has the place that the table would have."""
    folder = PurePosixPath(path).parent
    if PurePosixPath(path).name != TABLE:
        return None
    beside = next((source for place, source in sources.items() if PurePosixPath(place).is_relative_to(folder)), None)
    return None if beside is None else replace(beside, place=f"{beside.dataset}/{TABLE}")


@lru_cache(maxsize=64)
def _is_annexed(folder: Path) -> bool:
    """Tell whether a pipeline's files, which never change, are too large to be kept in git itself."""
    return any(path.stat().st_size > DESCRIPTION_LIMIT for path in folder.rglob("*") if path.is_file())


def _code(version: Record) -> str:
    name = f"{version.document['name']}-{version.document['tool_version']}"
    return f"code/pipelines/{re.sub(r'[^A-Za-z0-9._-]+', '-', name).lstrip('.-')}"


def _generated_by(version: Record) -> dict[str, Any]:
    """Return the member of ``GeneratedBy`` (BIDS 1.11, derived dataset)."""
    descriptor, environment = version.document["descriptor"], version.document.get("environment") or {}
    members: dict[str, Any] = {
        "Name": version.document["name"],
        "Version": version.document["tool_version"],
        "Description": version.document.get("description"),
        "CodeURL": descriptor.get("url") or f"bids::{_code(version)}",
    }
    if environment.get("kind") == "container" and environment.get("image"):
        image = str(environment["image"]).split("@")[0]
        digest = str(environment.get("digest") or "").rpartition(":")[2]
        members["Container"] = {"Type": "docker", "Tag": f"{image}@sha256:{digest}", "URI": f"docker://{image}"}
    return {name: value for name, value in members.items() if value}


def _readme(title: str) -> bytes:
    return f"""# {title}

Results of a pipeline, one commit for each of its runs. `datalad rerun COMMIT` repeats a run, and git says whether its
results are the same; `datalad rerun --since=` repeats all. It takes DataLad, git-annex and the environment of the run
(`code/environments`); what was run on is in `sourcedata`, what was run in `code/pipelines`, how in `code/runs`.
""".encode()
