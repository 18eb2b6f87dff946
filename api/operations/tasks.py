"""Tasks: submit a pipeline over a cohort or on named inputs, look, cancel, retry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import batches, certificates, records
from api.operations.batch_sums import sums
from api.operations.batch_words import summary
from api.operations.batch_work import fresh_attempt, queued_put, submit_batch, task_document
from api.operations.batches import change_batch
from api.operations.input_files import PlannedInput
from api.operations.leakage import refused, screened
from api.operations.openings import with_openings
from api.operations.pipeline_versions import version_of
from api.operations.submissions import Request, Submission, checked, standing_members
from api.operations.task_specs import state_node, task_put
from api.task_service import TaskService, read_log
from api.wire import record_body, summary_body
from catalog.model import Commit, MustBeAt, Record
from executors.model import utc_now
from executors.states import EventKind, TaskState, transition
from ontology.errors import (
    InvalidRequestError,
    NotFoundError,
    RequirementFailedError,
)

TASKS = frozenset({"Task", "TaskBatch"})
ATTEMPTS_TO_CANCEL = 5


def start_service(catalogue: Catalogue) -> None:
    """Finish what a stopped or killed service left behind: half-written data, and tasks that have not ended."""
    from api.batch_worker import BatchWorker  # It fires rules, which submit tasks: only here do the two meet.

    catalogue.store.recover()
    TaskService(catalogue).resume()
    BatchWorker(catalogue).start()


def submit(
    catalogue: Catalogue,
    principal: Principal,
    *,
    pipeline: str,
    cohort: str | None = None,
    inputs: Mapping[str, Sequence[str]] | None = None,
    parameters: Mapping[str, Any] | None = None,
    runner: str | None = None,
    reuse: bool = False,
    select: Mapping[str, str] | None = None,
    choose: Mapping[str, str] | None = None,
    allow_leakage: str | None = None,
    resources: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Submit a pipeline: one task, or a batch with one per participant; return before they have run.

    Of a batch the first items are planned now, so that what is wrong with all of them is refused at once; a worker of
    the service plans the others. With ``reuse`` a task that was done before takes over its outputs and is not run.
    With ``allow_leakage``, a reason, a model may be used on people whom it was trained on where the policy is not to.

    Raises:
        NotPermittedError: The caller may not run pipelines, or not on these data.
        InvalidRequestError: An input or parameter has a name or value that the pipeline does not take.
        ValidationFailedError: It can run on nobody; ``problems`` says why for each participant.
    """
    asked = Request(
        pipeline=pipeline,
        cohort=cohort,
        inputs=inputs or {},
        parameters=parameters or {},
        runner=runner,
        reuse=reuse,
        select=select or {},
        choose=choose or {},
        allow_leakage=allow_leakage,
        resources=resources or {},
    )
    return submit_request(catalogue, principal, asked)


def submit_request(catalogue: Catalogue, principal: Principal, asked: Request) -> dict[str, Any]:
    """Submit what somebody asks for; see :func:`submit`."""
    submission = checked(catalogue, principal, asked)
    standing = certificates.admit(catalogue, submission.version)
    common = {**submission.common, **standing_members(catalogue, submission.version, standing)}
    catalogue.refresh_search()
    return show(catalogue, principal, _write(catalogue, principal, submission, common))


def _write(catalogue: Catalogue, principal: Principal, submission: Submission, common: Mapping[str, Any]) -> str:
    """Write a task and hand it over, or begin a batch; return its id."""
    cohort, members, planner = submission.cohort, submission.members, submission.planner
    if cohort is not None and submission.is_by_participant and (len(members) > 1 or planner.splits):
        files = _by_input(planner.fixed(submission.inputs))
        named = {name: [each.file.id for each in found] for name, found in files}
        return submit_batch(catalogue, principal, batches.batch_document(common, cohort, named=named), members)
    plan = screened(catalogue, principal, planner.plan(cohort=cohort, named=submission.inputs), common)
    if not plan.tasks:
        raise refused(plan)
    put = queued_put(catalogue, principal, task_document(plan.tasks[0], common))
    catalogue.repository.commit(Commit(principal=principal.agent, action="task.submit", changes=[put]))
    if not TaskState(put.document["state"]).is_final:
        TaskService(catalogue).submit(catalogue.repository.get(put.id))
    return put.id


