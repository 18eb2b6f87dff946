"""The service that keeps tasks and ledger in step: every event of a runner becomes an entry, none is lost.

A task's state changes only here, by folding an event through the pure transition function. Its final entry,
its outputs' records and its provenance are one commit.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from api.catalogue import Catalogue
from api.operations.admission import REFUSED, REFUSED_BY, at_start, fitted, refuse_at_start
from api.operations.issuing import concluded
from api.operations.models import trained
from api.operations.reuse import digest_after
from api.operations.task_specs import PENDING, spec_of, task_put
from api.task_results import Results, keep_results, refuse_withdrawn
from catalog.model import Commit, Durability, MustBeAt, Record
from executors.model import KnownTask, TaskEvent, TaskSpec
from executors.runner import STREAMS, Runner
from executors.states import EventKind, IllegalTransitionError, TaskState, unheard
from ontology.errors import (
    BackendUnavailableError,
    ConflictError,
    NotFoundError,
    RequirementFailedError,
    SillageError,
    StorageFullError,
    WithdrawnError,
)
from ontology.identifiers import last_part

logger = logging.getLogger(__name__)

REMARKS = frozenset({EventKind.WARN, EventKind.PROGRESS})
LOG_LIMIT = 50_000_000
TOOLS_AWAY_S = 30.0


class TaskService:
    """Submits tasks to runners and records what becomes of them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def submit(self, task: Record) -> None:
        """Hand a queued task to its runner; one that cannot be handed over ends in an error, with the reason."""
        try:
            self.hand_over(task)
        except SillageError as error:
            self._refuse(task, error)

    def hand_over(self, task: Record) -> bool:
        """Hand a queued task to its runner; False when it has this attempt already.

        A task that its runner refuses ends in an error, with the reason.

        Raises:
            BackendUnavailableError: The runner takes nothing now; the task waits.
            StorageFullError: As above.
        """
        runner = self._catalogue.runner(task.document["runner"])
        if self._catalogue.repository.get(task.id).document["state"] != TaskState.QUEUED:
            return True  # Somebody cancelled it between the look at the queue and now.
        try:
            refuse_at_start(self._catalogue, task)
            refuse_withdrawn(self._catalogue, task)
            if task.document["attempt"] > 1:
                with suppress(NotFoundError):
                    # The ledger knows of the end of an attempt before the runner has put its tools away.
                    runner.wait(task.id, timeout=TOOLS_AWAY_S)
            runner.submit(spec_of(self._catalogue, task), self.receive)
        except ConflictError:
            logger.debug("task %s was taken up already", task.id)
            return False
        except (BackendUnavailableError, StorageFullError):
            raise
        except SillageError as error:
            self._refuse(task, error)
        else:
            self._stop_if_canceled(task, runner)
        return True

    def _stop_if_canceled(self, task: Record, runner: Runner) -> None:
        """End a task that was cancelled between the look and the hand-over: its runner knows of it only now."""
        now = self._catalogue.repository.get(task.id)
        if now.document["state"] in (TaskState.CANCELED, TaskState.CANCELING):
            with suppress(NotFoundError):
                runner.cancel(task.id)

    def _refuse(self, task: Record, error: SillageError) -> None:
        self.receive(
            task.id,
            TaskEvent(
                kind=EventKind.ABORT,
                state=TaskState.SYSTEM_ERROR,
                attempt=task.document["attempt"],
                reason=error.code,
                detail=error.detail,
            ),
        )

    def resume(self) -> None:
        """Go on after a restart: compare every unfinished task with what its runner knows."""
        by_runner: dict[str, list[KnownTask]] = {}
        for task in pending(self._catalogue):
            state = TaskState(task.document["state"])
            known = KnownTask(
                task_id=task.id, state=state, attempt=task.document["attempt"], spec=self._spec_or_none(task)
            )
            by_runner.setdefault(task.document["runner"], []).append(known)
        for name, tasks in by_runner.items():
            runner = self._catalogue.runner(name)
            heard_of = [each for each in tasks if not self._stopped_unheard(runner, each)]
            runner.reconcile(heard_of, self.receive)
            for each in heard_of:
                if each.state is TaskState.CANCELING:
                    with suppress(NotFoundError):
                        # Whoever wrote down the wish may have been killed before the runner heard of it.
                        runner.cancel(each.task_id)

    def _stopped_unheard(self, runner: Runner, task: KnownTask) -> bool:
        """End a task that was canceled before its runner ever heard of it: nothing of it runs, and nothing is lost."""
        if task.state is not TaskState.CANCELING:
            return False
        try:
            runner.wait(task.task_id, timeout=0)
        except NotFoundError:
            detail = "The task was canceled before it was handed to its runner."
            stop = TaskEvent(
                kind=EventKind.STOP,
                state=TaskState.CANCELED,
                attempt=task.attempt,
                reason="canceled",
                detail=detail,
            )
            self.receive(task.task_id, stop)
            return True
        return False

    def _spec_or_none(self, task: Record) -> TaskSpec | None:
        try:
            return spec_of(self._catalogue, task)
        except SillageError:
            return None

    def receive(self, task_id: str, event: TaskEvent) -> None:
        """Record an event; called by runners from threads of their own.

        Raises:
            SillageError: It could not be recorded; the runner delivers a final event again.
        """
        while True:
            task = self._catalogue.repository.get(task_id)
            if event.attempt != task.document["attempt"]:
                return
            event = fitted(task, event)
            if self._catch_up(task, event):
                continue
            try:
                state = event.apply(TaskState(task.document["state"]))
            except IllegalTransitionError:
                logger.debug("task %s: a late %s is ignored", task_id, event.kind)
                return
            try:
                self._record(task, event, state)
            except RequirementFailedError:
                continue
            except Exception:
                self._catalogue.task_news.unrecorded.set()
                raise
            self._catalogue.task_news.tell(task_id, ended=state.is_final, batch=task.document.get("batch"))
            if event.kind is EventKind.INITIALIZE:
                self._stop_if_refused(task)
            if state.is_final:
                if task.document.get("batch"):
                    self._catalogue.paces.note(task.document["batch"], {**task.document, "end_time": event.time})
                self._let_go(task)
            return

    def _catch_up(self, task: Record, event: TaskEvent) -> bool:
        """Record what must have happened before an event and was never heard of; tell whether anything was."""
        state = TaskState(task.document["state"])
        kind = unheard(state, event.kind)
        if kind is None:
            return False
        time = (event.record or {}).get("started") or event.time
        missed = TaskEvent(kind=kind, state=None, attempt=event.attempt, time=str(time))
        with suppress(RequirementFailedError):
            self._record(task, missed, missed.apply(state))
        return True

    def _record(self, task: Record, event: TaskEvent, state: TaskState) -> None:
        found = Results(event=event)
        if event.kind is EventKind.COMPLETE:
            found = keep_results(self._catalogue, task, event)
            event, state = found.event, found.event.apply(TaskState(task.document["state"]))
        document = _after(task.document, event, state) | self._at_start(task, event)
        if event.reason == "exit-code":
            document["detail"] = self._explained(task, event)
        models, required = trained(self._catalogue, task, event, found.puts)
        if event.kind is EventKind.COMPLETE:
            document |= {"outputs": found.outputs or document["outputs"], "work": self._work(task, event)}
        final, puts = state.is_final, [*found.puts, *models]
        if final:
            members, issued = concluded(self._catalogue, task, event, found.puts)
            document |= members
            puts += issued
        self._catalogue.repository.commit(
            Commit(
                principal=task.document["principal"],
                action=f"task.{event.kind}",
                changes=[task_put(self._catalogue, task.id, document), *puts],
                requirements=[MustBeAt(task.id, task.version), *found.required, *required],
                durability=Durability.FULL if final else Durability.PROCESS,
            )
        )

    def _at_start(self, task: Record, event: TaskEvent) -> dict[str, Any]:
        """Return the members of a task that change when its runner takes it up, such as a refusal."""
        members = at_start(self._catalogue, task, event)
        if event.kind is EventKind.INITIALIZE and not members.get(REFUSED):
            try:
                refuse_withdrawn(self._catalogue, task)
            except WithdrawnError as error:
                members |= {REFUSED: error.detail, REFUSED_BY: error.code}
        return members

    def _stop_if_refused(self, task: Record) -> None:
        """End a task before its command runs when what allowed it was taken back while it waited."""
        if not self._catalogue.repository.get(task.id).document.get(REFUSED):
            return
        try:
            self._catalogue.runner(task.document["runner"]).cancel(task.id)
        except NotFoundError:
            logger.warning("task %s may not start, and its runner does not know it", task.id)

    def _work(self, task: Record, event: TaskEvent) -> str | None:
        """Return the digest by which identical work is found; None where there is none."""
        try:
            return digest_after(self._catalogue, task, spec_of(self._catalogue, task), event)
        except SillageError:
            return None

    def _explained(self, task: Record, event: TaskEvent) -> str | None:
        """Return what the descriptor says of an exit code (Boutiques ``error-codes``), or what the runner said."""
        descriptor = self._catalogue.repository.get(task.document["pipeline"]).document["descriptor"]
        said = {item["code"]: item["description"] for item in descriptor.get("error-codes") or []}
        meaning = said.get(event.exit_code)
        return f"{meaning} (exit code {event.exit_code})" if meaning else event.detail

    def _let_go(self, task: Record) -> None:
        """Keep the logs and free the runner's folder; what fails here is done by :mod:`api.leftovers` later."""
        runner = self._catalogue.runner(task.document["runner"])
        try:
            keep_logs(self._catalogue, runner, task.id)
            runner.release(task.id)
        except (SillageError, OSError) as error:
            logger.warning("task %s: its folder could not be cleared (%s)", task.id, type(error).__name__)


