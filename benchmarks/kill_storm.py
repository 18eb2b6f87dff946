"""Killing the service and its tasks at random moments: what was acknowledged and is lost, what was run twice.

    python -m benchmarks.kill_storm [--kills N] [--seed N] [--keep FOLDER] [--quick] [--json]

People submit tasks, batches and data, cancel and try again, while every part is killed by SIGKILL: the service, a
task's wrapper, bubblewrap, strace, its reader, a process inside, or all at once. In the end everything that was
acknowledged must be there and over, each attempt have been started at most once, the ledger hold every entry that was
ever seen, ``check`` be clean, and no process, folder or half-made dataset be left. Not a measure of speed.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from api.catalogue import create
from benchmarks.storm_world import (
    LINE,
    PIPELINES,
    Service,
    left_running,
    living,
    register_pipelines,
    task_folders,
    write_study,
)
from catalog.versions.git import annex_environment
from ontology.identifiers import last_part
from sillage.client import FINAL, ProblemError, ServiceAwayError

TARGETS = ("service", "service", "service", "wrapper", "bwrap", "strace", "reader", "inside", "all")
PATIENCE_S = 240.0
PEOPLE = 4


@dataclass(slots=True)
class Acknowledged:
    """What the service said yes to, and what it showed."""

    tasks: list[str] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    canceled: set[str] = field(default_factory=set)
    retried: Counter[str] = field(default_factory=Counter)
    datasets: list[str] = field(default_factory=list)
    entries: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """What came of a storm; ``wrong`` is empty when all held."""

    kills: Counter[str] = field(default_factory=Counter)
    tasks: int = 0
    attempts: int = 0
    states: Counter[str] = field(default_factory=Counter)
    entries: int = 0
    twice: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return its members."""
        return {
            "kills": sum(self.kills.values()),
            "killed": dict(self.kills),
            "tasks": self.tasks,
            "attempts": self.attempts,
            "states": dict(self.states),
            "ledger entries": self.entries,
            "run twice": self.twice,
            "wrong": self.wrong,
            "seconds": round(self.seconds, 1),
        }


