"""Pages by cursor: each participant that stays is given once, whoever writes meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.search.paging import Position, cursor_after, position_of
from catalog.search.query import Query, parse
from catalog.search.testing import World
from catalog.search.testing.backends import BACKENDS
from ontology.errors import InvalidRequestError

EVERYBODY = Query()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_each_participant_that_stays_as_it_is_comes_once(backend: str, seed: int, limit: int, tmp_path: Path) -> None:
    world = World(seed)
    index = BACKENDS[backend](tmp_path)
    index.catch_up(world.repository)
    at_first = {hit.id: (hit.dataset, hit.label) for hit in index.find(EVERYBODY, datasets=None, limit=1000).items}
    stayed, seen, cursor = set(at_first), list[str](), None
    while True:
        page = index.find(EVERYBODY, datasets=None, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        seen += [hit.id for hit in page.items]
        cursor = page.next
        if cursor is None:
            break
        world.change()
        index.catch_up(world.repository)
        now = {hit.id: (hit.dataset, hit.label) for hit in index.find(EVERYBODY, datasets=None, limit=1000).items}
        stayed &= {iri for iri in stayed if now.get(iri) == at_first[iri]}
    assert stayed <= set(seen)
    assert all(seen.count(iri) == 1 for iri in stayed)
    index.close()


@given(st.text(), st.text(), st.text())
def test_a_cursor_brings_back_its_position(dataset: str, label: str, iri: str) -> None:
    try:
        cursor = cursor_after(Position(dataset, label, iri), EVERYBODY)
    except UnicodeEncodeError:
        return
    assert position_of(cursor, EVERYBODY) == (dataset, label, iri)
    assert cursor.isascii()


@given(st.text())
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        position_of(text, parse("age = 3"))
