"""Results: from files that a task left in its folder to a DataLad derivative dataset and its records."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from api.operations.attribution import Attribution
from api.operations.input_files import sources_of
from api.operations.measures import Measures, read_measures
from catalog.model import Put, Record
from catalog.readers.bids.names import NameReader
from catalog.readers.bids.schema import load_schema
from catalog.tree import TreeFile
from executors.model import StagedOutput
from executors.pipelines.extension import MeasuresRule, OutputHint
from ontology.errors import SillageError
from ontology.identifiers import new_iri
from ontology.namespaces import GENERATED_BY, PART_OF

OUT = "out/"


def dataset_path(output: StagedOutput) -> str:
    """Return where an output belongs in the derivative dataset: its path below the folder ``out``."""
    return output.path.removeprefix(OUT)


def output_puts(
    task: Record,
    derivative: Record,
    outputs: Sequence[StagedOutput],
    *,
    commit: str,
    hints: Mapping[str, OutputHint],
    located: Callable[[str], Path],
    attribution: Attribution,
) -> tuple[list[Put], list[dict[str, Any]]]:
    """Return the records of a task's outputs, and the members of its ``outputs``.

    An image becomes an Acquisition with the files of the same name beside it; any other file an Entity.

    Args:
        task: The task.
        derivative: The dataset that its outputs were saved in.
        outputs: The files.
        commit: Which holds them.
        hints: What the descriptor says of each output.
        located: Where a file of the commit lies, by its path.
        attribution: Whose data the inputs are.
    """
    puts: list[Put] = []
    listed: list[dict[str, Any]] = []
    for group in _grouped(outputs):
        lead = group[0]
        files = [_file(output, role=_role(output, lead)) for output in group]
        listed += [{k: f[k] for k in ("id", "path", "sha256", "size", "name")} for f in files]
        hint = hints.get(lead.name)
        sources = sources_of(task.document["inputs"], hint.derived_from if hint else None)
        document = {
            **_about(lead, hint, [iri for _, iri in sources], attribution),
            "dataset": derivative.id,
            "task": task.id,
            "commit": commit,
            "derived": True,
            "files": files,
            **_measured(group, hints, located),
        }
        puts.append(
            Put(
                id=new_iri(),
                type="Acquisition" if _is_image(lead) else "Entity",
                document=document,
                edges=[(GENERATED_BY, task.id), (PART_OF, derivative.id), *sources],
                action="entity.generate",
            )
        )
    return puts, listed


def _about(
    lead: StagedOutput, hint: OutputHint | None, sources: Sequence[str], attribution: Attribution
) -> dict[str, Any]:
    """Return what the name of an output says, and whose data it is."""
    described = _described(dataset_path(lead))
    # A model rests on whom it was trained on, and is nobody's, though that were one person alone.
    is_model = hint is not None and hint.model is not None
    participant = None if is_model else attribution.whose(described["bids_entities"], sources)
    return {**described, "participant": participant}


def _measured(
    group: Sequence[StagedOutput], hints: Mapping[str, OutputHint], located: Callable[[str], Path]
) -> dict[str, Any]:
    """Return the measures in those of some files that are declared to hold them, and what could not be read."""
    values: dict[str, list[Any]] = {}
    problems: list[dict[str, str]] = []
    for output in group:
        hint = hints.get(output.name)
        if hint is not None and hint.measures is not None:
            path = dataset_path(output)
            found = _read(located, path, hint.measures)
            for name, said in found.values.items():
                values.setdefault(name, []).extend(said)
            problems += found.problems
    members: dict[str, Any] = {"measures": values} if values else {}
    return members | ({"problems": problems} if problems else {})


def _read(located: Callable[[str], Path], path: str, rule: MeasuresRule) -> Measures:
    try:
        return read_measures(located(path), path=path, rule=rule)
    except SillageError as error:
        return Measures(problems=[{"path": path, "field": "", "detail": error.detail}])


def _grouped(outputs: Sequence[StagedOutput]) -> list[list[StagedOutput]]:
    """Put a JSON beside the image of the same name into the image's group; everything else stands alone."""
    images = {_stem(output.path): [output] for output in outputs if _is_image(output)}
    alone: list[list[StagedOutput]] = []
    for output in outputs:
        if _is_image(output):
            continue
        if output.path.endswith(".json") and _stem(output.path) in images:
            images[_stem(output.path)].append(output)
        else:
            alone.append([output])
    return [*images.values(), *alone]


def _described(path: str) -> dict[str, Any]:
    name = NameReader(load_schema()).read(TreeFile(path, None))
    return {
        "label": _stem(PurePosixPath(path).name),
        "suffix": name.suffix or None,
        "datatype": name.folder.datatype or None,
        "bids_entities": dict(name.entities),
        "session": name.folder.session or None,
        "properties": {},
        "metadata": {},
    }


def _file(output: StagedOutput, *, role: str) -> dict[str, Any]:
    return {
        "id": new_iri(),
        "name": output.name,
        "path": dataset_path(output),
        "sha256": output.sha256,
        "size": output.size,
        "media_type": media_type(output.path),
        "role": role,
    }


def media_type(path: str) -> str:
    """Return the media type of a file by its name."""
    if path.endswith((".nii.gz", ".nii")):
        return "application/x-nifti"
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _is_image(output: StagedOutput) -> bool:
    return output.path.endswith((".nii.gz", ".nii"))


def _stem(path: str) -> str:
    return path.removesuffix(".gz").rsplit(".", 1)[0]


def _role(output: StagedOutput, lead: StagedOutput) -> str:
    if _is_image(output):
        return "image"
    return "sidecar" if output is not lead else "output"
