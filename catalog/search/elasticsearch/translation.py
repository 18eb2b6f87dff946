"""From a bound query to Elasticsearch's own: filters alone, no scores but where acquisitions are counted.

A test on values is a lookup of terms (:mod:`catalog.search.elasticsearch.encoding`). Elasticsearch takes at most 30
queries within each other, and a query may nest deeper; so *all of, one of which is any of* is one ``bool``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from catalog.search.binding import (
    All,
    AnyPart,
    Bound,
    CountAcquisitions,
    HasAcquisition,
    Opposite,
    Some,
)
from catalog.search.elasticsearch.encoding import (
    AFTER_SEPARATOR,
    DECIMAL,
    SEPARATOR,
    clipped,
    coded,
    like_wildcard,
    ordered,
    shown_field,
)
from catalog.search.elasticsearch.queries import (
    EVERY,
    NONE,
    PREFIX,
    Query,
    among,
    any_of,
    depth,
    equal,
    every_of,
    has_name,
    is_any,
    is_opposite,
    nested,
    opposite,
)
from catalog.search.elasticsearch.scope import Scope
from catalog.search.names import ANY, BUILT_IN, OF_DATASET, Level, built_in_names
from catalog.search.value_tests import (
    Below,
    Equal,
    NumberRange,
    Pattern,
    Present,
    Test,
    TextRange,
    Word,
    is_like,
)

_MAX_ACQUISITIONS: Final = 1 << 24
_PLAIN_PATTERN: Final = 100
_PLAIN_RUNS: Final = 6
_DIGITS: Final = "?" * 16


def participants(bound: Bound, scope: Scope) -> Query:
    """Return the query for all visible participants that fulfil a bound query."""
    return scope.records(Level.PARTICIPANT, _Translator(scope).condition(bound))


class _Translator:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def condition(self, bound: Bound, wanted: bool = True) -> Query:
        """Return the query for the records of which ``bound`` is as wanted; opposites are carried to the leaves."""
        match bound:
            case Opposite(part=part):
                return self.condition(part, not wanted)
            case All(parts=parts) if wanted:
                return _all_of([self.condition(part) for part in parts])
            case AnyPart(parts=parts) if not wanted:
                return _all_of([self.condition(part, False) for part in parts])
            case All(parts=parts) | AnyPart(parts=parts):
                return any_of(self.condition(part, wanted) for part in parts)
            case HasAcquisition(part=part):
                found = self.scope.records(Level.ACQUISITION, self.condition(part))
            case CountAcquisitions():
                found = self._count(bound)
            case Some():
                found = self._some(bound)
        return found if wanted else opposite(found)

    def _count(self, bound: CountAcquisitions) -> Query:
        n, op = bound.n, bound.op
        at_least = self._at_least
        match op:
            case ">=":
                return at_least(bound.part, n)
            case ">":
                return at_least(bound.part, n + 1)
            case "<":
                return opposite(at_least(bound.part, n))
            case "<=":
                return opposite(at_least(bound.part, n + 1))
            case _:
                more = opposite(at_least(bound.part, n + 1))
                exactly = every_of([at_least(bound.part, n), more])
                return opposite(exactly) if op == "<>" else exactly

    def _at_least(self, part: Bound, n: int) -> Query:
        """Return the query for documents with so many fulfilling acquisitions: each adds 1 to a score."""
        if n <= 0:
            return EVERY
        if n > _MAX_ACQUISITIONS:
            return NONE
        fulfilling = every_of([*self.scope.seen(Level.ACQUISITION), self.condition(part)])
        if n == 1:
            return nested(fulfilling)
        counted = nested({"constant_score": {"filter": fulfilling}}, score="sum")
        return {"function_score": {"query": counted, "min_score": n}}

    def _some(self, bound: Some) -> Query:
        level, name, test = bound.level, bound.property, bound.test
        if name in OF_DATASET and name in built_in_names(level):
            return among(PREFIX[level] + "dataset", map(clipped, self.scope.datasets_passing(name, test)))
        if name == ANY:
            return self._any_property(level, test)
        if name in BUILT_IN and isinstance(test, Present):
            return EVERY
        return any_of([*self._filed(level, name, test), self._long(level, name, test)])

    def _any_property(self, level: Level, test: Test) -> Query:
        return any_of(self._filed(level, ANY, test))

    def _long(self, level: Level, name: str, test: Test) -> Query:
        terms = [] if isinstance(test, Present) else self.scope.long_passing(level, name, test)
        return among(PREFIX[level] + shown_field(name), terms)

    def _filed(self, level: Level, name: str, test: Test) -> list[Query]:
        """Return queries of which one holds where a value that is filed by its terms passes a test."""
        prefix, code = PREFIX[level], coded(name)
        start = code + SEPARATOR
        match test:
            case Present():
                return [has_name(level, code)]
            case Equal():
                return equal(prefix, code, test)
            case NumberRange():
                return [_number_range(prefix + "numbers", start, test)]
            case TextRange():
                return [_text_range(prefix + ("dates" if test.dates else "texts"), start, test)]
            case Pattern(like=like):
                return self._like(level, code, like)
            case Below(terms=terms):
                return [among(prefix + "terms", (start + term for term in sorted(terms)))]
            case Word(word=word, prefix=True):
                return [{"prefix": {prefix + "words": start + word}}]
            case Word(word=word):
                return [among(prefix + "words", [start + word])]
            case _:
                raise TypeError(f"{test!r} is asked of datasets alone")

    def _like(self, level: Level, code: str, like: str) -> list[Query]:
        """Return queries for a pattern; one with very many wild cards is decided here, on the values that there are."""
        fields = {"forms": code + SEPARATOR, "texts": code + SEPARATOR, "numbers": code + SEPARATOR + _DIGITS + DECIMAL}
        if len(like) <= _PLAIN_PATTERN and like.count("%") <= _PLAIN_RUNS:
            pattern = like_wildcard(like)
            wild = {PREFIX[level] + field: start + pattern for field, start in fields.items()}
            return [{"wildcard": {field: {"value": value}}} for field, value in wild.items()]
        found: list[Query] = []
        for field in fields:
            filed_in = PREFIX[level] + field
            terms = self.scope.vocabulary.enumerated(filed_in, code + SEPARATOR)
            found.append(among(filed_in, [term for term in terms if is_like(_form(field, term), like)]))
        return found


def _all_of(queries: Sequence[Query]) -> Query:
    """Return the query that all of some queries hold; the deepest of alternatives among them costs no level."""
    if NONE in queries:
        return NONE
    joined: dict[str, Any] = {}
    alternatives = sorted(filter(is_any, queries), key=depth)
    if alternatives:
        joined |= alternatives.pop()["bool"]
    plain = [query for query in queries if not is_any(query) and query != EVERY]
    required = [query for query in plain if not is_opposite(query)] + alternatives
    excluded = [query["bool"]["must_not"][0] for query in plain if is_opposite(query)]
    if required:
        joined["filter"] = required
    if excluded:
        joined["must_not"] = excluded
    return {"bool": joined} if joined else EVERY


def _number_range(field: str, start: str, test: NumberRange) -> Query:
    """Return the range between two numbers; behind each number stands its decimal form."""
    bounds = {"gte": start, "lt": start[:-1] + AFTER_SEPARATOR}
    if test.low is not None:
        bounds["gte"] = start + ordered(test.low) + ("" if test.low_included else chr(ord(DECIMAL) + 1))
    if test.high is not None:
        bounds["lt"] = start + ordered(test.high) + (chr(ord(DECIMAL) + 1) if test.high_included else "")
    return {"range": {field: bounds}}


def _text_range(field: str, start: str, test: TextRange) -> Query:
    bounds = {"gte": start, "lt": start[:-1] + AFTER_SEPARATOR}
    if test.low is not None:
        del bounds["gte"]
        bounds["gte" if test.low_included else "gt"] = start + test.low
    if test.high is not None:
        del bounds["lt"]
        bounds["lte" if test.high_included else "lt"] = start + test.high
    return {"range": {field: bounds}}


def _form(field: str, term: str) -> str:
    _, _, form = term.partition(SEPARATOR)
    return form.partition(DECIMAL)[2] if field == "numbers" else form
