"""A runner that runs nothing: every task completes at once, without outputs. For tests of what is above it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import ClassVar

from typing_extensions import override

from executors.check import check_spec
from executors.model import Environment, KnownTask, TaskEvent, TaskSpec
from executors.runner import EventSink, Runner, RunnerCapabilities, check_log_request
from executors.states import EventKind, TaskState
from ontology.errors import BackendUnavailableError, ConflictError, NotFoundError, UnsupportedError

CORES = 1024
LET_GO_S = 5.0


class NoopRunner(Runner):
    """Completes every task at once in a thread of its own, and keeps nothing but its attempt number."""

    name: ClassVar[str] = "noop"

    def __init__(self) -> None:
        self._attempts: dict[str, int] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closed = False

    @property
    @override
    def capabilities(self) -> RunnerCapabilities:
        return RunnerCapabilities(
            runs_commands=False,
            confines_files=True,
            confines_network=True,
            contains_processes=True,
            limits_resources=True,
            survives_restart=False,
            cpu_cores=CORES,
        )

    @override
    def require(self, environment: Environment) -> None:
        """Take every environment: none is needed to run nothing."""

    @override
    def submit(self, spec: TaskSpec, sink: EventSink) -> None:
        check_spec(spec)
        if spec.resources.cpu_cores > CORES:
            detail = f"The task asks for {spec.resources.cpu_cores} cores; this runner pretends to have {CORES}."
            raise UnsupportedError(detail, field="resources.cpu_cores", params={"available": CORES})
        with self._lock:
            if self._closed:
                raise BackendUnavailableError("The runner is closed.")
            if spec.attempt <= self._attempts.get(spec.id, 0):
                raise ConflictError(f"Attempt {spec.attempt} of this task was submitted before.", field="id")
            self._attempts[spec.id] = spec.attempt
            thread = threading.Thread(target=self._pretend, args=(spec.id, spec.attempt, sink), daemon=True)
            self._threads[spec.id] = thread
            thread.start()

    @staticmethod
    def _pretend(task_id: str, attempt: int, sink: EventSink) -> None:
        record = {"task": task_id, "attempt": attempt, "sandbox": {"kind": "noop"}, "exit_code": 0}
        sink(task_id, TaskEvent(kind=EventKind.INITIALIZE, state=TaskState.INITIALIZING, attempt=attempt))
        sink(task_id, TaskEvent(kind=EventKind.START, state=TaskState.RUNNING, attempt=attempt))
        done = TaskEvent(kind=EventKind.COMPLETE, state=TaskState.COMPLETE, attempt=attempt, exit_code=0, record=record)
        sink(task_id, done)

    def _thread(self, task_id: str) -> threading.Thread:
        with self._lock:
            if task_id not in self._threads:
                raise NotFoundError("The runner does not know this task.", field="id")
            return self._threads[task_id]

    @override
    def cancel(self, task_id: str) -> bool:
        self._thread(task_id)
        return False

    @override
    def reconcile(self, known: Sequence[KnownTask], sink: EventSink) -> None:
        for task in known:
            with self._lock:
                mine = task.task_id in self._threads
            if not mine:
                lost = TaskEvent(
                    kind=EventKind.ABORT,
                    state=TaskState.SYSTEM_ERROR,
                    attempt=task.attempt,
                    reason="lost",
                    detail="The runner has nothing of this task.",
                )
                sink(task.task_id, lost)

    @override
    def logs(self, task_id: str, stream: str, offset: int = 0, limit: int = 1_000_000) -> bytes:
        check_log_request(stream, offset, limit)
        self._thread(task_id)
        return b""

    @override
    def wait(self, task_id: str, timeout: float | None = None) -> bool:
        thread = self._thread(task_id)
        thread.join(timeout)
        return not thread.is_alive()

    @override
    def drain(self, timeout: float | None = None) -> bool:
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in threads)

    @override
    def release(self, task_id: str) -> None:
        with self._lock:
            self._threads.pop(task_id, None)

    @override
    def close(self) -> None:
        with self._lock:
            self._closed = True
            threads = list(self._threads.values())
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(LET_GO_S)
