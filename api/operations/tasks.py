"""Tasks: submit a pipeline over a cohort or on named inputs, look, cancel, retry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import certificates, records
from api.operations.pipeline_versions import version_of
from api.operations.pipelines import environment_for, pinned_of
from api.operations.planning import PlannedTask, Planner
from api.operations.task_specs import task_put
from api.task_service import TaskService, read_log
from api.wire import page_body, record_body, summary_body
from catalog.model import Commit, MustBeAt, Page, Put, Record
from executors.model import utc_now
from executors.pipelines.descriptor import PipelineDescriptor
from executors.states import EventKind, TaskState, transition
from ontology.errors import (
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    RequirementFailedError,
    UnsupportedError,
)
from ontology.identifiers import new_iri

TASKS = frozenset({"Task", "TaskBatch"})
ATTEMPTS_TO_CANCEL = 5


def start_service(catalogue: Catalogue) -> None:
    """Finish what a stopped or killed service left behind: half-written data, and tasks that have not ended."""
    catalogue.store.recover()
    TaskService(catalogue).resume()


def submit(
    catalogue: Catalogue,
    principal: Principal,
    *,
    pipeline: str,
    cohort: str | None = None,
    inputs: Mapping[str, Sequence[str]] | None = None,
    parameters: Mapping[str, Any] | None = None,
    runner: str | None = None,
) -> dict[str, Any]:
    """Submit a pipeline: one task, or a batch with one per participant; return before they have run.

    Raises:
        NotPermittedError: The caller may not run pipelines, or not on these data.
        InvalidRequestError: An input or parameter has a name or value that the pipeline does not take.
        ValidationFailedError: It can run on nobody; ``problems`` says why for each participant.
    """
    principal.require(Permission.RUN)
    version = version_of(catalogue, principal, pipeline)
    descriptor = PipelineDescriptor.parse(version.document["descriptor"])
    frozen = records.find(catalogue, principal, cohort, types=frozenset({"Cohort"})) if cohort else None
    if frozen is not None:
        principal.require(Permission.RUN, frozen)
    name = runner or catalogue.settings.runner
    catalogue.runner(name)
    found = certificates.admit(catalogue, version)
    warning = certificates.warning(catalogue, version, found)
    given = read_parameters(descriptor, parameters or {})
    descriptor.check_parameters(given)
    _require_runnable(catalogue, version, descriptor, name)
    catalogue.refresh_search()
    plan = Planner(catalogue, principal, descriptor).plan(cohort=frozen, named=inputs or {})
    common = {
        "name": descriptor.name,
        "pipeline": version.id,
        "pipeline_name": descriptor.name,
        "pipeline_version": descriptor.version,
        "level": descriptor.level,
        "cohort": frozen.id if frozen else None,
        "parameters": given,
        "runner": name,
        "principal": principal.agent,
        "certificate": found.to_json(),
        "remarks": [warning] if warning else [],
    }
    puts = [task_put(catalogue, new_iri(), _document(task, common)) for task in plan.tasks]
    batch = _batch_put(puts, common, plan.refused) if frozen is not None and len(puts) + len(plan.refused) > 1 else None
    changes = [*puts, *([batch] if batch else [])]
    catalogue.repository.commit(Commit(principal=principal.agent, action="task.submit", changes=changes))
    service = TaskService(catalogue)
    for put in puts:
        service.submit(catalogue.repository.get(put.id))
    return show(catalogue, principal, batch.id if batch else puts[0].id)


def _require_runnable(catalogue: Catalogue, version: Record, descriptor: PipelineDescriptor, runner: str) -> None:
    """Refuse now what no runner here could do, rather than once for every participant.

    Raises:
        NotPermittedError: It asks for the network, and the policy does not allow it.
        UnsupportedError: Its environment is an image, and the runner runs none.
        ValidationFailedError: The environment is not what the descriptor is locked to.
    """
    if descriptor.network and not catalogue.settings.allow_network:
        raise NotPermittedError(
            f"{descriptor.name} asks for the network, which pipelines may not have here",
            next_step="An administrator can set allow_network.",
        )
    environment = environment_for(pinned_of(version), catalogue.settings.pythons)
    if environment.kind == "container" and runner in ("local", "slurm"):
        raise UnsupportedError(
            f"{descriptor.name} runs in a container image, and the runner {runner} runs none yet",
            field="runner",
            next_step="Describe a python or system environment, or use a runner that has images.",
        )


def read_parameters(descriptor: PipelineDescriptor, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with text turned into what the descriptor says they are: a command line has only text.

    What cannot be turned is left as it is, for the descriptor's own check to refuse.
    """
    types = {item["id"]: item["type"] for item in descriptor.inputs}
    return {name: _read_parameter(types.get(name), value) for name, value in given.items()}


def _read_parameter(type: str | None, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if type == "Number":
        for read in (int, float):
            with suppress(ValueError):
                return read(value)
    if type == "Flag" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value


def _document(task: PlannedTask, common: Mapping[str, Any]) -> dict[str, Any]:
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
    }


def _batch_put(puts: Sequence[Put], common: Mapping[str, Any], refused: Sequence[Mapping[str, Any]]) -> Put:
    document = {
        "label": f"{common['pipeline_name']} over a cohort",
        "pipeline": common["pipeline"],
        "pipeline_name": common["pipeline_name"],
        "pipeline_version": common["pipeline_version"],
        "cohort": common["cohort"],
        "tasks": [put.id for put in puts],
        "datasets": sorted({iri for put in puts for iri in put.document["datasets"]}),
        "refused": [dict(item) for item in refused],
    }
    return Put(id=new_iri(), type="TaskBatch", document=document, action="task.submit-batch")


