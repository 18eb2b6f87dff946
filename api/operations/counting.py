"""Cohort queries of those who may only count some of what there is: the answer, its drawings, why it is small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from api.operations.small_counts import Scope, Scopes, merged_facet
from catalog.search.conditions import EVERYTHING, Condition, Has, text_of
from catalog.search.facets import FACET_VALUES
from catalog.search.histogram import BINS, Histogram, assembled, conditions_of, edges_of
from catalog.search.index import Answer, Extent, Terms
from catalog.search.query import Query
from catalog.search.removal import Removal, at_once, conjuncts, removed
from catalog.search.rollup import Ancestry, Property, arranged, level_of, terms_in_use

_ROUNDS: Final = 64
"""So often a range is narrowed; each time by what one bin is of it."""


def asked_of_all(scopes: Scopes, query: Query, names: Sequence[str]) -> None:
    """Put a query to everything at once and forget the answer, so that a mistake is told as to anybody.

    Raises:
        InvalidRequestError: A property or term is not known.
        AmbiguousError: A term means several things.
    """
    scopes.readable.index.find(query, datasets=scopes.datasets, facets=names, limit=1)


def counts_of(
    scopes: Scopes,
    readable: Answer,
    query: Query,
    *,
    facets: Sequence[str],
) -> dict[str, Any]:
    """Return the members of an answer that say how many: ``count``, ``facets``, and what of them is ``suppressed``.

    Args:
        scopes: Who is counted.
        readable: The answer from what may be read, with its facets.
        query: What was asked.
        facets: The properties to count by.
    """
    answers = [
        scope.index.find(
            scope.asked(query), datasets=scope.datasets, facets=[name for name in facets if scope.knows(name)], limit=1
        )
        for scope in scopes.counted
    ]
    told = sum(scope.told(answer.count) for scope, answer in zip(scopes.counted, answers, strict=True))
    merged = {
        name: merged_facet(scopes, [answer.facets.get(name, ()) for answer in (readable, *answers)])[:FACET_VALUES]
        for name in dict.fromkeys(facets)
    }
    number = scopes.number(readable.count + told)
    body = {**number, "total": number["count"], "facets": merged}
    if scopes.counted:
        least = max(scope.least for scope in scopes.counted)
        body["suppressed"] = {"readable": readable.count, **scopes.number(told), "minimum": least}
    return body


def histogram(scopes: Scopes, query: Query, name: str) -> dict[str, Any]:
    """Return a histogram; its range is that of what may be read, and of what enough participants have."""
    extent, bins = _extent(scopes, name)
    if extent is None:
        missing = sum(scope.count(query, [EVERYTHING])[0] for scope in scopes.every)
        empty = Histogram(level="participant", low=None, high=None, whole=False, missing=0, bins=())
        return empty.to_json() | {"missing": _member(scopes, missing)}
    edges = edges_of(extent, bins)
    conditions = conditions_of(name, extent, edges)
    numbers = scopes.numbers(query, conditions)
    body = assembled(extent, edges, conditions, numbers).to_json()
    drawn = [{**each, **scopes.number(told)} for each, told in zip(body["bins"], numbers, strict=False)]
    return body | {"missing": _member(scopes, numbers[-1]), "bins": drawn}


def _member(scopes: Scopes, told: int) -> int | None:
    """Return a number that stands alone; None where it is not told."""
    number: int | None = scopes.number(told)["count"]
    return number


def _extent(scopes: Scopes, name: str) -> tuple[Extent | None, int]:
    """Return a range that gives nobody away, and in how many bins to draw it."""
    everything = scopes.readable.index.extent(name, datasets=scopes.datasets)
    if everything is None:
        return None, BINS
    found = [scopes.readable.index.extent(name, datasets=scopes.readable.datasets)]
    bins = BINS
    for scope in scopes.counted:
        narrowed, fewer = _narrowed(scope, name)
        found.append(narrowed)
        bins = min(bins, fewer)
    ranges = [extent for extent in found if extent is not None and extent.level == everything.level]
    if not ranges:
        return None, BINS
    whole = all(extent.whole for extent in ranges)
    low, high = min(extent.low for extent in ranges), max(extent.high for extent in ranges)
    return Extent(level=everything.level, low=low, high=high, whole=whole), BINS if found[0] else bins


def _narrowed(scope: Scope, name: str) -> tuple[Extent | None, int]:
    """Return the range of numbers without its thin ends, and a number of bins of which some hold enough to be told.

    The lowest and the highest number are those of single participants. So bins that are not told of are cut off
    at both ends until none is left to cut.
    """
    extent, bins = scope.index.extent(name, datasets=scope.only or scope.datasets), BINS
    for _ in range(_ROUNDS):
        if extent is None:
            return None, BINS
        edges = edges_of(extent, bins)
        told = scope.count(Query(EVERYTHING), conditions_of(name, extent, edges)[:-1])
        kept = [at for at, number in enumerate(told) if number]
        if not kept and bins == 1:
            return None, BINS
        if not kept:
            bins //= 2
            continue
        low, high = edges[kept[0]], edges[kept[-1] + 1]
        if (low, high) == (edges[0], edges[-1]):
            return _between(extent, low, high), bins
        extent = _between(extent, low, high)
    return None, BINS


def _between(extent: Extent, low: float, high: float) -> Extent:
    """Return the range between two edges; of whole numbers the upper edge is not one of them."""
    return Extent(level=extent.level, low=low, high=max(low, high - 1) if extent.whole else high, whole=extent.whole)


def tree(scopes: Scopes, terms: Terms, query: Query, name: str) -> list[dict[str, Any]]:
    """Return a tree of terms; those that too few have are told only in what is above them."""
    knowing = [scope for scope in scopes.every if scope.knows(name)]
    used = [
        curie
        for scope in knowing
        for curie in terms_in_use(scope.index, scope.asked(query), name, datasets=scope.datasets)
    ]
    if not used:
        return []
    property = Property(name, level_of(scopes.readable.index, name, datasets=scopes.datasets))
    graph = Ancestry.of(used, terms)
    candidates = list(graph.above)
    conditions: list[Condition] = [property.under(graph.terms[curie]) for curie in candidates]
    conditions += [property.exactly(graph.terms[curie]) for curie in candidates]
    numbers = scopes.numbers(query, conditions)
    counts = dict(zip(candidates, zip(numbers, numbers[len(candidates) :], strict=False), strict=True))
    told = graph.limited_to({curie for curie, (count, _) in counts.items() if count}, counts)
    nodes = arranged(told, {curie: counts[curie] for curie in told.shown()})
    return [{**node.to_json(), "own": _member(scopes, node.own)} for node in nodes]


def why_not(scopes: Scopes, query: Query) -> dict[str, Any]:
    """Return what each condition takes away, as far as it is told; which exclude each other is not."""
    parts = conjuncts(query.root)
    found = [
        removed(scope.index, list(map(scope.adapted, parts)), datasets=scope.datasets, among=scope.among)
        for scope in scopes.every
    ]
    count = sum(scope.count(query, [EVERYTHING])[0] for scope in scopes.every)
    conditions = [_sum(scopes, part, [each[at] for each in found]) for at, part in enumerate(parts)]
    return {**scopes.number(count), "conditions": conditions, "excluding": []}


def _sum(scopes: Scopes, part: Condition, found: Sequence[Removal]) -> dict[str, Any]:
    """Return what one condition takes away; it is written as it was asked, and not as each scope knows it."""
    told = list(zip(scopes.every, found, strict=True))
    body: dict[str, Any] = {
        "condition": text_of(part),
        "alone": _member(scopes, sum(scope.told(removal.alone) for scope, removal in told)),
        "without": _member(scopes, sum(scope.told(removal.without) for scope, removal in told)),
    }
    inner = enumerate(at_once(part))
    parts = [_sum(scopes, Has(each), [removal.parts[at] for removal in found]) for at, each in inner]
    return body | ({"parts": parts} if parts else {})
