"""Data that go away while a task runs on them, or that its results were to join: it ends, once, and says what to do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors.attempts import attempt
from executors.attempts.removal import remove_tree
from executors.local.runner import LocalRunner
from executors.testing import wait_until
from sillage.client import Client

PATIENCE_S = 60.0


class Gate:
    """Holds whoever comes to a place until somebody lets him on."""

    def __init__(self, patch: pytest.MonkeyPatch, holder: Any, name: str) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        was = getattr(holder, name)

        def wait(*given: Any, **named: Any) -> Any:
            self.reached.set()
            assert self.open.wait(PATIENCE_S)
            return was(*given, **named)

        patch.setattr(holder, name, staticmethod(wait) if isinstance(holder, type) else wait)


@pytest.fixture
def people(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str
) -> list[list[str]]:
    """The T1w images of each participant, and a pipeline that reads them."""
    register_copy()
    found = client.get(f"datasets/{registered['id']}/participants")["items"]
    images = [client.get(f"participants/{person['id']}/acquisitions")["items"] for person in found]
    return [[image["id"] for image in each if image["suffix"] == "T1w"] for each in images]


def ends(client: Client, task: str) -> list[str]:
    """Return the ledger's actions of a task that are ends."""
    entries = list(client.pages("audit/entries", subject=task, limit=200))
    actions = [entry["action"] for entry in entries if entry["subject"] == task]
    return [a for a in actions if a in ("task.complete", "task.fail", "task.abort", "task.stop")]


def assert_over(client: Client, task: dict[str, Any], reason: str) -> None:
    assert (task["state"], task["reason"]) == ("SYSTEM_ERROR", reason), task["detail"]
    assert task["outputs"] == []
    assert (task["record"]["reason"], task["record"]["detail"]) == (reason, task["detail"])
    assert task["record"]["exit_code"] == 0
    assert task["record"]["outputs"], "what it made is on record"
    assert ends(client, task["id"]) == ["task.abort"]


def assert_nothing_is_kept_for_it(catalog: Path, task: dict[str, Any]) -> None:
    """Its runner has put its tools away: nothing is left to be asked for again."""
    folder = catalog / "work" / "local" / "tasks" / task["id"].removeprefix("urn:uuid:")
    wait_until(lambda: not folder.exists(), PATIENCE_S)


def test_a_dataset_that_is_withdrawn_while_its_task_runs(
    client: Client, catalog: Path, registered: dict[str, Any], people: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, attempt, "collect")
    task = client.run("copy", inputs={"images": people[0]})["id"]
    assert gate.reached.wait(PATIENCE_S)
    client.post(f"datasets/{registered['id']}/withdraw", {"reason": "asked for by a participant"})
    gate.open.set()
    ended = client.wait(task)
    assert_over(client, ended, "withdrawn")
    assert registered["id"] in ended["detail"]
    assert_nothing_is_kept_for_it(catalog, ended)
    assert client.get("datasets")["items"] == []
    assert client.post("check")["valid"] is True


def test_a_dataset_that_is_withdrawn_while_its_task_waits(
    client: Client, registered: dict[str, Any], people: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, LocalRunner, "_begin")
    task = client.run("copy", inputs={"images": people[0]})["id"]
    assert gate.reached.wait(PATIENCE_S)
    client.post(f"datasets/{registered['id']}/withdraw", {"reason": "asked for by a participant"})
    gate.open.set()
    ended = client.wait(task)
    assert (ended["state"], ended["reason"]) == ("SYSTEM_ERROR", "withdrawn")
    assert ended["record"]["exit_code"] is None, "its command was not begun"
    client.post(f"tasks/{task}/retry")
    again = client.wait(task)
    assert (again["state"], again["reason"], again["attempt"]) == ("SYSTEM_ERROR", "withdrawn", 2)


def test_results_whose_dataset_lost_its_data(
    client: Client, catalog: Path, registered: dict[str, Any], people: list[list[str]]
) -> None:
    first = client.wait(client.run("copy", inputs={"images": people[0]})["id"])
    assert first["state"] == "COMPLETE", first["detail"]
    (derivative,) = [each for each in client.get("datasets")["items"] if each["id"] != registered["id"]]
    (code,) = (catalog / "store").glob("*/code")
    assert remove_tree(code.parent)
    ended = client.wait(client.run("copy", inputs={"images": people[1]})["id"])
    assert_over(client, ended, "results-unsaved")
    assert "retry" in ended["detail"]
    assert_nothing_is_kept_for_it(catalog, ended)
    client.post(f"datasets/{derivative['id']}/withdraw", {"reason": "its data are lost"})
    client.post(f"tasks/{ended['id']}/retry")
    again = client.wait(ended["id"])
    assert (again["state"], again["attempt"]) == ("COMPLETE", 2), again["detail"]
    assert again["outputs"]


def test_a_dataset_whose_data_go_while_its_task_runs(
    client: Client, catalog: Path, people: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, attempt, "collect")
    task = client.run("copy", inputs={"images": people[0]})["id"]
    assert gate.reached.wait(PATIENCE_S)
    for folder in (catalog / "store").glob("[!.]*"):
        assert remove_tree(folder)
    gate.open.set()
    ended = client.wait(task)
    assert_over(client, ended, "results-unsaved")
    assert_nothing_is_kept_for_it(catalog, ended)
