"""The local runner: tasks on this machine, each in a sandbox, watched by a thread, outliving the service."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from executors.attempts.attempt import Attempt, Machine
from executors.attempts.containers import Containers
from executors.attempts.ending import end_at_once
from executors.attempts.folder import TaskFolder, folder_name, is_alive
from executors.attempts.inputs import InputInspector
from executors.attempts.leftovers import clear, left_behind
from executors.attempts.removal import remove_tree
from executors.attempts.sandbox import find_sandbox
from executors.check import check_spec
from executors.host import describe_host, gpu_load, list_gpus
from executors.local.board import Alone, Board
from executors.local.slots import Grant, Slots
from executors.model import GIGABYTE, Environment, KnownTask, TaskEvent, TaskSpec, Usage
from executors.observation.observer import Observer
from executors.runner import EventSink, Runner, RunnerCapabilities, check_log_request
from executors.states import EventKind, TaskState
from ontology.errors import (
    BackendUnavailableError,
    ConflictError,
    NotFoundError,
    SillageError,
    StorageFullError,
    UnsupportedError,
)

log = logging.getLogger(__name__)

LET_GO_S = 5.0


class LocalRunner(Runner):
    """Runs tasks on this machine.

    Args:
        work_root: Folder for the tasks' own folders; on one disk with what stores their outputs, if it can be.
        slots: Cores to hand out; all that this process may use unless told.
        ram_gb: Memory to promise; all of the machine's unless told.
        sandbox: ``auto`` (bubblewrap where it works, otherwise none with a warning in every record),
            ``bubblewrap`` (or nothing), ``none``.
        grace_s: Seconds between asking a task to end and killing it.
        container_engine: ``auto`` (podman, docker or apptainer, whichever is installed), one of them, or ``none``.
        container_pull: Whether an image that is not on this machine may be fetched.
        observe: ``auto`` (which inputs tasks open is seen where that works), ``strace`` (every task is observed, or
            the runner does not open), ``none``.

    Raises:
        UnsupportedError: bubblewrap or strace was asked for and does not work here.
    """

    name: ClassVar[str] = "local"

    def __init__(
        self,
        work_root: Path,
        *,
        slots: int | None = None,
        ram_gb: float | None = None,
        sandbox: str = "auto",
        grace_s: float = 5.0,
        container_engine: str = "auto",
        container_pull: bool = False,
        observe: str = "auto",
    ) -> None:
        host = describe_host()
        self._root = work_root.absolute() / "tasks"
        self._root.mkdir(parents=True, exist_ok=True)
        found, warning = find_sandbox(sandbox, work_root.absolute() / "sandbox")
        observer = Observer(observe)
        observer.require(found)
        self._machine = Machine(
            sandbox=found, warning=warning, inspector=InputInspector(), grace_s=grace_s, observer=observer
        )
        self._containers = Containers(container_engine, work_root.absolute() / "containers", pull=container_pull)
        ram_bytes = host.memory_bytes if ram_gb is None else int(ram_gb * GIGABYTE)
        self._slots = Slots(
            cpu_cores=slots or host.cpu_cores, ram_bytes=ram_bytes, gpus=list_gpus(), board=self._open_board(work_root)
        )
        self._live: dict[str, Attempt] = {}
        self._unnoted: set[str] = set()
        self._guard = threading.Lock()
        self._closed = False

    def _open_board(self, work_root: Path) -> Alone:
        """Return where the processes that run tasks of this folder share out the machine."""
        try:
            return Board(work_root.absolute(), self._root)
        except OSError as error:
            log.warning("the machine is not shared out with other processes (%s)", error.strerror)
            return Alone()

    @property
    @override
    def capabilities(self) -> RunnerCapabilities:
        confined = self._machine.sandbox.kind != "none"
        return RunnerCapabilities(
            confines_files=confined,
            confines_network=confined,
            contains_processes=confined,
            limits_resources=True,
            survives_restart=True,
            cpu_cores=self._slots.cpu_cores,
            ram_gb=self._slots.ram_bytes / GIGABYTE,
            gpus=len(self._slots.gpus),
            containers=self._containers.names,
        )

    @override
    def require(self, environment: Environment) -> None:
        self._containers.require(environment)

    @override
    def submit(self, spec: TaskSpec, sink: EventSink) -> None:
        check_spec(spec)
        self.require(spec.environment)
        self._slots.check(spec.resources)
        with self._guard:
            self._refuse_if_closed()
            folder = self._create(spec)
            self._enqueue(spec, folder, sink)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise BackendUnavailableError("The runner is closed.")

    def _create(self, spec: TaskSpec) -> TaskFolder:
        earlier = TaskFolder.latest(self._root, spec.id)
        if spec.id in self._live or (earlier is not None and earlier.attempt >= spec.attempt):
            raise ConflictError(f"Attempt {spec.attempt} of this task was submitted before.", field="id")
        folder = TaskFolder(self._root, spec.id, spec.attempt)
        try:
            folder.create(spec)
        except FileExistsError as error:
            raise ConflictError(f"Attempt {spec.attempt} of this task was submitted before.", field="id") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError("The disk for tasks is full.") from error
            raise BackendUnavailableError(f"The folder for tasks cannot be written ({error.strerror}).") from error
        return folder

    def _enqueue(self, spec: TaskSpec, folder: TaskFolder, sink: EventSink) -> None:
        """Wait for room, then run; the guard is held. A task that waits costs no thread and no open file."""
        if folder.waits_elsewhere:
            return
        with contextlib.suppress(OSError):  # without the note two processes may queue it, and one of them runs it
            folder.wait_here()
        attempt = Attempt(spec, folder, sink, self._containers.machine(self._machine, spec, folder))
        self._live[spec.id] = attempt

        def begin(grant: Grant) -> None:
            self._launch(attempt, lambda: self._begin(attempt, grant), grant)

        self._slots.queue(spec.id, spec.resources, begin, owner=spec.owner)

    @staticmethod
    def _begin(attempt: Attempt, grant: Grant) -> None:
        """Run a task whose turn has come, unless another process has taken it up meanwhile."""
        if _is_mine(attempt):
            attempt.run(grant.gpus)

    @staticmethod
    def _stop(attempt: Attempt) -> None:
        """End a task that waited; where another process has taken it up, it is told."""
        if _is_mine(attempt):
            attempt.stop_unstarted()
        elif attempt.folder.exists:
            attempt.folder.ask_to_cancel()

    def _launch(self, attempt: Attempt, work: Callable[[], None], grant: Grant | None = None) -> None:
        thread = threading.Thread(target=self._carry, args=(attempt, work, grant), name="task", daemon=True)
        thread.start()

    def _carry(self, attempt: Attempt, work: Callable[[], None], grant: Grant | None) -> None:
        try:
            work()
        finally:
            with self._guard:
                self._live.pop(attempt.spec.id, None)
                if attempt.unnoted:
                    self._unnoted.add(attempt.spec.id)
            attempt.finished.set()
            if grant is not None:
                self._slots.give_back(grant)

    @override
    def cancel(self, task_id: str) -> bool:
        with self._guard:
            attempt = self._live.get(task_id)
        if attempt is not None and self._slots.withdraw(task_id):
            self._launch(attempt, lambda: self._stop(attempt))
            return True
        folder = TaskFolder.latest(self._root, task_id)
        if folder is None:
            raise NotFoundError("The runner does not know this task.", field="id")
        if folder.read("ended") is not None:
            return False
        if not folder.ask_to_cancel():
            return False
        if attempt is not None:
            attempt.wake()
        return True

    @override
    def reconcile(self, known: Sequence[KnownTask], sink: EventSink) -> None:
        with self._guard:
            self._refuse_if_closed()
            for task in known:
                if task.task_id not in self._live:
                    self._carefully_reconcile(task, sink)
        self._end_forgotten({task.task_id for task in known})

    def _carefully_reconcile(self, task: KnownTask, sink: EventSink) -> None:
        """Go on with one task; what is wrong with its folder must not stop all others."""
        try:
            self._reconcile(task, sink)
        except (OSError, SillageError):
            log.exception("task %s could not be taken up again", task.task_id)

    def _reconcile(self, task: KnownTask, sink: EventSink) -> None:
        """Go on with one task that nobody here watches; the guard is held."""
        folder = TaskFolder(self._root, task.task_id, task.attempt)
        spec = folder.spec()
        if spec is None:
            if task.spec is not None and task.state is TaskState.QUEUED and not folder.is_claimed:
                remove_tree(folder.path)  # A power cut can leave a description that is empty.
                self._enqueue(task.spec, self._create(task.spec), sink)
            else:
                self._abort(task, sink, "lost", "The runner has nothing of this task: its folder is gone.")
            return
        identity = folder.started()
        if identity is None:
            self._enqueue_again(spec, folder, sink)
            return
        lock = folder.lock()
        if lock is None:
            return
        attempt = Attempt(spec, folder, sink, self._containers.machine(self._machine, spec, folder), lock)
        self._live[spec.id] = attempt
        if folder.exit_code() is None and is_alive(identity):
            grant = self._slots.take(spec.resources, folder.gpus(), owner=spec.owner, key=spec.id)
            self._launch(attempt, lambda: attempt.rejoin(identity), grant)
        else:
            self._launch(attempt, attempt.conclude)

    def _enqueue_again(self, spec: TaskSpec, folder: TaskFolder, sink: EventSink) -> None:
        """Wait for room as before; a machine that has less now than when the task was taken must not wait for ever."""
        try:
            self._slots.check(spec.resources)
        except UnsupportedError as error:
            task = KnownTask(task_id=spec.id, state=TaskState.QUEUED, attempt=spec.attempt)
            if self._abort(task, sink, error.code, error.detail):
                folder.write("ended", EventKind.ABORT.value)
        else:
            self._enqueue(spec, folder, sink)

    @staticmethod
    def _abort(task: KnownTask, sink: EventSink, reason: str, detail: str) -> bool:
        """End a task of which nothing runs; False when the event was not taken."""
        state = TaskState.SYSTEM_ERROR
        event = TaskEvent(kind=EventKind.ABORT, state=state, attempt=task.attempt, reason=reason, detail=detail)
        try:
            sink(task.task_id, event)
        except Exception:
            log.exception("event %s of task %s was not taken", event.kind, task.task_id)
            return False
        return True

    def _end_forgotten(self, known: set[str]) -> None:
        """Kill what still runs of tasks that the ledger holds to have ended, unless another process watches."""
        with self._guard:
            mine = {folder_name(task_id) for task_id in known | set(self._live)}
        for entry in os.scandir(self._root):
            folder = TaskFolder.latest(self._root, entry.name)
            if entry.name in mine or folder is None or folder.exit_code() is not None:
                continue
            identity, lock = folder.started(), folder.lock()
            if lock is None:
                continue
            try:
                if identity is not None and is_alive(identity):
                    log.warning("ending a task that the ledger holds to have ended: %s", entry.name)
                    end_at_once(folder, identity.pid)
            finally:
                folder.unlock(lock)

    @override
    def logs(self, task_id: str, stream: str, offset: int = 0, limit: int = 1_000_000) -> bytes:
        check_log_request(stream, offset, limit)
        folder = TaskFolder.latest(self._root, task_id)
        if folder is None:
            raise NotFoundError("Nothing is kept of this task.", field="id")
        return folder.printed(stream, offset, limit)

    @override
    def usage(self, task_id: str) -> Usage | None:
        with self._guard:
            attempt = self._live.get(task_id)
        look = None if attempt is None else attempt.look()
        if attempt is None or look is None:
            return None
        load = gpu_load(attempt.folder.gpus())
        return look if load is None else replace(look, gpu_percent=load[0], gpu_memory_bytes=load[1])

    @override
    def wait(self, task_id: str, timeout: float | None = None) -> bool:
        with self._guard:
            attempt = self._live.get(task_id)
        if attempt is not None:
            return attempt.finished.wait(timeout)
        if TaskFolder.latest(self._root, task_id) is None:
            raise NotFoundError("The runner does not know this task.", field="id")
        return True

    @override
    def drain(self, timeout: float | None = None) -> bool:
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._guard:
                attempt = next(iter(self._live.values()), None)
            if attempt is None:
                return True
            if not attempt.finished.wait(None if until is None else max(0.0, until - time.monotonic())):
                return False

    @override
    def release(self, task_id: str) -> None:
        folder = TaskFolder.latest(self._root, task_id)
        with self._guard:
            attempt = self._live.get(task_id)
            if attempt is not None and attempt.concluding:
                attempt.discard = True
                return
            unnoted = task_id in self._unnoted
            self._unnoted.discard(task_id)
        if attempt is not None or (folder is not None and folder.read("ended") is None and not unnoted):
            raise ConflictError("The task has not ended.", field="id")
        if folder is not None:
            folder.delete()

    @override
    def leftovers(self) -> list[str]:
        with self._guard:
            return left_behind(self._root, self._live)

    @override
    def clear(self, task_id: str, *, attempt: int) -> None:
        with self._guard:
            if task_id not in self._live and clear(self._root, task_id, attempt=attempt):
                self._unnoted.discard(task_id)

    @override
    def close(self) -> None:
        with self._guard:
            self._closed = True
            waiting = [self._live.pop(key) for key in self._slots.close()]
            running = list(self._live.values())
        for attempt in waiting:
            attempt.let_go()
            attempt.folder.wait_no_more()
            attempt.finished.set()
        for attempt in running:
            attempt.let_go()
        until = time.monotonic() + LET_GO_S
        for attempt in running:
            attempt.finished.wait(max(0.0, until - time.monotonic()))


def _is_mine(attempt: Attempt) -> bool:
    """Become the one that watches an attempt; False when another process does, or has seen it through."""
    folder = attempt.folder
    try:
        lock = folder.lock()
    except FileNotFoundError:
        return False
    if lock is None:
        return False
    if folder.read("ended") is not None:
        folder.unlock(lock)
        return False
    attempt.hold(lock)
    return True
