"""A batch of tasks that run nothing: how soon it is answered, planned and done, and what the service holds meanwhile.

    python -m benchmarks.batch [--items N ...] [--profile] [--quick] [--json]

A dataset of N participants with one image each is registered; a pipeline that wants that image is run over all of
them, with the runner that completes every task at once. So what is measured is what a batch costs beside its
commands: choosing files, writing tasks, handing over, and three events for each, the last of them durable. The sizes
are compared with the smallest: what an item costs must not grow with their number.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.catalogue import create
from benchmarks.measuring import Row, report
from benchmarks.noop_chain import descriptor
from sillage.client import Client

ITEMS = (500, 2_000, 10_000)
LOOK_S = 0.1
MB = 1_000_000


def write_study(root: Path, people: int) -> None:
    """Write a BIDS dataset of some people with one image each."""
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Many", "BIDSVersion": "1.10.0"}))
    labels = [f"sub-{person:06}" for person in range(people)]
    rows = [f"{label}\t{20 + number % 60}" for number, label in enumerate(labels)]
    (root / "participants.tsv").write_text("\n".join(["participant_id\tage", *rows]) + "\n")
    for label in labels:
        folder = root / label / "anat"
        folder.mkdir(parents=True)
        (folder / f"{label}_T1w.nii.gz").write_bytes(f"image of {label}".encode())


def memory(name: str = "VmRSS") -> int:
    """Return the bytes of memory that this process holds (``VmHWM``: held at most), as the kernel counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


class Batch:
    """One catalogue and one batch over everybody in it."""

    def __init__(self, folder: Path, people: int) -> None:
        create(folder / "catalog")
        self.client = Client(catalog=folder / "catalog")
        write_study(folder / "study", people)
        self.client.register_dataset(folder / "study")
        asks = {"inputs": {"image": {"select": "suffix = 'T1w'"}}}
        self.client.register_pipeline(descriptor("nothing", "true", environment={"kind": "system"}, **asks))
        self.cohort = self.client.freeze_cohort("TRUE")["id"]
        self._people = people

    def run(self) -> dict[str, float]:
        """Run it; return the seconds until it was answered, planned and done, and what it used."""
        held, began, used = memory(), time.perf_counter(), time.process_time()
        id = self.client.run("nothing", cohort=self.cohort, runner="noop")["id"]
        answered = time.perf_counter() - began
        planned = self._until(id, began, lambda body: body["phase"] != "planning")
        done = self._until(id, began, lambda body: bool(body["end_time"]))
        found = self.client.get(f"tasks/{id}")
        if found["counts"] != {"COMPLETE": self._people}:
            sys.exit(f"the batch ended with {found['counts']}")
        return {
            "answered": answered,
            "planned": planned,
            "done": done,
            "used": time.process_time() - used,
            "held": memory() - held,
        }

    def _until(self, id: str, began: float, true: Callable[[dict[str, Any]], bool]) -> float:
        while not true(self.client.get(f"records/{id}")):
            time.sleep(LOOK_S)
        return time.perf_counter() - began


def profiled(call: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Call with a profile of the thread that carries batches, told on standard error."""
    from api.batch_worker import BatchWorker

    profile, plain = cProfile.Profile(), BatchWorker._run

    def run(worker: BatchWorker) -> None:
        profile.runcall(plain, worker)

    BatchWorker._run = run  # type: ignore[assignment, method-assign]
    found = call()
    pstats.Stats(profile, stream=sys.stderr).sort_stats("cumulative").print_stats(60)
    return found


def measured(people: int, *, profile: bool) -> dict[str, float]:
    """Return what one batch takes."""
    with tempfile.TemporaryDirectory() as name:

        def call() -> dict[str, float]:
            batch = Batch(Path(name), people)
            try:
                return batch.run()
            finally:
                batch.client.close()

        return profiled(call) if profile else call()


def rows(found: dict[int, dict[str, float]]) -> list[Row]:
    """Return the rows: each size beside the smallest."""
    first = min(found)
    made = []
    for people, took in found.items():
        for what, unit, scale, each in (
            ("answered", "ms", 1e3, 1.0),
            ("planned, an item", "ms", 1e3, people),
            ("done, an item", "ms", 1e3, people),
            ("processor time, an item", "ms", 1e3, people),
            ("memory more than before", "MB", 1 / MB, 1.0),
        ):
            key = {"memory more than before": "held", "processor time, an item": "used"}.get(
                what, what.partition(",")[0]
            )
            other = found[first][key] * scale / (first if each != 1.0 else 1.0)
            note = f"{people / took['done'] * 3600:,.0f} tasks an hour" if key == "done" else ""
            made.append(
                Row(
                    measure=f"{people:,} items: {what}",
                    ours=took[key] * scale / each,
                    against=f"{first:,} items",
                    other=max(other, 1e-9),
                    unit=unit,
                    note=note,
                )
            )
    return made


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description="Batches of tasks that run nothing.")
    parser.add_argument("--items", type=int, nargs="+", default=None, help=f"default {ITEMS}")
    parser.add_argument("--profile", action="store_true", help="say where the time of planning and handing over goes")
    parser.add_argument("--quick", action="store_true", help="small data: to see that it runs, not how fast")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    sizes = asked.items or ((50, 100) if asked.quick else ITEMS)
    report("batch", rows({size: measured(size, profile=asked.profile) for size in sizes}), as_json=asked.json)


if __name__ == "__main__":
    main()
