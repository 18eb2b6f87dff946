"""What a job runs on its node: it carries one attempt through, and leaves every event in the task's folder.

    python -m executors.slurm.node BATCH_FOLDER     (SLURM_ARRAY_TASK_ID says which task)

The same code as the local runner's confines, watches, collects and records, so that the record is of the machine that
did the work. Nothing here waits for the service, or needs it to be there.
Two processes: one carries the task through, the other sees to it that nothing is left should the first be killed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from executors.attempts.attempt import Attempt, Machine
from executors.attempts.containers import Containers
from executors.attempts.ending import end_at_once
from executors.attempts.folder import TaskFolder, is_alive
from executors.attempts.inputs import InputInspector
from executors.attempts.sandbox import find_sandbox
from executors.capture import Outcome
from executors.host import gpu_load, list_gpus
from executors.model import TaskEvent, TaskSpec
from executors.observation.observer import Observer
from executors.serial import dump_record
from executors.slurm.jobs import Place
from executors.slurm.post import Carrier, Orders, Post
from executors.slurm.records import record_without_a_run
from executors.slurm.wishes import unfit, wants_a_kind
from executors.states import EventKind, TaskState
from ontology.errors import BackendUnavailableError, UnsupportedError

NOT_OURS = 0
"""Exit status of a job whose task another one took up: it has done what it should."""


FIRST_LOOK_S = 0.3
LOOK_S = 2.0
"""Seconds between notes of what the task uses: often enough for a person, seldom enough for a shared disk."""


class Agent:
    """Carries one attempt through on this node."""

    def __init__(self, orders: Orders, folder: TaskFolder, spec: TaskSpec) -> None:
        self._orders = orders
        self._folder = folder
        self._spec = spec
        self._post = Post(folder)
        self._count = self._post.count()
        self._attempt: Attempt | None = None
        self._remark: str | None = None

    def run(self) -> None:
        """Carry it through; returns when its final event was left."""
        signal.signal(signal.SIGUSR1, self._look)
        signal.signal(signal.SIGTERM, self._interrupt)
        gpus = granted_gpus()
        refused = self._look_at_gpus(gpus)
        if refused is not None:
            self._refuse("gpu-unfit", refused)
            return
        try:
            machine = self._machine()
        except (UnsupportedError, BackendUnavailableError) as error:
            self._refuse("sandbox", str(error))
            return
        self._attempt = Attempt(self._spec, self._folder, self._sink, machine)
        thread = threading.Thread(target=self._attempt.run, args=(gpus,), daemon=True)
        thread.start()
        pause = FIRST_LOOK_S
        while thread.is_alive():
            thread.join(pause)
            pause = LOOK_S
            self._note_usage(self._attempt)

    def _machine(self) -> Machine:
        """Return what this node runs tasks with.

        Raises:
            UnsupportedError: It has not what the orders or the task ask for.
            BackendUnavailableError: What runs containers here does not answer.
        """
        orders = self._orders
        sandbox, warning = find_sandbox(orders.sandbox, self._folder.path / "sandbox")
        observer = Observer(orders.observe)
        observer.require(sandbox)
        machine = Machine(
            sandbox=sandbox, warning=warning, inspector=InputInspector(), grace_s=orders.grace_s, observer=observer
        )
        shared = Path(orders.tasks).parent / "containers"
        containers = Containers(orders.container_engine, shared, pull=orders.container_pull)
        containers.require(self._spec.environment)
        return containers.machine(machine, self._spec, self._folder)

    def _look_at_gpus(self, granted: tuple[int, ...]) -> str | None:
        """Return why the GPUs are not what the task asks for; where no driver tells, the record says so."""
        if not granted or not wants_a_kind(self._spec.resources):
            return None
        known = [gpu for gpu in list_gpus() if gpu.index in granted]
        if not known:
            self._remark = "which kind of GPU the cluster gave could not be seen: no driver tells on its node"
            event = TaskEvent(
                kind=EventKind.WARN, attempt=self._spec.attempt, reason="gpu-unchecked", detail=self._remark
            )
            self._sink(self._spec.id, event)
        return unfit(self._spec.resources, known)

    def _sink(self, task_id: str, event: TaskEvent) -> None:
        if event.kind is EventKind.START and self._attempt is not None:
            self._folder.write("draft.json", dump_record(self._remarked(self._attempt.draft())))
        if event.record is not None:
            event = replace(event, record=self._remarked(event.record))
        self._count += 1
        self._post.tell(self._count, event)

    def _remarked(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record that also holds what this node has to say."""
        remarks = [] if self._remark is None else [self._remark]
        return {**record, "warnings": [*record["warnings"], *remarks]}

    def _note_usage(self, attempt: Attempt) -> None:
        """Leave what the task uses now. A full disk is the task's trouble, and told by how it ends."""
        look = attempt.look()
        if look is None:
            return
        load = gpu_load(self._folder.gpus())
        if load is not None:
            look = replace(look, gpu_percent=load[0], gpu_memory_bytes=load[1])
        with suppress(OSError):
            self._post.note_usage(look)

    def _refuse(self, reason: str, detail: str) -> None:
        """End a task that this node cannot run."""
        outcome = Outcome(exit_code=None, reason=reason, detail=detail)
        begun = TaskEvent(kind=EventKind.INITIALIZE, state=TaskState.INITIALIZING, attempt=self._spec.attempt)
        ended = replace(
            begun,
            kind=EventKind.ABORT,
            state=TaskState.SYSTEM_ERROR,
            reason=reason,
            detail=detail,
            record=record_without_a_run(self._spec, self._folder, outcome),
        )
        for event in (begun, ended):
            self._sink(self._spec.id, event)

    def _look(self, number: int, frame: FrameType | None) -> None:
        if self._attempt is not None:
            self._attempt.wake()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """End the task at once: the cluster takes the node back and will kill us next. Why, the cluster will say."""
        (self._folder.path / "interrupted").touch()
        identity = None if self._folder.claim() else self._folder.started()
        if identity is not None and is_alive(identity):
            end_at_once(self._folder, identity.pid)


