"""Training steps per second of segment-lesions-train through the local runner, against the bare script.

    python -m benchmarks.training_throughput [--rounds N] [--quick] [--json]

Both run the same files with the same interpreter and one thread, in turns. The script itself tells the steps per second
of each epoch; imports and reading do not count. The seconds of a whole run stand in a row of their own. A GPU is used
where there is one.
"""

from __future__ import annotations

import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measuring import Row, options, report
from executors.local.runner import LocalRunner
from executors.model import TaskEvent, TaskInput, TaskOutput, TaskSpec
from executors.pipelines.bundled import bundled_files
from executors.pipelines.environment import python_environment
from executors.states import TaskState
from ontology.errors import UnsupportedError

PASSES, GOAL = 0.95, 0.99
SPEED = re.compile(r"([\d.]+) steps/s$", re.MULTILINE)
KINDS = {"--t1w": "T1w", "--flair": "FLAIR", "--lesions": "mask"}


class Training:
    """One way to run the trainer; each run adds its steps per second and its seconds.

    Attributes:
        speeds: Median over the epochs of each run.
        seconds: Of each whole run.
    """

    def __init__(self, run: Callable[[], str]) -> None:
        self._run = run
        self.speeds: list[float] = []
        self.seconds: list[float] = []

    def measure(self) -> None:
        """Train once."""
        began = time.perf_counter()
        said = self._run()
        self.seconds.append(time.perf_counter() - began)
        # The first epoch warms up the libraries.
        self.speeds.append(statistics.median(float(speed) for speed in SPEED.findall(said)[1:]))


def prepare(folder: Path, people: int) -> tuple[Path, dict[str, list[Path]]]:
    """Write pipeline and study; returns the pipeline's folder and the images by flag."""
    from sillage.demo.study import make_study

    pipeline = folder / "pipeline"
    pipeline.mkdir()
    for name, content in bundled_files("segment-lesions-train").items():
        (pipeline / name).write_bytes(content)
    study, _ = make_study(folder / "study", participants=(people, 1), lesion_masks=True)
    found = {flag: sorted(study.rglob(f"sub-*_{suffix}.nii.gz")) for flag, suffix in KINDS.items()}
    found["--lesions"] = sorted(study.rglob("*_mask.nii.gz"))
    return pipeline, found


def bare(pipeline: Path, images: dict[str, list[Path]], epochs: int, work: Path) -> str:
    """Run the script as a person would."""
    work.mkdir()
    files = [str(text) for flag, paths in images.items() for text in (flag, *paths)]
    command = [sys.executable, str(pipeline / "run.py"), *files, "--epochs", str(epochs)]
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True, text=True).stdout


class Executed:
    """The same by a runner."""

    def __init__(self, runner: LocalRunner, pipeline: Path, images: dict[str, list[Path]], epochs: int) -> None:
        self._runner, self._environment, self._last = runner, python_environment(), None
        self._numbers = itertools.count()
        named = {flag: [(path, f"/inputs/images/{path.name}") for path in paths] for flag, paths in images.items()}
        self._inputs = tuple(
            TaskInput(id=path.name, host_path=path, path=inside) for pairs in named.values() for path, inside in pairs
        )
        files = [text for flag, pairs in named.items() for text in (flag, *(inside for _, inside in pairs))]
        self._command = ("python", "/pipeline/run.py", *files, "--epochs", str(epochs))
        self._code = TaskInput(id="pipeline", host_path=pipeline, path="/pipeline")
        self._last: TaskEvent | None = None

    def _sink(self, task_id: str, event: TaskEvent) -> None:
        self._last = event

    def run(self) -> str:
        """Run one task to its end; returns what it said."""
        spec = TaskSpec(
            id=f"training-{next(self._numbers)}",
            name="segment-lesions-train",
            command=self._command,
            inputs=(*self._inputs, self._code),
            outputs=(TaskOutput(name="model", path="out/model.npz"),),
            environment=self._environment,
        )
        self._runner.submit(spec, self._sink)
        self._runner.wait(spec.id)
        if self._last is None or self._last.state is not TaskState.COMPLETE:
            sys.exit(f"the task did not complete: {self._last and self._last.detail}")
        return self._runner.logs(spec.id, "stdout").decode()


def measure(rounds: int, *, people: int, epochs: int) -> list[Row]:
    """Return the rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipeline, images = prepare(folder, people)
        turns = itertools.count()
        ways = {"bare": Training(lambda: bare(pipeline, images, epochs, folder / f"bare-{next(turns)}"))}
        runners = []
        for kind in ("none", "bubblewrap"):
            try:
                runners.append(LocalRunner(folder / kind, sandbox=kind))
            except UnsupportedError as error:
                print(f"no sandbox is measured: {error.detail}", file=sys.stderr)
            else:
                ways[kind] = Training(Executed(runners[-1], pipeline, images, epochs).run)
        for number in range(rounds):
            for way in list(ways.values()) if number % 2 == 0 else reversed(list(ways.values())):
                way.measure()
        for runner in runners:
            runner.close()
    return [row for kind in ways if kind != "bare" for row in _rows(kind, ways[kind], ways["bare"])]


def _rows(kind: str, ours: Training, other: Training) -> list[Row]:
    where = {"none": "plain", "bubblewrap": "sandboxed"}[kind]
    against = "bare script"
    return [
        Row(
            measure=f"training steps, {where}",
            ours=statistics.median(ours.speeds),
            against=against,
            other=statistics.median(other.speeds),
            unit="/s",
            passes=PASSES,
            goal=GOAL,
            higher_is_better=True,
        ),
        Row(
            measure=f"whole training, {where}",
            ours=statistics.median(ours.seconds),
            against=against,
            other=statistics.median(other.seconds),
            unit="s",
        ),
    ]


def main() -> None:
    """Read the options and print the table."""
    asked = options("Training through the local runner against the bare script.", rounds=5, quick_rounds=1)
    size = {"people": 6, "epochs": 6} if asked.quick else {"people": 16, "epochs": 6}
    report("training_throughput", measure(asked.rounds, **size), as_json=asked.json)


if __name__ == "__main__":
    main()