def show(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return a task with inputs, outputs and record; or a batch with the state of each of its tasks."""
    record = records.find(catalogue, principal, reference, types=TASKS)
    if record.type == "TaskBatch":
        return _batch_body(catalogue, principal, record)
    return record_body(record, principal)


def _batch_body(catalogue: Catalogue, principal: Principal, record: Record) -> dict[str, Any]:
    known = catalogue.repository.get_many(record.document["tasks"])
    tasks = [known[iri] for iri in record.document["tasks"] if iri in known]
    states = [TaskState(task.document["state"]) for task in tasks]
    items = [
        {
            "id": task.id,
            "type": "Task",
            "state": task.document["state"],
            "label": task.document["label"],
            "participant": task.document.get("participant"),
            "reason": task.document.get("detail") or task.document.get("reason"),
            "outputs": len(task.document["outputs"]),
        }
        for task in tasks
    ]
    return {
        **record_body(record, principal),
        "state": _batch_state(states, refused=bool(record.document["refused"])).value,
        "items": items,
        "total": len(items),
        "complete": states.count(TaskState.COMPLETE),
        "next": None,
        "inputs": [],
        "outputs": [output for task in tasks for output in task.document["outputs"]],
        "exit_code": None,
    }


def _batch_state(states: Sequence[TaskState], *, refused: bool) -> TaskState:
    if not all(state.is_final for state in states):
        return TaskState.RUNNING if any(state is not TaskState.QUEUED for state in states) else TaskState.QUEUED
    if all(state is TaskState.COMPLETE for state in states) and not refused:
        return TaskState.COMPLETE
    if all(state is TaskState.CANCELED for state in states):
        return TaskState.CANCELED
    return TaskState.EXECUTOR_ERROR


def listing(
    catalogue: Catalogue,
    principal: Principal,
    *,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> dict[str, Any]:
    """Return one page of the tasks that the caller may see, oldest first."""
    if state is not None and state not in TaskState.__members__:
        raise InvalidRequestError(
            f"{state!r} is not a task state", field="state", next_step=f"One of: {', '.join(TaskState)}."
        )
    page = catalogue.repository.list_records("Task", cursor=cursor, limit=limit)
    seen = [r for r in page.items if principal.may(Permission.READ, r) and state in (None, r.document["state"])]
    total = page.total - (len(page.items) - len(seen))
    return page_body(Page(seen, total, page.next), summary_body)


def cancel(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Cancel a task, or every unfinished task of a batch; nothing of them is left running.

    Raises:
        ConflictError: The task has ended.
    """
    record = records.find(catalogue, principal, reference, types=TASKS, permission=Permission.RUN)
    principal.require(Permission.RUN)
    if record.type == "Task":
        _cancel_one(catalogue, principal, record.id)
    else:
        for task in catalogue.repository.get_many(record.document["tasks"]).values():
            if not TaskState(task.document["state"]).is_final:
                _cancel_one(catalogue, principal, task.id)
    return show(catalogue, principal, record.id)


def _cancel_one(catalogue: Catalogue, principal: Principal, iri: str) -> None:
    for _ in range(ATTEMPTS_TO_CANCEL):
        task = catalogue.repository.get(iri)
        state = transition(TaskState(task.document["state"]), EventKind.CANCEL)
        try:
            _change(catalogue, principal, task, "task.cancel", {**task.document, "state": state.value})
            break
        except RequirementFailedError:
            continue
    runner = catalogue.runner(task.document["runner"])
    try:
        runner.cancel(iri)
        runner.wait(iri, timeout=30)
    except NotFoundError:
        # Its runner never took it, or lives in another process, which sees the new state in the ledger.
        TaskService(catalogue).resume()


def retry(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Run a failed task, or the failed tasks of a batch, again as new attempts.

    Raises:
        ConflictError: The task did not end in an error.
    """
    record = records.find(catalogue, principal, reference, types=TASKS, permission=Permission.RUN)
    principal.require(Permission.RUN)
    if record.type == "Task":
        failed = [record]
    else:
        tasks = catalogue.repository.get_many(record.document["tasks"]).values()
        failed = [task for task in tasks if TaskState(task.document["state"]).is_retryable]
    service = TaskService(catalogue)
    for task in failed:
        state = transition(TaskState(task.document["state"]), EventKind.RETRY)
        with suppress(NotFoundError):
            # The ledger knows of the end before the runner has put its tools away.
            catalogue.runner(task.document["runner"]).wait(task.id, timeout=30)
        fresh = {"state": state.value, "attempt": task.document["attempt"] + 1, "exit_code": None}
        fresh |= {"reason": None, "detail": None, "record": None, "end_time": None, "outputs": []}
        _change(catalogue, principal, task, "task.retry", {**task.document, **fresh})
        service.submit(catalogue.repository.get(task.id))
    return show(catalogue, principal, record.id)


def _change(catalogue: Catalogue, principal: Principal, task: Record, action: str, document: Mapping[str, Any]) -> None:
    catalogue.repository.commit(
        Commit(
            principal=principal.agent,
            action=action,
            changes=[task_put(catalogue, task.id, document)],
            requirements=[MustBeAt(task.id, task.version)],
        )
    )


def logs(catalogue: Catalogue, principal: Principal, reference: str, stream: str, offset: int = 0) -> bytes:
    """Return what a task has printed from ``offset`` on.

    Raises:
        InvalidRequestError: ``stream`` is neither ``stdout`` nor ``stderr``.
    """
    task = records.find(catalogue, principal, reference, types=frozenset({"Task"}), permission=Permission.READ_DATA)
    if stream not in ("stdout", "stderr"):
        raise InvalidRequestError(f"{stream!r} is neither stdout nor stderr", field="stream")
    return read_log(catalogue, task, stream, offset)