def granted_gpus() -> tuple[int, ...]:
    """Return the numbers of the GPUs that the job was given, as CUDA counts them on this node."""
    words = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return tuple(int(word) for word in words if word.isdecimal())


def main(arguments: Sequence[str]) -> int:
    """Run the task that this job stands for."""
    orders = Orders.read(Path(arguments[0]))
    folder = orders.folder(int(os.environ["SLURM_ARRAY_TASK_ID"]))
    post, spec = Post(folder), folder.spec()
    if spec is None:
        print("the task is gone", file=sys.stderr)
        return NOT_OURS
    if not take_up(post, Path(arguments[0]).name):
        print("the task was taken up before", file=sys.stderr)
        return NOT_OURS
    child = os.fork()
    if child == 0:
        Agent(orders, folder, spec).run()
        return 0
    return guard(child, folder)


def take_up(post: Post, batch: str) -> bool:
    """Be the one job that carries the task through; False when another is, or when this one had begun it before.

    A cluster that puts a job back into its queue runs it again. That is no second chance: the command may have
    changed what it shall only change once, so that a retry is for whoever reads how it ended.
    """
    array, index = os.environ["SLURM_ARRAY_JOB_ID"], os.environ["SLURM_ARRAY_TASK_ID"]
    mine = Carrier(f"{array}_{index}", Place(batch, int(index)))
    return post.claim(mine) or (post.agent == mine and post.count() == 0 and not post.folder.is_claimed)


def guard(child: int, folder: TaskFolder) -> int:
    """Wait for the process that carries the task through; should it die, nothing of the task is left behind.

    A cluster that does not keep its jobs in control groups would lose sight of what such a process leaves.
    """
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os.kill(child, number))
    _, status = os.waitpid(child, 0)
    if status == 0:
        return 0
    identity = None if folder.claim() else folder.started()
    if identity is not None:
        end_at_once(folder, identity.pid)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
