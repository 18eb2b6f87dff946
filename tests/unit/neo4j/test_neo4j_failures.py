"""Servers that die, hang and come back: nothing acknowledged is lost, and no outcome is guessed."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from catalog.backends.neo4j import Neo4jRepository, write
from catalog.backends.testing import chain, clean, dataset, do, listed, participant
from catalog.model import Erase, Put, Record
from deploy.services.server import Server
from ontology.errors import BackendUnavailableError, NotFoundError, OutcomeUnknownError, SillageError
from ontology.identifiers import new_iri

CRASHES = int(os.environ.get("SILLAGE_TEST_SERVER_CRASHES", "2"))
PATIENCE_S = 240.0
SEED = int(os.environ.get("SILLAGE_TEST_SEED", "9162"))


@pytest.fixture
def repository(neo4j_server: Server, tmp_path: Path) -> Iterator[Neo4jRepository]:
    made = Neo4jRepository.create(neo4j_server.start(), tmp_path / "keys", name=f"failures/{uuid4()}")
    yield made
    made.close()


class Writers:
    """Threads that write until they are told to stop, and keep what they were told about each record."""

    def __init__(self, repository: Neo4jRepository, count: int) -> None:
        self._repository = repository
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write) for _ in range(count)]
        self.written: list[str] = []
        self.refused: list[str] = []
        self.unknown: list[str] = []
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Writers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def await_written(self, more_than: int = 0) -> bool:
        """Wait until more commits than so many are acknowledged; tell whether they are."""
        until = time.monotonic() + PATIENCE_S
        while len(self.written) <= more_than and time.monotonic() < until:
            time.sleep(0.01)
        return len(self.written) > more_than

    def _write(self) -> None:
        while not self._stop.is_set():
            put = dataset(files=[listed("a"), listed("b")])
            parts = [participant(put.id, f"sub-{n}") for n in range(3)]
            try:
                do(self._repository, put, *parts)
            except OutcomeUnknownError:
                self.unknown.append(put.id)
            except SillageError:
                self.refused.append(put.id)
                time.sleep(0.2)
            else:
                self.written.append(put.id)


@pytest.mark.timeout(600 + 600 * CRASHES)
def test_no_acknowledged_commit_is_lost_when_the_server_is_killed(
    neo4j_server: Server, repository: Neo4jRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "SETTLE_SECONDS", 2 * PATIENCE_S)
    chance = random.Random(SEED)
    kept = repository.checkpoint()
    for _ in range(CRASHES):
        with Writers(repository, 6) as writers:
            assert writers.await_written()
            time.sleep(chance.uniform(0.05, 0.4))
            neo4j_server.kill()
            time.sleep(chance.uniform(0, 2))
            neo4j_server.start()
            assert writers.await_written(len(writers.written)), "the same handle goes on once the server is back"
        there = {record.id for record in repository.iterate("Dataset")}
        assert set(writers.written) <= there
        assert there.isdisjoint(writers.refused), "what was said not to be written is not there"
        assert writers.unknown == [], "the server came back and could be asked"
        assert list(repository.check(checkpoint=kept)) == []
        kept = repository.checkpoint()


def _answered(repository: Neo4jRepository, iri: str) -> Record:
    """Ask until the server has come to itself."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return repository.get(iri)
        except BackendUnavailableError:
            if time.monotonic() > until:
                raise


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the driver's, of a broken greeting
def test_a_server_that_hangs_is_told_and_forgiven(neo4j_server: Server, repository: Neo4jRepository) -> None:
    put = dataset()
    do(repository, put)
    neo4j_server.pause()
    try:
        with pytest.raises(BackendUnavailableError) as caught:
            repository.get(put.id)
    finally:
        neo4j_server.resume()
    assert str(neo4j_server.url) in caught.value.detail
    assert _answered(repository, put.id).id == put.id


def test_a_server_that_is_away_is_named_without_secrets(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError) as caught:
        Neo4jRepository.create("bolt://ann:secret@127.0.0.1:9", tmp_path / "keys", name="away")
    assert "bolt://127.0.0.1:9" in caught.value.detail
    assert "secret" not in caught.value.detail
    assert caught.value.next_step()
    assert not (tmp_path / "keys").exists()


@pytest.fixture
def shared(neo4j_url: str, tmp_path: Path) -> Iterator[Neo4jRepository]:
    from catalog.backends.neo4j.removal import remove_catalogue

    made = Neo4jRepository.create(neo4j_url, tmp_path / "keys", name=f"failures/{uuid4()}")
    yield made
    made.close()
    remove_catalogue(neo4j_url, tmp_path / "keys")


