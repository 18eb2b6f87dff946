"""Comparisons against brute force: element by element, cell by cell, member by member, in plain Python."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from executors.comparison import Tolerance, compare
from executors.comparison.images import dice, measure

NUMBERS = st.floats(width=64, allow_nan=True, allow_infinity=True)
SMALL = st.floats(min_value=0, max_value=10)
TOLERANCES = st.builds(Tolerance, relative=SMALL, absolute=SMALL)


def oracle(found: float, expected: float, tolerance: Tolerance) -> bool:
    """Say whether one number is near enough, as the documentation words it."""
    if math.isnan(found) or math.isnan(expected):
        return math.isnan(found) and math.isnan(expected)
    if math.isinf(found) or math.isinf(expected):
        return found == expected
    difference = abs(found - expected)
    return difference == 0 or difference <= tolerance.absolute + tolerance.relative * abs(expected)


@given(found=NUMBERS, expected=NUMBERS, tolerance=TOLERANCES)
def test_a_tolerance_is_what_it_says(found: float, expected: float, tolerance: Tolerance) -> None:
    assert tolerance.allows(found, expected) == oracle(found, expected, tolerance)
    assert tolerance.allows(expected, expected)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of one shape that are alike in many places."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4))
    expected = draw(hnp.arrays(np.float64, shape, elements=NUMBERS))
    other = draw(hnp.arrays(np.float64, shape, elements=NUMBERS))
    where = draw(hnp.arrays(np.bool_, shape))
    return np.where(where, expected, other), expected


@given(pair=pairs(), tolerance=TOLERANCES)
def test_arrays_are_measured_as_element_by_element(pair: tuple[np.ndarray, np.ndarray], tolerance: Tolerance) -> None:
    found, expected = pair
    known = measure(found, expected, tolerance)
    elements = list(zip(found.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert known.elements == len(elements)
    assert known.mismatched == sum(not oracle(there, wanted, tolerance) for there, wanted in elements)
    apart = [0.0 if oracle(a, b, Tolerance()) else abs(a - b) for a, b in elements]
    largest = max((math.inf if math.isnan(each) else each for each in apart), default=0.0)
    assert known.largest_absolute == largest
    assert known.largest_relative >= 0
    assert (known.largest_relative == 0) == (largest == 0)
    if known.at is not None:
        assert not oracle(float(found[tuple(known.at)]), float(expected[tuple(known.at)]), Tolerance())


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5), step=st.integers(-3, 3))
def test_whole_numbers_of_64_bits_are_told_apart(values: list[int], step: int) -> None:
    expected = np.array(values, dtype=np.int64)
    moved = [max(-(2**63), min(2**63 - 1, value + step)) for value in values]
    known = measure(np.array(moved, dtype=np.int64), expected, Tolerance(absolute=2))
    assert known.mismatched == sum(abs(a - b) > 2 for a, b in zip(moved, values, strict=True))


LABELS = hnp.arrays(np.uint8, (3, 4), elements=st.integers(0, 3))


@given(found=LABELS, expected=LABELS)
def test_dice_is_that_of_two_sets(found: np.ndarray, expected: np.ndarray) -> None:
    for label in range(5):
        a = {place for place, value in np.ndenumerate(found) if value == label}
        b = {place for place, value in np.ndenumerate(expected) if value == label}
        wanted = 2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0
        assert dice(found == label, expected == label) == wanted


LEAVES = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | NUMBERS | st.text(max_size=3)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def same(found: Any, expected: Any) -> bool:
    """Compare two documents exactly, as JSON means them."""
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(found, int | float) and isinstance(expected, int | float):
        return found == expected or (found != found and expected != expected)
    if type(found) is not type(expected):
        return False
    if isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, dict):
        return found.keys() == expected.keys() and all(same(found[name], expected[name]) for name in found)
    return bool(found == expected)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compared")


@given(found=DOCUMENTS, expected=DOCUMENTS)
def test_documents_are_the_same_when_they_say_the_same(folder: Path, found: Any, expected: Any) -> None:
    there, wanted = folder / "found.json", folder / "expected.json"
    there.write_text(json.dumps(found))
    wanted.write_text(json.dumps(expected))
    assert compare({"kind": "json"}, there, wanted).passed == same(found, expected)
    assert compare({"kind": "json"}, wanted, wanted).passed
    json.dumps(compare({"kind": "json"}, there, wanted).to_json(), allow_nan=False)


CELLS = st.sampled_from(["1", "1.0", "1.05", "2", "n/a", "", "nan", "inf", "-inf", "x", '"1"', "1e400"])


@given(found=st.lists(CELLS, max_size=4), expected=st.lists(CELLS, max_size=4), tolerance=TOLERANCES)
def test_tables_are_compared_cell_by_cell(
    folder: Path, found: list[str], expected: list[str], tolerance: Tolerance
) -> None:
    def near(a: str, b: str) -> bool:
        try:
            return a == b or oracle(float(a), float(b), tolerance)
        except ValueError:
            return False

    there, wanted = folder / "found.tsv", folder / "expected.tsv"
    for path, cells in ((there, found), (wanted, expected)):
        path.write_text("".join(f"{cell}\tkept\n" for cell in ["name", *cells]))
    rule = {"kind": "table", "columns": {"name": {"relative": tolerance.relative, "absolute": tolerance.absolute}}}
    verdict = compare(rule, there, wanted)
    assert verdict.passed == (len(found) == len(expected) and all(map(near, found, expected)))
    exact = compare({"kind": "table"}, there, wanted)
    assert exact.passed == (found == expected)
