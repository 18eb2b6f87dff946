"""Batches: planned in pieces, fed in a window, counted without reading, cancelled and tried again while they run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.batch_worker import LARGEST_WINDOW, BatchWorker, is_served
from api.catalogue import Catalogue, open_catalogue
from api.operations import batch_work, batches
from api.operations.task_specs import state_node
from api.task_service import TaskService
from catalog.model import Commit, Record
from executors.model import KnownTask, TaskEvent, TaskSpec
from executors.noop import NoopRunner
from executors.runner import EventSink, RunnerCapabilities
from executors.states import EventKind, TaskState
from ontology.errors import BackendUnavailableError, ConflictError, NotFoundError, RequirementFailedError
from ontology.identifiers import new_iri
from sillage.client import Client, ProblemError
from tests.api.conftest import write_pipeline

PEOPLE = 60
WAIT_S = 90


def write_many(root: Path, number: int) -> Path:
    """Write a BIDS dataset of many people with one small image each; the third has none."""
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Many", "BIDSVersion": "1.10.0"}))
    rows = [f"sub-{person:05}\t{20 + person % 60}" for person in range(number)]
    (root / "participants.tsv").write_text("\n".join(["participant_id\tage", *rows]) + "\n")
    for person in range(number):
        folder = root / f"sub-{person:05}" / "anat"
        folder.mkdir(parents=True)
        suffix = "T2w" if person == 2 else "T1w"
        (folder / f"sub-{person:05}_{suffix}.nii.gz").write_bytes(f"image {person}".encode())
    return root


class Gated(NoopRunner):
    """A no-op runner whose tasks end when it is told, that counts what it was given, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[str, int]] = []
        self.most = 0
        self.away = False
        self.failing: set[str] = set()
        self.asked = 0
        self.door = threading.Event()
        self.door.set()
        self._held: dict[str, tuple[TaskSpec, EventSink]] = {}
        self._gate = threading.Lock()

    @property
    def capabilities(self) -> RunnerCapabilities:
        return replace(super().capabilities, cpu_cores=1)

    def submit(self, spec: TaskSpec, sink: EventSink) -> None:
        if self.away:
            raise BackendUnavailableError("The cluster does not answer.")
        self.asked += 1
        assert self.door.wait(WAIT_S)
        with self._gate:
            if (spec.id, spec.attempt) in self.given:
                raise ConflictError("This attempt was submitted before.")
            self.given.append((spec.id, spec.attempt))
        sink(spec.id, TaskEvent(kind=EventKind.INITIALIZE, state=TaskState.INITIALIZING, attempt=spec.attempt))
        sink(spec.id, TaskEvent(kind=EventKind.START, state=TaskState.RUNNING, attempt=spec.attempt))
        with self._gate:
            self._held[spec.id] = (spec, sink)
            self.most = max(self.most, len(self._held))

    def let_go(self, number: int = 10_000) -> None:
        """End so many of the tasks that run."""
        for task_id in list(self._held)[:number]:
            self._end(task_id, EventKind.FAIL if task_id in self.failing else EventKind.COMPLETE)

    def _end(self, task_id: str, kind: EventKind) -> None:
        with self._gate:
            spec, sink = self._held.pop(task_id)
        code = 0 if kind is EventKind.COMPLETE else 1
        sink(task_id, TaskEvent(kind=kind, attempt=spec.attempt, exit_code=code, record={"task": task_id}))

    def cancel(self, task_id: str) -> bool:
        self.wait(task_id)
        if task_id in self._held:
            self._end(task_id, EventKind.STOP)
        return True

    def reconcile(self, known: Sequence[KnownTask], sink: EventSink) -> None:
        """Leave those that wait: they are handed over."""
        super().reconcile([task for task in known if task.state is not TaskState.QUEUED], sink)

    def wait(self, task_id: str, timeout: float | None = None) -> bool:
        if task_id not in {task for task, _ in self.given}:
            raise NotFoundError("The runner does not know this task.", field="id")
        return True

    def logs(self, task_id: str, stream: str, offset: int = 0, limit: int = 1_000_000) -> bytes:
        return b""


