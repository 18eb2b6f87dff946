"""A task that does nothing through the local runner alone, against the same command without it.

    python -m benchmarks.noop_task [--rounds N] [--quick] [--json]

What the runner itself costs: the task's folder, wrapper and sandbox, its events, the record with its digests.
``bare`` runs the same command with the same interpreter by ``subprocess``. The service around it, with ledger,
dataset and HTTP, is measured by ``noop_chain``. Everything takes turns. Then as many tasks are handed over at once as
there are rounds, with a slot for each core: tasks an hour.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measuring import Row, alternate, medians, options, report
from executors.local.runner import LocalRunner
from executors.model import TaskEvent, TaskInput, TaskOutput, TaskSpec
from executors.pipelines.environment import python_environment
from executors.states import TaskState
from ontology.errors import UnsupportedError

COPY = "import shutil; shutil.copy('/inputs/image', 'out')"
PASSES, GOAL = 3.0, 1.3


class Contender:
    """One runner that carries out tasks one by one and checks what it says of each."""

    def __init__(self, runner: LocalRunner, image: Path) -> None:
        self.runner = runner
        self._image = TaskInput(id="image", host_path=image, path="/inputs/image")
        self._environment = python_environment()
        self._numbers = itertools.count()
        self._last: TaskEvent | None = None

    def _sink(self, task_id: str, event: TaskEvent) -> None:
        self._last = event

    def _spec(self, script: str, *outputs: TaskOutput) -> TaskSpec:
        return TaskSpec(
            id=f"task-{next(self._numbers)}",
            name="noop",
            command=("python", "-c", script),
            inputs=(self._image,),
            outputs=outputs,
            environment=self._environment,
        )

    def hourly(self, tasks: int) -> float:
        """Return how many tasks an hour end well when that many are handed over at once."""
        ends: list[TaskState | None] = []
        specs = [self._spec("pass") for _ in range(tasks)]
        began = time.perf_counter()
        for spec in specs:
            self.runner.submit(spec, lambda task_id, event: ends.append(event.state))
        for spec in specs:
            self.runner.wait(spec.id)
        taken = time.perf_counter() - began
        if ends.count(TaskState.COMPLETE) != tasks:
            sys.exit("not all tasks completed")
        return tasks * 3600 / taken

    def run(self, script: str, *outputs: TaskOutput) -> None:
        """Run one task to its end and see that it has a record."""
        spec = self._spec(script, *outputs)
        self.runner.submit(spec, self._sink)
        self.runner.wait(spec.id)
        last = self._last
        if last is None or last.state is not TaskState.COMPLETE or not last.record or len(last.outputs) != len(outputs):
            sys.exit(f"the task did not complete: {last and last.detail}")


def runners(folder: Path, image: Path) -> dict[str, Contender]:
    """Return the ways to run a task on this machine."""
    found = {"plain": Contender(LocalRunner(folder / "plain", sandbox="none"), image)}
    try:
        sandboxed = LocalRunner(folder / "sandboxed", sandbox="bubblewrap")
    except UnsupportedError as error:
        print(f"no sandbox is measured: {error.detail}", file=sys.stderr)
    else:
        found["sandboxed"] = Contender(sandboxed, image)
    return found


def measure(rounds: int) -> list[Row]:
    """Return the rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = folder / "image"
        image.write_bytes(bytes(100_000))
        contenders = runners(folder, image)
        calls: dict[str, Callable[[], object]] = {
            "bare": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)
        }
        for kind, contender in contenders.items():
            calls[kind] = partial(contender.run, "pass")
        best = list(contenders)[-1]
        calls["output"] = lambda: contenders[best].run(COPY, TaskOutput(name="copy", path="out"))
        ms = {kind: seconds * 1e3 for kind, seconds in medians(alternate(rounds, calls, warm_up=3)).items()}
        hourly = contenders[best].hourly(rounds)
        for contender in contenders.values():
            contender.runner.close()

    def row(measure: str, ours: str, *budget: float) -> Row:
        passes, goal = budget or (None, None)
        against = "bare subprocess (Python)"
        return Row(
            measure=measure, ours=ms[ours], against=against, other=ms["bare"], unit="ms", passes=passes, goal=goal
        )

    return [
        *(row(f"no-op task, {kind}", kind, PASSES, GOAL) for kind in contenders),
        row(f"task with one output, {best}", "output"),
        Row(
            measure=f"tasks an hour, {best}",
            ours=hourly,
            against="bare ones, one at a time",
            other=3_600_000 / ms["bare"],
            unit="/h",
            higher_is_better=True,
            note=f"{os.cpu_count()} cores",
        ),
    ]


def main() -> None:
    """Read the options and print the table."""
    asked = options("A no-op task through the local runner against a bare subprocess.", rounds=51, quick_rounds=5)
    report("noop_task", measure(asked.rounds), as_json=asked.json)


if __name__ == "__main__":
    main()
