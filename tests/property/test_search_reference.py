"""The index answers random queries over random catalogues exactly as a brute-force reading of the documents does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from catalog.search.index import Hit
from catalog.search.query import Query, parse, parse_json
from catalog.search.sqlite import SqlIndex
from catalog.search.testing import FACETS, Reference, SmallTerms, World
from catalog.search.testing.reference import folded
from catalog.search.testing.terms import TERMS
from ontology.errors import InvalidRequestError

WORLDS = int(os.environ.get("SILLAGE_TEST_WORLDS", "25"))
QUERIES = 40
CURIES = {term.curie for term in TERMS.values()}


def reasons_of(hit: Hit) -> list[str]:
    return sorted(
        repr((r.condition, r.property, r.value, r.acquisition["id"] if r.acquisition else None))
        for r in hit.explanation
    )


def counts_of(values: Any) -> dict[Any, int]:
    literals = [(v.value, v.count) for v in values]
    return {folded(v) if isinstance(v, str) and v not in CURIES else v: count for v, count in literals}


def compare(index: SqlIndex, world: World, query: Query, visible: set[str] | None) -> None:
    reference = Reference(world.documents, visible)
    try:
        found = index.find(query, datasets=visible, facets=FACETS, explain=True, limit=1000)
    except InvalidRequestError as error:
        unknown = str(error.field)
        if unknown not in ("note", "nested.part") or reference.says(unknown):
            raise
        return
    expected = reference.answer(query)
    assert {hit.id for hit in found.items} == set(expected), query.text
    assert found.count == len(expected)
    assert index.members(query, datasets=visible) == sorted(expected)
    for hit in found.items:
        assert reasons_of(hit) == sorted(map(repr, expected[hit.id])), query.text
    for name, values in found.facets.items():
        facet = {
            folded(k) if isinstance(k, str) and k not in CURIES else k: v
            for k, v in reference.facet(name, set(expected)).items()
        }
        assert counts_of(values) == facet, (query.text, name)


@pytest.mark.parametrize("seed", range(WORLDS))
def test_random_queries_have_the_answers_of_the_reference(seed: int, tmp_path: Path) -> None:
    world = World(seed)
    index = SqlIndex.open(tmp_path / "search.sqlite", SmallTerms())
    index.catch_up(world.repository)
    for _ in range(QUERIES):
        query = world.query()
        assert parse(query.text).text == query.text
        assert parse_json(query.json).text == query.text
        compare(index, world, query, world.visible())
    index.close()


@pytest.mark.parametrize("seed", range(WORLDS, WORLDS + 5))
def test_an_index_that_follows_each_write_equals_one_that_is_built_at_the_end(seed: int, tmp_path: Path) -> None:
    world = World(seed)
    follower = SqlIndex.open(tmp_path / "follower.sqlite", SmallTerms())
    for _ in range(30):
        follower.catch_up(world.repository)
        world.change()
    assert follower.catch_up(world.repository) == world.repository.sequence
    assert list(follower.check(world.repository)) == []
    rebuilt = SqlIndex.open(tmp_path / "rebuilt.sqlite", SmallTerms())
    rebuilt.rebuild(world.repository)
    assert follower.properties() == rebuilt.properties()
    for _ in range(QUERIES):
        query = world.query()
        try:
            expected = rebuilt.find(query, datasets=None, facets=FACETS, explain=True)
        except InvalidRequestError:
            continue
        assert follower.find(query, datasets=None, facets=FACETS, explain=True) == expected
    follower.close()
    rebuilt.close()