@pytest.fixture
def many(client: Client, tmp_path: Path) -> str:
    """Register many people and return a cohort of them."""
    client.register_dataset(write_many(tmp_path / "many", PEOPLE))
    client.register_pipeline(write_pipeline(tmp_path / "one", "true\n", extension=NOT_OPTIONAL), tmp_path / "one")
    cohort: str = client.freeze_cohort("TRUE")["id"]
    return cohort


NOT_OPTIONAL = {"inputs": {"images": {"select": "suffix = 'T1w'", "all": True}}}


@pytest.fixture
def catalogue(client: Client) -> Catalogue:
    """The catalogue that the client's application has open."""
    found: Catalogue = client._transport._app.state.catalogue  # type: ignore[union-attr]
    return found


@pytest.fixture
def gated(catalogue: Catalogue) -> Iterator[Gated]:
    """A runner that is told when tasks end, by the name of the no-op runner."""
    runner = Gated()
    catalogue._runners["noop"] = runner
    yield runner
    runner.let_go()


def until(true: Callable[[], object], seconds: float = WAIT_S) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def shown(client: Client, id: str) -> dict[str, Any]:
    body: dict[str, Any] = client.get(f"tasks/{id}")
    return body


def end_all(client: Client, gated: Gated, id: str) -> dict[str, Any]:
    """End whatever runs until the batch has ended."""

    def ended() -> bool:
        gated.let_go()
        return bool(shown(client, id)["end_time"])

    until(ended)
    return shown(client, id)


def test_a_batch_answers_before_it_is_planned_and_every_item_is_done_once(
    client: Client, many: str, gated: Gated
) -> None:
    batch = client.run("copy", cohort=many, runner="noop")
    assert (batch["type"], batch["phase"], batch["size"]) == ("TaskBatch", "planning", PEOPLE)
    assert batch["planned"] + batch["refused_count"] == batch_work.FIRST
    assert (batch["state"], batch["time_left"]) == ("QUEUED", None)
    ended = end_all(client, gated, batch["id"])
    assert ended["counts"] == {"COMPLETE": PEOPLE - 1}
    assert (ended["state"], ended["refused_count"]) == ("EXECUTOR_ERROR", 1)
    refused = ended["refused"][0]["item"]
    assert "images" in ended["refused"][0]["detail"]
    items = list(client.pages(f"tasks/{batch['id']}/items", limit=7))
    assert [item["item"] for item in items] == [n for n in range(1, PEOPLE + 1) if n != refused]
    assert len({item["participant"] for item in items}) == len({task for task, _ in gated.given}) == PEOPLE - 1
    assert gated.most <= 32
    assert client.post("check")["valid"] is True


def test_items_are_listed_by_state_and_tasks_by_pipeline_state_and_batch(
    client: Client, many: str, gated: Gated
) -> None:
    batch = client.run("copy", cohort=many, runner="noop")["id"]
    until(lambda: shown(client, batch)["counts"].get("RUNNING", 0) >= 20)
    gated.let_go(5)
    page = client.get(f"tasks/{batch}/items", state="COMPLETE")
    assert (page["total"], {item["state"] for item in page["items"]}) == (5, {"COMPLETE"})
    until(lambda: shown(client, batch)["phase"] == "running")
    assert client.get(f"tasks/{batch}/items", state="REFUSED")["items"][0]["state"] == "REFUSED"
    for wanted, total in (
        ({"state": "COMPLETE"}, 5),
        ({"pipeline": "copy", "state": "COMPLETE"}, 5),
        ({"pipeline": "copy@1.0.0", "batch": batch}, PEOPLE - 1),
        ({"batch": batch, "state": "EXECUTOR_ERROR"}, 0),
    ):
        assert client.get("tasks", limit=3, **wanted)["total"] == total, wanted
    listed = client.get("tasks", type="TaskBatch")["items"]
    assert [(item["id"], item["state"], item["complete"]) for item in listed] == [(batch, "RUNNING", 5)]
    for refused in ({"state": "DONE"}, {"type": "TaskBatch", "state": "COMPLETE"}, {"batch": "nonsense"}):
        with pytest.raises(ProblemError) as error:
            client.get("tasks", **refused)
        assert error.value.status in (400, 404)


