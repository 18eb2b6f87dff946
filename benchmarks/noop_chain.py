"""A registered task that does nothing, through the whole service, against the same command without it.

    python -m benchmarks.noop_chain [--rounds N] [--quick] [--json]

``service`` submits a registered pipeline by the client to the application in this process and waits until the
ledger holds the task's end: state COMPLETE with the full record, durable on disk. ``bare`` runs the same command
with the same interpreter by ``subprocess``. ``datalad run`` runs and records a command in a dataset; as it commits
nothing when nothing changed, it is compared on a command that writes one file. The input lies in a dataset of
91 files, then in one of 20 thousand. Everything takes turns.

    python -m benchmarks.noop_chain --minute [--rounds N]

A command that sleeps for a minute, the three ways, three rounds unless told.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.catalogue import create
from benchmarks.bids_study import Study
from benchmarks.measuring import Row, alternate, medians, options, report
from sillage.client import Client

WRITE = "import pathlib; pathlib.Path('out').mkdir(exist_ok=True); pathlib.Path('out/{}.txt').write_text('{}')"
SCRIPT = """import pathlib, sys
pathlib.Path("out").mkdir()
pathlib.Path("out", sys.argv[2] + ".txt").write_text("done")
"""
LARGE, SMALL = 222, 1


def descriptor(name: str, command: str, **block: Any) -> dict[str, Any]:
    """Return a pipeline that runs a command on one image."""
    number = {"id": "number", "name": "Number", "type": "String", "optional": True, "value-key": "[NUMBER]"}
    return {
        "name": name,
        "description": "Does nothing.",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": f"{command} [IMAGE] [NUMBER]",
        "inputs": [{"id": "image", "name": "Image", "type": "File", "value-key": "[IMAGE]"}, number],
        "output-files": [{"id": "text", "name": "Text", "path-template": "out/**/*.txt", "optional": True}],
        "custom": {"sillage": {"level": "participant", "environment": {"kind": "python"}, **block}},
    }


class Chain:
    """A catalogue with a small and a large dataset and two pipelines, through the client."""

    def __init__(self, folder: Path, *, large: int) -> None:
        create(folder / "catalog")
        self.client = Client(catalog=folder / "catalog")
        self.client.register_pipeline(descriptor("nothing", "python -c pass"))
        self.client.register_pipeline(descriptor("true", "true", environment={"kind": "system"}))
        scripts = folder / "scripts"
        scripts.mkdir()
        (scripts / "write.py").write_text(SCRIPT)
        self.client.register_pipeline(descriptor("write", "python write.py", files="."), scripts)
        self.images = {
            "small": self._study(folder / "small", SMALL),
            "large": self._study(folder / "large", large),
        }
        self._numbers = itertools.count()

    def _study(self, path: Path, participants: int) -> str:
        Study(path, participants).write()
        _rename(path)
        dataset = self.client.register_dataset(path)
        person = next(self.client.pages(f"datasets/{dataset['id']}/participants"))
        found = self.client.pages(f"participants/{person['id']}/acquisitions")
        return str(next(item["id"] for item in found if item["label"].endswith("_T1w")))

    def run(self, pipeline: str, dataset: str) -> None:
        """Run one task and check what the catalogue says of it."""
        given = {"number": f"n{next(self._numbers)}"}
        image = self.images[dataset]
        submitted = self.client.run(pipeline, inputs={"image": [image]}, parameters=given)
        task = self.client.wait(submitted["id"])
        recorded = task["state"] == "COMPLETE" and task["record"]["inputs"] and task["exit_code"] == 0
        if not recorded or len(task["outputs"]) != (pipeline == "write"):
            sys.exit(f"the task ended as {task['state']}: {task.get('detail')}")


def _rename(path: Path) -> None:
    """Give a study a DataLad identifier of its own: all that the generator writes bear the same."""
    config = path / ".datalad" / "config"
    config.write_text(f'[datalad "dataset"]\n\tid = {uuid.uuid4()}\n')
    git = ["git", "-C", str(path), "-c", "user.name=benchmark", "-c", "user.email=b@example.org"]
    subprocess.run([*git, "commit", "-qam", "A name of its own"], check=True, timeout=300)


def datalad_dataset(folder: Path, *, before: str = "") -> Callable[[], None]:
    """Make a dataset with DataLad and return a call that runs one recorded command in it, after some Python."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for key, value in (("NAME", "benchmark"), ("EMAIL", "b@example.org")):
        environment |= {f"GIT_AUTHOR_{key}": value, f"GIT_COMMITTER_{key}": value}

    def datalad(*arguments: str, cwd: Path) -> None:
        command = [str(Path(sys.executable).with_name("datalad")), *arguments]
        subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True, timeout=300)

    datalad("create", "dataset", cwd=folder)
    numbers = itertools.count()

    def run() -> None:
        name = f"n{next(numbers)}"
        datalad("run", "-m", "write", sys.executable, "-c", before + WRITE.format(name, name), cwd=folder / "dataset")

    return run


