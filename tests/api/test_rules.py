"""Rules on ingest: what comes in and fulfils a condition is given to a pipeline, once, and each is told why."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sillage.client import Client, ProblemError

WHEN = "age < 50 AND has(suffix = 'T1w')"


def until(look: Callable[[], Any], seconds: float = 90) -> Any:
    """Return what a look gives as soon as it gives something."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def evaluations(client: Client, rule: str, number: int) -> list[dict[str, Any]]:
    """Return what a rule did once it did so many things, all of them over."""

    def look() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = client.get(f"rules/{rule}/evaluations")["items"]
        return items if len(items) >= number and all(item["outcome"] != "firing" for item in items) else []

    return [client.get(f"rules/{rule}/evaluations/{item['id']}") for item in until(look)]


def add(client: Client, **members: Any) -> dict[str, Any]:
    body: dict[str, Any] = client.post("rules", {"name": "young", "when": WHEN, "pipeline": "copy", **members})
    return body


@pytest.fixture
def rule(client: Client, register_copy: Callable[..., Any], bubblewrap: str) -> dict[str, Any]:
    register_copy()
    return add(client)


def outcomes(client: Client, evaluation: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """Return how each participant came off, by label."""
    return {
        client.get(f"participants/{member['participant']}")["label"]: (member["outcome"], member.get("fails", []))
        for member in evaluation["members"]
    }


@pytest.mark.usefixtures("rule")
def test_what_comes_in_is_run_on_and_everybody_is_told_why(client: Client, study: Path) -> None:
    client.register_dataset(str(study))
    (evaluation,) = evaluations(client, "young", 1)
    assert evaluation["outcome"] == "fired"
    assert outcomes(client, evaluation) == {
        "sub-01": ("fires", []),
        "sub-02": ("fires", []),
        "sub-03": ("does-not-match", ["age < 50"]),
        "sub-04": ("does-not-match", ["age < 50"]),
    }
    assert evaluation["counts"] == {"fires": 2, "unchanged": 0, "does_not_match": 2}
    batch = client.wait(evaluation["task"])
    assert (batch["state"], batch["complete"]) == ("COMPLETE", 2)
    cohort = client.get(f"cohorts/{evaluation['cohort']}")
    assert (cohort["query"], cohort["count"], batch["cohort"]) == (WHEN, 2, cohort["id"])
    assert client.post("check")["valid"]


@pytest.mark.usefixtures("rule")
def test_a_revision_is_run_on_for_those_who_changed(client: Client, study: Path) -> None:
    dataset = client.register_dataset(str(study))
    evaluations(client, "young", 1)
    table = (study / "participants.tsv").read_text()
    (study / "participants.tsv").write_text(
        table.replace("sub-02\t45", "sub-02\t46").replace("sub-03\t61", "sub-03\t31")
    )
    client.post(f"datasets/{dataset['id']}/revise", {"path": str(study)})
    _, second = evaluations(client, "young", 2)
    assert outcomes(client, second) == {
        "sub-01": ("unchanged", []),
        "sub-02": ("fires", []),
        "sub-03": ("fires", []),
        "sub-04": ("does-not-match", ["age < 50"]),
    }
    assert client.wait(second["task"])["complete"] == 2


@pytest.mark.usefixtures("registered")
def test_what_was_there_before_is_left_alone_unless_asked_for(
    client: Client, register_copy: Callable[..., Any], other_study: Path, bubblewrap: str
) -> None:
    register_copy()
    add(client)
    add(client, name="all", existing=True)
    assert evaluations(client, "all", 1)[0]["counts"]["fires"] == 2
    client.register_dataset(str(other_study))
    assert len(evaluations(client, "all", 2)) == 2
    assert len(evaluations(client, "young", 1)) == 1


@pytest.mark.usefixtures("rule")
def test_a_rule_that_is_disabled_acts_on_what_came_when_it_is_enabled_again(client: Client, study: Path) -> None:
    assert client.post("rules/young/disable")["enabled"] is False
    add(client, name="watching")
    client.register_dataset(str(study))
    assert evaluations(client, "watching", 1)[0]["outcome"] == "fired"
    assert client.get("rules/young/evaluations")["total"] == 0
    assert client.post("rules/young/enable")["enabled"] is True
    assert evaluations(client, "young", 1)[0]["outcome"] == "fired"


def test_nobody_and_what_cannot_run_are_said(
    client: Client, register_copy: Callable[..., Any], study: Path, bubblewrap: str
) -> None:
    register_copy(name="needy", extension={"inputs": {"images": {"select": "suffix = 'bold'", "all": True}}})
    add(client, name="nobody", when="age > 200", pipeline="needy")
    add(client, name="needy", when="TRUE", pipeline="needy")
    client.register_dataset(str(study))
    (nobody,), (needy,) = evaluations(client, "nobody", 1), evaluations(client, "needy", 1)
    assert (nobody["outcome"], nobody["task"], nobody["cohort"]) == ("nobody", None, None)
    assert needy["outcome"] == "refused"
    assert "nobody" in needy["detail"]


@pytest.mark.parametrize(
    ("members", "detail"),
    [
        ({"name": "Not a name"}, "no name for a rule"),
        ({"when": "colour = 'red'"}, "colour"),
        ({"when": "age <"}, "age <"),
        ({"pipeline": "nothing"}, "nothing"),
        ({"choose": {"pictures": "first"}}, "pictures"),
        ({"parameters": {"images": "x"}}, "input"),
        ({"runner": "cloud"}, "cloud"),
    ],
)
@pytest.mark.usefixtures("registered")
def test_what_is_no_rule_is_refused(
    client: Client, register_copy: Callable[..., Any], members: dict[str, Any], detail: str
) -> None:
    register_copy()
    with pytest.raises(ProblemError) as refused:
        add(client, **members)
    assert detail in json.dumps(refused.value.problem)
    assert client.get("rules")["total"] == 0


@pytest.mark.usefixtures("rule")
def test_a_name_is_taken_once(client: Client) -> None:
    with pytest.raises(ProblemError, match="already") as refused:
        add(client)
    assert refused.value.status == 409


@pytest.mark.usefixtures("rule")
def test_who_may_not_run_may_not_make_rules(client: Client, somebody: Callable[..., Client]) -> None:
    with pytest.raises(ProblemError) as refused:
        add(somebody("reader"), name="mine")
    assert refused.value.status == 403


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_service_that_died_about_submission_goes_on_and_submits_once(
    catalog: Path, study: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    from api import rule_watch
    from api.operations import rule_evaluation

    document = {
        "name": "idle",
        "description": "Does nothing",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": "true",
        "inputs": [{"id": "word", "name": "Word", "type": "String", "optional": True}],
        "custom": {"sillage": {"environment": {"kind": "system"}}},
    }
    real, died = rule_evaluation._submit, []

    def die(catalogue: Any, rule: Any, evaluation: Any) -> str:
        if moment == "after":
            real(catalogue, rule, evaluation)
        died.append(evaluation.id)
        monkeypatch.setattr(rule_evaluation, "fire", lambda _, found: found)
        monkeypatch.setattr(rule_watch, "fire", lambda _, found: found)
        raise RuntimeError("the service is gone")

    monkeypatch.setattr(rule_evaluation, "_submit", die)
    with Client(catalog=catalog) as client:
        client.register_pipeline(document, None)
        add(client, pipeline="idle", runner="noop")
        client.register_dataset(str(study))
        until(lambda: died)
        assert client.get("rules/young/evaluations")["items"][0]["outcome"] == "firing"
        assert client.get("tasks")["total"] == (2 if moment == "after" else 0)
    monkeypatch.undo()
    for _ in range(2):
        with Client(catalog=catalog) as client:
            (evaluation,) = evaluations(client, "young", 1)
            assert evaluation["outcome"] == "fired"
            assert client.wait(evaluation["task"])["complete"] == 2
            assert client.get("tasks")["total"] == 2


def test_pages_show_what_a_rule_did_to_whom_and_why(
    client: Client, rule: dict[str, Any], study: Path, somebody: Callable[..., Client]
) -> None:
    client.register_dataset(str(study))
    (evaluation,) = evaluations(client, "young", 1)

    def look(path: str, asker: Client = client) -> str:
        return asker.request("GET", path).text

    assert "/rules/young" in look("/rules")
    assert "Let it act no more" in look("/rules/young")
    assert f"/evaluations/{evaluation['id']}" in look(f"/rules/{rule['id']}")
    shown = look(f"/evaluations/{evaluation['id']}")
    assert f"/tasks/{evaluation['task']}" in shown
    assert [f">{label}</a>" in shown for label in ("sub-01", "sub-03")] == [True, True]
    assert "<code>age &lt; 50</code>" in shown
    left = look(f"/evaluations/{evaluation['id']}?outcome=does-not-match")
    assert [f">{label}</a>" in left for label in ("sub-01", "sub-03")] == [False, True]
    batch = client.wait(evaluation["task"])
    for task in (batch["id"], batch["items"][0]["id"]):
        assert 'rule <a href="/rules/young">young</a>' in look(f"/tasks/{task}")
    assert "Let it act no more" not in look("/rules/young", somebody("reader"))
    client.request("POST", "/rules/young/disable")
    assert "Let it act<" in look("/rules/young")