def test_what_failed_of_a_batch_is_tried_again_and_nothing_else(client: Client, many: str, gated: Gated) -> None:
    batch = client.run("copy", cohort=many, runner="noop")["id"]
    until(lambda: len(gated.given) >= 20)
    gated.failing = {task for task, _ in gated.given[:4]}
    ended = end_all(client, gated, batch)
    assert ended["counts"] == {"COMPLETE": PEOPLE - 5, "EXECUTOR_ERROR": 4}
    gated.failing = set(list(gated.failing)[:1])
    again = client.post(f"tasks/{batch}/retry")
    assert again["state"] in ("QUEUED", "RUNNING")
    ended = end_all(client, gated, batch)
    assert ended["counts"] == {"COMPLETE": PEOPLE - 2, "EXECUTOR_ERROR": 1}
    one = client.get(f"tasks/{batch}/items", state="EXECUTOR_ERROR")["items"][0]
    assert one["attempt"] == 2
    gated.failing.clear()
    assert client.post(f"tasks/{one['id']}/retry")["state"] in ("QUEUED", "INITIALIZING", "RUNNING")
    assert end_all(client, gated, batch)["counts"] == {"COMPLETE": PEOPLE - 1}
    assert len(gated.given) == len(set(gated.given)) == PEOPLE - 1 + 4 + 1
    with pytest.raises(ProblemError) as refused:
        client.post(f"tasks/{batch}/retry")
    assert refused.value.status == 409
    assert client.post("check")["valid"] is True


def test_a_batch_is_cancelled_while_it_is_planned(
    client: Client, many: str, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_work.plan_some, "__kwdefaults__", {"limit": 10})
    batch = client.run("copy", cohort=many, runner="noop")["id"]
    client.post(f"tasks/{batch}/cancel")
    until(lambda: shown(client, batch)["end_time"])
    ended = shown(client, batch)
    assert ended["state"] == "CANCELED"
    assert set(ended["counts"]) == {"CANCELED"}
    assert ended["planned"] <= PEOPLE
    items = list(client.pages(f"tasks/{batch}/items"))
    assert {item["state"] for item in items} == {"CANCELED"}
    with pytest.raises(ProblemError) as refused:
        client.post(f"tasks/{batch}/cancel")
    assert refused.value.status == 409


