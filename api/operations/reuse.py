"""Reuse: an identical task that ended well gives its outputs, and nothing is run.

Two tasks did the same work when the command saw the same: the same descriptor and pipeline files, the same pinned
environment, the same command line with all defaults, environment variables and written files, and inputs with the same
content at the same paths. Paths count, because a command may write them into its outputs, or name outputs after them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations.certificates import State, standing
from api.operations.chosen_resources import telling
from api.operations.input_files import host_path
from api.operations.task_specs import SAME_WORK, spec_for, work_node
from catalog.model import Record
from executors.model import TaskEvent, TaskSpec, utc_now
from executors.states import EventKind, TaskState, transition
from ontology.canonical import canonical_json
from ontology.errors import SillageError

LOOKED_AT = 20
"""Identical tasks that are tried, the newest first."""


def work_digest(
    spec: TaskSpec,
    *,
    files_digest: str | None,
    runner: str,
    environment: str | None = None,
    chosen: Mapping[str, Any] | None = None,
) -> tuple[str | None, str | None]:
    """Return the digest that names what a task does, or None with the reason why it has none.

    Args:
        spec: What its runner is given.
        files_digest: Digest of the pipeline's own files.
        runner: Name of the runner, which counts where it does not run commands.
        environment: Digest of the environment that it really ran in, where that is known.
        chosen: Resources that somebody chose; what the descriptor says of them is in its digest.
    """
    pinned = environment or spec.environment.digest
    if pinned is None:
        return None, f"its environment ({spec.environment.kind}) is not pinned by a digest"
    if any(item.sha256 is None for item in spec.inputs):
        return None, "the digest of an input is not known"
    said = {
        "descriptor": spec.plan.get("descriptor_digest"),
        "files": files_digest,
        "environment": [spec.environment.kind, pinned],
        "command": list(spec.command),
        "parameters": dict(spec.parameters),
        "variables": dict(spec.env),
        "contents": [[item.path, item.content] for item in spec.contents],
        "inputs": sorted([item.path, item.sha256] for item in spec.inputs),
        "seeds": dict(spec.seeds),
        "network": spec.network,
        "pretended": runner == "noop",
        **({"resources": telling(chosen)} if telling(chosen) else {}),
    }
    return hashlib.sha256(canonical_json(said)).hexdigest(), None


def digest_of(catalogue: Catalogue, iri: str, document: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return what :func:`work_digest` says of a task that has not run."""
    try:
        spec = spec_for(catalogue, iri, document)
    except SillageError as error:
        return None, error.detail
    files, chosen = _files_digest(catalogue, document), document.get("resources")
    return work_digest(spec, files_digest=files, runner=document["runner"], chosen=chosen)


def digest_after(catalogue: Catalogue, task: Record, spec: TaskSpec, event: TaskEvent) -> str | None:
    """Return the digest of what a task did, by the environment that its record says it ran in."""
    environment = ((event.record or {}).get("environment") or {}).get("digest")
    files = _files_digest(catalogue, task.document)
    runner, chosen = task.document["runner"], task.document.get("resources")
    return work_digest(spec, files_digest=files, runner=runner, environment=environment, chosen=chosen)[0]


def _files_digest(catalogue: Catalogue, document: Mapping[str, Any]) -> str | None:
    digest: str | None = catalogue.repository.get(document["pipeline"]).document.get("files_digest")
    return digest


def reused(catalogue: Catalogue, principal: Principal, iri: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a queued task, complete with what an identical one made if there is one.

    Where there is none the member ``not_reused`` says why.
    """
    digest, reason = digest_of(catalogue, iri, document)
    if digest is None:
        return {**document, "not_reused": reason}
    original, reason = _usable(catalogue, principal, digest)
    if original is None:
        return {**document, "not_reused": reason}
    made = original.document
    return {
        **document,
        "state": transition(TaskState(document["state"]), EventKind.REUSE).value,
        "reused": original.id,
        "outputs": made["outputs"],
        "exit_code": made["exit_code"],
        "end_time": utc_now(),
    }


def _usable(catalogue: Catalogue, principal: Principal, digest: str) -> tuple[Record | None, str]:
    """Return the newest task that did this work and whose outputs may and can be taken, or why there is none."""
    edges = catalogue.repository.edges_to([work_node(digest)], [SAME_WORK])
    if not edges:
        return None, "nothing identical has been done"
    known = catalogue.repository.get_many([edge.source for edge in edges[-LOOKED_AT:]])
    why = ""
    for task in sorted(known.values(), key=lambda task: task.sequence, reverse=True):
        try:
            why = _refusal(catalogue, principal, task)
        except SillageError as error:
            why = error.detail
        if not why:
            return task, ""
    return None, f"an identical task ended well, but {why}"


def _refusal(catalogue: Catalogue, principal: Principal, task: Record) -> str:
    """Return why what a task made cannot be taken; empty when it can.

    Raises:
        SillageError: An output has no place on this machine.
    """
    if task.withdrawn or task.document["state"] != TaskState.COMPLETE:
        return "it was withdrawn"
    if not principal.may(Permission.READ_DATA, task):
        return "its data may not be read by whoever asks"
    version = catalogue.repository.get(task.document["pipeline"])
    if standing(catalogue, version).state is State.REVOKED:
        return "the pipeline's certificate was revoked"
    files = catalogue.repository.get_many([output["id"] for output in task.document["outputs"]])
    if len(files) < len(task.document["outputs"]):
        return "an output is gone"
    owners = catalogue.repository.get_many({file.document["part_of"] for file in files.values()})
    datasets = catalogue.repository.get_many({owner.dataset for owner in owners.values() if owner.dataset})
    if any(dataset.withdrawn for dataset in datasets.values()):
        return "the dataset of an output was withdrawn"
    for file in files.values():
        owner = owners.get(file.document["part_of"])
        if file.withdrawn or owner is None or owner.withdrawn:
            return "an output was withdrawn"
        if not principal.may(Permission.READ_DATA, owner):
            return "an output may not be read by whoever asks"
        if not host_path(catalogue, file).exists():
            return "the content of an output is not on this machine"
    return ""
