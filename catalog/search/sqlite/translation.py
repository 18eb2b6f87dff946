# ruff: noqa: S608  fragments are constants of this module; values are bound parameters
"""From a bound query to SQL: every value is a bound parameter, every name one of the schema's.

The form is plain: a record has a statement that passes a test, in a subquery over the links by statement; ``has``
is a subquery over acquisitions. It is the oracle of faster indexes, so it stays easy to read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from catalog.search.binding import (
    All,
    AnyPart,
    Bound,
    CountAcquisitions,
    HasAcquisition,
    Opposite,
    Some,
)
from catalog.search.names import ANY, BUILT_IN, OF_DATASET, Level, built_in_names
from catalog.search.sqlite.scope import Scope
from catalog.search.value_tests import Below, Equal, NumberRange, Pattern, Present, Test, TextRange, Word

_ALIAS = {Level.PARTICIPANT: "p", Level.ACQUISITION: "a"}
_LINK = {
    Level.PARTICIPANT: ("participant_statement", "participant"),
    Level.ACQUISITION: ("acquisition_statement", "acquisition"),
}
_COLUMNS = {
    "id": ("{0}.iri", "substr({0}.iri, 10)"),
    "label": (
        "{0}.folded",
        "CASE WHEN substr({0}.folded, 1, 4) = 'sub-' THEN substr({0}.folded, 5) ELSE 'sub-' || {0}.folded END",
    ),
}
"""The texts to which a built-in property answers."""


@dataclass(frozen=True, slots=True)
class Sql:
    """A fragment and its parameters, in order."""

    text: str
    parameters: tuple[Any, ...] = ()

    def __add__(self, other: Sql | str) -> Sql:
        """Return the two joined by a space."""
        end = other if isinstance(other, Sql) else Sql(other)
        return Sql(f"{self.text} {end.text}", self.parameters + end.parameters)


TRUE = Sql("1")
FALSE = Sql("0")


def participants(bound: Bound, scope: Scope) -> Sql:
    """Return a SELECT of the keys of all visible participants that fulfil a bound query."""
    visible = Sql(*scope.condition("p.dataset"))
    condition = _Translator(scope).condition(bound)
    return Sql("SELECT p.key FROM participant p WHERE p.live = 1 AND") + visible + "AND" + condition


def acquisitions(bound: Bound, scope: Scope) -> Sql:
    """Return a SELECT of key, participant, IRI and label of all visible acquisitions that fulfil a bound condition."""
    visible = Sql(*scope.condition("a.dataset"))
    condition = _Translator(scope).condition(bound)
    return Sql("SELECT a.key, a.participant, a.iri, a.label FROM acquisition a WHERE") + visible + "AND" + condition


class _Translator:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def condition(self, bound: Bound) -> Sql:
        match bound:
            case All(parts=parts):
                return self._joined(parts, "AND", TRUE)
            case AnyPart(parts=parts):
                return self._joined(parts, "OR", FALSE)
            case Opposite(part=part):
                return Sql("NOT") + self.condition(part)
            case HasAcquisition(part=part):
                return Sql("p.key IN (SELECT a.participant FROM acquisition a WHERE") + self._fulfilling(part) + ")"
            case CountAcquisitions():
                return self._count(bound)
            case Some():
                return self._some(bound)

    def _joined(self, parts: tuple[Bound, ...], word: str, none: Sql) -> Sql:
        if not parts:
            return none
        joined = self.condition(parts[0])
        for part in parts[1:]:
            joined = joined + word + self.condition(part)
        return Sql("(") + joined + ")"

    def _fulfilling(self, part: Bound) -> Sql:
        visible = Sql(*self.scope.condition("a.dataset"))
        return Sql("a.participant IS NOT NULL AND") + visible + "AND" + self.condition(part)

    def _count(self, bound: CountAcquisitions) -> Sql:
        """Where no acquisition at all would do, exclude the participants with a wrong number instead."""
        grouped = Sql("(SELECT a.participant FROM acquisition a WHERE") + self._fulfilling(bound.part)
        grouped += "GROUP BY a.participant HAVING"
        compared = Sql(f"COUNT(*) {bound.op} ?", (bound.n,))
        if bound.holds(0):
            return Sql("p.key NOT IN") + grouped + "NOT" + compared + ")"
        return Sql("p.key IN") + grouped + compared + ")"

    def _some(self, bound: Some) -> Sql:
        alias = _ALIAS[bound.level]
        if bound.property in OF_DATASET and bound.property in built_in_names(bound.level):
            passing = self.scope.datasets_passing(bound.property, bound.test)
            return Sql(f"COALESCE({alias}.dataset, 0) IN (SELECT value FROM json_each(?))", (passing,))
        if bound.property in BUILT_IN:
            return _on_columns([column.format(alias) for column in _COLUMNS[bound.property]], bound.test)
        table, record = _LINK[bound.level]
        if bound.property == ANY and isinstance(bound.test, Word):
            found = Sql(f"{alias}.key IN (SELECT l.{record} FROM {table} l WHERE l.statement IN (")
            return found + _word("SELECT w.statement FROM word w WHERE 1", bound.test) + "))"
        key = self.scope.property_key(bound.level, bound.property)
        if key is None:
            return FALSE
        start = Sql(f"{alias}.key IN (SELECT l.{record} FROM {table} l WHERE l.statement IN (")
        return start + statements(key, bound.test) + "))"


def statements(property_key: int, test: Test) -> Sql:
    """Return a SELECT of the keys of a property's statements that pass a test."""
    of_property = Sql("SELECT s.key FROM statement s WHERE s.property = ?", (property_key,))
    match test:
        case Present():
            return of_property
        case Equal():
            return _equal(property_key, test)
        case NumberRange():
            return of_property + "AND s.kind = 'number'" + _bounds("s.number", test)
        case TextRange():
            dated = "AND is_date(s.folded)" if test.dates else ""
            return of_property + "AND s.kind = 'text'" + _bounds("s.folded", test) + dated
        case Pattern(like=like):
            form = "SELECT f.statement FROM form f WHERE f.property = ? AND f.folded LIKE ? ESCAPE '\\'"
            return Sql(form, (property_key, like))
        case Below(terms=terms):
            return of_property + _among("AND s.term", sorted(terms))
        case Word():
            return _word("SELECT w.statement FROM word w WHERE w.property = ?", test, property_key)
        case _:
            raise TypeError(f"{test!r} is asked of datasets alone")


