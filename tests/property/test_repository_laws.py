"""Laws of the repository: random histories against a model in a few dictionaries, lineage against brute force."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.backends.neo4j import Neo4jRepository
from catalog.backends.neo4j.removal import remove_catalogue
from catalog.backends.sqlite import SqliteRepository
from catalog.model import Change, Commit, Edge, Erase, MustBeAt, Note, Put, Withdraw
from catalog.repository import Repository
from ontology.errors import ConflictError, NotFoundError, RequirementFailedError, WithdrawnError
from ontology.namespaces import ASSOCIATED_WITH, DERIVED_FROM, LINEAGE, PART_OF, USED
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.keys import VerifierKey
from provenance.ledger.merkle import verify_consistency

IDS = [f"urn:uuid:00000000-0000-4000-8000-{n:012}" for n in range(6)]
FILES = [f"urn:uuid:ffffffff-0000-4000-8000-{n:012}" for n in range(5)]
NAMES = ["a", "b", "c"]

documents = st.fixed_dictionaries(
    {"label": st.text(st.characters(exclude_categories=["Cs"]), max_size=5)},
    optional={"dataset": st.sampled_from(IDS[:2]), "n": st.integers(-5, 5) | st.none() | st.floats(-1, 1)},
)


@st.composite
def puts(draw: st.DrawFn) -> Put:
    files = draw(st.lists(st.sampled_from(FILES), max_size=2, unique=True))
    document = draw(documents)
    if files:
        document["files"] = [{"id": file, "path": f"x/{file[-1]}", "sha256": None} for file in files]
    pairs = st.tuples(st.sampled_from([DERIVED_FROM, USED, PART_OF, ASSOCIATED_WITH]), st.sampled_from(IDS + FILES))
    return Put(
        id=draw(st.sampled_from(IDS)),
        type="Entity",
        document=document,
        edges=draw(st.lists(pairs, max_size=3)),
        aliases=draw(st.lists(st.sampled_from(NAMES), max_size=2)),
    )


changes = st.one_of(
    puts(),
    puts(),
    puts(),
    puts(),
    st.builds(Withdraw, id=st.sampled_from(IDS), document=st.just({"label": "withdrawn"})),
    st.builds(Erase, id=st.sampled_from(IDS), document=st.just({"label": "erased"})),
    st.builds(Note, subject=st.sampled_from(IDS), body=st.none() | documents),
)
parts = st.lists(changes, min_size=1, max_size=4)
requirements = st.builds(MustBeAt, st.sampled_from(IDS), st.integers(1, 3)).map(lambda one: [one])
seeds = st.integers(0, len(IDS)).map(
    lambda count: [([Put(id=iri, type="Entity", document={"label": iri[-1]})], []) for iri in IDS[:count]]
)
rest = st.lists(st.tuples(parts, st.just([]) | st.just([]) | st.just([]) | requirements), max_size=12)
histories = st.builds(lambda first, then: first + then, seeds, rest)


@dataclass
class Kept:
    """A record of the model."""

    versions: list[dict[str, Any] | None] = field(default_factory=list)
    state: str = "live"
    edges: set[tuple[str, str]] = field(default_factory=set)


class RefusedError(Exception):
    """The model says that a commit must fail."""


class Model:
    """What the contract says, said simply."""

    def __init__(self) -> None:
        self.records: dict[str, Kept] = {}
        self.names: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.entries = 0

    def copy(self) -> Model:
        other = Model()
        other.records = {k: Kept(list(r.versions), r.state, set(r.edges)) for k, r in self.records.items()}
        other.names, other.owners, other.entries = dict(self.names), dict(self.owners), self.entries
        return other

    def edges(self) -> set[Edge]:
        own = {Edge(iri, p, t) for iri, record in self.records.items() for p, t in record.edges}
        return own | {Edge(file, PART_OF, owner) for file, owner in self.owners.items()}

    def apply(self, change: Change) -> None:
        self.entries += 1
        if isinstance(change, Note):
            return
        record = self.records.get(change.id)
        if isinstance(change, Put):
            self._put(change, record)
        elif record is None:
            raise RefusedError
        else:
            self._bury(change, record)

    def _put(self, change: Put, record: Kept | None) -> None:
        if record is not None and record.state == "erased":
            raise RefusedError
        record = self.records.setdefault(change.id, Kept())
        record.versions.append(dict(change.document))
        record.state, record.edges = "live", set(change.edges)
        if any(self.names.get(name, change.id) != change.id for name in change.aliases):
            raise RefusedError
        self._rename(change.id, set(change.aliases))
        for file in change.document.get("files", ()):
            if self.owners.setdefault(file["id"], change.id) != change.id:
                raise RefusedError

    def _bury(self, change: Withdraw | Erase, record: Kept) -> None:
        last = record.versions[-1] or {}
        document = {**({"dataset": last["dataset"]} if "dataset" in last else {}), **change.document}
        erase = isinstance(change, Erase)
        if erase:
            record.versions = [None] * len(record.versions)
        record.versions.append(document)
        if erase or record.state == "erased":
            self._rename(change.id, set())
            record.state = "erased"
        else:
            record.state = "withdrawn"

    def _rename(self, iri: str, names: set[str]) -> None:
        self.names = {name: holder for name, holder in self.names.items() if holder != iri}
        self.names.update(dict.fromkeys(names, iri))

    def cyclic(self) -> bool:
        return any(edge.source in reach(self.edges(), edge.target, "up") for edge in self.edges() if lineage(edge))


def lineage(edge: Edge) -> bool:
    return edge.predicate in LINEAGE


def reach(edges: set[Edge], start: str, direction: str) -> dict[str, int]:
    """Return least distances by brute force."""
    depths, level = {start: 0}, {start}
    while level:
        if direction == "up":
            onward = {e.target for e in edges if lineage(e) and e.source in level}
        else:
            onward = {e.source for e in edges if lineage(e) and e.target in level}
        level = onward - depths.keys()
        depths.update(dict.fromkeys(level, max(depths.values()) + 1))
    return depths


@dataclass(frozen=True)
class Backend:
    """A backend over which the laws hold. ``thrift`` says how many times fewer examples one with a server gets."""

    make: Callable[[Path], Repository]
    remove: Callable[[Path], None] = lambda folder: None
    thrift: int = 1

    @contextmanager
    def repository(self) -> Iterator[Repository]:
        with tempfile.TemporaryDirectory() as folder:
            made = self.make(Path(folder) / "catalog")
            try:
                yield made
            finally:
                made.close()
                self.remove(Path(folder) / "catalog")

    def law(self, examples: int, *strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], None]:
        """Hold a law against examples, at once."""

        def hold(law: Callable[..., None]) -> None:
            settings(max_examples=max(3, examples // self.thrift), deadline=None)(given(*strategies)(law))()

        return hold


@pytest.fixture(scope="session", params=["neo4j", "sqlite"])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "sqlite":
        return Backend(lambda folder: SqliteRepository.create(folder, name="laws"))
    url = request.getfixturevalue("neo4j_url")
    return Backend(
        lambda folder: Neo4jRepository.create(url, folder, name=f"laws/{uuid4()}"),
        lambda folder: remove_catalogue(url, folder),
        thrift=4,
    )


def play(store: Repository, history: list[tuple[list[Change], list[MustBeAt]]]) -> Model:
    """Commit a history to the store and the model; both must accept and refuse the same."""
    model = Model()
    for part, needed in history:
        trial = model.copy()
        refused = any(
            requirement.id not in model.records or len(model.records[requirement.id].versions) != requirement.version
            for requirement in needed
        )
        try:
            for change in part:
                trial.apply(change)
            refused = refused or trial.cyclic()
        except RefusedError:
            refused = True
        commit = Commit(principal="urn:me", action="law.test", changes=part, requirements=needed)
        try:
            done = store.commit(commit)
        except (ConflictError, NotFoundError, RequirementFailedError):
            assert refused
        else:
            assert not refused
            assert (done.first, done.last) == (model.entries, trial.entries - 1)
            model = trial
    return model


def test_any_history_ends_as_the_model_says(backend: Backend) -> None:
    @backend.law(50, histories)
    def law(history: list[tuple[list[Change], list[MustBeAt]]]) -> None:
        with backend.repository() as store:
            model = play(store, history)
            assert store.sequence + 1 == model.entries == store.entries().total
            for iri in IDS:
                if iri not in model.records:
                    assert store.get_many([iri]).get(iri) is None
                    continue
                kept = model.records[iri]
                record = store.get(iri)
                assert (record.version, record.document) == (len(kept.versions), kept.versions[-1])
                assert record.withdrawn == (kept.state != "live")
                assert [v.document for v in store.versions(iri)] == [d or {} for d in kept.versions]
                for number, document in enumerate(kept.versions, 1):
                    if document is not None:
                        assert store.get(iri, version=number).document == document
                    else:
                        try:
                            raise AssertionError(store.get(iri, version=number))
                        except WithdrawnError:
                            pass
            listed = [record.id for record in store.iterate("Entity")]
            assert set(listed) == {iri for iri, kept in model.records.items() if kept.state == "live"}
            assert set(store.edges_from(IDS + FILES)) == set(store.edges_to(IDS + FILES)) == model.edges()
            assert {name: store.find_alias(name) for name in NAMES} == {n: model.names.get(n) for n in NAMES}
            assert {r.id for r in store.records_since(-1)} == set(model.records)
            assert list(store.check()) == []


def test_lineage_equals_brute_force(backend: Backend) -> None:
    @backend.law(25, histories, st.integers(0, 4), st.integers(1, 6))
    def law(history: list[Any], depth: int, limit: int) -> None:
        with backend.repository() as store:
            edges = play(store, history).edges()
            known = {edge.source for edge in edges} | {edge.target for edge in edges}
            for start in sorted(known):
                for direction in ("up", "down"):
                    expected = reach(edges, start, direction)
                    whole = store.lineage(start, direction=direction)
                    assert {node.id: node.depth for node in whole.nodes} == expected
                    inside = {e for e in edges if lineage(e) and e.source in expected and e.target in expected}
                    assert set(whole.edges) == inside
                    assert len(whole.edges) == len(inside)
                    near = store.lineage(start, direction=direction, depth=depth)
                    assert {n.id: n.depth for n in near.nodes} == {k: d for k, d in expected.items() if d <= depth}
                    assert near.truncated == (max(expected.values()) > depth)
                    few = store.lineage(start, direction=direction, limit=limit)
                    assert len(few.nodes) == min(limit, len(expected))
                    assert few.truncated == (len(expected) > limit)
                    assert [n.depth for n in few.nodes] == sorted(expected.values())[: len(few.nodes)]
                    names = {node.id for node in few.nodes}
                    assert set(few.edges) == {e for e in inside if e.source in names and e.target in names}


def test_pages_hold_each_item_once(backend: Backend) -> None:
    @backend.law(15, histories, st.integers(1, 5))
    def law(history: list[Any], limit: int) -> None:
        with backend.repository() as store:
            play(store, history)
            everything = [record.id for record in store.iterate("Entity")]
            seen: list[str] = []
            cursor = None
            while True:
                page = store.list_records("Entity", cursor=cursor, limit=limit)
                assert page.total == len(everything)
                seen += [record.id for record in page.items]
                cursor = page.next
                if cursor is None:
                    break
            assert seen == everything
            sequences: list[int] = []
            after = -1
            while True:
                entries = store.entries(after=after, limit=limit)
                sequences += [entry.sequence for entry in entries.items]
                if entries.next is None:
                    break
                after = int(entries.next)
            assert sequences == list(range(store.sequence + 1))


def test_each_checkpoint_begins_every_later_one(backend: Backend) -> None:
    @backend.law(15, histories)
    def law(history: list[Any]) -> None:
        with backend.repository() as store:
            key = VerifierKey.parse(store.verifier_key())
            heads = [Checkpoint.open(store.checkpoint(), key)]
            notes = []
            for part, _ in history:
                try:
                    store.commit(Commit(principal="urn:me", action="law.test", changes=part))
                except (ConflictError, NotFoundError):
                    continue
                heads.append(Checkpoint.open(store.checkpoint(), key))
                notes.append(store.checkpoint())
            last = heads[-1]
            for head in heads[1:]:
                proof = store.consistency_proof(head.size, last.size)
                assert verify_consistency(head.size, last.size, proof, first_root=head.root, second_root=last.root)
            for note in notes:
                assert list(store.check(checkpoint=note)) == []
