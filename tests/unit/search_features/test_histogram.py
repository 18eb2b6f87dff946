"""Histograms: edges that are round and stay, bins that hold each value once."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.model import Put
from catalog.search.histogram import MAX_BINS, edges_of, histogram
from catalog.search.index import Extent, SearchIndex
from catalog.search.query import parse
from catalog.search.testing import MemoryRepository, Questioner, World
from ontology.errors import InvalidRequestError

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def extent(low: float, high: float, *, whole: bool = False) -> Extent:
    return Extent(level="participant", low=low, high=high, whole=whole)


@pytest.mark.parametrize(
    ("low", "high", "whole", "first", "step"),
    [
        (18, 89, True, 15, 5),
        (1, 5, True, 1, 1),
        (0, 20, True, 0, 2),
        (0.1, 0.9, False, 0.1, 0.05),
        (-3, 300, True, -20, 20),
        (1.5, 7, False, 1.5, 0.5),
    ],
)
def test_edges_are_round(low: float, high: float, whole: bool, first: float, step: float) -> None:
    edges = edges_of(extent(low, high, whole=whole))
    assert edges[0] == first
    assert all(math.isclose(b - a, step) for a, b in pairwise(edges))


@given(low=NUMBERS, high=NUMBERS, bins=st.integers(1, MAX_BINS))
def test_edges_enclose_any_range(low: float, high: float, bins: int) -> None:
    low, high = sorted((low, high))
    edges = edges_of(extent(low, high), bins)
    assert edges[0] <= low
    assert edges[-1] >= high
    assert all(a < b for a, b in pairwise(edges)) or edges[0] == edges[-1] == low
    assert 2 <= len(edges) <= MAX_BINS + 2


@given(low=st.integers(-(10**6), 10**6), span=st.integers(0, 10**6), bins=st.integers(1, 50))
def test_edges_of_whole_numbers_are_whole(low: int, span: int, bins: int) -> None:
    edges = edges_of(extent(low, low + span, whole=True), bins)
    assert all(isinstance(edge, int) for edge in edges)
    assert edges[0] <= low <= low + span < edges[-1]


def test_each_bin_counts_those_of_whom_one_value_lies_in_it(index: SearchIndex) -> None:
    repository = MemoryRepository()
    ages: list[list[float | str]] = [[30], [34.5], [35], [29.999], [20, 60], [59], ["unknown"], [], [35, 36]]
    for number, found in enumerate(ages):
        said = {"age": [{"value": age, "original": str(age)} for age in found]}
        document = {"label": f"sub-{number}", "properties": said}
        repository.put(
            Put(id=f"urn:uuid:{number:08}-0000-4000-8000-000000000000", type="Participant", document=document)
        )
    index.catch_up(repository)
    drawn = histogram(index, parse("TRUE"), "Age", datasets=None, bins=10)
    assert (drawn.low, drawn.high, drawn.whole, drawn.missing) == (20, 60, False, 2)
    assert [(bin.low, bin.count) for bin in drawn.bins if bin.count] == [(20, 1), (25, 1), (30, 2), (35, 2), (55, 2)]
    for bin in drawn.bins:
        assert index.find(parse(bin.condition), datasets=None).count == bin.count
    fewer = histogram(index, parse("age > 34"), "age", datasets=None, bins=10)
    assert [(bin.low, bin.high) for bin in fewer.bins] == [(bin.low, bin.high) for bin in drawn.bins]
    assert sum(bin.count for bin in fewer.bins) == 6


def test_bins_and_conditions_agree_on_random_catalogues(
    index: SearchIndex, world: World, questioner: Questioner
) -> None:
    index.catch_up(world.repository)
    for name in ("age", "magnetic_field_strength", "note"):
        for _ in range(3):
            query, visible = questioner.query(), world.visible()
            drawn = histogram(index, query, name, datasets=visible, bins=7)
            for bin in drawn.bins:
                both = parse(f"({query.text}) AND {bin.condition}")
                assert index.find(both, datasets=visible, limit=1).count == bin.count, bin


def test_what_cannot_be_drawn(index: SearchIndex, world: World) -> None:
    index.catch_up(world.repository)
    empty = histogram(index, parse("TRUE"), "sex", datasets=set())
    assert (empty.low, empty.bins, empty.missing) == (None, (), 0)
    with pytest.raises(InvalidRequestError) as refused:
        histogram(index, parse("TRUE"), "aeg", datasets=None)
    assert refused.value.field == "aeg"
    with pytest.raises(InvalidRequestError):
        histogram(index, parse("TRUE"), "age", datasets=None, bins=0)