class Storm:
    """A catalogue, people who use it, and somebody who kills.

    Args:
        folder: An empty folder.
        seed: Decides who does what, and when who is killed.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._kills = random.Random(seed)
        self._acts = [random.Random(seed + number) for number in range(1, 3)]
        self._said = Acknowledged()
        self._over = threading.Event()
        self._troubles: list[str] = []
        self.report = Report()
        folder.mkdir(parents=True, exist_ok=True)
        create(folder / "catalog", title="A storm")
        self._service = Service(folder / "catalog", folder / "service")
        self._client = self._service.client()
        self._cohort = ""
        self._images: list[str] = []
        self._numbers = itertools.count()

    def rage(self, kills: int) -> Report:
        """Kill so many times, let it calm down, and look at what is there."""
        began = time.monotonic()
        try:
            self._prepare()
            acts = [*(partial(self._act, draw) for draw in self._acts), self._watch]
            people = [threading.Thread(target=self._live, args=(act,)) for act in acts]
            for person in people:
                person.start()
            try:
                while sum(self.report.kills.values()) < kills:
                    self._kill_one()
            finally:
                self._over.set()
                for person in people:
                    person.join()
            self._service.wait_until_up()
            self._judge()
        finally:
            self._client.close()
            self._service.close()
            self.report.seconds = time.monotonic() - began
        return self.report

    def _prepare(self) -> None:
        self._service.start()
        self._service.wait_until_up()
        register_pipelines(self._client, self._folder / "pipelines")
        study = write_study(self._folder / "study", people=PEOPLE, label="first")
        dataset = self._client.register_dataset(study)["id"]
        self._cohort = self._client.freeze_cohort("TRUE")["id"]
        people = self._client.get(f"datasets/{dataset}/participants")["items"]
        for person in people:
            found = self._client.get(f"participants/{person['id']}/acquisitions")["items"]
            self._images += [image["id"] for image in found]
        self._client.post("rules", {"name": "new", "when": "age < 32", "pipeline": "quick"})

    def _live(self, act: Callable[[], None]) -> None:
        while not self._over.is_set():
            try:
                act()
            except ServiceAwayError:
                time.sleep(0.02)
            except ProblemError as problem:
                if problem.status >= 500 and problem.code not in ("backend-unavailable", "storage-full"):
                    self._troubles.append(f"answered {problem.status} {problem}")

    def _act(self, draw: random.Random) -> None:
        """Do one thing that a person may do."""
        said = self._said
        time.sleep(draw.uniform(0, 0.08))
        kind = draw.choices(("task", "batch", "reuse", "cancel", "retry", "data"), (8, 2, 2, 3, 3, 0.4))[0]
        if len(task_folders(self._service.catalog)) > 40:
            kind = "cancel"
        pipeline, image = draw.choice(list(PIPELINES)), draw.choice(self._images)
        if kind in ("task", "reuse"):
            task = self._client.run(pipeline, inputs={"images": [image]}, reuse=kind == "reuse")
            said.tasks.append(task["id"])
        elif kind == "batch":
            said.batches.append(self._client.run(pipeline, cohort=self._cohort)["id"])
        elif kind == "data":
            number = next(self._numbers)
            more = write_study(self._folder / f"more-{number}", people=2, label=f"more{number}")
            said.datasets.append(self._client.register_dataset(more)["id"])
        elif said.tasks:
            chosen = draw.choice(said.tasks[-12:])
            self._client.post(f"tasks/{chosen}/{kind}")
            said.canceled.add(chosen) if kind == "cancel" else said.retried.update([chosen])

    def _watch(self) -> None:
        """Read on in the ledger: what was seen once must stay."""
        after = max(self._said.entries, default=-1)
        page = self._client.get("audit/entries", after=after, limit=1000)
        for entry in page["items"]:
            self._said.entries[entry["sequence"]] = json.dumps(entry, sort_keys=True)
        time.sleep(0.05)

    def _kill_one(self) -> None:
        draw, wanted = self._kills, self._kills.choice(TARGETS)
        time.sleep(draw.choice((draw.uniform(0, 0.15), draw.uniform(0, 1.2))))
        found = self._found(wanted)
        if wanted in ("service", "all"):
            self._service.kill()
        for pid in found if wanted == "all" else [draw.choice(found)] if found else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.report.kills[wanted] += wanted in ("service", "all") or bool(found)
        if not self._service.pid:
            time.sleep(draw.choice((0.0, draw.uniform(0, 0.5))))
            self._service.start()
            if draw.random() < 0.7:  # otherwise the next one may come while it starts
                self._service.wait_until_up()

    def _found(self, wanted: str) -> list[int]:
        """Return who can be killed; a part of a task is waited for."""
        until = time.monotonic() + (0 if wanted in ("service", "all") else 3)
        while True:
            found = [pid for kind, pid in living(self._service.catalog) if wanted in (kind, "all")]
            if found or time.monotonic() > until:
                return found
            time.sleep(0.005)

    def _judge(self) -> None:
        """Wait until all is over, and write down what is not as it must be."""
        wrong = self.report.wrong
        wrong += self._troubles
        tasks = self._tasks_when_over()
        attempts = {iri: int(task["attempt"]) for iri, task in tasks.items()}
        self.report.tasks, self.report.attempts = len(tasks), sum(attempts.values())
        self.report.states = Counter(str(task["state"]) for task in tasks.values())
        self._judge_acknowledged(tasks)
        self._judge_runs(tasks)
        self._judge_ledger()
        self._judge_leftovers()
        if self._client.post("check")["valid"] is not True:
            wrong.append(f"check: {self._client.post('check')}")
        self._judge_data()

    def _tasks_when_over(self) -> dict[str, dict[str, Any]]:
        """Return every task in full once all have ended, or time is up."""
        until = time.monotonic() + PATIENCE_S
        while True:
            listed = {task["id"]: task["state"] for task in self._client.pages("tasks", limit=200)}
            for batch in self._said.batches:
                for item in self._client.pages(f"tasks/{batch}/items", limit=200):
                    listed[item["id"]] = item["state"]
            open_ = [iri for iri, state in listed.items() if state not in FINAL]
            if not open_ or time.monotonic() > until:
                self.report.wrong += [f"never ended: {listed[iri]} {iri}" for iri in open_]
                found = {iri: self._client.get(f"tasks/{iri}") for iri in listed}
                return {iri: task for iri, task in found.items() if "attempt" in task}
            time.sleep(0.3)

    def _judge_acknowledged(self, tasks: dict[str, dict[str, Any]]) -> None:
        for iri in self._said.tasks:
            if iri not in tasks:
                self.report.wrong.append(f"an acknowledged task is gone: {iri}")
            elif tasks[iri]["attempt"] < 1 + self._said.retried[iri]:
                self.report.wrong.append(f"an acknowledged retry is gone: {iri}")
        for iri in self._said.batches:
            batch = self._client.get(f"tasks/{iri}")
            items = list(self._client.pages(f"tasks/{iri}/items", limit=200))
            if len({item["id"] for item in items}) != PEOPLE or batch["state"] not in FINAL:
                self.report.wrong.append(f"a batch of {len(items)} items is {batch['state']}: {iri}")
        for iri in self._said.datasets:
            if len(self._client.get(f"datasets/{iri}/participants")["items"]) != 2:
                self.report.wrong.append(f"an acknowledged dataset is not whole: {iri}")

    def _judge_runs(self, tasks: dict[str, dict[str, Any]]) -> None:
        """Count the runs of every attempt: by who started its sandbox, by what it printed, by what it noted."""
        runs, wrong = self._service.runs(), self.report.wrong
        root = self._service.catalog / "work" / "local" / "tasks"
        self.report.twice = sum(1 for count in runs.values() if count > 1)
        if self.report.twice:
            wrong.append(f"{self.report.twice} attempts were run more than once")
        for iri, task in tasks.items():
            if task["state"] != "COMPLETE":
                continue
            count = runs[_mark(root, iri, task["attempt"])]
            if count != (0 if task.get("reused") else 1):
                wrong.append(f"run {count} times: {iri} {task['pipeline_name']}")
            notes = [output for output in task["outputs"] if "/" not in output["path"]]
            if not notes and task["pipeline_name"] not in ("failing", "silent"):
                wrong.append(f"its results are gone: {iri} {task['pipeline_name']}")
            if any(output["size"] != LINE for output in notes):
                wrong.append(f"noted more than one run: {iri}")
            printed = self._client.request("GET", f"/api/v1/tasks/{iri}/logs").content
            if not task.get("reused") and len(printed) != LINE:
                wrong.append(f"{len(printed)} bytes are kept of what it printed: {iri} {task['pipeline_name']}")

    def _judge_ledger(self) -> None:
        now = {
            entry["sequence"]: json.dumps(entry, sort_keys=True)
            for entry in self._client.pages("audit/entries", limit=1000)
        }
        self.report.entries = len(now)
        changed = [number for number, entry in self._said.entries.items() if now.get(number) != entry]
        if changed:
            self.report.wrong.append(f"{len(changed)} entries of the ledger are gone or others: {changed[:5]}")

    def _judge_leftovers(self) -> None:
        """What is left may go in the background for a moment."""
        until = time.monotonic() + 20
        while left := self._leftovers():
            if time.monotonic() > until:
                self.report.wrong += left[:10]
                return
            time.sleep(0.2)

    def _leftovers(self) -> list[str]:
        left = [f"left running: {pid}" for pid in left_running(self._service.catalog, self._service.runs())]
        root = self._service.catalog / "work" / "local" / "tasks"
        left += [f"left in work: {path.name} {sorted(p.name for p in path.rglob('*'))}" for path in root.iterdir()]
        return left + [f"left in store: {path}" for path in (self._service.catalog / "store").glob(".incoming-*")]

    def _judge_data(self) -> None:
        for mark in sorted((self._service.catalog / "store").glob("[!.]*/.git")):
            path = mark.parent
            for command in (("git", "fsck", "--no-dangling"), ("git", "annex", "fsck", "--quiet")):
                done = subprocess.run(
                    command, cwd=path, env=annex_environment(path), capture_output=True, text=True, check=False
                )
                if done.returncode:
                    self.report.wrong.append(f"{' '.join(command)} of {path.name}: {done.stderr[:300]}")


def _mark(root: Path, iri: str, attempt: int) -> str:
    from executors.attempts.folder import TaskFolder

    return TaskFolder(root, last_part(iri), attempt).mark


def rage(folder: Path, *, kills: int, seed: int) -> Report:
    """Let a storm rage in an empty folder and return what came of it."""
    return Storm(folder, seed).rage(kills)


def main() -> int:
    """Read the options, rage, and say what came of it; exit status 1 when something was lost, doubled or left."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_storm", description="Kill everything, often.")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a new folder that is left as it is, to be looked into")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    kills = 6 if asked.quick else asked.kills
    with contextlib.ExitStack() as stack:
        folder = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="storm-")))
        folder.mkdir(parents=True, exist_ok=True)
        found = rage(folder, kills=kills, seed=asked.seed)
    if asked.json:
        print(json.dumps({"benchmark": "kill_storm", "rows": [found.to_json()]}, indent=1))
    else:
        for name, value in found.to_json().items():
            print(f"{name:>15}  {value}")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
