"""What it costs to see which inputs a task opens, by the local runner alone, with it and without.

    python -m benchmarks.observation [--rounds N] [--quick] [--json]

Three scripts, in the sandbox where there is one: one that does nothing, one that imports NumPy, and one that opens
5,000 files of a folder that is an input. Each has the same inputs with and without; the bare command has no runner
around it. Everything takes turns, and what was seen is compared with what was done.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measuring import Row, alternate, medians, options, report
from executors.local.runner import LocalRunner
from executors.model import TaskEvent, TaskInput, TaskSpec
from executors.pipelines.environment import python_environment
from executors.states import TaskState

FILES = 5_000
OPEN_ALL = "import os, sys; [open(entry.path).close() for entry in os.scandir(sys.argv[1])]"
SCRIPTS = {"a task that does nothing": "pass", "import NumPy": "import numpy", f"open {FILES:,} files": OPEN_ALL}
PASSES, GOAL = 3.0, 1.3


class Watched:
    """One runner that runs scripts over one image and one folder, and says what was seen of them."""

    def __init__(self, folder: Path, observe: str) -> None:
        self.runner = LocalRunner(folder / observe, observe=observe)
        self._inputs = (
            TaskInput(id="image", host_path=folder / "image", path="/inputs/image"),
            TaskInput(id="folder", host_path=folder / "many", path="/inputs/folder"),
        )
        self._environment = python_environment()
        self._numbers = itertools.count()
        self._last: TaskEvent | None = None
        self._observe = observe

    def _sink(self, task_id: str, event: TaskEvent) -> None:
        self._last = event

    def run(self, script: str) -> None:
        """Run one task to its end, and compare what was seen with what it did."""
        spec = TaskSpec(
            id=f"task-{next(self._numbers)}",
            name="observed",
            command=("python", "-c", script, "/inputs/folder"),
            inputs=self._inputs,
            environment=self._environment,
        )
        self.runner.submit(spec, self._sink)
        self.runner.wait(spec.id)
        self.runner.release(spec.id)
        last = self._last
        if last is None or last.state is not TaskState.COMPLETE or not last.record:
            sys.exit(f"the task did not complete: {last and last.detail}")
        seen = last.record["inputs_observed"]
        opened = ["folder"] if script == OPEN_ALL else []
        if self._observe == "auto" and (not seen["complete"] or seen["opened"] != opened):
            sys.exit(f"what was seen is not what was done: {seen}")


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Return the median of each script in each of three ways, in milliseconds."""
    watched, unwatched = Watched(folder, "auto"), Watched(folder, "none")
    calls: dict[str, Callable[[], object]] = {}
    for title, script in SCRIPTS.items():
        bare = [sys.executable, "-c", script, str(folder / "many")]
        calls[f"{title}: observed"] = partial(watched.run, script)
        calls[f"{title}: not"] = partial(unwatched.run, script)
        calls[f"{title}: bare"] = partial(subprocess.run, bare, check=True)
    found = medians(alternate(rounds, calls, warm_up=2))
    for runner in (watched.runner, unwatched.runner):
        runner.close()
    return {name: 1e3 * seconds for name, seconds in found.items()}


def rows_of(ms: dict[str, float]) -> list[Row]:
    """Return two rows for each script: against the same without observing, and against the bare command."""
    rows = []
    for number, title in enumerate(SCRIPTS):
        ours, budget = ms[f"{title}: observed"], (PASSES, GOAL) if number == 0 else (None, None)
        other = ms[f"{title}: not"]
        rows.append(Row(measure=title, ours=ours, against="the same, not observed", other=other, unit="ms"))
        bare = ms[f"{title}: bare"]
        rows.append(
            Row(
                measure=title,
                ours=ours,
                against="bare subprocess (Python)",
                other=bare,
                unit="ms",
                passes=budget[0],
                goal=budget[1],
            )
        )
    return rows


def main() -> None:
    """Read the options and print the table."""
    asked = options("What it costs to see which inputs a task opens.", rounds=21, quick_rounds=3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "image").write_bytes(bytes(1000))
        (folder / "many").mkdir()
        for number in range(FILES):
            (folder / "many" / f"{number:05}").touch()
        ms = measure(folder, asked.rounds)
    report("observation", rows_of(ms), as_json=asked.json)


if __name__ == "__main__":
    main()