def pending(catalogue: Catalogue) -> list[Record]:
    """Return the tasks that have not ended and that a runner may know of.

    Those of a batch are still in the queue when they are handed over: the batch keeps a list of them.
    """
    edges = catalogue.repository.edges_to([catalogue.iri], [PENDING])
    found = catalogue.repository.get_many([edge.source for edge in edges])
    handed = {iri for record in found.values() for iri in record.document.get("window", ())}
    found |= catalogue.repository.get_many(handed - found.keys())
    return [
        record
        for record in found.values()
        if record.type == "Task" and not TaskState(record.document["state"]).is_final
    ]


def keep_logs(catalogue: Catalogue, runner: Runner, task_id: str) -> None:
    """Keep what an ended task has printed.

    Raises:
        NotFoundError: The runner has nothing of this task any more.
        OSError: The disk refused.
    """
    folder = log_folder(catalogue, task_id)
    folder.mkdir(parents=True, exist_ok=True)
    for stream in STREAMS:
        partial = folder / f".{stream}"
        partial.write_bytes(runner.logs(task_id, stream, limit=LOG_LIMIT))
        partial.replace(folder / stream)


def log_folder(catalogue: Catalogue, task_id: str) -> Path:
    """Return the folder where the logs of an ended task are kept."""
    return catalogue.directory / "logs" / last_part(task_id)


