"""Waiting for a task: one request stays open until the task has ended, and no longer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api.catalogue import Catalogue
from api.task_news import TaskNews
from executors.testing import wait_until
from sillage.client import Client, ProblemError
from tests.api.conftest import HELD, let_go


def submit(client: Client, registered: dict[str, Any]) -> dict[str, Any]:
    """Submit the pipeline ``copy`` on one image."""
    person = client.get(f"datasets/{registered['id']}/participants")["items"][0]
    images = client.get(f"participants/{person['id']}/acquisitions")["items"]
    image = next(item["id"] for item in images if item["label"].endswith("T1w"))
    return client.run("copy", inputs={"images": [image]})


def test_one_request_waits_for_the_end(
    client: Client, catalog: Path, registered: dict[str, Any], register_copy: Callable[..., Any]
) -> None:
    register_copy(f"{HELD}true\n")
    task = submit(client, registered)
    with ThreadPoolExecutor(1) as another:
        answer = another.submit(client.get, f"tasks/{task['id']}", wait=60)
        wait_until(lambda: task["id"] in news_of(client)._waiting)
        assert not answer.done()
        let_go(catalog, task["id"])
        answered = answer.result()
    assert answered["state"] == "COMPLETE"
    assert answered["record"]["exit_code"] == 0


def news_of(client: Client) -> TaskNews:
    catalogue: Catalogue = client._transport._app.state.catalogue  # type: ignore[union-attr]
    return catalogue.task_news


def test_waiting_ends_when_the_time_is_over(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any]
) -> None:
    register_copy(f"{HELD}true\n")
    task = submit(client, registered)
    assert client.get(f"tasks/{task['id']}", wait=0.3)["state"] in ("QUEUED", "INITIALIZING", "RUNNING")
    client.post(f"tasks/{task['id']}/cancel")
    assert client.wait(task["id"])["state"] == "CANCELED"


def test_nobody_waits_longer_than_a_minute(client: Client, registered: dict[str, Any]) -> None:
    with pytest.raises(ProblemError, match="60") as refused:
        client.get(f"tasks/{registered['id']}", wait=61)
    assert refused.value.status == 400
