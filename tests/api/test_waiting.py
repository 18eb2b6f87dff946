"""Waiting for a task: one request stays open until the task has ended, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from sillage.client import Client, ProblemError


def submit(client: Client, registered: dict[str, Any]) -> dict[str, Any]:
    """Submit the pipeline ``copy`` on one image."""
    person = client.get(f"datasets/{registered['id']}/participants")["items"][0]
    images = client.get(f"participants/{person['id']}/acquisitions")["items"]
    image = next(item["id"] for item in images if item["label"].endswith("T1w"))
    return client.run("copy", inputs={"images": [image]})


def test_one_request_waits_for_the_end(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any]
) -> None:
    register_copy("sleep 0.5\n")
    task = submit(client, registered)
    answered = client.get(f"tasks/{task['id']}", wait=30)
    assert answered["state"] == "COMPLETE"
    assert answered["record"]["exit_code"] == 0


def test_waiting_ends_when_the_time_is_over(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any]
) -> None:
    register_copy("sleep 20\n")
    task = submit(client, registered)
    began = time.monotonic()
    assert client.get(f"tasks/{task['id']}", wait=0.3)["state"] in ("QUEUED", "INITIALIZING", "RUNNING")
    assert time.monotonic() - began < 10
    client.post(f"tasks/{task['id']}/cancel")
    assert client.get(f"tasks/{task['id']}", wait=30)["state"] == "CANCELED"


def test_nobody_waits_longer_than_a_minute(client: Client, registered: dict[str, Any]) -> None:
    with pytest.raises(ProblemError, match="60") as refused:
        client.get(f"tasks/{registered['id']}", wait=61)
    assert refused.value.status == 400
