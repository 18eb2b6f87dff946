"""Between a Task record and what a runner is given: one document, so that a restart can make the same again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.catalogue import Catalogue
from api.operations.pipelines import environment_for, pinned_of
from api.operations.planning import host_path, input_values
from catalog.model import Put, Record
from executors.model import Mount, TaskInput, TaskSpec
from executors.pipelines.descriptor import PipelineDescriptor
from executors.states import TaskState
from ontology.namespaces import ASSOCIATED_WITH, HAD_PLAN, INFLUENCED_BY, USED

PENDING = "sillage:pendingIn"
PIPELINE_MOUNT = "/pipeline"


def task_put(catalogue: Catalogue, iri: str, document: Mapping[str, Any]) -> Put:
    """Return the change that writes a task; an unfinished one points at the catalogue, to be found after a crash."""
    edges = [(USED, item["id"]) for item in document["inputs"]]
    edges += [(HAD_PLAN, document["pipeline"]), (ASSOCIATED_WITH, document["principal"])]
    if document.get("cohort"):
        edges.append((INFLUENCED_BY, document["cohort"]))
    certificate = document.get("certificate") or {}
    if certificate.get("state") == "certified":
        edges.append((INFLUENCED_BY, certificate["id"]))
    if not TaskState(document["state"]).is_final:
        edges.append((PENDING, catalogue.iri))
    return Put(id=iri, type="Task", document=document, edges=edges)


def spec_of(catalogue: Catalogue, task: Record) -> TaskSpec:
    """Return the runner's description of a task.

    Raises:
        NotFoundError: An input's content is not on this machine.
        ValidationFailedError: The command line cannot be built.
    """
    document = task.document
    version = catalogue.repository.get(document["pipeline"])
    descriptor = PipelineDescriptor.parse(version.document["descriptor"])
    invocation = descriptor.invocation({**document["parameters"], **input_values(document["inputs"])})
    mounts = []
    if version.document.get("files_digest"):
        folder = catalogue.directory / "pipelines" / version.document["files_digest"]
        mounts.append(Mount(host_path=folder, path=PIPELINE_MOUNT))
    return TaskSpec(
        id=task.id,
        name=document["pipeline_name"],
        command=invocation.argv,
        inputs=tuple(_input(catalogue, item) for item in document["inputs"]),
        contents=invocation.contents,
        outputs=descriptor.task_outputs(invocation),
        env=invocation.env,
        resources=descriptor.resources,
        network=descriptor.network and catalogue.settings.allow_network,
        mounts=tuple(mounts),
        environment=environment_for(pinned_of(version), catalogue.settings.pythons),
        attempt=document["attempt"],
        plan={
            "pipeline": document["pipeline"],
            "name": document["pipeline_name"],
            "version": document["pipeline_version"],
            "descriptor_digest": version.document["descriptor_digest"],
            "certificate": document.get("certificate"),
        },
        parameters=invocation.parameters,
        seeds=descriptor.seeds,
    )


def _input(catalogue: Catalogue, item: Mapping[str, Any]) -> TaskInput:
    file = catalogue.repository.get(item["id"])
    return TaskInput(
        id=item["id"],
        host_path=host_path(catalogue, file),
        path=item["path"],
        sha256=item.get("sha256"),
        size=item.get("size"),
    )
