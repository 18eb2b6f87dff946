"""Numbers that say how alike groups are: summaries, standardised differences, chi-square and Cramer's V.

Differences are in units of the spread, which does not grow with the number of people as a test statistic does
(Austin 2009, doi:10.1002/sim.3697); for categories they are Mahalanobis distances between proportions (Yang and
Dalton 2012, SAS Global Forum 335). Chi-square is Pearson's, without continuity correction; Cramer's V is uncorrected.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

SMALL_EXPECTED: Final = 5.0
"""Below this expected count the chi-square distribution is a poor guide (Cochran 1954)."""
_EPSILON: Final = 1e-14
_MAX_TERMS: Final = 10_000


def summary(numbers: Sequence[float]) -> dict[str, float | int | None]:
    """Return count, mean, standard deviation (n - 1) and quartiles (linear interpolation, R type 7) of numbers."""
    if not numbers:
        return dict.fromkeys(("mean", "sd", "min", "q1", "median", "q3", "max"), None)
    low, middle, high = statistics.quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else [numbers[0]] * 3
    return {
        "mean": statistics.fmean(numbers),
        "sd": statistics.stdev(numbers) if len(numbers) > 1 else None,
        "min": min(numbers),
        "q1": low,
        "median": middle,
        "q3": high,
        "max": max(numbers),
    }


def number_differences(groups: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Return the standardised mean difference of each pair of groups; None where it cannot be told."""
    return [
        {"between": [a, b], "smd": mean_difference(groups[a], groups[b])}
        for a, b in combinations(range(len(groups)), 2)
    ]


def mean_difference(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the difference of two means over the root of the mean variance; None without any spread to measure by."""
    if len(first) < 2 or len(second) < 2:
        return None
    difference = statistics.fmean(first) - statistics.fmean(second)
    spread = math.sqrt((statistics.variance(first) + statistics.variance(second)) / 2)
    if spread == 0:
        return 0.0 if difference == 0 else None
    return difference / spread


def category_differences(table: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """Return the standardised difference of each pair of rows of counts; never negative."""
    return [
        {"between": [a, b], "smd": proportion_difference(table[a], table[b])}
        for a, b in combinations(range(len(table)), 2)
    ]


def proportion_difference(first: Sequence[int], second: Sequence[int]) -> float | None:
    """Return the Mahalanobis distance between the proportions of two rows of counts.

    The last category is left out, as what remains of the others. None where a row is empty, or where a category
    tells the rows apart without any spread.
    """
    import numpy as np

    if not sum(first) or not sum(second):
        return None
    one, two = (np.array(row[:-1], dtype=float) / sum(row) for row in (first, second))
    difference = one - two
    if not difference.any():
        return 0.0
    spread = (np.diag(one) - np.outer(one, one) + np.diag(two) - np.outer(two, two)) / 2
    inverse = np.linalg.pinv(spread, hermitian=True)
    if not np.allclose(spread @ inverse @ difference, difference, atol=1e-9):
        return None
    return float(math.sqrt(max(0.0, float(difference @ inverse @ difference))))


def association(table: Sequence[Sequence[int]]) -> dict[str, Any] | None:
    """Return Pearson's chi-square of a table of counts, its p and Cramer's V; None where nothing can be compared."""
    rows = [row for row in table if sum(row)]
    columns = [column for column in zip(*rows, strict=True) if sum(column)]
    if len(rows) < 2 or len(columns) < 2:
        return None
    total = sum(map(sum, rows))
    expected = [[sum(row) * sum(column) / total for column in columns] for row in rows]
    observed = list(zip(*columns, strict=True))
    chi_square = sum(
        (o - e) ** 2 / e
        for seen, wanted in zip(observed, expected, strict=True)
        for o, e in zip(seen, wanted, strict=True)
    )
    freedom = (len(rows) - 1) * (len(columns) - 1)
    least = min(len(rows), len(columns)) - 1
    return {
        "chi_square": chi_square,
        "degrees_of_freedom": freedom,
        "p": chi_square_tail(chi_square, freedom),
        "cramers_v": math.sqrt(chi_square / (total * least)),
        "small_expected": min(map(min, expected)) < SMALL_EXPECTED,
    }


def chi_square_tail(value: float, degrees_of_freedom: int) -> float:
    """Return how probable a chi-square at least so large is (regularised upper incomplete gamma function)."""
    a, x = degrees_of_freedom / 2, value / 2
    if x <= 0:
        return 1.0
    factor = math.exp(-x + a * math.log(x) - math.lgamma(a))
    return max(0.0, 1.0 - factor * _series(a, x)) if x < a + 1 else min(1.0, factor * _fraction(a, x))


def _series(a: float, x: float) -> float:
    """Sum the lower function's series (NIST DLMF 8.11.4), which converges quickly for small x."""
    term = total = 1 / a
    for n in range(1, _MAX_TERMS):
        term *= x / (a + n)
        total += term
        if term < total * _EPSILON:
            break
    return total


def _fraction(a: float, x: float) -> float:
    """Evaluate the upper function's continued fraction (NIST DLMF 8.9.2) by Lentz's method."""
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    total = d
    for n in range(1, _MAX_TERMS):
        step = -n * (n - a)
        b += 2
        d = step * d + b or tiny
        c = b + step / c or tiny
        d = 1 / d
        total *= d * c
        if abs(d * c - 1) < _EPSILON:
            break
    return total
