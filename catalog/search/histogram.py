"""How the numbers of a property spread over an answer, in bins whose edges stay while somebody refines.

The edges come from the range of all visible values (:meth:`~catalog.search.index.SearchIndex.extent`), never from
the answer, so that two queries can be compared bin by bin.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from catalog.search.conditions import Between, Condition, Has, negation, text_of
from catalog.search.index import Extent, SearchIndex
from catalog.search.names import Level, canonical_name
from catalog.search.projection import whole
from catalog.search.query import Query
from ontology.errors import InvalidRequestError

BINS: Final = 20
MAX_BINS: Final = 200
_MANTISSAS: Final = (1, 2, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Numbers from ``low`` up to, but without, ``high``; the last bin has ``high`` too.

    Attributes:
        low: Lower edge.
        high: Upper edge.
        count: Participants of the answer of whom one value lies in the bin (at acquisition level: that have an
            acquisition of which one does). Someone with two values counts in two bins.
        condition: CQL2 text that asks for exactly those.
    """

    low: float
    high: float
    count: int
    condition: str

    def to_json(self) -> dict[str, Any]:
        """Return the bin as it goes over the wire."""
        return {"low": self.low, "high": self.high, "count": self.count, "condition": self.condition}


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """The numbers of a property in an answer.

    Attributes:
        level: Whose property it is: ``participant`` or ``acquisition``.
        low: First edge; None, like ``high``, where nothing visible has a number.
        high: Last edge.
        whole: Whether none of the numbers has a fraction.
        missing: Participants of the answer without a number.
        bins: In ascending order, without gaps.
    """

    level: str
    low: float | None
    high: float | None
    whole: bool
    missing: int
    bins: tuple[Bin, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the histogram as it goes over the wire."""
        return {
            "level": self.level,
            "low": self.low,
            "high": self.high,
            "whole": self.whole,
            "missing": self.missing,
            "bins": [each.to_json() for each in self.bins],
        }


def histogram(
    index: SearchIndex, query: Query, name: str, *, datasets: Collection[str] | None, bins: int = BINS
) -> Histogram:
    """Return how the numbers of a property spread over the answer to a query, in at most so many bins.

    Raises:
        InvalidRequestError: The property is not known, or ``bins`` is out of range.
        AmbiguousError: A term of the query means several things.
    """
    extent = index.extent(name, datasets=datasets)
    if extent is None:
        # Asking for the facet says what is wrong with the name, where something is.
        count = index.find(query, datasets=datasets, facets=[name], limit=1).count
        return Histogram(level=Level.PARTICIPANT, low=None, high=None, whole=False, missing=count, bins=())
    edges = edges_of(extent, bins)
    conditions = conditions_of(name, extent, edges)
    counts = index.count_each(query, [Query(each) for each in conditions], datasets=datasets)
    return assembled(extent, edges, conditions, counts)


def assembled(
    extent: Extent, edges: Sequence[float], conditions: Sequence[Condition], counts: Sequence[int]
) -> Histogram:
    """Return the histogram of these edges, given how many fulfil each of :func:`conditions_of`."""
    bins = tuple(
        Bin(low=low, high=high, count=count, condition=text_of(condition))
        for low, high, count, condition in zip(edges, edges[1:], counts, conditions, strict=False)
    )
    return Histogram(
        level=extent.level, low=edges[0], high=edges[-1], whole=extent.whole, missing=counts[-1], bins=bins
    )


def edges_of(extent: Extent, bins: int = BINS) -> tuple[float, ...]:
    """Return ascending edges around a range: multiples of 1, 2 or 5 times a power of ten.

    Of whole numbers the last edge lies beyond the highest, so that each bin of width one holds one number.

    Raises:
        InvalidRequestError: ``bins`` is out of range.
    """
    if not 1 <= bins <= MAX_BINS:
        raise InvalidRequestError(f"bins must be between 1 and {MAX_BINS}", field="bins")
    if extent.low == extent.high and not extent.whole:
        return (extent.low, extent.high)
    if bins == 1:  # no multiple reaches over both sides of zero
        first, *_, last = edges_of(extent, 2)
        return (first, last)
    exponent, at = _coarsest_below(extent, bins), 0
    while True:
        edges = _edges(extent, _MANTISSAS[at % 3], exponent + at // 3)
        if len(edges) <= bins + 1 or at > 3 * 700:  # two steps suffice, but for numbers at the end of the scale
            return tuple(whole(float(edge)) for edge in edges)
        at += 1


def _coarsest_below(extent: Extent, bins: int) -> int:
    """Return the power of ten at which to begin to look for a step."""
    span = extent.high / bins - extent.low / bins  # divided first, so that no range is infinite
    power = max(math.floor(math.log10(span)), -300) if span > 0 else 0
    return max(power, 0) if extent.whole else power


def _edges(extent: Extent, mantissa: int, exponent: int) -> list[float]:
    """Return the edges at multiples of ``mantissa * 10 ** exponent`` that enclose a range."""

    def edge(number: int) -> float:
        # Read as a decimal, 3 * 0.1 is 0.3.
        return float(f"{number * mantissa}e{exponent}")

    number = math.floor(extent.low / edge(1))
    while edge(number) > extent.low:
        number -= 1
    edges = [max(edge(number), -sys.float_info.max)]
    while edges[-1] < extent.high or (extent.whole and edges[-1] == extent.high) or len(edges) < 2:
        number += 1
        edges.append(edge(number))
        if len(edges) > MAX_BINS + 1 or math.isinf(edges[-1]):
            edges[-1] = max(extent.high, edges[-2])
            break
    return [low for low, high in pairwise(edges) if low < high] + edges[-1:]


def conditions_of(name: str, extent: Extent, edges: Sequence[float]) -> list[Condition]:
    """Return one condition per bin, and last the one that finds those without a number.

    That *one* value lies between two edges cannot be said by two comparisons, which two values may meet. It is said
    by ``BETWEEN`` with the last number before the upper edge: the whole number, or the IEEE 754 double.
    """
    level = Level(extent.level)
    canonical = canonical_name(name, level)
    uppers = [*(_before(edge, extent.whole) for edge in edges[1:-1]), edges[-1]]
    ranges = [Between(canonical, low, high) for low, high in zip(edges, uppers, strict=False)]
    anywhere = Between(canonical, edges[0], edges[-1])
    if level is Level.ACQUISITION:
        return [*(Has(each) for each in ranges), negation(Has(anywhere))]
    return [*ranges, negation(anywhere)]


def _before(edge: float, is_whole: bool) -> float:
    if is_whole and abs(edge) < 2**53:
        return whole(float(edge) - 1)
    return math.nextafter(edge, -math.inf)
