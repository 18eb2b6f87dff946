"""A pipeline whose environment is a container image: refused where it cannot run, run where it can, and recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sillage.client import Client, ProblemError

QUERY = "under(diagnosis, 'demyelinating disease') AND has(suffix = 'T1w')"
ABSENT = f"registry.example/tool@sha256:{'0' * 64}"


def in_image(image: str) -> dict[str, Any]:
    return {"environment": {"kind": "container", "image": image}}


@pytest.mark.usefixtures("registered")
def test_a_batch_runs_in_an_image(client: Client, register_copy: Callable[..., Any], podman: str) -> None:
    register_copy(extension=in_image(podman))
    cohort = client.freeze_cohort(QUERY)
    batch = client.wait(client.run("copy", cohort=cohort["id"])["id"])
    assert (batch["state"], batch["complete"], batch["total"]) == ("COMPLETE", 2, 2)
    task = client.get(f"tasks/{batch['items'][0]['id']}")
    record = task["record"]
    assert record["environment"]["image"] == podman
    assert (record["sandbox"]["kind"], record["sandbox"]["image_verified"]) == ("container", True)
    assert task["outputs"][0]["path"].endswith("_T1w_size.txt")
    assert "done" in "".join(client.stream(f"tasks/{task['id']}/logs"))
    assert client.post("check")["valid"] is True


@pytest.mark.usefixtures("registered", "podman")
def test_an_image_that_is_not_here_is_refused_before_there_are_tasks(
    client: Client, register_copy: Callable[..., Any]
) -> None:
    register_copy(extension=in_image(ABSENT))
    cohort = client.freeze_cohort(QUERY)
    with pytest.raises(ProblemError) as caught:
        client.run("copy", cohort=cohort["id"])
    assert "is not on this machine" in str(caught.value)
    assert f"podman pull {ABSENT}" in str(caught.value.problem)
    assert client.get("tasks")["items"] == []


@pytest.mark.usefixtures("registered")
def test_a_machine_without_an_engine_says_so(
    client: Client, register_copy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executors.attempts.containers.find_engine", lambda wanted, images: None)
    register_copy(extension=in_image(ABSENT))
    cohort = client.freeze_cohort(QUERY)
    with pytest.raises(ProblemError) as caught:
        client.run("copy", cohort=cohort["id"])
    assert "container_engine" in str(caught.value.problem)
