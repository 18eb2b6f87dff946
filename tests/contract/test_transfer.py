"""A ledger handed from one store to another is the same ledger, and the store answers alike; between all backends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from catalog.backends.neo4j import Neo4jRepository
from catalog.backends.neo4j.removal import remove_catalogue
from catalog.backends.sqlite import SqliteRepository
from catalog.cohorts.identity import Identity, Statement, links_about, retracted
from catalog.cohorts.kinship import kinship
from catalog.commits import replay
from catalog.model import Commit, Erase, Note, Put, Withdraw
from catalog.repository import Entered, Repository, StoredBody
from catalog.transfer import digests
from ontology.errors import IntegrityError
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM, PART_OF
from provenance.ledger.keys import SigningKey

ME = "urn:uuid:00000000-0000-4000-8000-000000000001"
PAIRS = (("sqlite", "sqlite"), ("sqlite", "neo4j"), ("neo4j", "sqlite"))
"""A server holds the same ledger once."""


def do(repository: Repository, *changes: Any, **members: Any) -> None:
    repository.commit(Commit(**{"principal": ME, "action": "test.write", **members}, changes=changes))


def fill(repository: Repository) -> dict[str, str]:
    """Write everything that a ledger may hold: versions, files, aliases that moved, tombstones, notes, erasures."""
    ids = {name: new_iri() for name in ("dataset", "kept", "left", "erased", "early", "late", "scan", "gone")}
    files = [{"id": new_iri(), "path": f"sub-01/{name}.nii.gz", "sha256": name * 64, "size": 3} for name in "ab"]
    do(repository, Put(id=ids["dataset"], type="Dataset", document={"label": "A study"}, aliases=["doi:1", "doi:2"]))
    # One that is pointed at before it is there, so that names and records are met in another order.
    do(
        repository,
        Put(id=ids["early"], type="Entity", document={"label": "result"}, edges=[(DERIVED_FROM, ids["late"])]),
    )
    for name in ("kept", "left", "erased"):
        document = {"label": name, "dataset": ids["dataset"], "age": 30.5, "text": "é\u2028\U0001f600"}
        do(repository, Put(id=ids[name], type="Participant", document=document, edges=[(PART_OF, ids["dataset"])]))
    do(repository, Put(id=ids["late"], type="Entity", document={"label": "its source"}), reason="came later")
    scan = {"label": "scan", "dataset": ids["dataset"], "files": files}
    do(repository, Put(id=ids["scan"], type="Acquisition", document=scan, edges=[(PART_OF, ids["kept"])]))
    do(repository, Put(id=ids["scan"], type="Acquisition", document={**scan, "files": files[:1]}, aliases=["here"]))
    gone = {"label": "gone", "dataset": ids["dataset"], "files": [{**files[0], "id": new_iri()}]}
    do(repository, Put(id=ids["gone"], type="Acquisition", document=gone, edges=[(PART_OF, ids["erased"])]))
    do(repository, Put(id=ids["gone"], type="Acquisition", document={**gone, "label": "again"}))
    do(
        repository,
        Note(subject=ids["kept"], body={"asked": "TRUE"}),
        Note(subject=ids["kept"]),
        action="participant.read",
    )
    do(repository, Withdraw(id=ids["left"], document={"reason": "asked"}))
    do(repository, Put(id=ids["left"], type="Participant", document={"label": "back"}))
    do(repository, Erase(id=ids["erased"], document={"label": "erased"}), Erase(id=ids["gone"]), reason="consent")
    do(repository, Put(id=ids["dataset"], type="Dataset", document={"label": "A study"}, aliases=["doi:1"]))
    do(repository, Put(id=ids["early"], type="Entity", document={"label": "result"}, aliases=["doi:2"]))
    return ids


Pair = tuple[Repository, Repository]


def _made(backend: str, folder: Path, key: SigningKey, request: pytest.FixtureRequest, opened: ExitStack) -> Repository:
    made: Repository
    if backend == "sqlite":
        made = SqliteRepository.create(folder, name=key.name, key=key)
    else:
        url = request.getfixturevalue("neo4j_url")
        made = Neo4jRepository.create(url, folder, name=key.name, key=key)
        opened.callback(remove_catalogue, url, folder)
    opened.callback(made.close)
    return made


@pytest.fixture(params=PAIRS, ids="-to-".join)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Two empty repositories of one signing key."""
    key = SigningKey.generate(f"sillage/{uuid4()}")
    with ExitStack() as opened:
        source, target = request.param
        yield (
            _made(source, tmp_path / "source", key, request, opened),
            _made(target, tmp_path / "target", key, request, opened),
        )


