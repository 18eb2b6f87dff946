"""Reuse: identical work is found, taken over and recorded as such; anything that differs, or is not usable, is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.access import Permission, Principal
from api.operations.certificates import Standing, State
from api.operations.reuse import _refusal
from sillage.client import Client
from tests.api.conftest import COPY, write_pipeline

PINNED = {"environment": {"kind": "python"}}


@pytest.fixture
def registered_copy(client: Client, registered: dict[str, Any], tmp_path: Path, bubblewrap: str) -> dict[str, Any]:
    """Register a pipeline in a pinned environment, with one parameter."""
    descriptor = write_pipeline(tmp_path / "copy", COPY, extension=PINNED)
    descriptor["command-line"] = "sh run.sh [IMAGES] [LEVEL]"
    descriptor["inputs"].append(
        {"id": "level", "name": "Level", "type": "Number", "value-key": "[LEVEL]", "optional": True}
    )
    (tmp_path / "copy" / "run.sh").write_text("mkdir -p out; wc -c < $1 > out/size.txt\n")
    return client.register_pipeline(descriptor, tmp_path / "copy")


@pytest.fixture
def image(client: Client, registered: dict[str, Any]) -> str:
    found = client.find_cohort("label = 'sub-01'")["items"][0]["id"]
    return next(a["id"] for a in client.get(f"participants/{found}/acquisitions")["items"] if a["suffix"] == "T1w")


def ran(client: Client, image: str, **options: Any) -> dict[str, Any]:
    task = client.wait(client.run("copy", inputs={"images": [image]}, **options)["id"])
    assert task["state"] == "COMPLETE", task["detail"]
    return task


def test_identical_work_is_taken_over_and_said_to_be(
    client: Client, registered_copy: dict[str, Any], image: str
) -> None:
    first = ran(client, image)
    again = client.run("copy", inputs={"images": [image]}, reuse=True)
    assert (again["state"], again["reused"]) == ("COMPLETE", first["id"])
    assert again["outputs"] == first["outputs"] != []
    assert again.get("record") is None
    entries = client.get("audit/entries", subject=again["id"])["items"]
    assert [entry["action"] for entry in entries] == ["task.reuse"]
    up = client.get(f"lineage/{again['id']}", direction="up")
    assert {"from": again["id"], "to": first["id"], "relation": "prov:wasInformedBy"} in up["edges"]
    result = client.get(f"lineage/{first['outputs'][0]['id']}", direction="up")
    assert again["id"] not in {node["id"] for node in result["nodes"]}
    third = client.run("copy", inputs={"images": [image]}, reuse=True)
    assert third["reused"] == first["id"]
    assert b"wasInformedBy" in client.request("GET", f"/api/v1/prov/{again['id']}", params={"format": "n"}).content
    assert client.post("check")["valid"] is True


def test_what_was_not_asked_to_be_reused_is_run(client: Client, registered_copy: dict[str, Any], image: str) -> None:
    first, second = ran(client, image), ran(client, image)
    assert second.get("reused") is None
    assert second["record"]["exit_code"] == 0
    assert first["id"] != second["id"]


def test_whatever_differs_is_run(client: Client, registered_copy: dict[str, Any], image: str) -> None:
    assert ran(client, image, reuse=True)["not_reused"] == "nothing identical has been done"
    assert ran(client, image, parameters={"level": 2}, reuse=True)["not_reused"] == "nothing identical has been done"
    assert ran(client, image, parameters={"level": 2}, reuse=True)["reused"]
    other = client.find_cohort("label = 'sub-02'")["items"][0]["id"]
    images = client.get(f"participants/{other}/acquisitions")["items"]
    assert ran(client, next(a["id"] for a in images if a["suffix"] == "T1w"), reuse=True).get("reused") is None


def test_an_environment_that_is_not_pinned_is_never_reused(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], image: str, bubblewrap: str
) -> None:
    register_copy()
    ran(client, image)
    assert "not pinned" in ran(client, image, reuse=True)["not_reused"]


def test_outputs_whose_content_is_gone_are_made_again(
    client: Client, registered_copy: dict[str, Any], image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran(client, image)
    monkeypatch.setattr("api.operations.reuse.host_path", lambda catalogue, file: tmp_path / "nowhere")
    assert "not on this machine" in ran(client, image, reuse=True)["not_reused"]


def test_outputs_of_a_withdrawn_dataset_are_not_taken(
    client: Client, registered_copy: dict[str, Any], image: str
) -> None:
    first = ran(client, image)
    file = client.show(first["outputs"][0]["id"])
    client.post(f"datasets/{file['dataset']}/withdraw", {"reason": "a mistake in the pipeline"})
    second = client.run("copy", inputs={"images": [image]}, reuse=True)
    assert second.get("reused") is None
    assert "withdrawn" in second["not_reused"]
    ended = client.wait(second["id"])
    assert ended["state"] == "COMPLETE", ended["detail"]
    fresh = client.show(ended["outputs"][0]["id"])["dataset"]
    assert fresh != file["dataset"]
    client.post(f"datasets/{fresh}/withdraw", {"reason": "another mistake"})
    third = ran(client, image)
    assert client.show(third["outputs"][0]["id"])["dataset"] not in (fresh, file["dataset"])
    assert client.post("check")["valid"] is True


def test_results_of_a_revoked_pipeline_are_not_taken(
    client: Client, registered_copy: dict[str, Any], image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(client, image)
    revoked = Standing(state=State.REVOKED, reason="its template was wrong")
    monkeypatch.setattr("api.operations.reuse.standing", lambda catalogue, version: revoked)
    assert "revoked" in ran(client, image, reuse=True)["not_reused"]


def test_what_one_may_not_read_is_not_taken(
    client: Client,
    registered_copy: dict[str, Any],
    registered: dict[str, Any],
    image: str,
    somebody: Callable[..., Any],
) -> None:
    first = ran(client, image)
    operator = somebody("operator", registered["id"])
    again = operator.run("copy", inputs={"images": [image]}, reuse=True)
    assert again["reused"] == first["id"]


def test_a_batch_reuses_item_by_item(client: Client, registered_copy: dict[str, Any], image: str) -> None:
    first = ran(client, image)
    cohort = client.freeze_cohort("TRUE")["id"]
    batch = client.wait(client.run("copy", cohort=cohort, reuse=True)["id"])
    assert (batch["state"], batch["reused_count"], batch["complete"]) == ("COMPLETE", 1, 4)
    assert [item["reused"] for item in batch["items"] if item["reused"]] == [first["id"]]
    again = client.wait(client.run("copy", cohort=cohort, reuse=True)["id"])
    assert (again["state"], again["reused_count"]) == ("COMPLETE", 4)


def test_whoever_may_not_read_what_was_made_does_not_get_it(
    client: Client, registered_copy: dict[str, Any], registered: dict[str, Any], image: str
) -> None:
    """Whoever plans with an image may read its results; so the check itself is asked, with rights on other data."""
    task = ran(client, image)
    catalogue = client._transport._app.state.catalogue  # type: ignore[union-attr]
    record = catalogue.repository.get(task["id"])
    granted = frozenset({Permission.READ, Permission.READ_DATA, Permission.RUN})
    stranger = Principal(agent="urn:uuid:x", label="x", grants={"urn:uuid:elsewhere": granted})
    assert "may not be read" in _refusal(catalogue, stranger, record)
    only_inputs = Principal(agent="urn:uuid:x", label="x", grants={registered["id"]: granted})
    assert "an output may not be read" in _refusal(catalogue, only_inputs, record)
    assert _refusal(catalogue, catalogue.identity.principal_of(record.document["principal"]), record) == ""
