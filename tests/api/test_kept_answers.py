"""Answers that are given again: never after the ledger has grown, never to a token that is no longer good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from api.catalogue import Catalogue, administrator_token
from catalog.model import Record
from sillage.client import Client, ProblemError
from sillage.in_process import BASE_URL, InProcessTransport


@pytest.fixture
def served(catalog: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Yield a client, the catalogue that it is served from, and the ids of the records that were read."""
    app = create_app(catalog)
    catalogue: Catalogue = app.state.catalogue
    read: list[str] = []
    get = type(catalogue.repository).get

    def noting(self: Any, id: str, **options: Any) -> Record:
        read.append(id)
        return get(self, id, **options)

    monkeypatch.setattr(type(catalogue.repository), "get", noting)
    transport = InProcessTransport(app)
    client = Client(url=BASE_URL, token=administrator_token(catalog))
    client._http._transport = transport
    client._transport = transport
    yield client, catalogue, read
    transport.close()


def test_an_answer_is_given_again_until_the_ledger_grows(served: Any, study: Path) -> None:
    client, _, read = served
    dataset = client.register_dataset(study)["id"]
    client.get(f"datasets/{dataset}")  # Only the answer to a token that was seen before is kept.
    first = client.request("GET", f"/api/v1/datasets/{dataset}")
    read.clear()
    again = client.request("GET", f"/api/v1/datasets/{dataset}")
    assert read == []
    assert again.content == first.content
    changing = ("x-request-id", "date")
    assert [h for h in again.headers.items() if h[0] not in changing] == [
        h for h in first.headers.items() if h[0] not in changing
    ]
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    client.post(f"datasets/{dataset}/withdraw", {"reason": "a mistake"})
    assert client.get(f"datasets/{dataset}")["withdrawn"] is True


def test_versions_and_callers_are_told_apart(served: Any, study: Path) -> None:
    client, _, _ = served
    dataset = client.register_dataset(study)["id"]
    made = client.post("principals", {"name": "A reader", "role": "reader", "dataset": None})
    reader = client.acting_as(made["token"])
    assert "data_path" in client.get(f"datasets/{dataset}")
    assert "data_path" not in reader.get(f"datasets/{dataset}")
    assert client.get(f"datasets/{dataset}", version=1)["version"] == 1


def test_a_token_that_is_no_longer_good_gets_nothing(served: Any, study: Path) -> None:
    client, catalogue, _ = served
    dataset = client.register_dataset(study)["id"]
    made = client.post("principals", {"name": "A reader", "role": "reader", "dataset": None})
    reader = client.acting_as(made["token"])
    assert reader.get(f"datasets/{dataset}") == reader.get(f"datasets/{dataset}")
    key = next(iter(k for k, p in catalogue.identity._principals.items() if p.label == "A reader"))
    catalogue.identity._expiry[key] = datetime.now(UTC) - timedelta(seconds=1)
    with pytest.raises(ProblemError, match="expired"):
        reader.get(f"datasets/{dataset}")


def test_what_is_about_participants_is_noted_every_time(served: Any, study: Path) -> None:
    client, _, _ = served
    dataset = client.register_dataset(study)["id"]
    person = client.get(f"datasets/{dataset}/participants")["items"][0]["id"]
    for _ in range(3):
        client.get(f"participants/{person}")
    noted = client.get("audit/entries", subject=person, limit=100)["items"]
    assert [entry["action"] for entry in noted].count("participant.read") == 3
