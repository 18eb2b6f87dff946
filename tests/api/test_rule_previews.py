"""What a rule would do, before it is made: over HTTP, on the command line, and on the page that adds one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sillage.client import Client, ProblemError
from tests.client.test_command_line import sillage

WHEN = "age < 50 AND has(suffix = 'T1w' AND magnetic_field_strength = 3)"
PAGE = {"accept": "text/html"}


@pytest.fixture
def pipeline(register_copy: Callable[..., dict[str, Any]], registered: dict[str, Any]) -> dict[str, Any]:
    return register_copy()


def preview(client: Client, when: str = WHEN, **members: Any) -> dict[str, Any]:
    body: dict[str, Any] = client.post("rules/preview", {"when": when, **members})
    return body


def send(client: Client, **fields: str) -> httpx.Response:
    """Send the form and return whatever the answer is."""
    typed = {"name": "young", "when": WHEN, "pipeline": "copy", "enabled": "true", "action": "preview", **fields}
    return client._http.post("/add-rule", data=typed, headers=PAGE)


def seen(page: httpx.Response) -> str:
    """Return what a page carries to say that its preview was seen."""
    found = re.search(r'name="seen" value="([0-9a-f]{64})"', page.text)
    assert found is not None
    return found[1]


def rules(client: Client) -> list[str]:
    return [item["name"] for item in client.get("rules")["items"]]


@pytest.mark.usefixtures("pipeline")
def test_a_preview_says_for_whom_and_what_the_others_do_not_meet(client: Client) -> None:
    found = preview(client, pipeline="copy")
    assert (found["participants"], found["fires"], found["does_not_match"]) == (4, 2, 2)
    assert [each["fires"] for each in found["datasets"]] == [2]
    fails = {each["condition"]: each["participants"] for each in found["fails"]}
    assert fails == {"age < 50": 2, "has(suffix = 'T1w' AND magnetic_field_strength = 3)": 1}
    assert rules(client) == []


@pytest.mark.usefixtures("pipeline")
def test_a_preview_is_what_the_rule_then_does(client: Client, other_study: Path) -> None:
    client.register_dataset(str(other_study))
    found = preview(client)
    by_dataset = {each["id"]: (each["fires"], each["does_not_match"]) for each in found["datasets"]}
    client.post("rules", {"name": "young", "when": WHEN, "pipeline": "copy", "existing": True, "enabled": False})
    assert client.get("rules/young")["enabled"] is False
    assert client.get("rules/young/evaluations")["items"] == []
    assert sorted(by_dataset.values()) == [(2, 2), (2, 2)]


def test_only_what_its_maker_may_read_is_counted(
    client: Client, registered: dict[str, Any], other_study: Path, somebody: Callable[..., Client]
) -> None:
    client.register_dataset(str(other_study))
    operator = somebody("operator", registered["id"])
    assert [each["id"] for each in preview(operator, "TRUE")["datasets"]] == [registered["id"]]
    with pytest.raises(ProblemError) as refused:
        preview(somebody("reader"))
    assert refused.value.status == 403


@pytest.mark.usefixtures("registered")
def test_a_preview_leaves_an_entry_on_the_ledger(client: Client) -> None:
    preview(client)
    assert [each["action"] for each in client.get("audit/entries")["items"]].count("rule.preview") == 1


@pytest.mark.usefixtures("pipeline")
@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"when": "age >"}, 400),
        ({"pipeline": "absent"}, 404),
        ({"pipeline": "copy", "parameters": {"loud": True}}, 422),
    ],
)
def test_what_a_rule_could_not_be_is_refused_by_its_preview(
    client: Client, members: dict[str, Any], status: int
) -> None:
    with pytest.raises(ProblemError) as refused:
        preview(client, **{"when": WHEN, **members})
    assert refused.value.status == status


@pytest.mark.usefixtures("registered")
def test_the_command_line_previews_too(catalog: Path) -> None:
    done = sillage("--catalog", catalog, "rule", "preview", "--when", WHEN)
    assert done.code == 0
    assert "It would fire for 2 of 4 participants." in done.out


@pytest.mark.usefixtures("pipeline")
def test_the_page_shows_what_a_rule_would_do_and_adds_what_was_shown(client: Client) -> None:
    shown = send(client)
    assert "It would fire for 2 of 4 participants" in shown.text
    assert rules(client) == []
    answer = send(client, action="add", seen=seen(shown))
    assert answer.status_code == 303
    assert answer.headers["location"] == "/rules/young"
    assert client.get("rules/young")["query"] == WHEN


@pytest.mark.usefixtures("pipeline")
def test_what_was_changed_after_its_preview_is_shown_again_and_not_added(client: Client) -> None:
    mark = seen(send(client))
    shown = send(client, action="add", seen=mark, when="TRUE")
    assert "The form was changed after its preview" in shown.text
    assert "It would fire for 4 of 4 participants" in shown.text
    assert rules(client) == []


@pytest.mark.usefixtures("pipeline")
def test_all_that_is_wrong_is_said_at_once_each_at_its_field(client: Client) -> None:
    answer = send(client, name="Not A Name", when="age >", pipeline="absent", runner="nowhere", action="add")
    assert answer.status_code == 400
    assert re.findall(r'class="wrong" id="wrong-([\w.]+)"', answer.text) == ["name", "when", "pipeline", "runner"]
    assert "Not A Name" in answer.text
    assert "age &gt;" in answer.text
    assert rules(client) == []


@pytest.mark.usefixtures("pipeline")
def test_what_a_pipeline_asks_for_is_a_field_and_what_is_wrong_with_it_stands_there(client: Client) -> None:
    answer = send(client, **{"select.images": "nothing = 1"})
    assert answer.status_code == 400
    assert re.findall(r'class="wrong" id="wrong-([\w.]+)"', answer.text) == ["select.images"]
    shown = send(client, **{"select.images": "session IS NULL", "choose.images": "first", "enabled": ""})
    send(
        client,
        **{"select.images": "session IS NULL", "choose.images": "first", "enabled": ""},
        action="add",
        seen=seen(shown),
    )
    made = client.get("rules/young")
    assert made["choices"]["images"] == {"select": "session IS NULL", "choose": "first"}
    assert made["enabled"] is False


def test_only_who_may_make_rules_sees_the_form(client: Client, somebody: Callable[..., Client]) -> None:
    reader = somebody("reader")
    assert reader._http.get("/add-rule", headers=PAGE).status_code == 403
    assert reader._http.post("/add-rule", data={"name": "x"}, headers=PAGE).status_code == 403
    assert "/add-rule" not in reader._http.get("/rules", headers=PAGE).text
    assert "/add-rule" in client._http.get("/rules", headers=PAGE).text
