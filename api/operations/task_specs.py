"""Between a Task record and what a runner is given: one document, so that a restart can make the same again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.catalogue import Catalogue
from api.operations.bids_views import view_contents
from api.operations.chosen_resources import with_chosen
from api.operations.input_files import host_path
from api.operations.pipelines import environment_for, pinned_of
from api.operations.planning import command_values
from catalog.model import Put, Record
from executors.model import Mount, TaskInput, TaskSpec
from executors.pipelines.descriptor import PipelineDescriptor
from executors.states import TaskState
from ontology.identifiers import last_part
from ontology.namespaces import ASSOCIATED_WITH, HAD_PLAN, INFLUENCED_BY, INFORMED_BY, PART_OF_RUN, USED

PENDING = "sillage:pendingIn"
"""From what has work to do to the catalogue, so that it is found after a crash."""
IN_STATE = "sillage:inState"
"""From a task to what :func:`state_node` names, so that tasks are counted and listed by state without reading them."""
SAME_WORK = "sillage:sameWork"
"""From a task that ran to what it did (:mod:`api.operations.reuse`), so that identical work is found."""
PIPELINE_MOUNT = "/pipeline"


def task_put(catalogue: Catalogue, iri: str, document: Mapping[str, Any], *, action: str | None = None) -> Put:
    """Return the change that writes a task; an unfinished one points at the catalogue, to be found after a crash.

    Tasks of a batch that wait to be handed over are found through the batch: there may be very many. A task that took
    over what another made used nothing itself: it was informed by that other one.
    """
    reused, batch = document.get("reused"), document.get("batch")
    edges = [(INFORMED_BY, reused)] if reused else [(USED, item["id"]) for item in document["inputs"]]
    edges += [(HAD_PLAN, document["pipeline"]), (ASSOCIATED_WITH, document["principal"])]
    if document.get("cohort"):
        edges.append((INFLUENCED_BY, document["cohort"]))
    certificate = document.get("certificate") or {}
    if certificate.get("state") == "certified":
        edges.append((INFLUENCED_BY, certificate["id"]))
    state = TaskState(document["state"])
    if not state.is_final and not (batch and state is TaskState.QUEUED):
        edges.append((PENDING, catalogue.iri))
    if batch:
        edges.append((PART_OF_RUN, batch))
    if document.get("work") and state is TaskState.COMPLETE and not reused:
        edges.append((SAME_WORK, work_node(document["work"])))
    scopes = [catalogue.iri, document["pipeline"], *([batch] if batch else [])]
    edges += [(IN_STATE, state_node(scope, state)) for scope in scopes]
    aliases = [item_alias(batch, document["item"])] if batch else []
    return Put(id=iri, type="Task", document=document, edges=edges, aliases=aliases, action=action)


def state_node(scope: str, state: str) -> str:
    """Return the name of what tasks in a state point at, of a catalogue, a pipeline version or a batch."""
    return f"{scope}#{state}"


def work_node(digest: str) -> str:
    """Return the name of what tasks that did the same work point at."""
    return f"urn:sillage:work:{digest}"


def item_alias(batch: str, item: int) -> str:
    """Return the name that makes an item of a batch unique: nothing is planned twice."""
    return f"batch:{last_part(batch)}/{item}"


def spec_of(catalogue: Catalogue, task: Record) -> TaskSpec:
    """Return the runner's description of a task.

    Raises:
        NotFoundError: An input's content is not on this machine.
        ValidationFailedError: The command line cannot be built.
    """
    return spec_for(catalogue, task.id, task.document)


def spec_for(catalogue: Catalogue, iri: str, document: Mapping[str, Any]) -> TaskSpec:
    """Return the runner's description of a task that may not be written yet; raises as :func:`spec_of` does."""
    version = catalogue.repository.get(document["pipeline"])
    descriptor = PipelineDescriptor.parse(version.document["descriptor"])
    invocation = descriptor.invocation(command_values(descriptor, document["parameters"], document["inputs"]))
    app, made = descriptor.bids_app, invocation.contents
    if app is not None:
        made += tuple(view_contents(catalogue, app, document["inputs"]))
    mounts = []
    if version.document.get("files_digest"):
        folder = catalogue.directory / "pipelines" / version.document["files_digest"]
        mounts.append(Mount(host_path=folder, path=PIPELINE_MOUNT))
    return TaskSpec(
        id=iri,
        name=document["pipeline_name"],
        command=invocation.argv,
        inputs=tuple(_input(catalogue, item) for item in document["inputs"]),
        contents=made,
        outputs=descriptor.task_outputs(invocation),
        env=invocation.env,
        resources=with_chosen(descriptor.resources, document.get("resources")),
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
        owner=document["principal"],
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
