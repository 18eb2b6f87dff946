"""The pieces of work on a batch: plan some items, cancel some, try some again. Each is one commit.

Whoever does them, they are done once: each commit moves the batch from the version that was looked at to the next, and
an item of a batch has a name of its own that the repository keeps unique.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from api.access import Principal
from api.catalogue import Catalogue
from api.operations.batches import REFUSALS, Phase, batch_put
from api.operations.candidates import read_choices
from api.operations.leakage import remark, screened
from api.operations.planning import Plan, PlannedTask, Planner
from api.operations.reuse import reused
from api.operations.task_specs import state_node, task_put
from catalog.model import Change, Commit, Durability, MustBeAt, Put, Record, Requirement
from executors.model import utc_now
from executors.pipelines.descriptor import PipelineDescriptor
from executors.states import RETRYABLE, EventKind, TaskState, transition
from ontology.errors import RequirementFailedError, ValidationFailedError
from ontology.identifiers import new_iri
from ontology.namespaces import PART_OF_RUN

FIRST = 24
"""Items that are planned before a submission is answered."""
CHUNK = 200
"""Items that are planned, cancelled or tried again in one commit."""
_SHARED = (
    *("name", "pipeline", "pipeline_name", "pipeline_version", "level", "cohort", "parameters", "runner", "principal"),
    *("certificate", "choices", "remarks", "reuse", "allow_leakage", "resources"),
)


def task_document(task: PlannedTask, common: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a task that waits in the queue."""
    warned = remark(task.leakage)
    return {
        **common,
        "label": task.label,
        "state": transition(TaskState.UNKNOWN, EventKind.SUBMIT).value,
        "attempt": 1,
        "participant": task.participant,
        "datasets": sorted(task.datasets),
        "inputs": [item.to_json() for item in task.inputs],
        "outputs": [],
        "exit_code": None,
        "creation_time": utc_now(),
        "leakage": task.leakage,
        "remarks": [*common.get("remarks", ()), *([warned] if warned else [])],
    }


def queued_put(catalogue: Catalogue, principal: Principal, document: Mapping[str, Any]) -> Put:
    """Return the change that writes a new task, complete already where it was asked to reuse and can."""
    iri = new_iri()
    if document.get("reuse"):
        document = reused(catalogue, principal, iri, document)
    action = f"task.{EventKind.REUSE}" if document.get("reused") else None
    return task_put(catalogue, iri, document, action=action)


def submit_batch(
    catalogue: Catalogue, principal: Principal, document: Mapping[str, Any], members: Sequence[str]
) -> str:
    """Write a batch with its first items, and return its id; the worker of a service goes on.

    Raises:
        ValidationFailedError: It is no longer than these, and none can run; ``params['problems']`` says why.
    """
    nothing = Record(id=new_iri(), type="TaskBatch", version=0, created="", modified="", sequence=-1, document=document)
    plan_some(catalogue, principal, nothing, members, limit=FIRST)
    return nothing.id


def plan_some(
    catalogue: Catalogue,
    principal: Principal,
    batch: Record,
    members: Sequence[str],
    *,
    limit: int = CHUNK,
) -> int:
    """Plan the next items of a batch; return how many of them became tasks.

    Args:
        catalogue: The catalogue.
        principal: Who submitted the batch, with what it may do now.
        batch: Its record; a batch of version 0 is not written yet, and is with its first tasks.
        members: The participants of its cohort, all of them.
        limit: Items to plan.

    Raises:
        RequirementFailedError: The batch changed meanwhile; nothing was written.
        ValidationFailedError: These are all, and none can run; nothing was written.
        BackendUnavailableError: Search is away.
    """
    document = batch.document
    position = int(document["position"])
    chunk = members[position : position + limit]
    catalogue.refresh_search()
    plan = _planner(catalogue, principal, document).plan_members(chunk, document["named"])
    plan = screened(catalogue, principal, plan, document)
    if not position and len(chunk) == len(members) and not plan.tasks:
        raise ValidationFailedError(
            f"{document['pipeline_name']} can run on nobody in this cohort", params={"problems": plan.refused}
        )
    puts, refused = _items(catalogue, principal, batch, chunk, plan)
    after = _after_planning(document, puts, refused, looked_at=len(chunk))
    action = "task.plan-batch" if batch.version else "task.submit-batch"
    own = batch_put(catalogue, batch.id, after, action=action)
    catalogue.repository.commit(
        Commit(
            principal=document["principal"],
            action="task.submit",
            changes=[*puts, *_refusals(batch.id, after, refused), own],
            requirements=[MustBeAt(batch.id, batch.version)] if batch.version else [],
        )
    )
    catalogue.task_news.tell(batch.id)
    return len(puts)


