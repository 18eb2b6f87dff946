"""From a query to tests on values: properties checked, terms looked up, the same for every backend.

What a backend translates is small: a record *has a statement that passes a test*, joined by all, any and not;
``has`` and ``count`` range over the acquisitions of a participant.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from catalog.search.conditions import (
    And,
    Between,
    Comparison,
    Condition,
    Count,
    Has,
    In,
    IsNull,
    Like,
    Not,
    Or,
    Scalar,
    Under,
    name_text,
    negation,
)
from catalog.search.index import Terms
from catalog.search.names import Level, built_in_names, fold, well_known
from catalog.search.query import Query
from catalog.search.value_tests import Below, Equal, NumberRange, Pattern, Present, Test, TextRange, folded_pattern
from ontology.curies import canonical_iri, expand
from ontology.errors import AmbiguousError, InvalidRequestError, NotFoundError


@dataclass(frozen=True, slots=True)
class Some:
    """The record has a statement of a property that passes; ``condition`` is what that stands for.

    ``quiet``: that it has none needs no words, because a neighbouring test says what it has instead.
    """

    level: Level
    property: str
    test: Test
    condition: Condition
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class AnyPart:
    """Some part holds."""

    parts: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Opposite:
    """The part does not hold."""

    part: Bound


@dataclass(frozen=True, slots=True)
class HasAcquisition:
    """One acquisition fulfils ``part``."""

    part: Bound
    condition: Condition


@dataclass(frozen=True, slots=True)
class CountAcquisitions:
    """The number of acquisitions that fulfil ``part`` compares so with ``n``."""

    part: Bound
    op: str
    n: int
    condition: Condition

    def holds(self, number: int) -> bool:
        """Tell whether a number of acquisitions is one that was asked for."""
        return COMPARE[self.op](number, self.n)


Bound = Some | All | AnyPart | Opposite | HasAcquisition | CountAcquisitions

COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query made ready: the tree to translate, and what to tell the person who asked."""

    root: Bound
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InUse:
    """What a backend says about the values it holds, as far as the caller may see them."""

    names: Callable[[Level], Collection[str]]
    terms: Callable[[Level, str], Collection[str]]
    units: Callable[[Level, str], Collection[str]]


def bind(query: Query, *, terms: Terms, in_use: InUse, level: Level = Level.PARTICIPANT) -> BoundQuery:
    """Return a query with its properties checked and its terms looked up.

    Args:
        query: What to bind.
        terms: Where terms are looked up.
        in_use: What the backend holds.
        level: Whom the query is about: participants, or the acquisitions of one.

    Raises:
        InvalidRequestError: A property or term is not known.
        AmbiguousError: A term of ``under`` means several things.
    """
    binder = _Binder(terms, in_use)
    root = binder.bound(query.root, level)
    return BoundQuery(root, tuple(dict.fromkeys(binder.notices)))


def check_property(name: str, level: Level, in_use: InUse) -> None:
    """Refuse a property that neither the catalogue nor the standard knows.

    Raises:
        InvalidRequestError: It is not known; ``params['candidates']`` has names that are spelled like it.
    """
    if name in built_in_names(level) or name in well_known(level) or name in in_use.names(level):
        return
    in_acquisitions = level is Level.PARTICIPANT
    other = Level.ACQUISITION if in_acquisitions else Level.PARTICIPANT
    if name in built_in_names(other) or name in well_known(other) or name in in_use.names(other):
        raise InvalidRequestError(
            f"{name!r} is said of {other}s, not of {level}s",
            field=name,
            next_step=f"Write it within has(): has({name_text(name)} ...)."
            if in_acquisitions
            else "Write it outside has().",
        )
    used = sorted(in_use.names(level), key=lambda n: (n not in well_known(level), n))
    near = difflib.get_close_matches(name, {*used, *well_known(level), *built_in_names(level)}, n=5, cutoff=0.6)
    known = f"Properties of {level}s here: {', '.join(used[:12])}{', ...' if len(used) > 12 else ''}."
    raise InvalidRequestError(
        f"no {level} has a property {name!r}",
        field=name,
        next_step=f"Did you mean {', '.join(near)}?" if near else known,
        params={"candidates": near},
    )


