"""Every index answers random questions about random catalogues exactly as a brute-force reading of the documents does.

``SILLAGE_TEST_WORLDS`` makes it longer: so many catalogues, each asked forty questions in full and some in part.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.search.index import Answer, Hit, SearchIndex
from catalog.search.names import Level, well_known
from catalog.search.query import Query, parse, parse_json
from catalog.search.testing import FACETS, MEASURED, Questioner, Reference, World
from catalog.search.testing.backends import BACKENDS, ORACLE, Opener
from catalog.search.testing.facts import folded
from catalog.search.testing.terms import TERMS
from ontology.errors import InvalidRequestError

WORLDS = int(os.environ.get("SILLAGE_TEST_WORLDS", "20"))
QUESTIONS = 40
CURIES = {term.curie for term in TERMS.values()}
Visible = set[str] | None


def reasons_of(hit: Hit) -> list[str]:
    return sorted(
        repr((r.condition, r.property, r.value, r.acquisition["id"] if r.acquisition else None))
        for r in hit.explanation
    )


def counts_of(values: Any) -> dict[Any, int]:
    literals = [(v.value, v.count) for v in values]
    return {folded(v) if isinstance(v, str) and v not in CURIES else v: count for v, count in literals}


class Comparison:
    """One index and one catalogue."""

    def __init__(self, index: SearchIndex, world: World, oracle: SearchIndex | None) -> None:
        self.index, self.world, self.oracle = index, world, oracle
        self.asked = 0

    def ask(self, query: Query, visible: Visible) -> Answer | None:
        """Compare all that is said in answer to a query; None where it names what nobody has."""
        reference = Reference(self.world.documents, visible)
        facets = [name for name in FACETS if name in well_known(Level.ACQUISITION) or reference.says(name)]
        try:
            found = self.index.find(query, datasets=visible, facets=facets, explain=True, limit=1000)
        except InvalidRequestError as error:
            self.check_refusal(error, reference)
            return None
        expected = reference.answer(query)
        assert {hit.id for hit in found.items} == set(expected), query.text
        assert found.count == len(expected)
        assert self.index.members(query, datasets=visible) == sorted(expected)
        for hit in found.items:
            assert reasons_of(hit) == sorted(map(repr, expected[hit.id])), query.text
        for name in facets:
            facet = reference.facet(name, set(expected)).items()
            folded_facet = {folded(k) if isinstance(k, str) and k not in CURIES else k: v for k, v in facet}
            assert counts_of(found.facets[name]) == folded_facet, (query.text, name)
        if self.oracle is not None:
            said = self.oracle.find(query, datasets=visible, facets=facets, explain=True, limit=1000)
            assert found == said, query.text
        self.asked += 1
        return found

    def check_refusal(self, error: InvalidRequestError, reference: Reference) -> None:
        """Raise an error again that is not about a name that nobody has, or that has no unit of time."""
        name = str(error.field)
        if name != "height" and (name in well_known(Level.ACQUISITION) or reference.says(name)):
            raise error

    def count_each(self, query: Query, conditions: list[Query], visible: Visible) -> None:
        reference = Reference(self.world.documents, visible)
        hits = reference.answer(query).keys()
        try:
            counts = self.index.count_each(query, conditions, datasets=visible)
        except InvalidRequestError as error:
            self.check_refusal(error, reference)
            return
        assert counts == tuple(len(hits & reference.answer(condition).keys()) for condition in conditions)

    def select(self, query: Query, visible: Visible) -> None:
        reference = Reference(self.world.documents, visible)
        for person in self.world.people[:4]:
            try:
                found = self.index.select(query, participant=person, datasets=visible)
            except InvalidRequestError as error:
                self.check_refusal(error, reference)
                return
            assert found == reference.selected(query, person), (query.text, person)

    def overview(self, visible: Visible) -> None:
        """Compare what can be asked, and the ranges of numbers."""
        reference = Reference(self.world.documents, visible)
        infos = self.index.properties(datasets=visible)
        found = {(info.level, info.name): (set(info.kinds), info.count) for info in infos}
        assert found == reference.properties()
        assert [(i.level, i.name) for i in infos] == sorted(found, key=lambda key: (key[0] != "participant", key[1]))
        for name in MEASURED:
            extent = self.index.extent(name, datasets=visible)
            assert (extent and (extent.level, extent.low, extent.high)) == reference.extent(name), name
        if self.oracle is not None:
            assert infos == self.oracle.properties(datasets=visible)
            assert self.index.facet_properties(datasets=visible) == self.oracle.facet_properties(datasets=visible)
            ranges = [index.extent("age", datasets=visible) for index in (self.index, self.oracle)]
            assert ranges[0] == ranges[1]


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opener(backend: str) -> Opener:
    return BACKENDS[backend]


@pytest.fixture
def compared(backend: str, seed: int, tmp_path: Path) -> Iterator[Comparison]:
    """An index of a random catalogue, and beside it the oracle."""
    world = World(seed)
    index = BACKENDS[backend](tmp_path)
    (tmp_path / "oracle").mkdir()
    oracle = BACKENDS[ORACLE](tmp_path / "oracle") if backend != ORACLE else None
    for each in (index, oracle):
        if each is not None:
            each.catch_up(world.repository)
    yield Comparison(index, world, oracle)
    index.close()
    if oracle is not None:
        oracle.close()


@pytest.mark.parametrize("seed", range(WORLDS))
def test_random_questions_have_the_answers_of_the_reference(compared: Comparison, seed: int) -> None:
    world = compared.world
    questioner = Questioner(random.Random(seed))
    for number in range(QUESTIONS):
        query = questioner.query()
        assert parse(query.text).text == query.text
        assert parse_json(query.json).text == query.text
        visible = world.visible()
        compared.ask(query, visible)
        if number % 8 == 0:
            compared.count_each(query, [questioner.query() for _ in range(3)], visible)
            compared.select(questioner.on_acquisitions(), visible)
            compared.overview(visible)
    assert compared.asked > QUESTIONS / 4


@pytest.mark.parametrize("seed", range(WORLDS, WORLDS + 5))
def test_an_index_that_follows_each_write_equals_one_that_is_built_at_the_end(
    opener: Opener, seed: int, tmp_path: Path
) -> None:
    world, questioner = World(seed), Questioner(random.Random(seed))
    (tmp_path / "rebuilt").mkdir()
    follower, rebuilt = opener(tmp_path), opener(tmp_path / "rebuilt")
    for _ in range(30):
        follower.catch_up(world.repository)
        world.change()
    assert follower.catch_up(world.repository) == world.repository.sequence
    assert list(follower.check(world.repository)) == []
    rebuilt.rebuild(world.repository)
    assert follower.properties() == rebuilt.properties()
    for _ in range(QUESTIONS):
        query = questioner.query()
        try:
            expected = rebuilt.find(query, datasets=None, facets=["sex", "suffix"], explain=True)
        except InvalidRequestError:
            continue
        assert follower.find(query, datasets=None, facets=["sex", "suffix"], explain=True) == expected
    follower.close()
    rebuilt.close()
