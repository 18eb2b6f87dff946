"""The condition tree of a query: frozen values, and how they are written as CQL2 text and JSON.

OGC CQL2 (21-065r2): text encoding in section 7 with Annex B, JSON encoding in Annex C. Functions of our own
stand beside the standard's operators: ``under``, ``has``, ``count``, ``matches`` and ``within``; ``derived`` and
``measure`` are read as what they stand for (:mod:`catalog.search.reading`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

Scalar = str | int | float | bool
"""A literal. Numbers are finite; whole numbers are ``int``."""


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold; of no parts: everything (``TRUE``)."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Or:
    """Some part holds; of no parts: nothing (``FALSE``)."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold (two-valued: a missing value makes a comparison false, and its negation true)."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Comparison:
    """``property op value`` with ``op`` one of ``= <> < <= > >=``."""

    property: str
    op: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class Between:
    """``property BETWEEN low AND high``, both included."""

    property: str
    low: Scalar
    high: Scalar


@dataclass(frozen=True, slots=True)
class In:
    """``property IN (values)``."""

    property: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Like:
    r"""``property LIKE pattern``; ``%`` any run of characters, ``_`` one character, ``\`` takes either literally."""

    property: str
    pattern: str


@dataclass(frozen=True, slots=True)
class IsNull:
    """``property IS NULL``: the record says nothing about it."""

    property: str


@dataclass(frozen=True, slots=True)
class Under:
    """``under(property, term)``: the value is the term or one below it in its ontology."""

    property: str
    term: str


@dataclass(frozen=True, slots=True)
class Has:
    """``has(condition)``: one acquisition of the participant fulfils the whole condition."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Count:
    """``count(condition) op n``: how many acquisitions of the participant fulfil the condition."""

    condition: Condition
    op: str
    n: int


@dataclass(frozen=True, slots=True)
class Matches:
    """``matches(words)`` or ``matches(property, words)``: every word is found; ``motor*`` is how a word begins."""

    property: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Within:
    """``within(property, period)``: a date, time or age lies in an ISO 8601 interval (``2020-01/2020-06``)."""

    property: str
    period: str


Leaf = Comparison | Between | In | Like | IsNull | Under | Matches | Within
Condition = And | Or | Not | Leaf | Has | Count

EVERYTHING: Final = And(())
NOTHING: Final = Or(())
COMPARISONS: Final = ("=", "<>", "<", "<=", ">", ">=")

_PLAIN: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*")
_RESERVED: Final = re.compile(
    "and|or|not|in|is|null|like|between|true|false|has|count|under|casei|accenti|date|timestamp|interval|div|point"
    "|linestring|polygon|multipoint|multilinestring|multipolygon|geometrycollection|bbox|envelope"
)


def all_of(parts: Iterable[Condition]) -> Condition:
    """Return the conjunction in canonical form: flat, without ``TRUE``."""
    return _joined(And, parts)


def any_of(parts: Iterable[Condition]) -> Condition:
    """Return the disjunction in canonical form: flat, without ``FALSE``."""
    return _joined(Or, parts)


def _joined(kind: type[And] | type[Or], parts: Iterable[Condition]) -> Condition:
    flat: list[Condition] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def negation(part: Condition) -> Condition:
    """Return the opposite; a double negation cancels out."""
    if isinstance(part, Not):
        return part.part
    if part in (EVERYTHING, NOTHING):
        return NOTHING if part == EVERYTHING else EVERYTHING
    return Not(part)


def properties_of(condition: Condition) -> frozenset[str]:
    """Return the names of the properties that a condition mentions."""
    match condition:
        case And(parts=parts) | Or(parts=parts):
            return frozenset().union(*map(properties_of, parts))
        case Not(part=part):
            return properties_of(part)
        case Has(condition=inner) | Count(condition=inner):
            return properties_of(inner)
        case _:
            return frozenset({condition.property} if condition.property else ())


def text_of(condition: Condition) -> str:
    """Return the condition as CQL2 text; reading it again gives an equal condition."""
    match condition:
        case And(parts=parts):
            return " AND ".join(_part(p, Or) for p in parts) or "TRUE"
        case Or(parts=parts):
            return " OR ".join(text_of(p) for p in parts) or "FALSE"
        case Not(part=part):
            return _negated(part)
        case Has(condition=inner):
            return f"has({text_of(inner)})"
        case Count(condition=inner, op=op, n=n):
            return f"count({text_of(inner)}) {op} {n}"
        case _:
            return _leaf(condition)


def _part(part: Condition, *kinds: type[Condition]) -> str:
    return f"({text_of(part)})" if isinstance(part, kinds) and part not in (EVERYTHING, NOTHING) else text_of(part)


def _negated(part: Condition) -> str:
    match part:
        case IsNull(property=name):
            return f"{name_text(name)} IS NOT NULL"
        case Between() | In() | Like():
            return _leaf(part, " NOT")
        case _:
            return f"NOT {_part(part, And, Or)}"


def _leaf(condition: Condition, no: str = "") -> str:
    match condition:
        case Comparison(property=name, op=op, value=value):
            return f"{name_text(name)} {op} {literal_text(value)}"
        case Between(property=name, low=low, high=high):
            return f"{name_text(name)}{no} BETWEEN {literal_text(low)} AND {literal_text(high)}"
        case In(property=name, values=values):
            return f"{name_text(name)}{no} IN ({', '.join(map(literal_text, values))})"
        case Like(property=name, pattern=pattern):
            return f"{name_text(name)}{no} LIKE {literal_text(pattern)}"
        case IsNull(property=name):
            return f"{name_text(name)} IS NULL"
        case Under(property=name, term=term):
            return f"under({name_text(name)}, {literal_text(term)})"
        case Matches(property=None, words=words):
            return f"matches({literal_text(words)})"
        case Matches(property=str(name), words=words):
            return f"matches({name_text(name)}, {literal_text(words)})"
        case Within(property=name, period=period):
            return f"within({name_text(name)}, {literal_text(period)})"
        case _:
            raise TypeError(f"no leaf: {condition!r}")


def name_text(name: str) -> str:
    """Return a property name as CQL2 text, in double quotes where it needs them."""
    return name if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name) else f'"{name}"'


def literal_text(value: Scalar) -> str:
    """Return a literal as CQL2 text."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return repr(value)


