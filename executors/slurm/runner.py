"""The Slurm runner: tasks on a cluster's nodes, by way of a folder that service and nodes share."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from executors.attempts.folder import TaskFolder, folder_name
from executors.attempts.leftovers import clear, left_behind
from executors.check import check_spec, refuse_excess
from executors.model import GIGABYTE, Environment, KnownTask, TaskEvent, TaskSpec, Usage
from executors.runner import EventSink, Runner, RunnerCapabilities, check_log_request
from executors.slurm.commands import Slurm
from executors.slurm.dispatch import Dispatcher, Manner
from executors.slurm.follow import CANCELED, Following
from executors.slurm.jobs import Place, Shape, find
from executors.slurm.post import Post, ended_batches
from executors.slurm.wishes import GpuKind, gpu_options
from executors.states import EventKind, TaskState
from ontology.errors import (
    BackendUnavailableError,
    ConflictError,
    NotFoundError,
    StorageFullError,
    UnsupportedError,
)

log = logging.getLogger(__name__)

ENGINES = ("podman", "docker", "apptainer")
"""What ``auto`` looks for on a node, in this order."""

_NOWHERE = Shape(cpu_cores=0, ram_bytes=0, gpus=0)


class SlurmRunner(Runner):
    """Runs tasks on a Slurm cluster.

    Args:
        work_root: Folder for the tasks' own folders, at the same path on the nodes.
        partition: Partition that jobs go to; the cluster's own default unless told.
        account: Account that they are charged to.
        options: Further words for ``sbatch``, such as ``--qos=long``.
        gpus: Kinds of GPU that the cluster has: members of :class:`executors.slurm.wishes.GpuKind`.
        conf: The cluster's ``slurm.conf``; the system's unless told.
        sandbox: As for the local runner, on the nodes. Only ``bubblewrap`` is a promise: what ``auto`` finds
            on a node is not known here.
        container_engine: As for the local runner, on the nodes; a node that has none says so when a task comes.
        container_pull: Whether a node may fetch an image that it does not have.
        observe: As for the local runner, on the nodes.
        grace_s: Seconds between asking a task to end and killing it.
        poll_s: Seconds between looks at the shared folder.
        ask_s: Seconds between questions to the cluster.
        settle_s: Seconds until what a node wrote last is surely seen here.
        timeout_s: Seconds that one of Slurm's commands may take.

    Raises:
        BackendUnavailableError: The folder cannot be made.
        InvalidRequestError: A kind of GPU is not described in full.
    """

    name: ClassVar[str] = "slurm"

    def __init__(
        self,
        work_root: Path,
        *,
        partition: str | None = None,
        account: str | None = None,
        options: Sequence[str] = (),
        gpus: Sequence[Mapping[str, Any]] = (),
        conf: Path | None = None,
        sandbox: str = "auto",
        container_engine: str = "auto",
        container_pull: bool = False,
        observe: str = "auto",
        grace_s: float = 5.0,
        poll_s: float = 0.5,
        ask_s: float = 10.0,
        settle_s: float = 30.0,
        timeout_s: float = 30.0,
    ) -> None:
        self._base = work_root.absolute()
        self._root = self._base / "tasks"
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            advice = "Let slurm_folder name one that this account may write and that every node has at the same path."
            detail = f"The folder for tasks cannot be made ({error.strerror})."
            raise BackendUnavailableError(detail, next_step=advice) from error
        self._slurm = Slurm(conf=conf, timeout_s=timeout_s)
        self._partition = partition
        self._sandbox = sandbox
        self._engines = {"auto": ENGINES, "none": ()}.get(container_engine, (container_engine,))
        self._kinds = tuple(GpuKind.of(members) for members in gpus)
        words = [f"--{name}={value}" for name, value in (("partition", partition), ("account", account)) if value]
        manner = Manner(
            sandbox=sandbox,
            container_engine=container_engine,
            container_pull=container_pull,
            observe=observe,
            grace_s=grace_s,
            partition=partition,
            options=(*words, *options),
            gpus=self._kinds,
            poll_s=poll_s,
            ask_s=ask_s,
            settle_s=settle_s,
        )
        self._desk = Dispatcher(self._base, self._slurm, manner)
        self._closed = False

    @property
    @override
    def capabilities(self) -> RunnerCapabilities:
        try:
            shape = self._slurm.shape(self._partition)
        except BackendUnavailableError:
            shape = _NOWHERE
        confined = self._sandbox == "bubblewrap"
        return RunnerCapabilities(
            confines_files=confined,
            confines_network=confined,
            contains_processes=confined,
            limits_resources=True,
            survives_restart=True,
            cpu_cores=shape.cpu_cores,
            ram_gb=shape.ram_bytes / GIGABYTE,
            gpus=shape.gpus,
            containers=self._engines,
        )

    @override
    def require(self, environment: Environment) -> None:
        super().require(environment)
        self._slurm.shape(self._partition)

    @override
    def submit(self, spec: TaskSpec, sink: EventSink) -> None:
        check_spec(spec)
        self.require(spec.environment)
        self._refuse_if_closed()
        spec = self._fitted(spec)
        with self._desk.guard:
            self._refuse_if_closed()
            self._enqueue(spec, self._create(spec), sink)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise BackendUnavailableError("The runner is closed.")

    def _fitted(self, spec: TaskSpec) -> TaskSpec:
        """Return a task without the GPUs that it would like and no node has."""
        wanted, shape = spec.resources, self._slurm.shape(self._partition)
        refuse_excess(wanted, cpu_cores=shape.cpu_cores, ram_bytes=shape.ram_bytes, gpus=shape.gpus)
        fitted = replace(wanted, gpus=min(wanted.gpus, shape.gpus))
        try:
            gpu_options(fitted, self._kinds)
        except UnsupportedError:
            if not wanted.gpus_optional:
                raise
            fitted = replace(fitted, gpus=0)
        return spec if fitted == wanted else replace(spec, resources=fitted)

    def _create(self, spec: TaskSpec) -> TaskFolder:
        earlier = TaskFolder.latest(self._root, spec.id)
        if spec.id in self._desk.live or (earlier is not None and earlier.attempt >= spec.attempt):
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
        """Follow an attempt, and have it submitted unless it was; the guard is held."""
        lock = folder.lock()
        if lock is None:
            return
        following = Following(spec, folder, sink, lock)
        post = following.post
        following.unsure = post.job is None
        if post.is_barred:
            following.settle(CANCELED)
        elif folder.asked_to_cancel():
            following.cancel_at = time.monotonic()
        self._desk.follow(following, submit=post.place is None and not post.is_barred)

    @override
    def cancel(self, task_id: str) -> bool:
        with self._desk.guard:
            following = self._desk.live.get(task_id)
        folder = TaskFolder.latest(self._root, task_id)
        if folder is None:
            raise NotFoundError("The runner does not know this task.", field="id")
        if Post(folder).is_over:
            return False
        if not folder.ask_to_cancel():
            return False
        if following is None:
            return True
        if following.post.is_barred or following.post.claim():
            self._desk.stop(following, CANCELED)
        else:
            self._desk.wake(following)
        return True

    @override
    def reconcile(self, known: Sequence[KnownTask], sink: EventSink) -> None:
        with self._desk.guard:
            self._refuse_if_closed()
            for task in known:
                if task.task_id not in self._desk.live:
                    self._reconcile(task, sink)
        self._end_forgotten({task.task_id for task in known})
        for folder in ended_batches(self._base):
            shutil.rmtree(folder, ignore_errors=True)

    def _reconcile(self, task: KnownTask, sink: EventSink) -> None:
        """Go on with one task that nobody here follows; the guard is held."""
        folder = TaskFolder(self._root, task.task_id, task.attempt)
        spec = folder.spec()
        if spec is not None:
            self._enqueue(spec, folder, sink)
        elif task.spec is not None and task.state is TaskState.QUEUED:
            self._enqueue(task.spec, self._create(task.spec), sink)
        else:
            self._declare_lost(task, sink)

    @staticmethod
    def _declare_lost(task: KnownTask, sink: EventSink) -> None:
        event = TaskEvent(
            kind=EventKind.ABORT,
            state=TaskState.SYSTEM_ERROR,
            attempt=task.attempt,
            reason="lost",
            detail="The runner has nothing of this task: its folder is gone.",
        )
        try:
            sink(task.task_id, event)
        except Exception:
            log.exception("event %s of task %s was not taken", event.kind, task.task_id)

    def _end_forgotten(self, known: set[str]) -> None:
        """End the jobs of tasks that the ledger holds to have ended, unless another process follows them."""
        with self._desk.guard:
            mine = {folder_name(task_id) for task_id in known | set(self._desk.live)}
        places: list[Place] = []
        for entry in os.scandir(self._root):
            folder = TaskFolder.latest(self._root, entry.name)
            if entry.name in mine or folder is None or Post(folder).is_over:
                continue
            lock = folder.lock()
            if lock is None:
                continue
            place = Post(folder).place
            if place is not None:
                places.append(place)
            folder.unlock(lock)
        self._desk.end_forgotten(places)

    @override
    def logs(self, task_id: str, stream: str, offset: int = 0, limit: int = 1_000_000) -> bytes:
        check_log_request(stream, offset, limit)
        folder = TaskFolder.latest(self._root, task_id)
        if folder is None:
            raise NotFoundError("Nothing is kept of this task.", field="id")
        return folder.printed(stream, offset, limit)

    @override
    def usage(self, task_id: str) -> Usage | None:
        with self._desk.guard:
            following = self._desk.live.get(task_id)
        return None if following is None else following.post.usage()

    @override
    def wait(self, task_id: str, timeout: float | None = None) -> bool:
        with self._desk.guard:
            following = self._desk.live.get(task_id)
        if following is not None:
            return following.finished.wait(timeout)
        if TaskFolder.latest(self._root, task_id) is None:
            raise NotFoundError("The runner does not know this task.", field="id")
        return True

    @override
    def drain(self, timeout: float | None = None) -> bool:
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._desk.guard:
                following = next(iter(self._desk.live.values()), None)
            if following is None:
                return True
            if not following.finished.wait(None if until is None else max(0.0, until - time.monotonic())):
                return False

    @override
    def release(self, task_id: str) -> None:
        folder = TaskFolder.latest(self._root, task_id)
        with self._desk.guard:
            following = self._desk.live.get(task_id)
            if following is not None and following.concluding:
                following.discard = True
                return
        if following is not None or (folder is not None and not Post(folder).is_over):
            raise ConflictError("The task has not ended.", field="id")
        if folder is not None:
            folder.delete()

    @override
    def leftovers(self) -> list[str]:
        with self._desk.guard:
            return left_behind(self._root, self._desk.live)

    @override
    def clear(self, task_id: str, *, attempt: int) -> None:
        folder = TaskFolder.latest(self._root, task_id)
        if folder is not None and self._may_be_written(folder):
            return  # It is looked at again at the next start.
        with self._desk.guard:
            if task_id not in self._desk.live:
                clear(self._root, task_id, attempt=attempt)

    def _may_be_written(self, folder: TaskFolder) -> bool:
        """Tell whether a job may still write into a folder; where the cluster does not answer, it may."""
        place = Post(folder).place
        if place is None or Post(folder).is_over:
            return False
        try:
            job = find(self._slurm.jobs(), place)
        except BackendUnavailableError:
            return True
        return job is not None and not job.state.is_final

    @override
    def close(self) -> None:
        with self._desk.guard:
            self._closed = True
        self._desk.close()