def read_log(catalogue: Catalogue, task: Record, stream: str, offset: int = 0, limit: int = 1_000_000) -> bytes:
    """Return what a task has printed, from its runner while it runs and from the kept copy afterwards.

    Raises:
        InvalidRequestError: ``stream`` is neither ``stdout`` nor ``stderr``.
    """
    kept = log_folder(catalogue, task.id) / stream
    # While its runner deletes the folder of an ended task, a log can be gone there already.
    if not TaskState(task.document["state"]).is_final or not kept.is_file():
        try:
            return catalogue.runner(task.document["runner"]).logs(task.id, stream, offset, limit)
        except NotFoundError:
            if not kept.is_file():
                return b""
    with kept.open("rb") as file:
        file.seek(offset)
        return file.read(limit)


def _after(document: Mapping[str, Any], event: TaskEvent, state: TaskState) -> dict[str, Any]:
    after = {**document, "state": state.value}
    if event.kind is EventKind.START:
        after["start_time"] = event.time
    if event.kind in REMARKS:
        if event.detail:
            after["remarks"] = [*document.get("remarks", []), event.detail]
        if event.progress is not None:
            after["progress"] = event.progress
    if state.is_final:
        after.update(
            end_time=event.time,
            exit_code=event.exit_code,
            reason=event.reason,
            detail=event.detail,
            record=event.record,
        )
    return after
