"""What is special to the index on Elasticsearch: a server that is away, slow or full, writers that die, generations."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from catalog.model import Put, Record
from catalog.search.elasticsearch import ElasticsearchIndex, storing
from catalog.search.elasticsearch.connection import Limits, Server, address
from catalog.search.elasticsearch.documents import person_document
from catalog.search.query import parse
from catalog.search.testing import MemoryRepository, SmallTerms, World
from ontology.errors import BackendUnavailableError, InvalidRequestError, StorageFullError

EVERYONE = parse("TRUE")
HASTY = Limits(request_seconds=90, patience_seconds=0.3, batch_records=7, request_bytes=1)
PATIENCE_S = 240
Opener = Callable[..., ElasticsearchIndex]


def person(number: int, **document: Any) -> Put:
    label = {"label": f"sub-{number:02}", "dataset": "urn:uuid:d"} | document
    return Put(id=f"urn:uuid:0000000a-0000-4000-8000-{number:012}", type="Participant", document=label)


@pytest.fixture
def server(elasticsearch_url: str) -> Iterator[Server]:
    found = Server(address(elasticsearch_url), Limits())
    yield found
    found.close()


@pytest.fixture
def name(server: Server) -> Iterator[str]:
    """A name of an index that is removed at the end."""
    found = f"test-{uuid4()}"
    yield found
    left = server.ask("GET", f"/sillage-{found}-*/_alias", expand_wildcards="all")
    if left:
        server.ask("DELETE", "/" + ",".join(left))


@pytest.fixture
def opened(elasticsearch_url: str, name: str) -> Iterator[Opener]:
    made: list[ElasticsearchIndex] = []

    def opener(url: str = elasticsearch_url, limits: Limits = HASTY) -> ElasticsearchIndex:
        made.append(ElasticsearchIndex.open(url, SmallTerms(), name=name, limits=limits))
        return made[-1]

    yield opener
    for index in made:
        index.close()


@pytest.fixture
def repository() -> MemoryRepository:
    found = MemoryRepository()
    found.put(*(person(number) for number in range(20)))
    return found


def generations(server: Server, name: str) -> list[str]:
    return sorted(server.ask("GET", f"/sillage-{name}-*/_alias"))


class Proxy:
    """Stands between client and server, and can hold back or cut what goes through."""

    def __init__(self, url: str) -> None:
        parts = address(url).url.rpartition(":")
        self._target = (parts[0].rpartition("/")[2], int(parts[2]))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.open = threading.Event()
        self.open.set()
        self._cut_after: int | None = None
        self._counting = threading.Lock()
        self._sockets: list[socket.socket] = [self._listening]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            self._sockets += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(*pair, pair[0] is client), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, asking: bool) -> None:
        try:
            while data := source.recv(65536):
                self.open.wait()
                if asking and self._cuts(data):
                    break
                target.sendall(data)
        except OSError:
            pass
        _hang_up(source, target)

    def cut_after(self, requests: int | None) -> None:
        """Cut every connection once so many requests have gone through; None lets everything through again."""
        with self._counting:
            self._cut_after = requests

    def _cuts(self, data: bytes) -> bool:
        with self._counting:
            if self._cut_after is None:
                return False
            self._cut_after -= data.count(b"HTTP/1.1")
            return self._cut_after < 0

    def close(self) -> None:
        self.open.set()
        _hang_up(*self._sockets)


def _hang_up(*sockets: socket.socket) -> None:
    """Close sockets, and be heard by a thread that reads from one of them, and by whoever is at its other end."""
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    found = Proxy(elasticsearch_url)
    yield found
    found.close()


def test_a_server_that_is_away_is_named_without_secrets() -> None:
    with pytest.raises(BackendUnavailableError) as caught:
        ElasticsearchIndex.open("http://somebody:secret@127.0.0.1:1", SmallTerms(), name="x")
    assert "http://127.0.0.1:1 " in caught.value.detail
    assert "secret" not in repr(caught.value) + str(caught.value.next_step())
    assert "catalogue itself works" in str(caught.value.next_step())


@pytest.mark.parametrize("url", ["", "search.example.org", "ftp://x", "http://", "http://x:port"])
def test_what_is_no_url_is_refused_unrepeated(url: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ElasticsearchIndex.open(url, SmallTerms(), name="x")
    assert caught.value.field == "url"


@pytest.mark.parametrize("name", ["", "Upper", "a b", "-x", "x*", "x,y", "x" * 101])
def test_a_name_that_is_none_is_refused(elasticsearch_url: str, name: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ElasticsearchIndex.open(elasticsearch_url, SmallTerms(), name=name)
    assert caught.value.field == "name"


def test_a_server_that_does_not_answer_is_not_waited_for(
    proxy: Proxy, opened: Opener, repository: MemoryRepository
) -> None:
    index = opened(proxy.url)
    index.catch_up(repository)
    patient = index._server._client
    index._server._client = patient.options(request_timeout=0.5)
    proxy.open.clear()
    with pytest.raises(BackendUnavailableError, match="did not answer in time"):
        index.find(EVERYONE, datasets=None)
    proxy.open.set()
    index._server._client = patient
    assert index.find(EVERYONE, datasets=None).count == 20


@pytest.mark.parametrize("requests", [0, 1, 2, 3, 5, 8, 12])
def test_a_connection_that_breaks_while_writing_is_gone_on_from(
    proxy: Proxy, opened: Opener, repository: MemoryRepository, requests: int
) -> None:
    index = opened(proxy.url)
    proxy.cut_after(requests)
    with pytest.raises(BackendUnavailableError):
        index.catch_up(repository)
    proxy.cut_after(None)
    assert index.catch_up(repository) == repository.sequence
    assert index.find(EVERYONE, datasets=None).count == 20
    assert list(index.check(repository)) == []


def test_a_full_disk_stops_writing_and_not_search(
    opened: Opener, server: Server, name: str, repository: MemoryRepository
) -> None:
    index = opened()
    index.catch_up(repository)
    (generation,) = generations(server, name)
    server.ask("PUT", f"/{generation}/_settings", {"index.blocks.read_only_allow_delete": True})
    repository.put(person(50))
    with pytest.raises(StorageFullError) as caught:
        index.catch_up(repository)
    assert "search answers" in str(caught.value.next_step())
    assert index.find(EVERYONE, datasets=None).count == 20
    server.ask("PUT", f"/{generation}/_settings", {"index.blocks.read_only_allow_delete": None})
    assert index.catch_up(repository) == repository.sequence
    assert index.find(EVERYONE, datasets=None).count == 21


def test_an_index_that_somebody_removed_is_built_anew(
    opened: Opener, server: Server, name: str, repository: MemoryRepository
) -> None:
    index = opened()
    index.catch_up(repository)
    server.ask("DELETE", f"/{generations(server, name)[0]}")
    with pytest.raises(BackendUnavailableError) as caught:
        index.find(EVERYONE, datasets=None)
    assert "sillage reindex" in str(caught.value.next_step())
    assert index.catch_up(repository) == repository.sequence
    assert index.find(EVERYONE, datasets=None).count == 20


def test_an_index_of_another_form_or_history_is_built_anew(
    opened: Opener, server: Server, name: str, repository: MemoryRepository
) -> None:
    opened().catch_up(repository)
    (first,) = generations(server, name)
    state = server.ask("GET", f"/{first}/_doc/stamp")["_source"]
    state["state"]["format"] = "0"
    server.ask("PUT", f"/{first}/_doc/stamp", state)
    index = opened()
    with pytest.raises(BackendUnavailableError):
        index.find(EVERYONE, datasets=None)
    index.catch_up(repository)
    (second,) = generations(server, name)
    assert second > first
    other = MemoryRepository()
    other.put(*(person(number) for number in range(3)))
    again = opened()
    assert again.catch_up(other) == other.sequence
    assert again.find(EVERYONE, datasets=None).count == 3
    assert list(again.check(other)) == []


def test_the_old_generation_answers_until_the_new_one_is_complete(
    opened: Opener, server: Server, name: str, repository: MemoryRepository
) -> None:
    index, counts = opened(), list[int]()
    index.catch_up(repository)

    class Watched(MemoryRepository):
        def records_since(self, sequence: int, *, limit: int = 10_000) -> Sequence[Record]:
            counts.append(index.find(EVERYONE, datasets=None).count)
            assert len(generations(server, name)) == 2
            return repository.records_since(sequence, limit=limit)

        sequence = property(lambda self: repository.sequence)
        entries = repository.entries

    repository.put(person(60))
    assert index.rebuild(Watched()) == repository.sequence
    assert len(counts) > 2
    assert set(counts) == {20}
    assert index.find(EVERYONE, datasets=None).count == 21
    assert len(generations(server, name)) == 1
    assert opened().applied == repository.sequence


def test_a_rebuild_that_fails_leaves_what_was(
    opened: Opener, server: Server, name: str, repository: MemoryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = opened()
    index.catch_up(repository)
    before = generations(server, name)

    def refuse(*_: Any) -> Any:
        raise StorageFullError("full")

    monkeypatch.setattr(storing.Store, "_sent", refuse)
    with pytest.raises(StorageFullError):
        index.rebuild(repository)
    monkeypatch.undo()
    assert generations(server, name) == before
    assert index.find(EVERYONE, datasets=None).count == 20


class Killed(BaseException):
    """Ends a writer without giving it time for anything."""


def kill_at(index: ElasticsearchIndex, request: int) -> None:
    """Let an index's process die at one of its requests: before some, and the answer of which is never seen."""
    ask, asked = index._server.ask, [0]

    def dying(method: str, path: str, body: Any = None, **parameters: str) -> Any:
        asked[0] += 1
        if asked[0] == request:
            ask(method, path, body, **parameters)
        if asked[0] >= request:
            raise Killed
        return ask(method, path, body, **parameters)

    index._server.ask = dying  # type: ignore[method-assign]


