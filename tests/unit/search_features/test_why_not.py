"""Why an answer is small: conditions, pairs and single participants."""

from __future__ import annotations

import pytest

from catalog.search.conditions import all_of, text_of
from catalog.search.index import SearchIndex
from catalog.search.query import Query, parse
from catalog.search.removal import conjuncts, why_not
from catalog.search.testing import Questioner, World
from ontology.errors import NotFoundError


def test_conditions_are_what_must_hold_at_once() -> None:
    def texts(query: str) -> list[str]:
        return [text_of(part) for part in conjuncts(parse(query).root)]

    assert texts("a = 1 AND (b = 2 OR c = 3) AND NOT d = 4") == ["a = 1", "b = 2 OR c = 3", "NOT d = 4"]
    assert texts("NOT (a = 1 OR b IS NULL)") == ["NOT a = 1", "b IS NOT NULL"]
    assert texts("NOT (a = 1 OR NOT b = 2)") == ["NOT a = 1", "b = 2"]
    assert texts("a = 1") == ["a = 1"]
    assert texts("TRUE") == []


def test_numbers_are_those_of_the_queries_they_stand_for(index: SearchIndex, world: World) -> None:
    index.catch_up(world.repository)

    def count(*parts: str) -> int:
        return index.find(parse(" AND ".join(parts) or "TRUE"), datasets=None, limit=1).count

    parts = ["age > 3", "has(suffix = 'FLAIR' AND magnetic_field_strength >= 3)", "NOT sex IS NULL"]
    found = why_not(index, parse(" AND ".join(parts)), datasets=None)
    assert found.count == count(*parts)
    for at, removal in enumerate(found.conditions):
        assert removal.alone == count(parts[at])
        assert removal.without == count(*parts[:at], *parts[at + 1 :])
    flair, tesla = found.conditions[1].parts
    assert (flair.condition, flair.alone) == ("has(suffix = 'FLAIR')", count("has(suffix = 'FLAIR')"))
    assert flair.without == count(parts[0], "has(magnetic_field_strength >= 3)", parts[2])
    assert tesla.without == count(parts[0], "has(suffix = 'FLAIR')", parts[2])


def test_pairs_that_exclude_each_other(index: SearchIndex, world: World) -> None:
    index.catch_up(world.repository)
    found = why_not(index, parse("age IS NULL AND age > 3 AND has(TRUE)"), datasets=None)
    assert ("age IS NULL", "age > 3") in found.excluding
    assert all("age IS NULL" in pair or "age > 3" in pair for pair in found.excluding)


def test_how_each_participant_stands_agrees_with_the_answer(
    index: SearchIndex, world: World, questioner: Questioner
) -> None:
    index.catch_up(world.repository)
    everybody = index.members(parse("TRUE"), datasets=None)
    for _ in range(4):
        query = Query(all_of((questioner.query().root, parse("age > 3").root)))
        matching = set(index.members(query, datasets=None))
        for participant in everybody[:6]:
            standing = why_not(index, query, datasets=None, participant=participant).participant
            assert standing is not None
            assert (participant in matching) == (not standing.fails)
            for failure in standing.fails:
                only = parse(f"id = '{participant}' AND ({failure.condition})")
                assert index.find(only, datasets=None, limit=1).count == 0


def test_somebody_who_is_not_visible_is_not_there(index: SearchIndex, world: World) -> None:
    index.catch_up(world.repository)
    somebody = index.members(parse("TRUE"), datasets=None)[0]
    with pytest.raises(NotFoundError):
        why_not(index, parse("TRUE"), datasets=set(), participant=somebody)
