"""Queries in Elasticsearch's own language, joined without scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from catalog.search.elasticsearch.encoding import (
    SEPARATOR,
    boolean_term,
    fits,
    number_in,
    number_term,
)
from catalog.search.names import Level
from catalog.search.value_tests import Equal

Query = dict[str, Any]

EVERY: Final[Query] = {"match_all": {}}
NONE: Final[Query] = {"match_none": {}}
PREFIX: Final = {Level.PARTICIPANT: "", Level.ACQUISITION: "acquisitions."}
"""How the fields of a level begin."""
_MAX_TERMS: Final = 60_000


def has_name(level: Level, coded_name: str) -> Query:
    """Return the condition that a record has a value of a property."""
    return {"prefix": {PREFIX[level] + "present": coded_name + SEPARATOR}}


def every_of(parts: Sequence[Query]) -> Query:
    """Return the query that all of some queries hold, without scores."""
    kept = [part for part in parts if part != EVERY]
    return {"bool": {"filter": kept}} if kept else EVERY


def nested(query: Query, *, score: str = "none") -> Query:
    """Return the query for documents with an acquisition for which a query holds."""
    return {"nested": {"path": "acquisitions", "query": query, "score_mode": score}}


def opposite(query: Query) -> Query:
    """Return the query for all other documents."""
    if query in (EVERY, NONE):
        return NONE if query == EVERY else EVERY
    if is_opposite(query):
        inner: Query = query["bool"]["must_not"][0]
        return inner
    return {"bool": {"must_not": [query]}}


def any_of(queries: Iterable[Query]) -> Query:
    """Return the query that one of some queries holds."""
    found: list[Query] = []
    for query in queries:
        found += query["bool"]["should"] if is_any(query) else [query]
    found = [query for query in found if query != NONE]
    if EVERY in found:
        return EVERY
    if len(found) < 2:
        return found[0] if found else NONE
    return {"bool": {"should": found, "minimum_should_match": 1}}


def is_any(query: Query) -> bool:
    """Tell whether a query is made by :func:`any_of`."""
    return set(query.get("bool", ())) == {"should", "minimum_should_match"}


def is_opposite(query: Query) -> bool:
    """Tell whether a query is made by :func:`opposite`."""
    inside = query.get("bool", {})
    return set(inside) == {"must_not"} and len(inside["must_not"]) == 1


def depth(value: Any) -> int:
    """Return how deep the queries of a query nest."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return max(map(depth, value), default=0)
    return 0


def equal(prefix: str, code: str, test: Equal) -> list[Query]:
    """Return queries of which one holds where a value equals what a test asks for."""
    start = code + SEPARATOR
    forms = [start + form for form in sorted(test.forms)]
    written = {number for form in test.forms if (number := number_in(form)) is not None}
    numbers = [number_term(code, number) for number in sorted(written | test.numbers)]
    numbers += [boolean_term(code, value) for value in sorted(test.booleans)]
    return [
        among(prefix + "forms", forms),
        among(prefix + "texts", forms),
        among(prefix + "terms", [start + term for term in sorted(test.terms)]),
        among(prefix + "numbers", numbers),
    ]


def among(field: str, terms: Iterable[str]) -> Query:
    """Return the query that a field has one of some terms."""
    kept = [term for term in terms if fits(term)]
    parts = [kept[start : start + _MAX_TERMS] for start in range(0, len(kept), _MAX_TERMS)]
    return any_of({"terms": {field: part}} for part in parts)