@pytest.mark.parametrize("request_number", [*range(3, 30, 3), 40, 60, 90])
def test_a_writer_that_was_killed_is_gone_on_from(opened: Opener, request_number: int) -> None:
    world = World(request_number)
    dying = opened()
    kill_at(dying, request_number)
    with suppress(Killed):
        for _ in range(50):
            dying.catch_up(world.repository)
            world.change()
        pytest.fail("it lived")
    index = opened()
    before = index.applied
    assert index.catch_up(world.repository) == world.repository.sequence >= before
    assert list(index.check(world.repository)) == []


def test_several_processes_catch_up_at_once(opened: Opener) -> None:
    world, writing = World(3), threading.Event()
    indexes = [opened(limits=Limits(batch_records=3, request_bytes=1)) for _ in range(4)]

    def follow(index: ElasticsearchIndex) -> list[int]:
        seen = list[int]()
        while not writing.is_set():
            seen.append(index.catch_up(world.repository))
        return [*seen, index.catch_up(world.repository)]

    with ThreadPoolExecutor(len(indexes)) as pool:
        following = [pool.submit(follow, index) for index in indexes]
        for _ in range(25):
            world.change()
            time.sleep(0.01)
        writing.set()
        for seen in (each.result(timeout=PATIENCE_S) for each in following):
            assert seen == sorted(seen)
            assert seen[-1] == world.repository.sequence
    assert list(indexes[0].check(world.repository)) == []


