"""The graph itself: what a check finds in it, whose key opens it, which schema it has, how deep it can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from catalog.backends.neo4j import Neo4jRepository, migrations
from catalog.backends.neo4j.removal import remove_catalogue
from catalog.backends.testing import chain, clean, dataset, do, listed, participant
from catalog.model import Note, Put
from ontology.errors import BackendUnavailableError, ConflictError, NotFoundError
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM


@pytest.fixture
def repository(neo4j_url: str, tmp_path: Path) -> Iterator[Neo4jRepository]:
    made = Neo4jRepository.create(neo4j_url, tmp_path / "keys", name=f"store/{uuid4()}")
    yield made
    made.close()
    remove_catalogue(neo4j_url, tmp_path / "keys")


def fill(repository: Neo4jRepository) -> None:
    ds = dataset(files=[listed("a", b"a"), listed("b")])
    do(repository, Put(id=ds.id, type=ds.type, document=ds.document, aliases=["doi:10.1/x"]))
    do(repository, participant(ds.id), Note(subject="urn:x", body={"n": 1}))
    do(repository, *(Note(subject="urn:x") for _ in range(300)))
    do(repository, Put(id=ds.id, type=ds.type, document={"label": "no files"}, edges=[("x:y", "urn:z")]))


TAMPERINGS = {
    "an entry is edited": "MATCH (e:SillageEntry {catalog: $catalog, sequence: 2}) SET e.principal = 'urn:other'",
    "an entry is deleted": "MATCH (e:SillageEntry {catalog: $catalog, sequence: 2}) DELETE e",
    "the last entry is deleted": "MATCH (e:SillageEntry {catalog: $catalog, sequence: 303}) DELETE e",
    "an entry is added": "CREATE (:SillageEntry {catalog: $catalog, sequence: 304, time: '9', principal: 'x', "
    "action: 'x', subject: 'x'})",
    "a body is edited": "MATCH (e:SillageEntry {catalog: $catalog, sequence: 1}) SET e.body = e.salt",
    "a body is taken away": "MATCH (e:SillageEntry {catalog: $catalog, sequence: 0}) REMOVE e.body, e.salt",
    "a block is changed": "MATCH (b:SillageBlock {catalog: $catalog, number: 0}) SET b.root = b.root + b.root",
    "a block is added": "MATCH (b:SillageBlock {catalog: $catalog}) CREATE (:SillageBlock {catalog: $catalog, "
    "number: 1, root: b.root})",
    "the head is moved": "MATCH (c:SillageCatalog {catalog: $catalog}) SET c.size = 304 - 1",
    "the checkpoint is edited": "MATCH (c:SillageCatalog {catalog: $catalog}) SET c.note = c.note + 'x'",
    "a label is changed": "MATCH (n:SillageRecord {catalog: $catalog, type: 'Participant'}) SET n.label = 'x'",
    "a version is changed": "MATCH (n:SillageRecord {catalog: $catalog, type: 'Dataset'}) SET n.version = 1",
    "a date is changed": "MATCH (n:SillageRecord {catalog: $catalog, type: 'Dataset'}) SET n.created = '2020'",
    "a record is forgotten": "MATCH (n:SillageRecord {catalog: $catalog, type: 'Participant'}) REMOVE n:SillageRecord",
    "an edge is added": "MATCH (n:SillageRecord {catalog: $catalog, type: 'Dataset'}), "
    "(m:SillageRecord {catalog: $catalog, type: 'Participant'}) CREATE (n)-[:RESTS_ON {predicate: 'prov:used'}]->(m)",
    "an edge is hidden from lineage": "MATCH (n:SillageRecord {catalog: $catalog, type: 'Participant'})"
    "-[e:RESTS_ON]->(m) CREATE (n)-[:REFERS_TO {predicate: e.predicate}]->(m) DELETE e",
    "an alias is added": "MATCH (n:SillageRecord {catalog: $catalog, type: 'Dataset'}) "
    "CREATE (:SillageAlias {catalog: $catalog, name: 'x'})-[:NAMES]->(n)",
    "an alias names nothing": "CREATE (:SillageAlias {catalog: $catalog, name: 'x'})",
    "a file is changed": "MATCH (f:SillageFile {catalog: $catalog, label: 'a'}) SET f.sha256 = 'x'",
    "a file is deleted": "MATCH (f:SillageFile {catalog: $catalog, label: 'a'}) DETACH DELETE f",
    "a lock is taken away": "MATCH (l:SillageLock {catalog: $catalog, stripe: 3}) DELETE l",
}


@pytest.mark.parametrize("tampering", sorted(TAMPERINGS))
def test_a_check_finds_what_was_tampered_with(repository: Neo4jRepository, tampering: str) -> None:
    fill(repository)
    assert clean(repository)
    repository._database.alone(TAMPERINGS[tampering], catalog=repository._catalog)
    assert not clean(repository)


def test_a_catalogue_is_opened_by_its_own_key_only(repository: Neo4jRepository, neo4j_url: str, tmp_path: Path) -> None:
    again = Neo4jRepository.open(neo4j_url, tmp_path / "keys")
    assert again.name == repository.name
    again.close()
    with pytest.raises(NotFoundError):
        Neo4jRepository.open(neo4j_url, tmp_path / "nowhere")
    with pytest.raises(ConflictError):
        Neo4jRepository.create(neo4j_url, tmp_path / "keys", name=f"store/{uuid4()}")
    with pytest.raises(ConflictError):
        Neo4jRepository.create(neo4j_url, tmp_path / "other", name=repository.name)
    assert not (tmp_path / "other").exists()


def test_a_database_of_a_newer_release_is_refused(
    repository: Neo4jRepository, neo4j_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "MIGRATIONS", ())
    with pytest.raises(BackendUnavailableError, match="schema 1"):
        Neo4jRepository.open(neo4j_url, tmp_path / "keys")


def test_lineage_is_right_ten_thousand_derivations_deep_and_wide(repository: Neo4jRepository) -> None:
    names = chain(repository, 10_000)
    leaves = [Put(id=new_iri(), type="Entity", document={}, edges=[(DERIVED_FROM, names[0])]) for _ in range(2_000)]
    do(repository, *leaves)
    down = repository.lineage(names[0], direction="down")
    assert len(down.nodes) == 12_000
    assert len(down.edges) == 11_999
    depths = {node.id: node.depth for node in down.nodes}
    assert all(depths[name] == place for place, name in enumerate(names))
    assert {depths[leaf.id] for leaf in leaves} == {1}
    up = repository.lineage(names[-1], direction="up")
    assert [node.id for node in up.nodes] == names[::-1]
    near = repository.lineage(names[-1], direction="up", depth=9_000)
    assert (len(near.nodes), near.truncated) == (9_001, True)
    few = repository.lineage(names[-1], direction="up", limit=5_000)
    assert ([node.id for node in few.nodes], few.truncated) == (names[:-5_001:-1], True)
