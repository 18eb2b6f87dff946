# ruff: noqa: S101 - tests: their names say what they show, and they assert
"""What the suite's tests share: a sink that checks what it is told, and tasks that are quick to describe."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from executors.model import Resources, TaskEvent, TaskSpec
from executors.pipelines.environment import python_environment
from executors.runner import Runner
from executors.states import EventKind, TaskState
from ontology.errors import SillageError

PATIENCE_S = 90.0

NEEDS = {"real": "runs_commands", "durable": "survives_restart"}
"""For each fixture, the capability without which it is not to be had."""

_numbers = itertools.count(1)


class Recorder:
    """A sink that folds every event through the transition function, so that an illegal one is an error."""

    def __init__(self) -> None:
        self.events: dict[str, list[TaskEvent]] = {}
        self.states: dict[str, TaskState] = {}
        self._lock = threading.Lock()

    def __call__(self, task_id: str, event: TaskEvent) -> None:
        """Take one event.

        Raises:
            IllegalTransitionError: It may not come now.
        """
        with self._lock:
            before = self.states.get(task_id, TaskState.QUEUED)
            if event.kind is EventKind.INITIALIZE and before.is_retryable:
                before = TaskState.QUEUED
            after = event.apply(before)
            assert event.state in (None, after), f"{event.kind} claims {event.state} and leads to {after}"
            self.events.setdefault(task_id, []).append(event)
            self.states[task_id] = after

    def kinds(self, task_id: str) -> list[EventKind]:
        """Return what happened to a task, without remarks."""
        with self._lock:
            return [event.kind for event in self.events.get(task_id, []) if event.kind is not EventKind.WARN]

    def last(self, task_id: str) -> TaskEvent:
        """Return a task's latest event."""
        return self.events[task_id][-1]

    def record(self, task_id: str) -> dict[str, Any]:
        """Return the record that came with a task's final event."""
        record = self.last(task_id).record
        assert record is not None
        return dict(record)


def task(*command: str, **members: Any) -> TaskSpec:
    """Return a task with a name of its own; one string is a script for ``/bin/sh``."""
    argv = ("/bin/sh", "-c", command[0]) if len(command) == 1 else command
    resources = members.pop("resources", None) or Resources(**members.pop("limits", {}))
    number = next(_numbers)
    return TaskSpec(id=f"task-{number}", name="test", command=argv, resources=resources, **members)


def python_task(script: str, **members: Any) -> TaskSpec:
    """Return a task that runs a Python script in the environment of the tests."""
    return task("python", "-I", "-c", script, environment=python_environment(), **members)


def wait_until(condition: Callable[[], bool], timeout: float = PATIENCE_S) -> None:
    """Wait for something that no event announces; fails when it does not come about."""
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.01)


def end_all(runner: Runner, work_root: Path) -> None:
    """End what a test that failed has left running: the next one may need the room."""
    left = False
    for folder in (work_root / "tasks").glob("*"):
        with contextlib.suppress(SillageError):
            left = runner.cancel(folder.name) or left
    if left:
        runner.drain(PATIENCE_S)


def _needed(test: Callable[..., None] | None) -> set[str]:
    """Return the capabilities that a test needs: those of its fixtures, and the one it is marked with."""
    if test is None:
        return set()
    fixtures = {NEEDS[name] for name in inspect.signature(test).parameters if name in NEEDS}
    fixtures |= {"runs_commands"} if "survives_restart" in fixtures else set()
    return fixtures | ({test.needs} if hasattr(test, "needs") else set())


def needs(capability: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a test that only a runner with this capability can pass."""

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        test.needs = capability  # type: ignore[attr-defined]
        return test

    return mark


class RunnerSuite:
    """Base of the suite's parts: opens runners and closes them again.

    Attributes:
        without: Capabilities (members of ``RunnerCapabilities``) that the runner declares not to have. Tests that need
            one of them are not collected for it, so that nothing is skipped that could be taken for passed; that the
            runner really declares so is a test.
    """

    without: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        """Leave out what the runner declares not to do: a name that is no function is no test."""
        super().__init_subclass__()
        for name in dir(cls):
            test = getattr(cls, name)
            if name.startswith("test_") and cls.without & _needed(test):
                setattr(cls, name, None)

    def open_runner(self, work_root: Path) -> Runner:
        """Return a runner over a folder; called again with the same folder it stands for a restarted service."""
        raise NotImplementedError

    @pytest.fixture
    def work_root(self, tmp_path: Path) -> Path:
        """Folder of the runner under test; its tasks' own folders are in ``tasks``."""
        return tmp_path / "runner"

    @pytest.fixture
    def runner(self, work_root: Path) -> Iterator[Runner]:
        """The runner under test."""
        runner = self.open_runner(work_root)
        yield runner
        end_all(runner, work_root)
        runner.close()

    @pytest.fixture
    def real(self, runner: Runner) -> Runner:
        """The runner under test, for what only one that executes commands can show."""
        assert runner.capabilities.runs_commands
        return runner

    @pytest.fixture
    def durable(self, real: Runner) -> Runner:
        """The runner under test, for what only one whose tasks outlive the service can show."""
        assert real.capabilities.survives_restart
        return real

    @staticmethod
    def carry_out(runner: Runner, spec: TaskSpec, sink: Recorder | None = None) -> Recorder:
        """Submit a task and wait for its end."""
        recorder = sink or Recorder()
        runner.submit(spec, recorder)
        assert runner.wait(spec.id, PATIENCE_S), "the task did not end in time"
        return recorder