def test_a_writer_that_was_taken_for_dead_spoils_nothing(opened: Opener) -> None:
    world = World(5)
    sleeper, other = opened(), opened()
    ask, asleep, awake = sleeper._server.ask, threading.Event(), threading.Event()

    def sleeping(method: str, path: str, body: Any = None, **parameters: str) -> Any:
        if path.endswith("_bulk") and not asleep.is_set():
            asleep.set()
            awake.wait(PATIENCE_S)
        return ask(method, path, body, **parameters)

    sleeper._server.ask = sleeping  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(sleeper.catch_up, world.repository)
        assert asleep.wait(PATIENCE_S)
        for _ in range(10):
            world.change()
        assert other.catch_up(world.repository) == world.repository.sequence
        awake.set()
        assert late.result(timeout=PATIENCE_S) == world.repository.sequence
    assert list(other.check(world.repository)) == []


def test_documents_that_are_refused_are_named(
    opened: Opener, repository: MemoryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, made = opened(), person_document

    def spoilt(document: Any) -> dict[str, Any]:
        return made(document) | ({"nosuchfield": 1} if document.key.endswith("07") else {})

    monkeypatch.setattr(storing, "person_document", spoilt)
    with pytest.raises(BackendUnavailableError) as caught:
        index.catch_up(repository)
    assert [problem["id"][-2:] for problem in caught.value.params["problems"]] == ["07"]
    assert "nosuchfield" in caught.value.detail
    monkeypatch.undo()
    assert index.catch_up(repository) == repository.sequence
    assert list(index.check(repository)) == []
