"""Whether one value fulfils one condition, tried out in the plainest way that there is."""

from __future__ import annotations

import operator
import re
from fractions import Fraction
from typing import Any, Final

from catalog.search.conditions import Between, Comparison, Condition, In, Like, Under, Within
from catalog.search.testing.facts import LICENCES, Fact, bare_doi, folded
from catalog.search.testing.terms import TERMS, SmallTerms
from catalog.search.testing.world import VERSIONS
from ontology.errors import AmbiguousError, NotFoundError

ORDER: Final = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_RANKS: Final = {version: rank for rank, same in enumerate(VERSIONS) for version in same}
_DATE: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?)?)?)?", re.IGNORECASE
)
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIRST: Final = (0, 1, 1, 0, 0, 0)
_LAST: Final = (9999, 12, 31, 23, 59, 60)
_PARTS: Final = {"Y": Fraction(1), "M": Fraction(1, 12), "W": Fraction(28, 1461), "D": Fraction(4, 1461)}


class Leaves:
    """Tests values against conditions."""

    def __init__(self) -> None:
        self.terms = SmallTerms()

    def passes(self, condition: Condition, fact: Fact) -> bool:
        """Tell whether one value makes a condition true."""
        match condition:
            case Comparison(op="=", value=value):
                return self._equals(fact, value)
            case In(values=values):
                return any(self._equals(fact, value) for value in values)
            case Like(pattern=pattern):
                return any(is_like(form, folded(pattern)) for form in fact.forms())
            case Under(term=term):
                goal = self.terms.resolve(term).term.iri
                own = [fact.term, TERMS[fact.term].replaced_by] if fact.term else []
                return any(iri is not None and self.terms.path(iri, goal) for iri in own)
            case Within(period=period):
                return _is_within(fact, period)
            case Between(low=low, high=high):
                return _ordered(fact, ">=", low) and _ordered(fact, "<=", high)
            case Comparison(op=op, value=value):
                return _ordered(fact, op, value)
            case _:
                raise TypeError(f"no leaf: {condition!r}")

    def _equals(self, fact: Fact, value: Any) -> bool:
        if isinstance(value, bool):
            return isinstance(fact.value, bool) and fact.value == value
        if not isinstance(value, str):
            return fact.number is not None and fact.number == value
        if folded(value) in fact.forms() or _is_another_spelling(fact, value):
            return True
        if fact.term is None:
            return False
        if TERMS[fact.term].curie.casefold() == value.casefold():
            return True
        try:
            meant = self.terms.resolve(value).term.iri
        except (AmbiguousError, NotFoundError):
            return False
        return meant in (fact.term, TERMS[fact.term].replaced_by)


def _is_another_spelling(fact: Fact, text: str) -> bool:
    """Tell whether a text means the same version, licence or DOI."""
    if fact.name == "pipeline_version":
        return fact.value in _RANKS and _RANKS[fact.value] == _RANKS.get(text)
    if fact.name == "dataset.license":
        return text.casefold() in LICENCES and LICENCES[text.casefold()][0] == fact.value
    return fact.name == "dataset.doi" and bare_doi(text) == fact.value


def _ordered(fact: Fact, op: str, bound: Any) -> bool:
    if fact.name == "pipeline_version":
        return fact.value in _RANKS and bool(ORDER[op](_RANKS[fact.value], _RANKS[bound]))
    if isinstance(bound, str):
        return isinstance(fact.value, str) and bool(ORDER[op](folded(fact.value), folded(bound)))
    return fact.number is not None and bool(ORDER[op](fact.number, bound))


def _is_within(fact: Fact, period: str) -> bool:
    low, _, high = period.partition("/")
    bounds = [low, high or low]
    if "P" in period:
        given = [None if bound == ".." else _years(bound) for bound in bounds]
        number = fact.number
        return number is not None and _between(number, given)
    if not isinstance(fact.value, str):
        return False
    date = _filled(folded(fact.value), _FIRST)
    ends = [None if end == ".." else _filled(end, fill) for end, fill in zip(bounds, (_FIRST, _LAST), strict=True)]
    return date is not None and _between(date, ends)


def _between(value: Any, bounds: list[Any]) -> bool:
    low, high = bounds
    return bool((low is None or value >= low) and (high is None or value <= high))


def _filled(text: str, fill: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return a date to the second, what it leaves out filled up; None where it is none."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    date = tuple(int(given) if given else rest for given, rest in zip(found.groups(), fill, strict=True))
    real = 1 <= date[1] <= 12 and 1 <= date[2] <= _DAYS[date[1] - 1] and date[3] < 24 and date[4] < 60 and date[5] < 61
    return date if real or fill is _LAST else None


def _years(text: str) -> float:
    parts = re.findall(r"(\d+)([YMWD])", text)
    return float(sum((int(number) * _PARTS[unit] for number, unit in parts), Fraction()))


def is_like(text: str, pattern: str) -> bool:
    """Tell whether a text is like a pattern, by trying everything; a backslash at the very end says nothing."""
    if pattern in ("", "\\"):
        return not text
    if pattern[0] == "%":
        return any(is_like(text[start:], pattern[1:]) for start in range(len(text) + 1))
    if pattern[0] == "\\":
        return text[:1] == pattern[1] and is_like(text[1:], pattern[2:])
    return bool(text) and pattern[0] in ("_", text[0]) and is_like(text[1:], pattern[1:])