def _by_input(files: Sequence[PlannedInput]) -> Iterable[tuple[str, list[PlannedInput]]]:
    found: dict[str, list[PlannedInput]] = {}
    for file in files:
        if not file.companion:
            found.setdefault(file.input, []).append(file)
    return found.items()


def show(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return a task with inputs, outputs and record; or a batch with its first items, and all of them summed up."""
    record = records.find(catalogue, principal, reference, types=TASKS)
    if record.type == "TaskBatch":
        return {**batches.body(catalogue, principal, record), **sums(catalogue, principal, record)}
    return with_openings(record_body(record, principal))


def listing(
    catalogue: Catalogue,
    principal: Principal,
    *,
    state: str | None = None,
    pipeline: str | None = None,
    batch: str | None = None,
    batches_only: bool = False,
    cursor: str | None = None,
    limit: int = 100,
) -> dict[str, Any]:
    """Return one page of the tasks that the caller may see, oldest first; filtered by an index, not by reading all.

    Args:
        catalogue: The catalogue.
        principal: Who asks.
        state: Only tasks in this state.
        pipeline: Only tasks of this pipeline version; a pipeline's name means its newest version.
        batch: Only tasks of this batch.
        batches_only: Batches instead of tasks; the filters above are not for them.
        cursor: The ``next`` of the page before.
        limit: At most so many.

    Raises:
        InvalidRequestError: There is no such state, or filters are for tasks and batches were asked for.
        NotFoundError: There is no such pipeline or batch.
    """
    wanted = None if state is None else batches.checked_state(state)
    if batches_only and (wanted or pipeline or batch):
        raise InvalidRequestError("batches are listed without a filter", field="type")
    scope = catalogue.iri if wanted else None
    if pipeline is not None:
        scope = version_of(catalogue, principal, pipeline).id
    if batch is not None:
        found = records.find(catalogue, principal, batch, types=batches.BATCH)
        if pipeline is not None and found.document["pipeline"] != scope:
            return {"items": [], "total": 0, "next": None}
        scope = found.id
    target = state_node(scope, wanted) if scope and wanted else scope
    kind = "TaskBatch" if batches_only else "Task"
    page = catalogue.repository.list_records(kind, part_of=target, cursor=cursor, limit=limit)
    body = records.readable_page(principal, page, summary_body, cursor=cursor)
    return {**body, "items": [_summary(catalogue, item) for item in body["items"]]}


def _summary(catalogue: Catalogue, item: dict[str, Any]) -> dict[str, Any]:
    """Return what a listing shows of a task, or of a batch with its state, which no record holds."""
    if item["type"] != "TaskBatch":
        return item
    counted = batches.counts(catalogue, item["id"])
    document = catalogue.repository.get(item["id"]).document
    state = batches.state_of(document, counted).value
    said = summary({**document, "looked_at": document["position"], "state": state, "counts": counted})
    complete = counted.get(TaskState.COMPLETE, 0)
    return {**item, "state": state, "summary": said, "total": item["planned"], "complete": complete}


def cancel(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Cancel a task, of which nothing is left running then, or a batch, whose tasks are stopped one after the other.

    Raises:
        ConflictError: It has ended.
        NotPermittedError: Somebody else submitted it.
    """
    record = records.find(catalogue, principal, reference, types=TASKS, permission=Permission.RUN)
    principal.require(Permission.RUN)
    principal.require_own(record, record.document["principal"])
    if record.type == "Task":
        _cancel_one(catalogue, principal, record.id)
    else:
        batches.cancel(catalogue, principal, record)
    return show(catalogue, principal, record.id)


def _cancel_one(catalogue: Catalogue, principal: Principal, iri: str) -> None:
    for _ in range(ATTEMPTS_TO_CANCEL):
        task = catalogue.repository.get(iri)
        waits = _waits(catalogue, task)
        kind = EventKind.STOP if waits else EventKind.CANCEL
        state = transition(TaskState(task.document["state"]), kind)
        ended = {"end_time": utc_now(), "reason": "canceled"} if waits else {}
        try:
            _change(catalogue, principal, task, f"task.{kind}", {**task.document, **ended, "state": state.value})
            break
        except RequirementFailedError:
            continue
    catalogue.task_news.tell(iri, ended=waits, batch=task.document.get("batch"))
    if waits:
        return
    runner = catalogue.runner(task.document["runner"])
    try:
        runner.cancel(iri)
        runner.wait(iri, timeout=30)
    except NotFoundError:
        # Its runner never took it, or lives in another process, which sees the new state in the ledger.
        TaskService(catalogue).resume()


def _waits(catalogue: Catalogue, task: Record) -> bool:
    """Tell whether a task is in a batch's queue, and no runner was given it."""
    batch = task.document.get("batch")
    if not batch or task.document["state"] != TaskState.QUEUED:
        return False
    return task.id not in catalogue.repository.get(batch).document["window"]


def retry(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Run a failed task, or the failed tasks of a batch, again as new attempts.

    Raises:
        ConflictError: The task did not end in an error.
        NotPermittedError: Somebody else submitted it.
    """
    record = records.find(catalogue, principal, reference, types=TASKS, permission=Permission.RUN)
    principal.require(Permission.RUN)
    principal.require_own(record, record.document["principal"])
    if record.type == "TaskBatch":
        batches.retry(catalogue, principal, record)
        return show(catalogue, principal, record.id)
    state = transition(TaskState(record.document["state"]), EventKind.RETRY)
    document = {**record.document, **fresh_attempt(record), "state": state.value}
    batch = document.get("batch")
    if batch is None:
        _change(catalogue, principal, record, "task.retry", document)
        TaskService(catalogue).submit(catalogue.repository.get(record.id))
    else:
        change_batch(
            catalogue,
            batch,
            batches.reopened,
            action="task.reopen-batch",
            principal=principal.agent,
            changes=[task_put(catalogue, record.id, document, action="task.retry")],
            requirements=[MustBeAt(record.id, record.version)],
        )
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


def state_now(catalogue: Catalogue, iri: str) -> TaskState:
    """Return the present state of a task or batch."""
    record = catalogue.repository.get(iri)
    if record.type == "TaskBatch":
        return batches.state_of(record.document, batches.counts(catalogue, iri))
    return TaskState(record.document["state"])


def note_logs(catalogue: Catalogue, principal: Principal, reference: str) -> None:
    """Put on the ledger that somebody reads what a task printed: it may say something about participants.

    Raises:
        NotPermittedError: The data of the task are not for the caller.
    """
    task = records.find(catalogue, principal, reference, types=frozenset({"Task"}), permission=Permission.READ_DATA)
    records.note_access(catalogue, principal, "task.logs", task.id)


def logs(catalogue: Catalogue, principal: Principal, reference: str, stream: str, offset: int = 0) -> bytes:
    """Return what a task has printed from ``offset`` on.

    Raises:
        InvalidRequestError: ``stream`` is neither ``stdout`` nor ``stderr``.
    """
    task = records.find(catalogue, principal, reference, types=frozenset({"Task"}), permission=Permission.READ_DATA)
    if stream not in ("stdout", "stderr"):
        raise InvalidRequestError(f"{stream!r} is neither stdout nor stderr", field="stream")
    return read_log(catalogue, task, stream, offset)