def test_a_task_that_moves_while_its_batch_is_cancelled_is_stopped(
    client: Client, many: str, gated: Gated, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, moved = BatchWorker._stop_one, set()

    def stop(self: BatchWorker, task: Record) -> bool:
        if task.id not in moved:
            moved.add(task.id)
            warned = TaskEvent(kind=EventKind.WARN, attempt=1, detail="Something was noticed.")
            TaskService(catalogue).receive(task.id, warned)
        return real(self, task)

    monkeypatch.setattr(BatchWorker, "_stop_one", stop)
    batch = client.run("copy", cohort=many, runner="noop")["id"]
    until(lambda: len(gated.given) >= 20)
    client.post(f"tasks/{batch}/cancel")
    until(lambda: shown(client, batch)["end_time"])
    assert len(moved) >= 20
    assert set(shown(client, batch)["counts"]) == {"CANCELED"}


def test_one_item_that_waits_is_cancelled_without_having_run(client: Client, many: str, gated: Gated) -> None:
    batch = client.run("copy", cohort=many, runner="noop")["id"]
    until(lambda: shown(client, batch)["phase"] == "running")
    last = list(client.pages(f"tasks/{batch}/items"))[-1]
    assert client.post(f"tasks/{last['id']}/cancel")["state"] == "CANCELED"
    ended = end_all(client, gated, batch)
    assert ended["counts"] == {"COMPLETE": PEOPLE - 2, "CANCELED": 1}
    assert last["id"] not in {task for task, _ in gated.given}


def test_one_item_that_is_being_handed_over_is_cancelled_without_having_run(
    client: Client, many: str, gated: Gated, catalogue: Catalogue
) -> None:
    gated.door.clear()
    batch = client.run("copy", cohort=many, runner="noop")["id"]
    until(lambda: catalogue.repository.get(batch).document["window"])
    picked = [item["id"] for item in client.pages(f"tasks/{batch}/items")]
    window = catalogue.repository.get(batch).document["window"]
    last = [task for task in picked if task in window][-1]
    assert client.post(f"tasks/{last}/cancel")["state"] == "CANCELED"
    gated.door.set()
    ended = end_all(client, gated, batch)
    assert ended["counts"] == {"COMPLETE": PEOPLE - 2, "CANCELED": 1}
    assert last not in {task for task, _ in gated.given}


def test_a_task_that_is_cancelled_while_its_runner_takes_it_is_ended(client: Client, many: str, gated: Gated) -> None:
    gated.door.clear()
    one = client.freeze_cohort("label = 'sub-00000'")["id"]
    with ThreadPoolExecutor(1) as other:
        running = other.submit(client.run, "copy", cohort=one, runner="noop")
        until(lambda: gated.asked)
        (task,) = client.get("tasks")["items"]
        assert client.post(f"tasks/{task['id']}/cancel")["state"] == "CANCELED"
        gated.door.set()
        assert running.result()["state"] == "CANCELED"
    assert gated._held == {}


def test_a_runner_that_is_away_holds_a_batch_back_and_fails_nothing(
    client: Client, many: str, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.batch_worker.LOOK_S", 0.05)
    gated.away = True
    batch = client.run("copy", cohort=many, runner="noop")["id"]
    until(lambda: shown(client, batch)["held_back"] == "The cluster does not answer.")
    gated.away = False
    ended = end_all(client, gated, batch)
    assert (ended["counts"], ended["held_back"]) == ({"COMPLETE": PEOPLE - 1}, None)


def test_tasks_belong_to_their_batch_and_lineage_does_not_change_by_it(
    client: Client, many: str, gated: Gated, catalogue: Catalogue
) -> None:
    batch = client.run("copy", cohort=many, runner="noop")
    task = batch["items"][0]["id"]
    edges = catalogue.repository.edges_from([task])
    assert ("wfprov:wasPartOfWorkflowRun", batch["id"]) in {(edge.predicate, edge.target) for edge in edges}
    up = client.get(f"lineage/{task}", direction="up")
    assert "TaskBatch" not in {node["type"] for node in up["nodes"]}
    assert catalogue.repository.find_alias(f"batch:{batch['id'].removeprefix('urn:uuid:')}/1") == task


def test_a_service_that_stops_anywhere_goes_on_where_it_was(
    client: Client, many: str, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop the worker after every piece of work, open the catalogue anew, and look that all is done once."""
    client.close()
    monkeypatch.setattr(batch_work.plan_some, "__kwdefaults__", {"limit": 10})
    given: list[tuple[str, int]] = []
    batch, ended, openings = "", False, 0
    while not ended:
        openings += 1
        assert openings < 100
        catalogue = open_catalogue(catalog)
        runner = Gated()
        catalogue._runners["noop"] = runner
        worker = BatchWorker(catalogue)
        if not batch:
            batch = _submitted(catalogue, many)
        assert worker._is_mine()
        worker._turn()
        given += runner.given
        runner.let_go()
        ended = catalogue.repository.get(batch).document["phase"] == "ended"
        assert not any(batches.counts(catalogue, batch).get(state) for state in (TaskState.SYSTEM_ERROR,))
        worker._stopping.set()
        catalogue.close()
        _let_go_of_the_lock(worker)
    assert openings >= 5
    assert len(given) == len(set(given)) == PEOPLE - 1


def _submitted(catalogue: Catalogue, cohort: str) -> str:
    from api.operations import tasks

    principal = catalogue.identity.principal_of(_administrator(catalogue))
    submitted = tasks.submit(catalogue, principal, pipeline="copy", cohort=cohort, runner="noop")
    return str(submitted["id"])


def _administrator(catalogue: Catalogue) -> str:
    return next(iter(catalogue.repository.iterate("Agent"))).id


def _let_go_of_the_lock(worker: BatchWorker) -> None:
    import os

    assert worker._lock is not None
    os.close(worker._lock)


def test_of_two_services_one_carries_batches_and_the_other_takes_over(client: Client, catalog: Path, many: str) -> None:
    until(lambda: is_served(catalog))
    second = open_catalogue(catalog)
    worker = BatchWorker(second)
    try:
        assert not worker._is_mine()
        client.close()
        assert worker._is_mine()
    finally:
        worker._stopping.set()
        _let_go_of_the_lock(worker)
        second.close()


def test_two_that_plan_the_same_items_do_not_both_succeed(client: Client, many: str, catalogue: Catalogue) -> None:
    principal = catalogue.identity.principal_of(_administrator(catalogue))
    batch = catalogue.repository.get(_idle_batch(catalogue, many))
    members = [m["participant"] for m in catalogue.repository.get(many).document["members"]]
    batch_work.plan_some(catalogue, principal, batch, members, limit=5)
    with pytest.raises(RequirementFailedError):
        batch_work.plan_some(catalogue, principal, batch, members, limit=5)
    counted = batches.counts(catalogue, batch.id)
    assert sum(counted.values()) == catalogue.repository.get(batch.id).document["planned"]


def _idle_batch(catalogue: Catalogue, cohort: str) -> str:
    """Write a batch that no worker looks at."""
    version = next(iter(catalogue.repository.iterate("PipelineVersion")))
    common: dict[str, Any] = {
        "name": "copy",
        "pipeline": version.id,
        "pipeline_name": "copy",
        "pipeline_version": "1.0.0",
    }
    common |= {"level": "participant", "cohort": cohort, "parameters": {}, "runner": "noop", "reuse": False}
    common |= {"principal": _administrator(catalogue), "certificate": None, "remarks": [], "choices": {}}
    document = batches.batch_document(common, catalogue.repository.get(cohort), named={})
    put = batches.batch_put(catalogue, new_iri(), {**document, "phase": "ended"})
    catalogue.repository.commit(Commit(principal=catalogue.iri, action="test", changes=[put]))
    return put.id


def test_nobody_sees_items_of_data_that_they_may_not_read(
    client: Client, many: str, gated: Gated, somebody: Callable[..., Client]
) -> None:
    batch = client.run("copy", cohort=many, runner="noop")["id"]
    stranger = somebody()
    for path in (f"tasks/{batch}", f"tasks/{batch}/items"):
        with pytest.raises(ProblemError) as refused:
            stranger.get(path)
        assert refused.value.status == 404
    assert stranger.get("tasks")["items"] == []


def test_the_window_follows_the_runner_within_bounds(catalogue: Catalogue, gated: Gated) -> None:
    worker = BatchWorker(catalogue)
    document = {"runner": "noop"}
    record = Record(id="x", type="TaskBatch", version=1, created="", modified="", sequence=0, document=document)
    assert worker._window(record) == 32
    catalogue._runners["noop"] = NoopRunner()
    assert worker._window(record) == LARGEST_WINDOW


def test_counting_reads_no_documents(client: Client, many: str, gated: Gated, catalogue: Catalogue) -> None:
    batch = client.run("copy", cohort=many, runner="noop")["id"]
    page = catalogue.repository.list_records("Task", part_of=state_node(batch, "QUEUED"), limit=1)
    assert len(page.items) <= 1 < page.total
