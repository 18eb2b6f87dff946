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
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from executors.attempts.attempt import Attempt, Machine
from executors.attempts.ending import end_at_once
from executors.attempts.folder import TaskFolder, is_alive
from executors.attempts.inputs import InputInspector
from executors.attempts.sandbox import find_sandbox
from executors.model import TaskEvent, TaskSpec
from executors.serial import dump_record
from executors.slurm.post import Orders, Post
from executors.states import EventKind, TaskState
from ontology.errors import UnsupportedError

NOT_OURS = 0
"""Exit status of a job whose task another one took up: it has done what it should."""


class Agent:
    """Carries one attempt through on this node."""

    def __init__(self, orders: Orders, folder: TaskFolder, spec: TaskSpec) -> None:
        self._orders = orders
        self._folder = folder
        self._spec = spec
        self._post = Post(folder)
        self._count = self._post.count()
        self._attempt: Attempt | None = None

    def run(self) -> None:
        """Carry it through; returns when its final event was left."""
        signal.signal(signal.SIGUSR1, self._look)
        signal.signal(signal.SIGTERM, self._interrupt)
        try:
            sandbox, warning = find_sandbox(self._orders.sandbox, self._folder.path / "sandbox")
        except UnsupportedError as error:
            self._refuse(str(error))
            return
        machine = Machine(sandbox=sandbox, warning=warning, inspector=InputInspector(), grace_s=self._orders.grace_s)
        self._attempt = Attempt(self._spec, self._folder, self._sink, machine)
        thread = threading.Thread(target=self._attempt.run, args=(granted_gpus(),), daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(1.0)

    def _sink(self, task_id: str, event: TaskEvent) -> None:
        if event.kind is EventKind.START and self._attempt is not None:
            self._folder.write("draft.json", dump_record(self._attempt.draft()))
        self._count += 1
        self._post.tell(self._count, event)

    def _refuse(self, detail: str) -> None:
        for kind, state, reason in (
            (EventKind.INITIALIZE, TaskState.INITIALIZING, None),
            (EventKind.ABORT, TaskState.SYSTEM_ERROR, "sandbox"),
        ):
            said = None if reason is None else detail
            self._sink(
                self._spec.id,
                TaskEvent(kind=kind, state=state, attempt=self._spec.attempt, reason=reason, detail=said),
            )

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
    job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    if not post.claim(job) and (post.agent != job or folder.is_claimed):
        print("the task was taken up before", file=sys.stderr)
        return NOT_OURS
    child = os.fork()
    if child == 0:
        Agent(orders, folder, spec).run()
        return 0
    return guard(child, folder)


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
