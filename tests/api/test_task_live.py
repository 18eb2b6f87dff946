"""Following tasks live: states, lines and use as they come, resumed from where one was, cheap for many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from api.catalogue import Catalogue
from api.live import KEPT_BYTES, Live, Place, Tail
from ontology.errors import InvalidRequestError
from sillage.client import Client, ProblemError

TALK = "for i in 1 2 3 4; do echo line $i; echo bad $i >&2; sleep 0.3; done; printf 'no end'\n"


@pytest.fixture
def talking(client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str) -> str:
    """Submit a task that prints on both streams for a second."""
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


def test_a_task_is_followed_to_its_end(client: Client, talking: str) -> None:
    events = list(client.events(talking))
    assert said(events, "stdout") == "line 1\nline 2\nline 3\nline 4\nno end"
    assert said(events, "stderr") == "bad 1\nbad 2\nbad 3\nbad 4\n"
    states = [data["state"] for name, data in events if name == "state"]
    assert states[-1] == "COMPLETE"
    assert events[-1][0] == "end"
    assert events[-1][1]["exit_code"] == 0
    assert all(set(data) >= {"wall_s", "cpu_s", "rss_bytes", "processes"} for name, data in events if name == "usage")


def test_who_comes_back_gets_the_rest_and_nothing_twice(client: Client, talking: str) -> None:
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
    client: Client, talking: str, registered: dict[str, Any], somebody: Callable[..., Client]
) -> None:
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
    client: Client,
    registered: dict[str, Any],
    register_copy: Callable[..., Any],
    bubblewrap: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register_copy("echo one; sleep 1; echo two\n")
    task = submit(client, registered)
    catalogue: Catalogue = client._transport._app.state.catalogue  # type: ignore[union-attr]
    record = catalogue.repository.get(task)
    looks: list[int] = []
    from api import live

    real = live.Watched._look
    monkeypatch.setattr(live.Watched, "_look", lambda self, attempt: (looks.append(1), real(self, attempt))[1])

    async def follow(hub: Live) -> str:
        return "".join([event async for event in hub.events(record, Place(), logs=True)])

    async def crowd() -> list[str]:
        hub = Live(catalogue)
        leaving = asyncio.create_task(follow(hub))
        followers = [asyncio.create_task(follow(hub)) for _ in range(30)]
        await asyncio.sleep(0.2)
        leaving.cancel()
        seen = await asyncio.gather(*followers)
        assert hub._watched == {}
        return seen

    seen = asyncio.run(crowd())
    assert all("one" in text and "two" in text and text.rstrip().count("event: end") == 1 for text in seen)
    assert len(looks) < 60


def test_a_batch_is_followed_by_its_numbers(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str
) -> None:
    register_copy()
    cohort = client.freeze_cohort("TRUE")["id"]
    events = list(client.events(client.run("copy", cohort=cohort)["id"]))
    name, last = events[-1]
    assert (name, last["state"], last["counts"], last["size"]) == ("end", "COMPLETE", {"COMPLETE": 4}, 4)
    assert {name for name, _ in events} == {"state", "end"}