def _word(start: str, test: Word, *parameters: int) -> Sql:
    """Return the condition on a word; one that begins with a word lies between it and the last character there is."""
    if not test.prefix:
        return Sql(start + " AND w.word = ?", (*parameters, test.word))
    return Sql(start + " AND w.word >= ? AND w.word < ?", (*parameters, test.word, test.word + "\U0010ffff"))


def _equal(property_key: int, test: Equal) -> Sql:
    found: list[Sql] = []
    start = Sql("SELECT s.key FROM statement s WHERE s.property = ?", (property_key,))
    if test.forms:
        forms = Sql("SELECT f.statement FROM form f WHERE f.property = ?", (property_key,))
        found.append(forms + _among("AND f.folded", sorted(test.forms)))
    if test.terms:
        found.append(start + _among("AND s.term", sorted(test.terms)))
    if test.numbers:
        found.append(start + "AND s.kind = 'number'" + _among("AND s.number", sorted(test.numbers)))
    if test.booleans:
        found.append(start + "AND s.kind = 'boolean'" + _among("AND s.number", sorted(test.booleans)))
    joined = found[0]
    for more in found[1:]:
        joined = joined + "UNION" + more
    return joined


def _bounds(column: str, test: NumberRange | TextRange) -> Sql:
    bounds = Sql("")
    if test.low is not None:
        bounds += Sql(f"AND {column} {'>=' if test.low_included else '>'} ?", (test.low,))
    if test.high is not None:
        bounds += Sql(f"AND {column} {'<=' if test.high_included else '<'} ?", (test.high,))
    return bounds


def _among(column: str, values: list[str] | list[float]) -> Sql:
    return Sql(f"{column} IN (SELECT value FROM json_each(?))", (json.dumps(values),))


def _on_columns(columns: list[str], test: Test) -> Sql:
    """Return the condition on a built-in text: the first column is the value, all are its forms."""
    match test:
        case Present():
            return TRUE
        case TextRange():
            dated = f"AND is_date({columns[0]})" if test.dates else ""
            return Sql("(1") + _bounds(columns[0], test) + dated + ")"
        case Equal(forms=forms) if forms:
            parts = [_among(column, sorted(forms)) for column in columns]
        case Pattern(like=like):
            parts = [Sql(f"{column} LIKE ? ESCAPE '\\'", (like,)) for column in columns]
        case _:
            return FALSE
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + "OR" + part
    return Sql("(") + joined + ")"
