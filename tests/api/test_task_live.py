"""Following tasks live: states, lines and use as they come, resumed from where one was, cheap for many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.catalogue import Catalogue
from api.live import KEPT_BYTES, Live, Place, Tail, Watched
from ontology.errors import InvalidRequestError
from sillage.client import Client, ProblemError
from tests.api.conftest import HELD, let_go

TALK = f"echo line 1; echo bad 1 >&2; {HELD}for i in 2 3 4; do echo line $i; echo bad $i >&2; done; printf 'no end'\n"
"""Prints on both streams, waits until it is told to go on, and prints the rest."""


@pytest.fixture
def talking(client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str) -> str:
    """Submit a task that prints on both streams, and the rest when it is told to go on."""
    register_copy(TALK)
    return submit(client, registered)


def submit(client: Client, registered: dict[str, Any]) -> str:
    person = client.get(f"datasets/{registered['id']}/participants")["items"][0]
    images = client.get(f"participants/{person['id']}/acquisitions")["items"]
    image = next(item["id"] for item in images if item["label"].endswith("T1w"))
    task: str = client.run("copy", inputs={"images": [image]})["id"]
    return task


def said(events: list[tuple[str, dict[str, Any]]], stream: str) -> str:
    return "".join(data["text"] for name, data in events if name == "log" and data["stream"] == stream)


def test_a_task_is_followed_to_its_end(client: Client, catalog: Path, talking: str) -> None:
    events, held = [], True
    for event in client.events(talking):
        events.append(event)
        if held and (said(events, "stdout"), said(events, "stderr")) == ("line 1\n", "bad 1\n"):
            let_go(catalog, talking)
            held = False
    assert said(events, "stdout") == "line 1\nline 2\nline 3\nline 4\nno end"
    assert said(events, "stderr") == "bad 1\nbad 2\nbad 3\nbad 4\n"
    states = [data["state"] for name, data in events if name == "state"]
    assert states[-1] == "COMPLETE"
    assert events[-1][0] == "end"
    assert events[-1][1]["exit_code"] == 0
    assert all(set(data) >= {"wall_s", "cpu_s", "rss_bytes", "processes"} for name, data in events if name == "usage")


def test_who_comes_back_gets_the_rest_and_nothing_twice(client: Client, catalog: Path, talking: str) -> None:
    let_go(catalog, talking)
    client.wait(talking)
    events = list(client.events(talking, after="1:7:0"))
    assert said(events, "stdout") == "line 2\nline 3\nline 4\nno end"
    assert said(events, "stderr") == "bad 1\nbad 2\nbad 3\nbad 4\n"
    response = client.request("GET", f"/api/v1/tasks/{talking}/events", headers={"Last-Event-ID": "1:34:24"})
    assert "event: log" not in response.text
    assert "event: end" in response.text
    ids = [line for line in response.text.splitlines() if line.startswith("id: ")]
    assert set(ids) == {"id: 1:34:24"}
    with pytest.raises(ProblemError) as refused:
        client.request("GET", f"/api/v1/tasks/{talking}/events", headers={"Last-Event-ID": "yesterday"})
    assert refused.value.status == 400


def test_another_attempt_is_read_from_its_beginning() -> None:
    place = Place.parse("1:500:20")
    place.of_attempt(1)
    assert str(place) == "1:500:20"
    place.of_attempt(2)
    assert str(place) == "2:0:0"
    for text in ("1:2", "a:b:c", "1:-1:0"):
        with pytest.raises(InvalidRequestError):
            Place.parse(text)


def test_a_tail_keeps_the_newest_bytes_and_knows_where_they_begin() -> None:
    tail = Tail(start=10)
    tail.append(b"x" * KEPT_BYTES)
    tail.append(b"abc")
    assert (tail.start, tail.end, tail.data[-3:]) == (13, 13 + KEPT_BYTES, b"abc")


def test_lines_are_for_who_may_read_the_data_and_reading_them_is_on_the_ledger(
    client: Client, catalog: Path, talking: str, somebody: Callable[..., Client]
) -> None:
    let_go(catalog, talking)
    client.wait(talking)
    reader = somebody("reader")
    assert not [name for name, _ in reader.events(talking) if name == "log"]
    with pytest.raises(ProblemError) as refused:
        list(somebody().events(talking))
    assert refused.value.status == 404
    list(client.events(talking))
    entries = client.get("audit/entries", action="task.logs", limit=10)["items"]
    assert [entry["subject"] for entry in entries] == [talking]


def test_many_followers_cost_one_look(
    client: Client, catalog: Path, talking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue: Catalogue = client._transport._app.state.catalogue  # type: ignore[union-attr]
    record = catalogue.repository.get(talking)
    looking: list[Watched] = []
    real = Watched._look
    monkeypatch.setattr(Watched, "_look", lambda self, attempt: (looking.append(self), real(self, attempt))[1])

    async def follow(hub: Live) -> str:
        return "".join([event async for event in hub.events(record, Place(), logs=True)])

    async def crowd() -> list[str]:
        hub = Live(catalogue)
        leaving = asyncio.create_task(follow(hub))
        followers = [asyncio.create_task(follow(hub)) for _ in range(30)]
        while not looking or looking[0].followers < 31:
            await asyncio.sleep(0.01)
        leaving.cancel()
        let_go(catalog, talking)
        seen = await asyncio.gather(*followers)
        assert hub._watched == {}
        return seen

    seen = asyncio.run(crowd())
    assert all("line 1" in text and "no end" in text and text.count("event: end") == 1 for text in seen)
    assert len(set(looking)) == 1


def test_whoever_follows_is_let_go_when_looking_fails(
    client: Client, catalog: Path, talking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue: Catalogue = client._transport._app.state.catalogue  # type: ignore[union-attr]
    record = catalogue.repository.get(talking)

    def broken(*_: Any) -> None:
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr(Watched, "_look", broken)

    async def follow() -> list[str]:
        return [event async for event in Live(catalogue).events(record, Place(), logs=True)]

    assert asyncio.run(follow()) == []
    let_go(catalog, talking)


def test_a_service_that_stops_leaves_nothing_of_who_followed(client: Client, catalog: Path, talking: str) -> None:
    following = client.events(talking)
    assert next(following)[0] == "state"
    let_go(catalog, talking)
    transport: Any = client._transport
    client.close()
    assert asyncio.all_tasks(transport._loop) == set()
    assert not transport._thread.is_alive()
    following.close()  # type: ignore[attr-defined]


def test_a_batch_is_followed_by_its_numbers(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str
) -> None:
    register_copy()
    cohort = client.freeze_cohort("TRUE")["id"]
    events = list(client.events(client.run("copy", cohort=cohort)["id"]))
    name, last = events[-1]
    assert (name, last["state"], last["counts"], last["size"]) == ("end", "COMPLETE", {"COMPLETE": 4}, 4)
    assert {name for name, _ in events} == {"state", "end"}
