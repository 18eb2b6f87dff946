"""What can be asked of the index: its properties, those that make good facets, and the range of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from catalog.search import overview
from catalog.search.elasticsearch.encoding import (
    DECIMAL,
    KINDS,
    SEPARATOR,
    coded,
    number_of,
    shown_field,
    shown_statement,
)
from catalog.search.elasticsearch.queries import PREFIX, Query, every_of, nested
from catalog.search.elasticsearch.scope import Scope
from catalog.search.index import Extent, PropertyInfo
from catalog.search.names import Level, canonical_name
from catalog.search.projection import Statement

_NAMES: Final = 60_000
_CANDIDATES: Final = (64, 1_024, 16_384)


def properties(scope: Scope) -> list[PropertyInfo]:
    """Return every property that visible records have, participants' first, then by name."""
    own = [info for level in Level for info in _own(scope, level)]
    return overview.in_order((*own, *_of_datasets(scope)))


def _own(scope: Scope, level: Level) -> Iterator[PropertyInfo]:
    """Yield what the records of a level say themselves, counted by one aggregation."""
    counts: dict[str, int] = {}
    kinds: dict[str, set[str]] = {}
    for term, count in _counted(scope, level, {"terms": {"field": PREFIX[level] + "present", "size": _NAMES}}):
        name, _, letters = term.partition(SEPARATOR)
        counts[name] = counts.get(name, 0) + count
        kinds.setdefault(name, set()).update(KINDS[letter] for letter in letters if letter in KINDS)
    for code, count in counts.items():
        name = scope.decoded(level, code)
        examples = _examples(scope, level, name)
        yield PropertyInfo(name=name, level=level, kinds=tuple(sorted(kinds[code])), count=count, examples=examples)


def _counted(scope: Scope, level: Level, values: Query) -> Iterator[tuple[str, int]]:
    """Yield the terms of an aggregation over the visible records of a level, each with the number of records."""
    if level is Level.PARTICIPANT:
        body: dict[str, Any] = {"query": scope.records(level), "size": 0, "aggs": {"values": values}}
        found = _asked(scope, body)["values"]
    else:
        visible = {"filter": every_of(scope.seen(level)), "aggs": {"values": values}}
        body = {"size": 0, "aggs": {"images": {"nested": {"path": "acquisitions"}, "aggs": {"visible": visible}}}}
        found = _asked(scope, body)["images"]["visible"]["values"]
    return ((bucket["key"], bucket["doc_count"]) for bucket in found["buckets"])


def _asked(scope: Scope, body: dict[str, Any]) -> Any:
    """Return the aggregations that a request asks for; each is asked once at a stamp."""
    kept, asked = scope.vocabulary.kept, repr(body)
    if asked not in kept:
        kept[asked] = scope.vocabulary.search(body)["aggregations"]
    return kept[asked]


def _of_datasets(scope: Scope) -> Iterator[PropertyInfo]:
    """Yield what records have from their datasets."""

    def count(level: Level, iris: Sequence[str]) -> int:
        inside: Query = {"terms": {PREFIX[level] + "dataset": sorted(iris)}}
        if level is Level.PARTICIPANT:
            aggs: Query = {"having": {"filter": every_of([{"term": {"live": True}}, inside])}}
            return int(_asked(scope, {"size": 0, "aggs": aggs})["having"]["doc_count"])
        aggs = {"images": {"nested": {"path": "acquisitions"}, "aggs": {"having": {"filter": inside}}}}
        return int(_asked(scope, {"size": 0, "aggs": aggs})["images"]["having"]["doc_count"])

    return overview.properties_of_datasets(scope.visible, count)


def _examples(scope: Scope, level: Level, name: str) -> tuple[str, ...]:
    """Return some values as a query may give them, of visible records only; of spellings of one value, the first."""
    field, start = shown_field(name), coded(name) + SEPARATOR
    found: dict[str, Statement] = {}
    for stop in _CANDIDATES:
        candidates = scope.vocabulary.enumerated(PREFIX[level] + field, start, stop=stop)
        found = _first_spellings(scope, level, name, scope.existing(level, field, candidates))
        if len(found) >= overview.EXAMPLES or len(candidates) < stop:
            break
    return tuple(dict.fromkeys(overview.example(found[facet]) for facet in sorted(found)[: overview.EXAMPLES]))


def _first_spellings(scope: Scope, level: Level, name: str, terms: Iterable[str]) -> dict[str, Statement]:
    """Return the first spelling of each of the first values, and of those that are filed under a digest alone."""
    found: dict[str, Statement] = {}
    several = 0
    for term in terms:
        shown = shown_statement(name, term)
        statement = shown or scope.read_long(level, name, term)
        if statement is None:
            continue
        several += statement.facet not in found and shown is not None
        if several > overview.EXAMPLES:
            break
        found[statement.facet] = min(statement, found.get(statement.facet, statement), key=lambda s: s.text or "")
    return found


def facet_properties(scope: Scope) -> list[PropertyInfo]:
    """Return the properties that divide participants into few groups; see :mod:`catalog.search.overview`."""

    def groups(info: PropertyInfo, most: int) -> int:
        found = set[str]()
        for facet in _facets(scope, Level(info.level), info.name):
            found.add(facet)
            if len(found) == most:
                break
        return len(found)

    return overview.facet_properties(properties(scope), groups)


def _facets(scope: Scope, level: Level, name: str) -> Iterator[str]:
    """Yield the groups into which any records, whether they may be seen or not, fall by a property."""
    field = PREFIX[level] + shown_field(name)
    start = coded(name) + SEPARATOR
    terms: list[str] = []
    for stop in _CANDIDATES:
        seen = len(terms)
        terms = scope.vocabulary.enumerated(field, start, stop=stop)
        for term in _of_anybody(scope, level, field, terms[seen:]):
            statement = shown_statement(name, term) or scope.read_long(level, name, term)
            if statement is not None:
                yield statement.facet
        if len(terms) < stop:
            return


def _of_anybody(scope: Scope, level: Level, field: str, terms: Iterable[str]) -> Iterator[str]:
    """Yield those of some terms that a record still has; the terms of documents that went stay for a while."""
    wanted = list(terms)
    inside: Iterator[Query] = ({"term": {field: term}} for term in wanted)
    queries = inside if level is Level.PARTICIPANT else map(nested, inside)
    yield from (term for term, there in zip(wanted, scope.vocabulary.exist(queries), strict=False) if there)


def extent(scope: Scope, name: str) -> Extent | None:
    """Return the range of a property's visible numbers, of participants first; None where it has none."""
    for level in (Level.PARTICIPANT, Level.ACQUISITION):
        code = coded(canonical_name(name, level))
        ever = scope.vocabulary.enumerated(PREFIX[level] + "numbers", code + SEPARATOR)
        low = next(scope.existing(level, "numbers", ever), None)
        if low is None:
            continue
        high = next(scope.existing(level, "numbers", reversed(ever)), low)
        fraction = {"wildcard": {PREFIX[level] + "present": {"value": f"{code}{SEPARATOR}*f*"}}}
        return Extent(level=level, low=_number(low), high=_number(high), whole=not scope.exists(level, fraction))
    return None


def _number(term: str) -> float:
    return number_of(term.partition(SEPARATOR)[2].partition(DECIMAL)[0])