def json_of(condition: Condition) -> Any:
    """Return the condition as CQL2 JSON."""
    match condition:
        case And(parts=parts) | Or(parts=parts):
            if not parts:
                return isinstance(condition, And)
            return {"op": "and" if isinstance(condition, And) else "or", "args": [json_of(p) for p in parts]}
        case Not(part=part):
            return {"op": "not", "args": [json_of(part)]}
        case Has(condition=inner):
            return {"op": "has", "args": [json_of(inner)]}
        case Count(condition=inner, op=op, n=n):
            return {"op": op, "args": [{"op": "count", "args": [json_of(inner)]}, n]}
        case _:
            return _leaf_json(condition)


def _leaf_json(condition: Condition) -> Any:
    match condition:
        case Comparison(property=name, op=op, value=value):
            return {"op": op, "args": [{"property": name}, value]}
        case Between(property=name, low=low, high=high):
            return {"op": "between", "args": [{"property": name}, low, high]}
        case In(property=name, values=values):
            return {"op": "in", "args": [{"property": name}, list(values)]}
        case Like(property=name, pattern=pattern):
            return {"op": "like", "args": [{"property": name}, pattern]}
        case IsNull(property=name):
            return {"op": "isNull", "args": [{"property": name}]}
        case Under(property=name, term=term):
            return {"op": "under", "args": [{"property": name}, term]}
        case Matches(property=None, words=words):
            return {"op": "matches", "args": [words]}
        case Matches(property=str(name), words=words):
            return {"op": "matches", "args": [{"property": name}, words]}
        case Within(property=name, period=period):
            return {"op": "within", "args": [{"property": name}, period]}
        case _:
            raise TypeError(f"no leaf: {condition!r}")