@pytest.fixture
def source(pair: Pair) -> Repository:
    return pair[0]


@pytest.fixture
def target(pair: Pair) -> Repository:
    return pair[1]


def clean(repository: Repository) -> bool:
    return list(repository.check()) == []


def test_a_loaded_ledger_is_the_same_and_everything_follows_from_it(source: Repository, target: Repository) -> None:
    ids = fill(source)
    assert target.load(source.export()) == source.sequence
    assert digests(target) == digests(source)
    assert target.checkpoint() == source.checkpoint()
    assert clean(target)
    for type in ("Participant", "Acquisition", "Entity", "Dataset"):
        assert list(target.iterate(type)) == list(source.iterate(type))
    for name, id in ids.items():
        assert list(target.versions(id)) == list(source.versions(id)), name
        down = [repository.lineage(id, direction="down") for repository in (source, target)]
        assert [sorted(node.id for node in found.nodes) for found in down] == [
            sorted(node.id for node in down[0].nodes)
        ] * 2
    assert target.find_alias("doi:2") == ids["early"]


def test_who_is_one_person_in_the_source_is_so_in_the_target(source: Repository, target: Repository) -> None:
    one, two, three = (new_iri() for _ in range(3))
    for iri in (one, two, three):
        do(source, Put(id=iri, type="Participant", document={"label": "sub-01", "dataset": new_iri()}))
    for first, second in ((one, two), (two, three)):
        said = Statement(
            first=source.get(first),
            second=source.get(second),
            relation=Identity.SPECIALIZATION,
            basis="the same label",
            by=ME,
            time="2026-01-02T03:04:05Z",
        )
        do(source, said.put(new_iri()))
    wrong = next(links_about([three], source))
    do(source, retracted(wrong, time="2026-01-03T03:04:05Z", by=ME, reason="a mistake"))
    target.load(source.export())
    assert [link.document for link in links_about([one, two, three], target)] == [
        link.document for link in links_about([one, two, three], source)
    ]
    assert set(kinship([one, two, three], target).groups) == {tuple(sorted((one, two))), (three,)}
    assert target.get(wrong.id).document["retracted"]["reason"] == "a mistake"
    assert clean(target)


def test_a_loaded_store_goes_on(source: Repository, target: Repository) -> None:
    ids = fill(source)
    target.load(source.export())
    do(target, Put(id=ids["kept"], type="Participant", document={"label": "revised"}))
    do(target, Erase(id=ids["left"]))
    assert target.get(ids["kept"]).version == 2
    assert clean(target)


def test_a_load_that_broke_off_goes_on(source: Repository, target: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "BATCH", 4)
    fill(source)

    def breaking() -> Iterator[Entered]:
        for place, entered in enumerate(source.export()):
            if place == 10:
                raise ConnectionError("the line broke")
            yield entered

    with pytest.raises(ConnectionError):
        target.load(breaking())
    assert target.sequence == 7
    target.load(source.export(after=target.sequence))
    assert digests(target) == digests(source)
    assert clean(target)


def test_what_was_erased_between_two_tries_is_erased_there_too(source: Repository, target: Repository) -> None:
    ids = fill(source)
    target.load(source.export())
    do(source, Erase(id=ids["kept"], document={"label": "erased"}))
    target.load(source.export(after=target.sequence))
    assert digests(target) == digests(source)
    assert clean(target)


@pytest.mark.parametrize("damage", ["body", "order", "time"])
def test_a_ledger_that_was_tampered_with_is_not_taken(source: Repository, target: Repository, damage: str) -> None:
    fill(source)
    entered = list(source.export())
    third = entered[3]
    assert third.body is not None
    if damage == "body":
        entered[3] = Entered(third.entry, StoredBody(third.body.salt, third.body.body.replace(b"30.5", b"31.5")))
    elif damage == "order":
        entered[2:4] = reversed(entered[2:4])
    else:
        entered[3] = Entered(replace(third.entry, time="2000-01-01T00:00:00.000000Z"), third.body)
    with pytest.raises(IntegrityError):
        target.load(entered)
    assert target.sequence == -1


def test_digests_tell_what_differs(source: Repository, target: Repository) -> None:
    ids = fill(source)
    target.load(source.export())
    do(target, Put(id=ids["kept"], type="Participant", document={"label": "changed"}, aliases=["new"]))
    found = digests(source).differences(digests(target))
    assert found == ["entries", "root", "checkpoint", "bodies", "records", "edges", "aliases"]