def minutes(rounds: int, seconds: int = 60) -> list[Row]:
    """Return the rows of a command that takes a minute and no processor time."""
    sleep = f"import time; time.sleep({seconds})"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chain = Chain(folder, large=SMALL)
        (folder / "sleeping").mkdir()
        (folder / "sleeping" / "sleep.py").write_text(sleep)
        chain.client.register_pipeline(descriptor("sleep", "python sleep.py", files="."), folder / "sleeping")
        chain.run("nothing", "small")
        calls = {
            "bare": bare(sys.executable, "-c", sleep),
            "ours": lambda: chain.run("sleep", "small"),
            "datalad": datalad_dataset(folder, before=f"{sleep}; "),
        }
        took = medians(alternate(rounds, calls, warm_up=0))
        chain.client.close()

    def row(against: str, other: str) -> Row:
        return Row(measure=f"task of {seconds} s", ours=took["ours"], against=against, other=took[other], unit="s")

    return [row("bare subprocess (Python)", "bare"), row("datalad run, one file", "datalad")]


def bare(*command: str) -> Callable[[], None]:
    """Return a call that runs a command."""

    def run() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    return run


def measure(rounds: int, *, large: int) -> list[Row]:
    """Return the rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chain = Chain(folder, large=large)
        datalad = datalad_dataset(folder)
        fast = alternate(
            rounds,
            {
                "true": bare("/bin/true"),
                "bare": bare(sys.executable, "-c", "pass", "image"),
                "small": lambda: chain.run("nothing", "small"),
                "large": lambda: chain.run("nothing", "large"),
                "system": lambda: chain.run("true", "small"),
                "write": lambda: chain.run("write", "small"),
            },
            warm_up=3,
        )
        slow = alternate(5, {"datalad": datalad, "write": lambda: chain.run("write", "small")})
        chain.client.close()
    took, slow_took = medians(fast), medians(slow)
    ms = {name: value * 1e3 for name, value in {**took, "datalad": slow_took["datalad"]}.items()}
    ms["write beside datalad"] = slow_took["write"] * 1e3

    def row(measure: str, ours: str, against: str, other: str, *budget: float, note: str = "") -> Row:
        passes, goal = budget or (None, None)
        return Row(
            measure=measure,
            ours=ms[ours],
            against=against,
            other=ms[other],
            unit="ms",
            passes=passes,
            goal=goal,
            note=note,
        )

    return [
        row("no-op task with full record", "small", "bare subprocess (Python)", "bare", 3, 1.3),
        row("the same, 20k files in the dataset", "large", "91 files in the dataset", "small", 1.2, 1.05),
        row("the same, of the command true", "system", "bare /bin/true", "true"),
        row("the same, of the command true", "system", "datalad run, one file", "datalad", 1 / 50, 1 / 200),
        row("task with one output saved", "write", "bare subprocess (Python)", "bare"),
        row(
            "task with one output saved", "write beside datalad", "datalad run, one output", "datalad", 1 / 50, 1 / 200
        ),
    ]


def main() -> None:
    """Read the options and print the table."""
    minute = "--minute" in sys.argv
    if minute:
        sys.argv.remove("--minute")
    asked = options("A no-op task through the service against a bare subprocess.", rounds=3 if minute else 25)
    rows = minutes(asked.rounds) if minute else measure(asked.rounds, large=4 if asked.quick else LARGE)
    report("noop_chain", rows, as_json=asked.json)


if __name__ == "__main__":
    main()
