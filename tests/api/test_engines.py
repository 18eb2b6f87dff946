"""The same catalogue on other engines: copied there and back, and what is seen of it when a server is away.

A server is lost by cutting the line to it, which is a small forwarder between the catalogue and the real server.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from api.catalogue import create, open_catalogue
from api.copying import Order, copy
from api.data_copy import Data
from api.engines import UNFINISHED
from catalog.model import Commit, Note
from ontology.errors import ConflictError, OutcomeUnknownError
from sillage.client import Client, ProblemError

SILLAGE = str(Path(sys.executable).with_name("sillage"))
PATIENCE_S = 90.0
QUERY = "under(diagnosis, 'demyelinating disease')"
ME = "urn:uuid:00000000-0000-4000-8000-000000000001"


class Line:
    """A line to a server that can be cut and mended."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (str(parts.hostname), int(parts.port or 0))
        self._ends: list[socket.socket] = []
        self._passing: list[threading.Thread] = []
        self._guard = threading.Lock()
        self._listener: socket.socket | None = None
        # Holds the port while the line is cut: whoever looks for a free one, on this whole machine, gets another.
        self._place = _bound(0)
        port = self._place.getsockname()[1]
        self.mend()
        scheme = "bolt" if parts.scheme in ("neo4j", "bolt") else parts.scheme
        self.url = f"{scheme}://127.0.0.1:{port}"

    def mend(self) -> None:
        if self._listener is not None:
            return
        self._listener = _bound(self._place.getsockname()[1])
        self._listener.listen()
        self._start(self._accept, self._listener)

    def cut(self) -> None:
        """End every connection, and those that are being made; afterwards none is."""
        with self._guard:
            listener, self._listener = self._listener, None
            ends, self._ends = self._ends, []
            passing, self._passing = self._passing, []
        for each in [*ends, *([listener] if listener else [])]:
            # Closing alone would leave the thread that waits in it.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in passing:
            thread.join()
        for each in [*ends, *([listener] if listener else [])]:
            each.close()

    def close(self) -> None:
        self.cut()
        self._place.close()

    def _start(self, work: Callable[..., None], *given: socket.socket) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)
        self._passing.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            with self._guard:
                if self._listener is not listener:
                    near.close()
                    far.close()
                    return
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    self._start(self._pass_on, one, other)

    @staticmethod
    def _pass_on(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while received := one.recv(65_536):
                other.sendall(received)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)


