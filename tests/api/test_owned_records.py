"""What somebody made is changed by them or by an administrator; what one may not see is in no total."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sillage.client import Client, ProblemError

Somebody = Callable[..., Client]


def refusal(call: Callable[[], Any]) -> str:
    """Return why a call is not permitted."""
    with pytest.raises(ProblemError) as refused:
        call()
    assert refused.value.status == 403
    return str(refused.value.problem["detail"])


@pytest.mark.usefixtures("registered")
def test_a_rule_is_switched_by_its_maker_or_an_administrator(
    client: Client, register_copy: Callable[..., Any], somebody: Somebody
) -> None:
    register_copy()
    maker, other = somebody("operator"), somebody("operator")
    maker.post("rules", {"name": "young", "when": "age < 1", "pipeline": "copy"})
    for verb in ("disable", "enable"):
        assert "somebody else's" in refusal(lambda verb=verb: other.post(f"rules/young/{verb}"))
    assert maker.post("rules/young/disable")["enabled"] is False
    assert client.post("rules/young/enable")["enabled"] is True


@pytest.mark.usefixtures("registered")
def test_a_rule_with_a_condition_that_cannot_be_asked_is_refused(
    client: Client, register_copy: Callable[..., Any]
) -> None:
    register_copy()
    for select in ("suffix =", "sufix = 'T1w'", "count(suffix = 'T1w') > 1"):
        with pytest.raises(ProblemError) as refused:
            client.post("rules", {"name": "x", "when": "TRUE", "pipeline": "copy", "select": {"images": select}})
        assert (refused.value.status, refused.value.problem["field"]) == (400, "select.images")


def test_a_pipeline_version_is_deprecated_by_whoever_registered_it(
    client: Client, register_copy: Callable[..., Any], somebody: Somebody
) -> None:
    register_copy()
    version = "pipelines/copy/versions/1.0.0"
    other = somebody("operator")
    assert "somebody else's" in refusal(lambda: other.post(f"{version}/deprecate", {"reason": "mine is better"}))
    assert "somebody else's" in refusal(lambda: other.post(f"{version}/reinstate"))
    case = {"reference": {}, "files": {}}
    assert "somebody else's" in refusal(lambda: other.post(f"{version}/references", case))
    assert client.post(f"{version}/deprecate", {"reason": "old"})["deprecated"] is True


def test_a_task_is_cancelled_and_retried_by_whoever_submitted_it(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], somebody: Somebody, bubblewrap: str
) -> None:
    register_copy("sleep 600\n", wall_s=600)
    cohort = client.freeze_cohort("TRUE")["id"]
    maker, other = somebody("operator"), somebody("operator")
    batch = maker.run("copy", cohort=cohort)["id"]
    for verb in ("cancel", "retry"):
        assert "somebody else's" in refusal(lambda verb=verb: other.post(f"tasks/{batch}/{verb}"))
    client.post(f"tasks/{batch}/cancel")
    assert client.wait(batch)["state"] == "CANCELED"
    counted = client.get("status")
    assert counted["tasks"] == {"CANCELED": client.get("tasks")["total"]}
    assert counted["pipelines"] == {"certified": 0, "uncertified": 1, "expired": 0, "revoked": 0, "drifted": 0}
    assert "tasks" not in somebody("reader", dataset=registered["id"]).get("status")


def test_hidden_records_are_in_no_total(
    client: Client, registered: dict[str, Any], other_study: Path, somebody: Somebody
) -> None:
    client.register_dataset(other_study)
    for query in ("age > 0", "age > 1", "age > 2"):
        client.freeze_cohort(f"dataset.title = 'A small study' AND {query}")
        client.freeze_cohort(query)
    reader = somebody("reader", dataset=registered["id"])
    whole = reader.get("cohorts")
    assert whole["total"] == len(whole["items"]) < client.get("cohorts")["total"] == 6
    cursor, seen = None, []
    while True:
        page = reader.get("cohorts", limit=2, cursor=cursor)
        assert page["total"] is None
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [item["id"] for item in whole["items"]]
    assert client.get("cohorts", limit=2)["total"] == 6


def test_a_condition_of_a_descriptor_that_cannot_be_asked(client: Client, registered: dict[str, Any]) -> None:
    def described(select: str) -> dict[str, Any]:
        return {
            "name": "asks",
            "description": "Asks.",
            "tool-version": "1.0.0",
            "schema-version": "0.5",
            "command-line": "cat [IMAGES]",
            "inputs": [{"id": "images", "name": "Images", "type": "File", "list": True, "value-key": "[IMAGES]"}],
            "output-files": [{"id": "out", "name": "Out", "path-template": "*.txt"}],
            "custom": {"sillage": {"inputs": {"images": {"select": select, "all": True}}}},
        }

    for select, says in (
        ("suffix = ", "suffix"),
        ("sufix = 'T1w'", "Did you mean suffix"),
        ("has(suffix = 'T1w')", "Leave has() and count() away"),
        ("age > 3", "said of participants"),
    ):
        with pytest.raises(ProblemError) as refused:
            client.register_pipeline(described(select))
        assert refused.value.status == 422
        (problem,) = refused.value.problem["problems"]
        assert problem["field"] == "/custom/sillage/inputs/images/select"
        assert says in problem["detail"]
    assert client.register_pipeline(described("suffix = 'T1w' AND echo_time < 0.1"))["name"] == "asks"