def _items(
    catalogue: Catalogue, principal: Principal, batch: Record, chunk: Sequence[str], plan: Plan
) -> tuple[list[Put], list[dict[str, Any]]]:
    """Return the tasks of a plan and those that it refuses, numbered in the order of the cohort."""
    document = batch.document
    place = {iri: at for at, iri in enumerate(chunk)}
    items: list[PlannedTask | dict[str, Any]] = [*plan.tasks, *plan.refused]
    items.sort(key=lambda item: place[_about(item)])
    common = {name: document[name] for name in _SHARED if name in document} | {"batch": batch.id}
    puts, refused = [], []
    for number, item in enumerate(items, start=1 + document["planned"] + document["refused_count"]):
        if isinstance(item, PlannedTask):
            puts.append(queued_put(catalogue, principal, {**task_document(item, common), "item": number}))
        else:
            refused.append({**item, "item": number})
    return puts, refused


def _planner(catalogue: Catalogue, principal: Principal, document: Mapping[str, Any]) -> Planner:
    version = catalogue.repository.get(document["pipeline"])
    descriptor = PipelineDescriptor.parse(version.document["descriptor"])
    choices = read_choices(document.get("choices", {}))
    return Planner(catalogue, principal, descriptor, parameters=document["parameters"], choices=choices)


def _about(item: PlannedTask | dict[str, Any]) -> str:
    return str(item.participant if isinstance(item, PlannedTask) else item["participant"])


def _after_planning(
    document: Mapping[str, Any], puts: Sequence[Put], refused: Sequence[Mapping[str, Any]], *, looked_at: int
) -> dict[str, Any]:
    position = document["position"] + looked_at
    planned = position >= document["size"]
    return {
        **document,
        "position": position,
        "planned": document["planned"] + len(puts),
        "refused_count": document["refused_count"] + len(refused),
        "reused_count": document["reused_count"] + sum(1 for put in puts if put.document.get("reused")),
        "datasets": sorted({*document["datasets"], *(iri for put in puts for iri in put.document["datasets"])}),
        "phase": (Phase.RUNNING if planned else Phase.PLANNING).value,
        "held_back": None,
    }


def _refusals(batch: str, document: Mapping[str, Any], refused: Sequence[Mapping[str, Any]]) -> list[Put]:
    if not refused:
        return []
    members = {"label": "Items that could not be run", "batch": batch, "datasets": document["datasets"]}
    return [
        Put(
            id=new_iri(),
            type=REFUSALS,
            document={**members, "refused": list(refused)},
            edges=[(PART_OF_RUN, batch)],
            action="task.refuse",
        )
    ]


def cancel_some(catalogue: Catalogue, batch: Record, handed: Collection[str]) -> frozenset[str]:
    """End waiting tasks of a batch that no runner was given; return which they were."""
    node, limit = state_node(batch.id, TaskState.QUEUED), min(1000, CHUNK + len(handed))
    page = catalogue.repository.list_records("Task", part_of=node, limit=limit)
    waiting = [task for task in page.items if task.id not in handed]
    detail = "The batch was cancelled before it was handed to a runner."
    ended = {"end_time": utc_now(), "reason": "canceled", "detail": detail}
    return _move(catalogue, batch, waiting, EventKind.STOP, ended)


def retry_some(catalogue: Catalogue, batch: Record) -> frozenset[str]:
    """Queue new attempts of tasks that ended in an error before the retry was asked for; return which they are."""
    until = batch.document["retry_before"]
    for state in sorted(RETRYABLE):
        cursor = None
        while True:
            page = catalogue.repository.list_records(
                "Task", part_of=state_node(batch.id, state), cursor=cursor, limit=CHUNK
            )
            failed = [task for task in page.items if task.sequence <= until]
            if failed:
                return _move(catalogue, batch, failed, EventKind.RETRY, {})
            if page.next is None:
                break
            cursor = page.next
    return frozenset()


def _move(
    catalogue: Catalogue, batch: Record, tasks: Sequence[Record], kind: EventKind, members: Mapping[str, Any]
) -> frozenset[str]:
    """Let the same happen to several tasks in one commit; when one changed meanwhile, all wait for the next look."""
    moved = frozenset(task.id for task in tasks)
    if not tasks:
        return moved
    puts: list[Change] = []
    requirements: list[Requirement] = []
    for task in tasks:
        state = transition(TaskState(task.document["state"]), kind)
        fresh = fresh_attempt(task) if kind is EventKind.RETRY else {}
        document = {**task.document, **fresh, **members, "state": state.value}
        puts.append(task_put(catalogue, task.id, document))
        requirements.append(MustBeAt(task.id, task.version))
    commit = Commit(
        principal=batch.document["principal"],
        action=f"task.{kind}",
        changes=puts,
        requirements=requirements,
        durability=Durability.FULL,
    )
    try:
        catalogue.repository.commit(commit)
    except RequirementFailedError:
        return moved
    catalogue.task_news.tell(batch.id)
    return moved


def fresh_attempt(task: Record) -> dict[str, Any]:
    """Return the members that a new attempt begins with."""
    emptied = ("exit_code", "reason", "detail", "record", "start_time", "end_time", "work", "progress")
    return {**dict.fromkeys(emptied), "attempt": task.document["attempt"] + 1, "outputs": []}