def _bound(port: int) -> socket.socket:
    """Return a socket that has a port, beside others that have it and do not listen."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made


@pytest.fixture
def repository_line(neo4j_url: str) -> Iterator[Line]:
    line = Line(neo4j_url)
    yield line
    line.close()


@pytest.fixture
def search_line(elasticsearch_url: str) -> Iterator[Line]:
    line = Line(elasticsearch_url)
    yield line
    line.close()


def refused(ask: Callable[[], Any]) -> ProblemError:
    with pytest.raises(ProblemError) as error:
        ask()
    return error.value


def root_of(client: Client) -> str:
    checkpoint: str = client.get("audit/checkpoint")["checkpoint"]
    return checkpoint


# Copying ------------------------------------------------------------------------------------------------------


def test_a_catalogue_goes_to_servers_and_comes_back_the_same(
    tmp_path: Path,
    client: Client,
    registered: dict[str, Any],
    catalog: Path,
    on_servers: dict[str, str],
    take_from_servers: Callable[[Path], None],
) -> None:
    cohort = client.freeze_cohort(QUERY)
    token = client.post("principals", {"name": "Ada", "role": "reader", "dataset": None})["token"]
    found = client.find_cohort(QUERY, facets=["sex"], explain=True)
    client.close()
    take_from_servers(tmp_path / "served")
    there = copy(Order(source=catalog, target=tmp_path / "served", **on_servers))
    back = copy(Order(source=tmp_path / "served", target=tmp_path / "back", data=Data.COPY))
    assert there["digests"] == back["digests"]
    assert there["data"]["linked"] > 0
    for folder in (tmp_path / "served", tmp_path / "back"):
        with Client(catalog=folder) as other:
            assert other.post("check")["valid"] is True
            assert other.find_cohort(QUERY, facets=["sex"], explain=True) == found
            assert other.acting_as(token).get(f"datasets/{registered['id']}")["id"] == registered["id"]
            assert other.get(f"cohorts/{cohort['id']}")["digest"] == cohort["digest"]
            assert other.post("datasets/" + registered["id"] + "/withdraw", {"reason": "tried"})["withdrawn"] is True


def test_a_copy_goes_on_where_it_was_broken_off(
    tmp_path: Path, client: Client, registered: dict[str, Any], catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.close()

    def broken(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("api.copying.copy_tree", broken)
        with pytest.raises(KeyboardInterrupt):
            copy(Order(source=catalog, target=tmp_path / "copy"))
    assert (tmp_path / "copy" / UNFINISHED).is_file()
    with pytest.raises(ConflictError, match="another copy"):
        copy(Order(source=catalog, target=tmp_path / "copy", search_url="sql:"))
    assert copy(Order(source=catalog, target=tmp_path / "copy"))["equal"] is True
    assert not (tmp_path / "copy" / UNFINISHED).exists()


def test_a_source_that_goes_on_is_not_called_copied(tmp_path: Path, catalog: Path) -> None:
    source = open_catalogue(catalog)
    note = Commit(principal=ME, action="note.write", changes=[Note(subject=ME)])
    written = iter([True])

    def tell(text: str) -> None:
        if text.startswith("Reading the copy") and next(written, False):
            source.repository.commit(note)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("catalog.transfer.BATCH", 1)
        with pytest.raises(ConflictError) as found:
            copy(Order(source=catalog, target=tmp_path / "copy"), tell)
    assert found.value.field == "SOURCE"
    done = copy(Order(source=catalog, target=tmp_path / "copy"))
    assert done["digests"]["entries"] == source.repository.sequence + 1
    source.close()


def test_a_copy_that_differs_is_not_called_done(tmp_path: Path, catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from catalog.backends.sqlite import SqliteRepository
    from ontology.errors import IntegrityError

    honest = SqliteRepository.records_since

    def forgetful(self: SqliteRepository, sequence: int, *, limit: int = 10_000) -> Any:
        found = honest(self, sequence, limit=limit)
        return found[1:] if self.directory.name == "copy" and sequence == -1 else found

    monkeypatch.setattr(SqliteRepository, "records_since", forgetful)
    with pytest.raises(IntegrityError, match="records"):
        copy(Order(source=catalog, target=tmp_path / "copy"))
    assert (tmp_path / "copy" / UNFINISHED).is_file()


# Search away --------------------------------------------------------------------------------------------------


@pytest.fixture
def degraded(
    tmp_path: Path, study: Path, search_line: Line, take_from_servers: Callable[[Path], None]
) -> Iterator[Client]:
    """A client of a catalogue whose search has just gone away."""
    directory = tmp_path / "catalog"
    create(directory, search_url=search_line.url)
    take_from_servers(directory)
    with Client(catalog=directory) as client:
        client.register_dataset(study)
        assert client.find_cohort(QUERY)["count"] == 2
        search_line.cut()
        yield client
        search_line.mend()


def test_everything_but_search_goes_on_without_it(degraded: Client, other_study: Path, search_line: Line) -> None:
    problem = refused(lambda: degraded.find_cohort(QUERY))
    assert (problem.status, problem.code) == (503, "backend-unavailable")
    assert "the catalogue itself works meanwhile" in str(problem.next_step)
    made = degraded.register_dataset(other_study)
    assert degraded.get(f"datasets/{made['id']}")["version"] == 1
    person = degraded.get(f"datasets/{made['id']}/participants")["items"][0]["id"]
    assert degraded.get(f"lineage/{person}", direction="up")["nodes"]
    assert degraded.request("GET", "/datasets", headers={"Accept": "text/html"}).status_code == 200
    state = degraded.get("status")
    assert state["search_applied"] is None
    assert state["engines"]["search"]["away"]
    assert degraded.get("terms/DOID:2377")["uses"] is None
    search_line.mend()
    assert degraded.find_cohort(QUERY)["count"] == 4
    assert degraded.get("status")["engines"]["search"]["version"]
    assert degraded.get("terms/DOID:2377")["uses"] == 4
    assert degraded.post("check")["valid"] is True


def test_ready_says_which_part_is_away_and_when_to_come_back(degraded: Client, search_line: Line) -> None:
    http = degraded._http
    answer = http.get("/ready")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"
    parts = answer.json()["parts"]
    assert (parts["repository"]["status"], parts["search"]["status"]) == ("pass", "fail")
    assert http.get("/ready", params={"part": "repository"}).status_code == 200
    assert http.get("/health").status_code == 200
    search_line.mend()
    assert http.get("/ready").json()["status"] == "pass"


def test_a_search_server_that_takes_no_writes_loses_nothing(
    tmp_path: Path,
    study: Path,
    other_study: Path,
    elasticsearch_url: str,
    take_from_servers: Callable[[Path], None],
) -> None:
    """As Elasticsearch does it when its disk passes the flood stage."""
    directory = tmp_path / "catalog"
    iri = create(directory, search_url=elasticsearch_url)["id"]
    take_from_servers(directory)
    indices = f"{elasticsearch_url}/sillage-{iri.removeprefix('urn:uuid:')}*/_settings"

    def block(on: bool | None) -> None:
        setting = {"index.blocks.read_only_allow_delete": on}
        wanted = {"expand_wildcards": "all"}
        httpx.put(indices, json=setting, params=wanted, timeout=PATIENCE_S).raise_for_status()

    with Client(catalog=directory) as client:
        client.register_dataset(study)
        assert client.find_cohort(QUERY)["count"] == 2
        block(True)
        try:
            client.register_dataset(other_study)
            problem = refused(lambda: client.find_cohort(QUERY))
            assert (problem.status, problem.code) in ((507, "storage-full"), (503, "backend-unavailable"))
            assert problem.next_step
        finally:
            block(None)
        assert client.find_cohort(QUERY)["count"] == 4
        assert client.post("check")["valid"] is True


def test_search_that_is_away_at_the_start_is_waited_for(
    tmp_path: Path, study: Path, search_line: Line, take_from_servers: Callable[[Path], None]
) -> None:
    directory = tmp_path / "catalog"
    create(directory, search_url=search_line.url)
    search_line.cut()
    with Client(catalog=directory) as client:
        client.register_dataset(study)
        assert refused(lambda: client.find_cohort(QUERY)).status == 503
        search_line.mend()
        take_from_servers(directory)
        assert client.find_cohort(QUERY)["count"] == 2


# The repository away ------------------------------------------------------------------------------------------


def test_a_repository_that_is_lost_in_the_middle_comes_back_with_all_that_was_acknowledged(
    tmp_path: Path, study: Path, repository_line: Line, take_from_servers: Callable[[Path], None]
) -> None:
    directory = tmp_path / "catalog"
    create(directory, repository_url=repository_line.url)
    take_from_servers(directory)
    with Client(catalog=directory) as client:
        made = client.register_dataset(study)
        before = client.get("status")["ledger_entries"]
        repository_line.cut()
        problem = refused(lambda: client.get(f"datasets/{made['id']}"))
        assert (problem.status, problem.code) == (503, "backend-unavailable")
        assert client.request("GET", "/health").status_code == 200
        away = client._http.get("/ready")
        assert away.status_code == 503
        assert away.json()["parts"]["repository"]["status"] == "fail"
        repository_line.mend()
        assert client.get(f"datasets/{made['id']}")["version"] == 1
        assert client.get("status")["ledger_entries"] >= before
        assert client.post("check")["valid"] is True


def test_a_repository_that_is_away_at_the_start_is_said_to_be(
    tmp_path: Path, repository_line: Line, take_from_servers: Callable[[Path], None]
) -> None:
    directory = tmp_path / "catalog"
    create(directory, repository_url=repository_line.url)
    take_from_servers(directory)
    repository_line.cut()
    ended = subprocess.run(
        [SILLAGE, "--catalog", str(directory), "serve", "--port", "0"], capture_output=True, text=True, timeout=240
    )
    repository_line.mend()
    assert ended.returncode == 5, ended.stderr
    assert "Traceback" not in ended.stderr
    assert repository_line.url in ended.stderr


def test_an_unknown_outcome_is_said_to_be_unknown(
    client: Client, registered: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = client._transport._app.state.catalogue  # type: ignore[union-attr]

    def lost(_: Commit) -> None:
        raise OutcomeUnknownError("the connection broke while the change was being written")

    monkeypatch.setattr(type(catalogue.repository), "commit", lambda self, commit: lost(commit))
    problem = refused(lambda: client.post(f"datasets/{registered['id']}/withdraw", {"reason": "tried"}))
    assert (problem.status, problem.code) == (500, "outcome-unknown")
    assert "Read the record" in str(problem.next_step)


# Rebuilding ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["embedded", "sql", "elasticsearch"])
def searched(
    request: pytest.FixtureRequest, tmp_path: Path, study: Path, take_from_servers: Callable[[Path], None]
) -> Iterator[Client]:
    """A client of a catalogue on each engine of search."""
    urls = {"sql": "sql:"}
    if request.param == "elasticsearch":
        urls["elasticsearch"] = request.getfixturevalue("elasticsearch_url")
    create(tmp_path / "catalog", search_url=urls.get(request.param))
    take_from_servers(tmp_path / "catalog")
    with Client(catalog=tmp_path / "catalog") as client:
        client.register_dataset(study)
        yield client


def test_questions_are_answered_while_the_index_is_rebuilt(searched: Client) -> None:
    assert searched.find_cohort(QUERY)["count"] == 2
    counts: list[int] = []
    errors: list[BaseException] = []
    ended = threading.Event()

    def ask() -> None:
        try:
            while not ended.is_set():
                counts.append(searched.find_cohort(QUERY)["count"])
        except BaseException as error:
            errors.append(error)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    for _ in range(4):
        searched.post("reindex")
    ended.set()
    for thread in asking:
        thread.join()
    assert errors == []
    assert set(counts) == {2}
    compared = searched.request("POST", "/api/v1/reindex", params={"check": True}).json()
    assert compared["problems"] == []
