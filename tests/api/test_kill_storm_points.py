"""The service is killed in each window between two things that belong together; the next one makes one result of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.versions.git import annex_environment
from catalog.versions.model import Versioned
from catalog.versions.store import DataStore
from executors.testing import wait_until
from sillage.client import Client

ONCE = "cat /proc/sys/kernel/random/uuid | tee -a ran.txt; mkdir -p out; cp ran.txt out/ran.txt\n"
LINE = 37
PATIENCE_S = 90.0

SERVICE = """
import importlib, os, signal, sys, time
import api.batch_worker, api.operations.batch_work
from sillage.client import Client

catalog, order, place, moment = sys.argv[1:]
module, _, name = place.partition(":")
holder = importlib.import_module(module)
for part in name.split(".")[:-1]:
    holder = getattr(holder, part)
name = name.split(".")[-1]
was = getattr(holder, name)

def dying(*given, **named):
    if moment == "after":
        was(*given, **named)
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)

api.operations.batch_work.FIRST = 1
with Client(catalog=catalog) as client:
    setattr(holder, name, dying)
    asked = {"cohort": order} if order.startswith("urn:") else {"inputs": {"images": [order.split()[1]]}}
    task = client.run("copy", **asked)["id"]
    print(task, flush=True)
    client.wait(task)
"""
"""Dies before or after a function, once the catalogue is open."""

WINDOWS = [
    ("executors.attempts.folder:_put_in_place", "before"),
    ("executors.attempts.folder:_put_in_place", "after"),
    ("executors.attempts.attempt:start", "before"),
    ("executors.attempts.attempt:start", "after"),
    ("executors.attempts.attempt:collect", "after"),
    ("catalog.versions.store:create_results", "after"),
    ("catalog.versions.outputs:_take_in", "after"),
    ("catalog.versions.outputs:_apply", "after"),
    ("api.operations.derivatives:_register", "before"),
    ("api.task_results:keep_outputs", "after"),
    ("api.task_service:keep_logs", "before"),
    ("executors.local.runner:LocalRunner.release", "before"),
    ("executors.attempts.folder:remove_tree", "before"),
]

OF_A_BATCH = [
    ("api.batch_worker:plan_some", "before"),
    ("api.batch_worker:plan_some", "after"),
    ("api.batch_worker:TaskService.hand_over", "before"),
    ("api.batch_worker:TaskService.hand_over", "after"),
    ("api.batch_worker:end_batch", "before"),
]


@pytest.fixture
def ready(catalog: Path, study: Path, register_copy: Callable[..., Any], client: Client, bubblewrap: str) -> Path:
    """A catalogue with people and a pipeline that notes each of its runs, closed."""
    client.register_dataset(study)
    register_copy(ONCE)
    client.close()
    return catalog


def die(catalog: Path, order: str, window: str, moment: str) -> list[str]:
    """Let a service carry out an order until it dies; return what it acknowledged."""
    command = [sys.executable, "-c", SERVICE, str(catalog), order, window, moment]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.split()


def assert_whole(client: Client, catalog: Path, *, tasks: list[dict[str, Any]]) -> None:
    """Every task ran once and has one result, and nothing is left of the death."""
    for task in tasks:
        assert (task["state"], task["attempt"]) == ("COMPLETE", 1), task["detail"]
        assert [(output["path"], output["size"]) for output in task["outputs"]] == [("ran.txt", LINE)]
        log = client.request("GET", f"/api/v1/tasks/{task['id']}/logs").text
        assert len(log) == LINE
        actions = [entry["action"] for entry in client.get("audit/entries", subject=task["id"], limit=100)["items"]]
        assert actions.count("task.complete") == 1
    derived = [each for each in client.get("datasets")["items"] if each["dataset_type"] == "derivative"]
    assert len(derived) == 1
    assert client.post("check")["valid"] is True
    store = catalog / "store"
    assert sorted(path.name for path in store.glob(".incoming-*")) == []
    for path in (mark.parent for mark in store.glob("[!.]*/.git")):
        for command in (["git", "fsck"], ["git", "annex", "fsck", "--quiet"], ["git", "diff", "--exit-code", "HEAD"]):
            done = subprocess.run(command, cwd=path, env=annex_environment(path), capture_output=True, check=False)
            assert done.returncode == 0, command
    wait_until(lambda: left_of(catalog) == [])
    client.close()
    assert left_of(catalog) == []


def left_of(catalog: Path) -> list[str]:
    """Return the folders of tasks that the runner keeps, or is deleting."""
    work = catalog / "work" / "local"
    return [path.name for path in (*(work / "tasks").iterdir(), *work.glob("gone/*"))]


@pytest.mark.parametrize(("window", "moment"), WINDOWS)
def test_a_task_has_one_result_whenever_the_service_dies(ready: Path, window: str, moment: str) -> None:
    with Client(catalog=ready) as before:
        members = before.find_cohort("TRUE")["items"]
        images = before.get(f"participants/{members[0]['id']}/acquisitions")["items"]
        image = next(item["id"] for item in images if item["suffix"] == "T1w")
    acknowledged = die(ready, f"image {image}", window, moment)
    with Client(catalog=ready) as later:
        (listed,) = later.get("tasks")["items"]
        assert acknowledged in ([listed["id"]], [])
        assert_whole(later, ready, tasks=[later.wait(listed["id"])])


@pytest.mark.parametrize(("window", "moment"), OF_A_BATCH)
def test_a_batch_goes_on_whenever_the_service_dies(ready: Path, window: str, moment: str) -> None:
    with Client(catalog=ready) as before:
        cohort = before.freeze_cohort("TRUE")["id"]
    acknowledged = die(ready, cohort, window, moment)
    with Client(catalog=ready) as later:
        (iri,) = [batch["id"] for batch in later.get("tasks", type="TaskBatch")["items"]]
        assert acknowledged in ([iri], [])
        batch = later.wait(iri)
        items = later.get(f"tasks/{batch['id']}/items")["items"]
        assert len(items) == 4
        assert (batch["state"], batch["complete"]) == ("COMPLETE", 4)
        assert_whole(later, ready, tasks=[later.wait(item["id"]) for item in items])


def test_many_make_one_derivative_dataset_at_once(tmp_path: Path) -> None:
    root, name = tmp_path / "store", "0d3c2f1e-9d2b-4f0e-8f54-0a6f5d1c7a11"
    (root / f".incoming-{name}").mkdir(parents=True)
    made: list[Versioned] = []
    start = threading.Barrier(6)

    def make() -> None:
        start.wait(PATIENCE_S)
        made.append(DataStore(root).create_derivative(name="Many", description={}, identifier=name))

    makers = [threading.Thread(target=make) for _ in range(6)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(made) == 6
    assert len({(each.path, each.commit, each.datalad_id) for each in made}) == 1
    DataStore(root).recover()
    assert [path.name for path in root.iterdir()] == [name]
    described = json.loads((root / name / "dataset_description.json").read_text())
    assert described["Name"] == "Many"
