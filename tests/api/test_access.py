"""Who may do what: roles, grants per dataset, and what does not exist for those who may not see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sillage.client import Client, ProblemError

Somebody = Callable[..., Client]


def status_of(call: Callable[[], Any]) -> int:
    """Return the status of what a call answers; 200 for any success."""
    try:
        call()
    except ProblemError as error:
        return error.status
    return 200


def test_without_a_token_nothing_is_read(client: Client, registered: dict[str, Any]) -> None:
    nobody = client.acting_as(None)
    for path in ("datasets", f"datasets/{registered['id']}", "audit/entries", "status", "terms?q=x"):
        assert status_of(lambda path=path: nobody.get(path)) == 401
    assert status_of(lambda: client.acting_as("sillage_wrong").get("datasets")) == 401


def test_health_needs_no_token(client: Client) -> None:
    nobody = client.acting_as(None)
    assert nobody.request("GET", "/health").json() == {"status": "pass"}
    assert nobody.request("GET", "/ready").json()["status"] == "pass"
    assert "sillage_requests_total" in nobody.request("GET", "/metrics").text


def test_what_one_may_not_read_does_not_exist(
    client: Client, registered: dict[str, Any], other_study: Path, somebody: Somebody
) -> None:
    member = client.find_cohort("TRUE")["items"][0]["id"]
    acquisition = client.get(f"participants/{member}/acquisitions")["items"][0]["id"]
    file = client.get(f"acquisitions/{acquisition}")["files"][0]
    cohort = client.freeze_cohort("sex = 'female'")
    allowed = client.register_dataset(other_study)["id"]
    stranger = somebody("reader", dataset=allowed)
    for path in (
        f"datasets/{registered['id']}",
        f"datasets/{registered['id']}/report",
        f"datasets/{registered['id']}/versions",
        f"datasets/{registered['id']}/participants",
        f"participants/{member}",
        f"participants/{member}/acquisitions",
        f"acquisitions/{acquisition}",
        f"records/{file['id']}",
        f"entities/{file['sha256']}",
        f"cohorts/{cohort['id']}",
        f"cohorts/{cohort['id']}/diff",
        f"lineage/{member}",
        f"prov/{member}",
        f"evidence/{member}",
    ):
        assert status_of(lambda path=path: stranger.get(path)) == 404, path
    assert [item["id"] for item in stranger.get("datasets")["items"]] == [allowed]
    seen = stranger.find_cohort("TRUE", facets=["dataset", "sex"])
    assert {hit["dataset"] for hit in seen["items"]} == {allowed}
    assert sum(value["count"] for value in seen["facets"]["dataset"]) == seen["count"] == 4
    assert stranger.get("cohorts")["items"] == []
    assert stranger.get(f"datasets/{allowed}")["id"] == allowed


def test_where_the_data_lie_is_told_only_to_those_who_write_them(
    client: Client, registered: dict[str, Any], somebody: Somebody
) -> None:
    assert "data_path" in client.get(f"datasets/{registered['id']}")
    assert "data_path" not in somebody("reader").get(f"datasets/{registered['id']}")


TINY = b"[Term]\nid: X:1\nname: x\n"
DEEDS: dict[str, Callable[[Client, dict[str, Any], Path], Any]] = {
    "read": lambda c, d, p: c.get(f"datasets/{d['id']}"),
    "freeze": lambda c, d, p: c.freeze_cohort("sex = 'female'"),
    "register": lambda c, d, p: c.register_dataset(p),
    "withdraw": lambda c, d, p: c.post(f"datasets/{d['id']}/withdraw", {"reason": "because"}),
    "publish": lambda c, d, p: c.post("identifiers", {"subject": d["id"]}),
    "terms": lambda c, d, p: c.request(
        "POST", "/api/v1/terms", params={"name": "x.obo"}, content=b"[Term]\nid: X:1\nname: x\n"
    ),
    "pipeline": lambda c, d, p: c.post("pipelines", {"descriptor": {}, "bundled": "image-qc"}),
    "audit": lambda c, d, p: c.get("audit/entries"),
    "grant": lambda c, d, p: c.post("principals", {"name": "x"}),
    "check": lambda c, d, p: c.post("check"),
}
MAY = {
    "reader": {"read", "freeze"},
    "contributor": {"read", "freeze", "register"},
    "steward": {"read", "freeze", "register", "withdraw", "publish", "terms"},
    "operator": {"read", "freeze", "pipeline"},
    "auditor": {"read", "audit"},
    "administrator": set(DEEDS),
}


@pytest.mark.parametrize("role", sorted(MAY))
def test_each_role_may_do_what_it_is_for_and_nothing_else(
    client: Client, registered: dict[str, Any], other_study: Path, somebody: Somebody, role: str
) -> None:
    person = somebody(role)
    order = [*(deed for deed in DEEDS if deed != "withdraw"), "withdraw"]
    answers = {deed: status_of(lambda deed=deed: DEEDS[deed](person, registered, other_study)) for deed in order}
    assert {deed for deed, status in answers.items() if status == 200} == MAY[role]
    assert {status for status in answers.values() if status != 200} <= {403}


def test_an_administrator_of_one_dataset_is_none_of_the_catalogue(
    client: Client, registered: dict[str, Any], other_study: Path, somebody: Somebody
) -> None:
    other = client.register_dataset(other_study)["id"]
    person = somebody("administrator", dataset=other)
    assert status_of(lambda: person.get(f"datasets/{other}")) == 200
    grab = {"name": "me", "role": "administrator"}
    for attempt in (
        lambda: person.request("GET", "/api/v1/backup"),
        lambda: person.post("principals", grab),
        lambda: person.post("check"),
        lambda: person.post("reindex"),
        lambda: person.get("audit/entries"),
        lambda: person.get("tokens"),
        lambda: person.post("pipelines", {"descriptor": {}, "bundled": "image-qc"}),
        lambda: person.request("POST", "/api/v1/terms", params={"name": "x.obo"}, content=TINY),
        lambda: person.register_dataset(other_study),
    ):
        assert status_of(attempt) == 403
    assert status_of(lambda: person.get(f"datasets/{registered['id']}")) == 404


def test_a_revoked_token_is_refused_at_once(client: Client) -> None:
    made = client.post("principals", {"name": "Somebody", "role": "reader"})
    person = client.acting_as(made["token"])
    assert status_of(lambda: person.get("datasets")) == 200
    client.request("DELETE", f"/api/v1/tokens/{made['id']}")
    assert status_of(lambda: person.get("datasets")) == 401


def test_a_grant_can_be_given_and_taken_back(client: Client, registered: dict[str, Any]) -> None:
    made = client.post("principals", {"name": "Somebody"})
    person = client.acting_as(made["token"])
    grant = {"agent": made["agent"], "role": "reader", "dataset": registered["id"]}
    assert status_of(lambda: person.get(f"datasets/{registered['id']}")) == 404
    client.post("grants", grant)
    assert status_of(lambda: person.get(f"datasets/{registered['id']}")) == 200
    client.request("DELETE", "/api/v1/grants", json=grant)
    assert status_of(lambda: person.get(f"datasets/{registered['id']}")) == 404
    assert status_of(lambda: client.request("DELETE", "/api/v1/grants", json=grant)) == 400
    client.post("grants", grant)
    assert status_of(lambda: person.get(f"datasets/{registered['id']}")) == 200
    assert status_of(lambda: client.post("grants", grant)) == 409


def test_an_expired_token_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime, timedelta

    import api.identity

    made = client.post("principals", {"name": "Somebody", "role": "reader", "days": 1})
    person = client.acting_as(made["token"])
    assert status_of(lambda: person.get("datasets")) == 200

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(UTC) + timedelta(days=2)

    monkeypatch.setattr(api.identity, "datetime", Later)
    assert status_of(lambda: person.get("datasets")) == 401


def test_reading_a_participant_is_on_the_ledger_before_it_is_answered(
    client: Client, registered: dict[str, Any], somebody: Somebody
) -> None:
    reader = somebody("reader")
    member = reader.find_cohort("age > 40")["items"][0]["id"]
    reader.get(f"participants/{member}")
    entries = client.get("audit/entries", action="participant.read", limit=1000)["items"]
    assert [entry["subject"] for entry in entries] == [member]
    asked = client.get("audit/entries", action="cohort.query", limit=1000)["items"]
    assert asked[-1]["principal"] == entries[-1]["principal"]


def test_secrets_are_stored_nowhere(client: Client, catalog: Path) -> None:
    token = client.post("principals", {"name": "Somebody", "role": "reader"})["token"]
    client.acting_as(token).get("datasets")
    client.close()  # Files come and go while it is open.
    for file in catalog.rglob("*"):
        if file.is_file() and file.name != "administrator.token":
            assert token.encode() not in file.read_bytes(), file
