"""The repository contract, over every backend: several handles, threads, backup, closing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from catalog.backends.testing import clean, dataset, do, listed, participant
from catalog.model import (
    Durability,
    Edge,
    Note,
    Put,
)
from catalog.repository import Repository
from ontology.errors import (
    BackendUnavailableError,
    ConflictError,
    UnsupportedError,
)
from ontology.identifiers import new_iri


def test_a_commit_is_seen_by_every_handle(store: Any) -> None:
    one, two = store.open(), store.open()
    if not one.capabilities.several_processes:
        pytest.skip("the backend does not declare several_processes")
    put = dataset()
    do(one, put)
    assert two.get(put.id) == one.get(put.id)
    do(two, Put(id=put.id, type="Dataset", document={"label": "by two"}))
    assert one.get(put.id).version == 2
    assert one.sequence == two.sequence == 1
    assert one.verifier_key() == two.verifier_key()


def test_everything_is_there_after_reopening(store: Any) -> None:
    one = store.open()
    put = dataset(files=[listed("a", b"a")])
    do(one, put)
    do(one, Note(subject=put.id), durability=Durability.PROCESS)
    checkpoint = one.checkpoint()
    one.close()
    two = store.open()
    assert two.get(put.id).document == put.document
    assert two.checkpoint() == checkpoint
    assert clean(two)


def test_threads_commit_and_read_at_once(repository: Repository) -> None:
    ds = dataset()
    do(repository, ds)
    stop = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not stop.is_set():
            page = repository.list_records("Participant", part_of=ds.id, limit=1000)
            assert page.total == len(page.items)
            seen.append(page.total)

    def write(n: int) -> list[str]:
        made = [participant(ds.id, f"sub-{n}-{m}") for m in range(5)]
        for put in made:
            do(repository, put, durability=Durability.FULL if n % 2 else Durability.PROCESS)
        return [put.id for put in made]

    with ThreadPoolExecutor(17) as pool:
        reader = pool.submit(read)
        try:
            written = [iri for made in pool.map(write, range(16)) for iri in made]
        finally:
            stop.set()
        reader.result()
    assert seen == sorted(seen)
    assert {record.id for record in repository.iterate("Participant")} == set(written)
    assert [entry.sequence for entry in repository.entries(limit=1000).items] == list(range(81))
    assert clean(repository)


def test_a_failing_commit_does_not_harm_those_beside_it(repository: Repository) -> None:
    do(repository, Put(id=new_iri(), type="Agent", document={}, aliases=["taken"]))

    def write(n: int) -> bool:
        aliases = ["taken"] if n % 3 == 0 else [f"free-{n}"]
        try:
            do(repository, Put(id=new_iri(), type="Agent", document={"n": n}, aliases=aliases))
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(write, range(90))) == [n % 3 != 0 for n in range(90)]
    assert repository.list_records("Agent", limit=1000).total == 61
    assert clean(repository)


def test_backup_as_declared(repository: Repository, tmp_path: Path) -> None:
    target = tmp_path / "backup.sqlite"
    do(repository, dataset())
    if not repository.capabilities.supports_backup:
        with pytest.raises(UnsupportedError):
            repository.backup(target)
        return
    repository.backup(target)
    assert target.stat().st_size > 0
    with pytest.raises(ConflictError):
        repository.backup(target)


def test_closing_twice_is_harmless_and_use_after_it_is_refused(repository: Repository) -> None:
    repository.close()
    repository.close()
    with pytest.raises(BackendUnavailableError):
        do(repository, dataset())
    with pytest.raises(BackendUnavailableError):
        repository.get(new_iri())


@pytest.mark.parametrize("hostile", ["'; DROP TABLE entry; --", '"', "\u2028", "𝔘", "a\\b", "%_", " ", "{}", "\x7f"])
def test_hostile_strings_are_only_strings(repository: Repository, hostile: str) -> None:
    iri = f"urn:x:{hostile}"
    file = {**listed(f"p/{hostile}"), "id": f"urn:f:{hostile}"}
    do(
        repository,
        Put(
            id=iri,
            type=f"T{hostile}",
            document={"label": hostile, hostile: hostile, "files": [file]},
            edges=[(f"x:{hostile}", f"urn:t:{hostile}")],
            aliases=[f"a:{hostile}"],
        ),
        action=f"a.{hostile}",
        principal=f"p:{hostile}",
        reason=hostile,
    )
    assert repository.get(iri).document["label"] == hostile
    assert repository.get(file["id"]).document["path"] == f"p/{hostile}"
    assert repository.find_alias(f"a:{hostile}") == iri
    assert repository.edges_from([iri]) == [Edge(iri, f"x:{hostile}", f"urn:t:{hostile}")]
    assert repository.list_records(f"T{hostile}").total == 1
    assert repository.entries(action=f"a.{hostile}", principal=f"p:{hostile}", subject=iri).total == 1
    assert clean(repository)
