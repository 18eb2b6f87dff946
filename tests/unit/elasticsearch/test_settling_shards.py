"""An index of which nothing answers: one that is just being made is waited for, and one that is removed is missed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from catalog.search.elasticsearch import connection
from catalog.search.elasticsearch.connection import IndexGoneError, Server, ShardAwayError, address
from catalog.search.testing.backends import PATIENT

NOWHERE = "index.routing.allocation.require._name"
SEARCH = {"query": {"match_all": {}}}


@pytest.fixture
def server(elasticsearch_url: str) -> Iterator[Server]:
    found = Server(address(elasticsearch_url), PATIENT)
    yield found
    found.close()


@pytest.fixture
def homeless(server: Server) -> Iterator[str]:
    """An index the shard of which no node may have."""
    name = f"sillage-test-homeless-{uuid4()}"
    settings = {"number_of_shards": 1, "number_of_replicas": 0, NOWHERE: "nobody"}
    server.ask("PUT", f"/{name}", {"settings": settings}, wait_for_active_shards="0")
    yield name
    server.ask("DELETE", f"/{name}", ignore_unavailable="true")


def on_first_pause(monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Have something happen when the server has been asked once in vain."""
    pause, left = connection.time.sleep, [happens]

    def pausing(seconds: float) -> None:
        if left:
            left.pop()()
        pause(seconds)

    monkeypatch.setattr(connection, "_SHARD_SECONDS", 240.0)
    monkeypatch.setattr(connection.time, "sleep", pausing)


@pytest.mark.parametrize("body", [None, SEARCH], ids=["document", "search"])
def test_a_shard_that_comes_up_is_waited_for(
    server: Server, homeless: str, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    on_first_pause(monkeypatch, lambda: server.ask("PUT", f"/{homeless}/_settings", {NOWHERE: None}))
    if body is None:
        with pytest.raises(IndexGoneError):
            server.ask("GET", f"/{homeless}/_doc/none")
    else:
        assert server.ask("POST", f"/{homeless}/_search", body)["hits"]["hits"] == []


@pytest.mark.parametrize("path", ["_doc/none", "_search"])
def test_an_index_that_is_removed_meanwhile_is_gone(
    server: Server, homeless: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    on_first_pause(monkeypatch, lambda: server.ask("DELETE", f"/{homeless}"))
    with pytest.raises(IndexGoneError):
        server.ask("GET", f"/{homeless}/{path}")


def test_a_shard_that_stays_away_is_told(server: Server, homeless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_SHARD_SECONDS", 0.1)
    with pytest.raises(ShardAwayError, match="at this moment") as caught:
        server.ask("GET", f"/{homeless}/_search")
    assert "sillage-*" in str(caught.value.next_step())