def _broken() -> Exception:
    from neo4j.exceptions import ServiceUnavailable

    return ServiceUnavailable("the wire broke")


@pytest.mark.parametrize("after", [True, False])
def test_a_commit_whose_answer_was_lost_is_written_once(
    shared: Neo4jRepository, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    from neo4j import Transaction

    commit, breaks = Transaction.commit, iter([True])

    def break_once(self: Any) -> Any:
        if not next(breaks, False):
            return commit(self)
        if after:
            commit(self)
        else:
            self.rollback()
        raise _broken()

    monkeypatch.setattr(Transaction, "commit", break_once)
    put = dataset()
    done = do(shared, put)
    assert (done.first, done.last, done.versions) == (0, 0, {put.id: 1})
    assert (shared.sequence, shared.get(put.id).version) == (0, 1)
    assert clean(shared)


def test_an_outcome_that_cannot_be_asked_for_is_said_to_be_unknown(
    shared: Neo4jRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neo4j import Transaction

    commit = Transaction.commit

    def commit_and_break(self: Any) -> Any:
        commit(self)
        monkeypatch.setattr(shared._database, "writing", _raise)
        raise _broken()

    def _raise() -> Any:
        raise _broken()

    monkeypatch.setattr(write, "SETTLE_SECONDS", 0.3)
    with monkeypatch.context() as broken:
        broken.setattr(Transaction, "commit", commit_and_break)
        put = dataset()
        with pytest.raises(OutcomeUnknownError):
            do(shared, put)
    assert shared.get(put.id).version == 1


def test_an_outcome_is_asked_for_while_another_writes(shared: Neo4jRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another handle has moved the head meanwhile: the mark of the batch still tells."""
    from neo4j import Transaction

    commit, breaks = Transaction.commit, iter([True])
    other = Neo4jRepository(shared._database, catalog=shared._catalog, key=shared._key)

    def break_once(self: Any) -> Any:
        commit(self)
        if next(breaks, False):
            do(other, dataset())
            raise _broken()

    monkeypatch.setattr(Transaction, "commit", break_once)
    put = dataset()
    assert do(shared, put).last == 0
    assert shared.sequence == 1
    assert clean(shared)


def test_readers_see_whole_commits_only(shared: Neo4jRepository, neo4j_url: str, tmp_path: Path) -> None:
    first, stop = dataset("0", files=[listed("f")]), threading.Event()
    put = Put(id=first.id, type=first.type, document=first.document, edges=[("x:y", new_iri())])
    do(shared, put)
    file = put.document["files"][0]["id"]

    def read() -> int:
        seen = 0
        while seen == 0 or not stop.is_set():
            versions = shared.versions(put.id)
            assert [version.version for version in versions] == list(range(1, len(versions) + 1))
            record = shared.get(put.id)
            assert record.document["label"] == str(record.version - 1)
            assert len(shared.edges_from([put.id])) == 1
            assert shared.get(file).document["size"] >= record.version - 1
            last = shared.records_since(-1)[-1]
            assert last.sequence <= shared.sequence
            seen += 1
        return seen

    other = Neo4jRepository.open(neo4j_url, tmp_path / "keys")
    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for number in range(1, 40):
                listing = [{**put.document["files"][0], "size": number}]
                document = {"label": str(number), "files": listing}
                do(other, Put(id=put.id, type="Dataset", document=document, edges=[("x:y", new_iri())]))
        finally:
            stop.set()
        assert all(reader.result() > 0 for reader in readers)
    other.close()
    assert clean(shared)


def test_catalogues_of_one_database_do_not_see_each_other(
    shared: Neo4jRepository, neo4j_url: str, tmp_path: Path
) -> None:
    from catalog.backends.neo4j.removal import remove_catalogue

    other = Neo4jRepository.create(neo4j_url, tmp_path / "other", name=f"failures/{uuid4()}")
    try:
        names = chain(shared, 5)
        do(shared, Put(id=names[0], type="Entity", document={}, aliases=["same"]))
        assert other.sequence == -1
        assert other.list_records("Entity").total == 0
        assert other.find_alias("same") is None
        with pytest.raises(NotFoundError):
            other.lineage(names[0], direction="down")
        do(other, Put(id=names[0], type="Task", document={}, aliases=["same"]))
        do(other, Erase(id=names[0]))
        assert shared.get(names[0]).type == "Entity"
        assert len(shared.lineage(names[0], direction="down").nodes) == 5
        assert clean(shared)
        assert clean(other)
    finally:
        other.close()
        remove_catalogue(neo4j_url, tmp_path / "other")
    assert clean(shared)
    with pytest.raises(NotFoundError):
        Neo4jRepository.open(neo4j_url, tmp_path / "other")
