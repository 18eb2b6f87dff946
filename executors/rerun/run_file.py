"""What a dataset holds so that a run in it can be repeated: a description of the run, its environment, the program."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from executors.model import StagedOutput, TaskContent, TaskSpec

RUN_FORMAT = "sillage-rerun/1"
ENVIRONMENT_FORMAT = "sillage-environment/1"

_OWN_PACKAGE = "sillage=="


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an input lies in the dataset of the results.

    Attributes:
        place: Its path there; below the subdataset that it comes from.
        dataset: Path of that subdataset.
        commit: The subdataset's commit that was used.
    """

    place: str
    dataset: str
    commit: str


def program() -> bytes:
    """Return the program that repeats a run (``code/rerun.py``); it needs Python's standard library alone."""
    return files("executors.rerun").joinpath("repeat.py").read_bytes()


def environment_file(environment: Mapping[str, Any], lock: Sequence[str] = ()) -> tuple[str, bytes]:
    """Return path and content of the description of an environment; equal environments have one file.

    Sillage itself, which may be installed beside what a pipeline uses, is left out: it takes no part in a run.

    Args:
        environment: As the record of a run has it (``docs/reference/tasks.md``).
        lock: What the pipeline is locked to, which is then all that must be the same.
    """
    packages = [name for name in environment.get("packages") or () if not name.startswith(_OWN_PACKAGE)]
    members = {name: environment.get(name) for name in ("kind", "digest", "python", "image")}
    document = {"format": ENVIRONMENT_FORMAT, **members, "packages": packages, "lock": list(lock)}
    name = str(environment.get("digest") or environment.get("kind")).rpartition(":")[2][:16]
    return f"code/environments/{name}.json", _as_bytes(document)


def run_file(
    spec: TaskSpec,
    *,
    key: str,
    environment: str,
    mounts: Mapping[str, str],
    sources: Mapping[str, Source],
    tables: Mapping[str, Source],
    outputs: Sequence[tuple[StagedOutput, str]],
    record: Mapping[str, Any],
) -> tuple[str, bytes]:
    """Return path and content of the description of a run, from which the program lays it out again.

    Args:
        spec: What was run.
        key: Name of the run, unique in the dataset; its first two characters name a folder.
        environment: Path of the environment's description.
        mounts: Path in the dataset of each further folder, by its path in the sandbox.
        sources: Where each input lies in the dataset, by its path in the sandbox; one that is not listed lies nowhere.
        tables: Where the table lies that a small file outside the working folder holds some rows of, by the file's
            path in the sandbox. What is said of people is never copied into the dataset of the results.
        outputs: Each output, and its path in the dataset.
        record: The record of the run (``docs/reference/tasks.md``).
    """
    seen = {item["path"]: item for item in record.get("inputs", ())}
    document = {
        "format": RUN_FORMAT,
        "task": spec.id,
        "environment": environment,
        "workdir": spec.workdir,
        "network": spec.network,
        "variables": dict(record.get("environment_variables", {})),
        "mounts": [{"path": path, "place": place} for path, place in mounts.items()],
        "inputs": [_input(item.path, seen.get(item.path, {}), sources.get(item.path)) for item in spec.inputs],
        "contents": [_content(item, spec, tables.get(item.path)) for item in spec.contents],
        "outputs": [
            {"from": output.path, "to": place, "sha256": output.sha256, "size": output.size}
            for output, place in outputs
        ],
    }
    return f"code/runs/{key[:2]}/{key}.json", _as_bytes(document)


def _input(path: str, seen: Mapping[str, Any], source: Source | None) -> dict[str, Any]:
    return {
        "path": path,
        "place": source.place if source else None,
        "dataset": source.dataset if source else None,
        "commit": source.commit if source else None,
        "sha256": seen.get("sha256"),
        "size": seen.get("size"),
    }


def _content(item: TaskContent, spec: TaskSpec, table: Source | None) -> dict[str, Any]:
    """Return what is kept of a small file: all of the pipeline's own, of others only how they were made."""
    if item.path.startswith(spec.workdir.rstrip("/") + "/"):
        return {"path": item.path, "content": item.content}
    lines = item.content.splitlines()[1:]
    return {
        "path": item.path,
        "table": table.place if table else None,
        "rows": sorted({line.split("\t")[0] for line in lines if line.strip()}),
        "sha256": hashlib.sha256(item.content.encode()).hexdigest(),
    }


def _as_bytes(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"
