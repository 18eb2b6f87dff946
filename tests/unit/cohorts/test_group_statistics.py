"""Statistics of balance: against values worked out by hand and against SciPy."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.cohorts.group_statistics import (
    association,
    chi_square_tail,
    mean_difference,
    number_differences,
    proportion_difference,
    summary,
)

NUMBERS = st.lists(st.floats(-1e6, 1e6), max_size=40)


def test_a_summary_has_the_quartiles_of_r_type_7() -> None:
    found = summary([1, 2, 3, 4, 10])
    assert (found["min"], found["q1"], found["median"], found["q3"], found["max"]) == (1, 2, 3, 4, 10)
    assert found["mean"] == 4
    assert found["sd"] == pytest.approx(math.sqrt(12.5))
    assert summary([7.0])["sd"] is None
    assert set(summary([]).values()) == {None}


def test_differences_of_means_are_in_units_of_the_spread() -> None:
    assert mean_difference([1, 3], [2, 4]) == pytest.approx(-1 / math.sqrt(2))
    assert mean_difference([5, 5], [5, 5]) == 0
    assert mean_difference([5, 5], [6, 6]) is None
    assert mean_difference([5], [6, 7]) is None
    assert [d["between"] for d in number_differences([[1, 2], [3, 4], [5, 6]])] == [[0, 1], [0, 2], [1, 2]]


def test_a_difference_of_two_categories_is_that_of_proportions() -> None:
    p, q = 0.3, 0.6
    wanted = abs(p - q) / math.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    assert proportion_difference([30, 70], [60, 40]) == pytest.approx(wanted)
    assert proportion_difference([10, 20, 30], [20, 40, 60]) == 0
    assert proportion_difference([0, 0], [1, 2]) is None
    assert proportion_difference([5, 0], [0, 5]) is None  # told apart wholly, without any spread


def test_chi_square_and_cramers_v_by_hand() -> None:
    found = association([[10, 20], [30, 20]])
    assert found is not None
    assert found["chi_square"] == pytest.approx(5.3333333)
    assert found["degrees_of_freedom"] == 1
    assert found["cramers_v"] == pytest.approx(math.sqrt(5.3333333 / 80))
    assert found["p"] == pytest.approx(math.erfc(math.sqrt(5.3333333 / 2)))
    assert not found["small_expected"]
    assert association([[1, 2], [2, 1]])["small_expected"]  # type: ignore[index]
    assert association([[1, 2]]) is None
    assert association([[3, 0], [4, 0]]) is None


@pytest.mark.parametrize(("value", "freedom"), [(0.1, 1), (3.84, 1), (50, 40), (40, 50), (300, 20), (0.001, 7)])
def test_the_tail_of_chi_square_is_scipys(value: float, freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert chi_square_tail(value, freedom) == pytest.approx(float(stats.chi2.sf(value, freedom)), rel=1e-9, abs=1e-14)


@given(NUMBERS, NUMBERS)
def test_differences_are_opposite_when_groups_change_places(first: list[float], second: list[float]) -> None:
    there, back = mean_difference(first, second), mean_difference(second, first)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert there == pytest.approx(-back)


@given(st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=2, max_size=4))
def test_an_association_is_between_none_and_whole(table: list[list[int]]) -> None:
    found = association(table)
    if found is not None:
        assert -1e-9 <= found["cramers_v"] <= 1 + 1e-9
        assert 0 <= found["p"] <= 1
