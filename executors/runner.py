"""The runner contract: takes a description, runs it somewhere, and tells what happens by events.

Every runner passes the suite in :mod:`executors.testing` unchanged. Runners never raise for a task that
fails: that is data, an event. They emit the events of one task in order, from threads of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from executors.model import Environment, KnownTask, TaskEvent, TaskSpec, Usage
from ontology.errors import InvalidRequestError, UnsupportedError

EventSink = Callable[[str, TaskEvent], None]
"""Receives ``(task_id, event)``. Called in order for each task; must be safe to call from several threads.

A sink that raises does not lose the task: the error is logged, and a final event that was not taken is
delivered again by the next :meth:`Runner.reconcile`.
"""

STREAMS = ("stdout", "stderr")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerCapabilities:
    """What a runner declares; each is tested both ways.

    Attributes:
        runs_commands: The command is really executed.
        confines_files: Only declared inputs can be read, and nothing outside the working folder written.
        confines_network: No network unless the description asks for it.
        contains_processes: Every process that a task leaves behind is found and killed, whatever it does.
        limits_resources: Memory, disk, processes, wall time and log size are enforced.
        survives_restart: Tasks go on while the service is away.
        cpu_cores: Slots.
        ram_gb: Memory that tasks may be promised together.
        gpus: GPUs that tasks may be promised together.
        containers: Programs that run container images for it, the preferred one first; empty when it runs none.
    """

    runs_commands: bool = True
    confines_files: bool
    confines_network: bool
    contains_processes: bool
    limits_resources: bool
    survives_restart: bool
    cpu_cores: int = 1
    ram_gb: float = 0.0
    gpus: int = 0
    containers: tuple[str, ...] = ()


class Runner(ABC):
    """Runs tasks. All methods are safe to call from several threads."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def capabilities(self) -> RunnerCapabilities:
        """What this runner declares of itself on this machine."""

    def require(self, environment: Environment) -> None:
        """Refuse an environment that no task could be given here, before there are tasks for it.

        Raises:
            UnsupportedError: It is an image, and this runner runs none, or does not have this one.
            BackendUnavailableError: Whatever would run it does not answer.
        """
        if environment.kind == "container" and not self.capabilities.containers:
            raise UnsupportedError(
                f"The runner {self.name} runs Python environments and system commands, not container images.",
                field="environment.kind",
                next_step="Describe a python or system environment, or use a runner that has images.",
            )

    @abstractmethod
    def submit(self, spec: TaskSpec, sink: EventSink) -> None:
        """Take a task; its events follow. The task waits here until there is room for it.

        Args:
            spec: Its description.
            sink: Receives ``initialize``, ``start``, any ``warn``, and one final event.

        Raises:
            ConflictError: This attempt of this task was submitted before.
            UnsupportedError: It asks for more than this runner can ever give; ``field`` says of what.
            ValidationFailedError: The description contradicts itself; ``params['problems']`` lists how.
            BackendUnavailableError: The runner is closed, or its disk is full.
        """

    @abstractmethod
    def cancel(self, task_id: str) -> bool:
        """Ask for the end of a task: its processes are stopped, then killed. The event ``stop`` follows.

        Returns:
            False when the task had already ended and nothing was done.

        Raises:
            NotFoundError: The runner does not know this task.
        """

    @abstractmethod
    def reconcile(self, known: Sequence[KnownTask], sink: EventSink) -> None:
        """Compare what the service believes with what really runs, and go on. Harmless to repeat.

        For each unfinished task: one that runs is watched again; one that ended meanwhile gets its final
        event; one that never started is started; one of which nothing is left is ``SYSTEM_ERROR`` with reason
        ``lost``. A task that another process of this catalogue watches is left to it.

        Args:
            known: Every task of this runner that has not ended, as the ledger has it.
            sink: As for :meth:`submit`.
        """

    @abstractmethod
    def logs(self, task_id: str, stream: str, offset: int = 0, limit: int = 1_000_000) -> bytes:
        """Return what a task has printed from ``offset`` on, at most ``limit`` bytes, while it runs and after.

        Raises:
            NotFoundError: The runner has nothing of this task (any more).
            InvalidRequestError: ``stream`` is neither ``stdout`` nor ``stderr``, or a number is negative.
        """

    def usage(self, task_id: str) -> Usage | None:
        """Return what a running task used when it was last looked at; None when it does not run or nobody looks."""
        return None

    @abstractmethod
    def wait(self, task_id: str, timeout: float | None = None) -> bool:
        """Wait until a task has ended and its final event was taken; False when time ran out first.

        Raises:
            NotFoundError: The runner does not know this task.
        """

    @abstractmethod
    def drain(self, timeout: float | None = None) -> bool:
        """Wait until every task that was submitted has ended; False when time ran out first."""

    @abstractmethod
    def release(self, task_id: str) -> None:
        """Delete what is kept of an ended task (working folder, logs), once its outputs are stored.

        May be called while its final event is being taken: what is kept goes after that.

        Raises:
            ConflictError: The task has not ended.
        """

    def leftovers(self) -> list[str]:
        """Return the tasks that something is kept of and that nobody watches here; by what names their folders."""
        return []

    def clear(self, task_id: str, *, attempt: int) -> None:
        """Delete what is kept of a task that the ledger holds to have ended with this attempt; harmless to repeat.

        Unlike :meth:`release` this does not need the runner to know of the end: a service may have been killed before
        it could be told. A task that is watched, or has a later attempt, is left alone.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Stop watching and emit no more events; harmless to repeat.

        Where :attr:`RunnerCapabilities.survives_restart` holds, running tasks go on and a later
        :meth:`reconcile` picks them up.
        """


def check_log_request(stream: str, offset: int, limit: int) -> None:
    """Refuse a request for logs that no runner can answer.

    Raises:
        InvalidRequestError: ``stream`` is neither ``stdout`` nor ``stderr``, or a number is negative.
    """
    if stream not in STREAMS:
        raise InvalidRequestError(f"{stream!r} is neither stdout nor stderr", field="stream")
    if offset < 0 or limit < 0:
        raise InvalidRequestError("offset and limit may not be negative", field="offset")
