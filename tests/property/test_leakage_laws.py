"""Leakage on random graphs: people under several records, families, models with ancestors, derived data."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import product
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.leakage.ancestry import Ancestry
from catalog.leakage.exposure import exposure_of
from catalog.leakage.people import Relation, ties_of
from catalog.model import Edge, Record
from catalog.repository import Repository

PEOPLE = 7
SCANS = 8
MODELS = 4


@dataclass
class Graph:
    """As much of a repository as leakage reads."""

    records: dict[str, Record] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def add(self, iri: str, type: str, **document: Any) -> str:
        self.records[iri] = Record(
            id=iri, type=type, version=1, created="", modified="", sequence=0, document={"label": iri, **document}
        )
        return iri

    def link(self, source: str, predicate: str, target: str) -> None:
        self.edges.append(Edge(source, predicate, target))

    def get_many(self, ids: Collection[str]) -> dict[str, Record]:
        return {iri: self.records[iri] for iri in ids if iri in self.records}

    def edges_from(self, ids: Collection[str], predicates: Collection[str]) -> list[Edge]:
        return [edge for edge in self.edges if edge.source in ids and edge.predicate in predicates]

    def edges_to(self, ids: Collection[str], predicates: Collection[str]) -> list[Edge]:
        return [edge for edge in self.edges if edge.target in ids and edge.predicate in predicates]


def value(text: str) -> list[dict[str, str]]:
    return [{"value": text, "original": text}]


@dataclass
class World:
    """A random catalogue; the oracle below knows it by these members, never by the graph."""

    graph: Graph
    guid: list[int | None]
    family: list[int | None]
    dataset: list[int]
    linked: set[tuple[int, int]]
    made_of: list[set[int]]
    owner: list[int | None]
    trained: list[set[int]]
    ancestors: list[set[int]]
    known: list[bool]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    some = st.one_of(st.none(), st.integers(0, 2))
    guid = draw(st.lists(some, min_size=PEOPLE, max_size=PEOPLE))
    family = draw(st.lists(some, min_size=PEOPLE, max_size=PEOPLE))
    dataset = draw(st.lists(st.integers(0, 1), min_size=PEOPLE, max_size=PEOPLE))
    linked = draw(st.sets(st.tuples(st.integers(0, PEOPLE - 1), st.integers(0, PEOPLE - 1)), max_size=3))
    # A scan is somebody's, or made of scans before it.
    owner = [draw(st.one_of(st.none(), st.integers(0, PEOPLE - 1))) for _ in range(SCANS)]
    made_of = [
        draw(st.sets(st.integers(0, at - 1), max_size=2)) if at and owner[at] is None else set() for at in range(SCANS)
    ]
    trained = [draw(st.sets(st.integers(0, PEOPLE - 1), max_size=2)) for _ in range(MODELS)]
    # Any ancestors, cycles among them: what the records say is walked and not believed to be a tree.
    ancestors = [draw(st.sets(st.integers(0, MODELS - 1), max_size=2)) - {at} for at in range(MODELS)]
    known = [draw(st.booleans()) for _ in range(MODELS)]
    graph = Graph()
    for at in range(PEOPLE):
        properties = {}
        if guid[at] is not None:
            properties["guid"] = value(f"g{guid[at]}")
        if family[at] is not None:
            properties["family_id"] = value(f"f{family[at]}")
        graph.add(f"p{at}", "Participant", dataset=f"d{dataset[at]}", properties=properties, sessions=[])
    for one, two in linked:
        graph.link(f"p{one}", "prov:alternateOf", f"p{two}")
    for at in range(SCANS):
        graph.add(f"s{at}", "Acquisition", participant=None if owner[at] is None else f"p{owner[at]}", files=[])
        for source in made_of[at]:
            graph.link(f"s{at}", "prov:wasDerivedFrom", f"s{source}")
    for at in range(MODELS):
        said = "known" if known[at] else "unknown"
        graph.add(f"m{at}", "Model", training_data=said, ancestors=[f"m{each}" for each in sorted(ancestors[at])])
        for person in trained[at]:
            graph.link(f"m{at}", "prov:wasDerivedFrom", f"p{person}")
    return World(graph, guid, family, dataset, linked, made_of, owner, trained, ancestors, known)


def closed(start: set[Any], onward: Any) -> set[Any]:
    """Return all that can be reached, by trying until nothing is new."""
    found = set(start)
    while more := {each for one in found for each in onward(one)} - found:
        found |= more
    return found


def same(world: World, among: set[int]) -> Any:
    """Return who is the same person as somebody: by links over anybody, by identifiers among those asked about."""

    def linked(at: int) -> set[int]:
        pairs = world.linked | {(two, one) for one, two in world.linked}
        return {two for one, two in pairs if one == at}

    records = {at: closed({at}, linked) for at in range(PEOPLE)}

    def onward(at: int) -> set[int]:
        mine = {world.guid[each] for each in records[at]} - {None}
        return {
            other
            for other in among
            if other in records[at] or mine & ({world.guid[each] for each in records[other]} - {None})
        }

    return onward, records


def kin(world: World, among: set[int]) -> Any:
    onward, records = same(world, among)

    def families(at: int) -> set[tuple[int, int]]:
        return {(world.dataset[each], f) for each in records[at] if (f := world.family[each]) is not None}

    return lambda at: onward(at) | {other for other in among if families(at) & families(other)}


def expected(world: World, model: int, people: set[int]) -> dict[int, Relation]:
    behind = closed({model}, lambda at: world.ancestors[at])
    seen = set().union(*(world.trained[at] for at in behind))
    found = {}
    for person in people:
        among = seen | {person}
        if person in seen:
            found[person] = Relation.PARTICIPANT
        elif closed({person}, same(world, among)[0]) & seen:
            found[person] = Relation.PERSON
        elif closed({person}, kin(world, among)) & seen:
            found[person] = Relation.FAMILY
    return found


@given(worlds(), st.integers(0, MODELS - 1), st.sets(st.integers(0, SCANS - 1), min_size=1))
@settings(max_examples=300)
def test_verdicts_are_those_of_brute_force(world: World, model: int, scans: set[int]) -> None:
    repository = cast("Repository", world.graph)
    models = {iri: record for iri, record in world.graph.records.items() if record.type == "Model"}
    ancestry = Ancestry(repository, lambda record: record.id if record.type == "Model" else None)

    def owners(at: int) -> set[int]:
        return {p for each in closed({at}, lambda s: world.made_of[s]) if (p := world.owner[each]) is not None}

    whose = ancestry.whose([f"s{at}" for at in scans])
    assert {iri: set(people) for iri, people in whose.items()} == {
        f"s{at}": {f"p{person}" for person in owners(at)} for at in scans
    }
    people = set().union(*(owners(at) for at in scans))
    names = sorted(f"p{at}" for at in people)
    exposure = exposure_of(f"m{model}", models, repository)
    found = exposure.findings(names, ties_of(names, repository))
    assert {each.participant: each.relation for each in found} == {
        f"p{at}": relation for at, relation in expected(world, model, people).items()
    }
    behind = closed({model}, lambda at: world.ancestors[at])
    assert set(exposure.unknown) == {f"m{at}" for at in behind if not world.known[at]}
    for each in found:
        links = [(int(one[1:]), int(two[1:])) for one, two in zip(each.chain, each.chain[1:], strict=False)]
        assert each.chain[-1] == f"m{model}"
        assert all(before in world.ancestors[after] for before, after in links)
        assert int(each.trained_on[1:]) in world.trained[int(each.chain[0][1:])]


def test_a_walk_reaches_templates_that_a_model_has_seen_and_says_whose_a_scan_is() -> None:
    graph = Graph()
    for name in ("a", "b"):
        graph.add(name, "Participant")
    graph.add("scan", "Acquisition", participant="a", files=[])
    graph.add("template", "Entity", participant=None, files=[])
    graph.add("warped", "Acquisition", participant="a", derived=True, files=[])
    graph.link("template", "prov:wasDerivedFrom", "b")
    for source, target in product(["warped"], ["scan", "template"]):
        graph.link(source, "prov:wasDerivedFrom", target)
    ancestry = Ancestry(cast("Repository", graph), lambda record: None)
    assert ancestry.whose(["warped"]) == {"warped": frozenset({"a"})}
    reach = ancestry.rests_on(["warped"])
    assert reach.people == {"a", "b"}
    assert reach.path("b") == ["b", "template", "warped"]