class _Binder:
    """Binds one query; collects notices."""

    def __init__(self, terms: Terms, in_use: InUse) -> None:
        self.terms = terms
        self.in_use = in_use
        self.notices: list[str] = []

    def bound(self, condition: Condition, level: Level) -> Bound:
        match condition:
            case And(parts=parts):
                return All(tuple(self.bound(part, level) for part in parts))
            case Or(parts=parts):
                return AnyPart(tuple(self.bound(part, level) for part in parts))
            case Not(part=part):
                return Opposite(self.bound(part, level))
            case Has() | Count() if level is Level.ACQUISITION:
                raise InvalidRequestError("an acquisition has no acquisitions to look for or count", field="query")
            case Has(condition=inner):
                return HasAcquisition(self.bound(inner, Level.ACQUISITION), condition)
            case Count(condition=inner, op=op, n=n):
                return CountAcquisitions(self.bound(inner, Level.ACQUISITION), op, n, condition)
            case _:
                return self._leaf(condition, level)

    def _leaf(self, condition: Condition, level: Level) -> Bound:
        match condition:
            case Comparison(property=name, op="<>", value=value):
                equal = self._some(Comparison(name, "=", value), level)
                return All((Some(level, name, Present(), condition), Opposite(replace(equal, quiet=True))))
            case IsNull(property=name):
                check_property(name, level, self.in_use)
                return Opposite(Some(level, name, Present(), negation(condition)))
            case _:
                return self._some(condition, level)

    def _some(self, condition: Condition, level: Level) -> Some:
        """Return the bound form of a leaf that one value can fulfil."""
        name: str = condition.property  # type: ignore[union-attr]  # every leaf has one
        check_property(name, level, self.in_use)
        match condition:
            case Comparison(op="=", value=value):
                test: Test = self._equal(name, (value,), level)
            case In(values=values):
                test = self._equal(name, values, level)
            case Under(term=term):
                test = self._below(name, term, level)
            case Like(pattern=pattern):
                test = Pattern(folded_pattern(pattern))
            case Between(low=low, high=high):
                test = self._range(name, level, low=low, high=high)
            case Comparison(op=op, value=value) if op.startswith(">"):
                test = self._range(name, level, low=value, included=op == ">=")
            case Comparison(op=op, value=value):
                test = self._range(name, level, high=value, included=op == "<=")
            case _:
                raise TypeError(f"no leaf: {condition!r}")
        return Some(level, name, test, condition)

    def _range(
        self, name: str, level: Level, *, low: Scalar | None = None, high: Scalar | None = None, included: bool = True
    ) -> Test:
        if isinstance(low, str) or isinstance(high, str):
            return TextRange(
                low=fold(low) if isinstance(low, str) else None,
                high=fold(high) if isinstance(high, str) else None,
                low_included=included,
                high_included=included,
            )
        self._notice_units(name, level)
        return NumberRange(
            low=None if low is None else float(low),
            high=None if high is None else float(high),
            low_included=included,
            high_included=included,
        )

    def _notice_units(self, name: str, level: Level) -> None:
        units = sorted(self.in_use.units(level, name))
        if len(units) > 1:
            self.notices.append(f"{name} has values in {', '.join(units)}; numbers are compared as they stand")

    def _equal(self, name: str, values: tuple[Scalar, ...], level: Level) -> Equal:
        texts = [value for value in values if isinstance(value, str)]
        forms, iris = set(map(fold, texts)), set[str]()
        for text in texts:
            iri = canonical_iri(expand(text) or text)
            forms.add(fold(iri))
            iris |= self._means(text, name, level)
        numbers = frozenset(float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool))
        booleans = frozenset(float(v) for v in values if isinstance(v, bool))
        return Equal(frozenset(forms), frozenset(iris), numbers, booleans)

    def _means(self, text: str, name: str, level: Level) -> set[str]:
        """Return the terms in use for a property that a literal names; none where it names none, or several."""
        used = () if name in built_in_names(level) else self.in_use.terms(level, name)
        if not used:
            return set()
        try:
            meant = self.terms.resolve(text).term.iri
        except AmbiguousError as error:
            self.notices.append(f"{error.detail}: it was compared as a text only; give the CURIE to mean one of them")
            return set()
        except (NotFoundError, InvalidRequestError):
            return set()
        return {iri for iri in used if iri == meant or self._present_meaning(iri) == meant}

    def _below(self, name: str, text: str, level: Level) -> Below:
        term = self._term(name, text)
        covered = self.terms.descendants(term)
        used = self.in_use.terms(level, name)
        return Below(
            frozenset(iri for iri in used if iri in covered or self._present_meaning(iri) in covered), ancestor=term
        )

    def _term(self, name: str, text: str) -> str:
        try:
            found = self.terms.resolve(text)
        except AmbiguousError as error:
            raise AmbiguousError(
                error.detail,
                field=name,
                next_step=error.next_step() or "Give the CURIE of the one you mean.",
                params=error.params,
            ) from error
        except (NotFoundError, InvalidRequestError) as error:
            near = error.params.get("near", [])
            raise InvalidRequestError(
                f"under({name}, ...): {error.detail}",
                field=name,
                next_step=error.next_step(),
                params={"candidates": near},
            ) from error
        if found.notice:
            self.notices.append(found.notice)
        return found.term.iri

    def _present_meaning(self, iri: str) -> str:
        return present_meaning(iri, self.terms)


def present_meaning(iri: str, terms: Terms) -> str:
    """Return the IRI that replaces a term that was given up since it was written; else the IRI itself."""
    try:
        return terms.resolve(iri).term.iri
    except (NotFoundError, InvalidRequestError):
        return iri
