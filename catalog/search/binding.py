"""From a query to tests on values: properties checked, terms looked up, the same for every backend."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from catalog.search.bound import (
    COMPARE,
    All,
    AnyPart,
    Bound,
    BoundQuery,
    CountAcquisitions,
    HasAcquisition,
    Opposite,
    Some,
)
from catalog.search.conditions import (
    And,
    Between,
    Comparison,
    Condition,
    Count,
    Has,
    In,
    IsNull,
    Leaf,
    Like,
    Matches,
    Not,
    Or,
    Scalar,
    Under,
    Within,
    name_text,
    negation,
    properties_of,
)
from catalog.search.in_use import MAX_TEXTS, InUse, check_property
from catalog.search.index import Terms
from catalog.search.literals import also_means, near_match
from catalog.search.names import (
    ANY,
    BUILT_IN,
    DATASET_TEXTS,
    OF_DATASET,
    RESULT,
    Level,
    asks_results,
    built_in_names,
    fold,
)
from catalog.search.periods import Dates, period_of
from catalog.search.projection import of_dataset
from catalog.search.query import Query
from catalog.search.searched_words import SearchedWord, searched_words
from catalog.search.units import comparable, is_comparable
from catalog.search.value_tests import (
    Below,
    Equal,
    NumberRange,
    Pattern,
    Present,
    Test,
    TextRange,
    Word,
    folded_pattern,
)
from catalog.search.versions import VersionEqual, VersionKey, VersionRange, version_key
from ontology.bare_codes import resolve_code
from ontology.curies import canonical_iri, expand
from ontology.errors import AmbiguousError, InvalidRequestError, NotFoundError
from ontology.property_values import resolve_value
from ontology.term_model import Resolution

__all__ = [
    "COMPARE",
    "All",
    "AnyPart",
    "Bound",
    "BoundQuery",
    "CountAcquisitions",
    "HasAcquisition",
    "InUse",
    "Opposite",
    "Some",
    "bind",
    "check_property",
    "present_meaning",
]


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
    root = binder.images(query.root) if level is Level.ACQUISITION else binder.bound(query.root, level)
    return BoundQuery(root, tuple(dict.fromkeys(binder.notices)))


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
                return HasAcquisition(self.images(inner), condition)
            case Count(condition=inner, op=op, n=n):
                return CountAcquisitions(self.images(inner), op, n, condition)
            case _:
                return self._leaf(condition, level)

    def images(self, condition: Condition) -> Bound:
        """Return a condition on one acquisition; one that does not ask about results is one on images alone."""
        bound = self.bound(condition, Level.ACQUISITION)
        if RESULT not in self.in_use.names(Level.ACQUISITION) or any(map(asks_results, properties_of(condition))):
            return bound
        image = Opposite(Some(Level.ACQUISITION, RESULT, Present(), negation(IsNull(RESULT)), quiet=True))
        return All((*bound.parts, image)) if isinstance(bound, All) else All((bound, image))

    def _leaf(self, condition: Leaf, level: Level) -> Bound:
        match condition:
            case Comparison(property=name, op="<>", value=value):
                equal = self._some(Comparison(name, "=", value), level)
                return All((Some(level, name, Present(), condition), Opposite(replace(equal, quiet=True))))
            case IsNull(property=name):
                check_property(name, level, self.in_use)
                return Opposite(Some(level, name, Present(), negation(condition)))
            case Matches(property=name, words=text):
                return All(tuple(self._word(name, word, level) for word in searched_words(text)))
            case _:
                return self._some(condition, level)

    def _word(self, name: str | None, word: SearchedWord, level: Level) -> Bound:
        """Return that a word is found: in a property, or in any text of the record or its dataset."""
        condition, test = Matches(name, str(word)), Word(word.word, word.prefix)
        if name is None:
            own = Some(level, ANY, test, condition)
            shared = (Some(level, text, test, condition, quiet=True) for text in DATASET_TEXTS)
            return AnyPart((own, *shared))
        if name in BUILT_IN:
            raise InvalidRequestError(
                f"{name} is a name and no text to look for words in",
                field=name,
                next_step=f"Use {name} LIKE '%{word.word}%'{', or dataset.title' if name == 'dataset' else ''}.",
            )
        check_property(name, level, self.in_use)
        return Some(level, name, test, condition)

    def _some(self, condition: Leaf, level: Level) -> Some:
        """Return the bound form of a leaf that one value can fulfil."""
        name = str(condition.property)
        check_property(name, level, self.in_use)
        by_version = name == "pipeline_version" and level is Level.ACQUISITION
        return Some(level, name, (self._version_test if by_version else self._test)(condition, level), condition)

    def _test(self, condition: Leaf, level: Level) -> Test:
        """Return the test that a leaf puts to a value."""
        name = str(condition.property)
        match condition:
            case Comparison(op="=", value=value):
                return self._equal(name, (value,), level)
            case In(values=values):
                return self._equal(name, values, level)
            case Under(term=term):
                return self._below(name, term, level)
            case Like(pattern=pattern):
                return Pattern(folded_pattern(pattern))
            case Within(period=period):
                return self._within(name, period)
            case Between(low=low, high=high):
                return self._range(name, level, low=low, high=high)
            case Comparison(op=op, value=value) if op.startswith(">"):
                return self._range(name, level, low=value, included=op == ">=")
            case Comparison(op=op, value=value):
                return self._range(name, level, high=value, included=op == "<=")
            case _:
                raise TypeError(f"no leaf: {condition!r}")

    def _version_test(self, condition: Leaf, level: Level) -> Test:
        """Return the test that a leaf puts to a version: an order of versions, not of texts."""
        match condition:
            case Comparison(op="=", value=value):
                return self._equal_version((value,))
            case In(values=values):
                return self._equal_version(values)
            case Between(low=low, high=high):
                return VersionRange(low=self._version(low), high=self._version(high))
            case Comparison(op=op, value=value) if op.startswith(">"):
                return VersionRange(low=self._version(value), low_included=op == ">=")
            case Comparison(op=op, value=value):
                return VersionRange(high=self._version(value), high_included=op == "<=")
            case _:
                return self._test(condition, level)

    def _equal_version(self, values: tuple[Scalar, ...]) -> VersionEqual:
        texts = [value for value in values if isinstance(value, str)]
        keys = frozenset(key for text in texts if (key := version_key(text)) is not None)
        return VersionEqual(keys, frozenset(map(fold, texts)))

    def _version(self, value: Scalar) -> VersionKey:
        key = version_key(value) if isinstance(value, str) else None
        if key is None:
            raise InvalidRequestError(
                f"{value!r} is no version",
                field="pipeline_version",
                next_step="Write a version as a text: pipeline_version >= '1.10'.",
            )
        return key

    def _within(self, name: str, text: str) -> Test:
        period = period_of(text)
        if isinstance(period, Dates):
            return TextRange(low=period.low, high=period.high, dates=True)
        if not is_comparable(name, "a"):
            raise InvalidRequestError(
                f"{name} is not measured in a unit of time",
                field=name,
                next_step=f"Compare numbers: {name_text(name)} BETWEEN 1 AND 2; or give dates: '2020/2021'.",
            )
        low, high = (None if years is None else comparable(name, years, "a") for years in (period.low, period.high))
        return NumberRange(low=low, high=high)

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
        forms, iris = set[str](), set[str]()
        for text in values:
            if isinstance(text, str):
                said = {fold(text), fold(canonical_iri(expand(text) or text)), *also_means(name, text)}
                meant = self._means(text, name, level)
                self._notice_nobody(name, text, level, said, meant)
                forms |= said
                iris |= meant
        numbers = frozenset(float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool))
        booleans = frozenset(float(v) for v in values if isinstance(v, bool))
        return Equal(frozenset(forms), frozenset(iris), numbers, booleans)

    def _means(self, text: str, name: str, level: Level) -> set[str]:
        """Return the terms in use for a property that a literal names; none where it names none, or several."""
        used = self._terms(level, name)
        if not used:
            return set()
        try:
            found = self._resolve(name, text)
        except AmbiguousError as error:
            self.notices.append(f"{error.detail}: it was compared as a text only; give the CURIE to mean one of them")
            return set()
        except (NotFoundError, InvalidRequestError):
            return set()
        if found.notice:
            self.notices.append(found.notice)
        return {iri for iri in used if iri == found.term.iri or self._present_meaning(iri) == found.term.iri}

    def _resolve(self, name: str, text: str) -> Resolution:
        """Return the term that a text means as a value of a property, or that it is a code of."""
        try:
            return resolve_value(self.terms, name.removeprefix("dataset."), text)
        except NotFoundError as unknown:
            try:
                return resolve_code(text, self.terms.resolve)
            except NotFoundError:
                raise unknown from None

    def _terms(self, level: Level, name: str) -> Collection[str]:
        """Return the terms in use for a property, of the record or of its dataset."""
        if name in OF_DATASET and name in built_in_names(level):
            return {s.term for entry in self.in_use.datasets() for s in of_dataset(name, entry) if s.term}
        return () if name in BUILT_IN else self.in_use.terms(level, name)

    def _notice_nobody(self, name: str, text: str, level: Level, said: Collection[str], meant: Collection[str]) -> None:
        """Say what a literal may be a slip of, where nothing equals it and no vocabulary knows it."""
        if meant or name in ("id", "label"):
            return
        if name in OF_DATASET and name in built_in_names(level):
            whose = "no dataset's"
            statements = [s for entry in self.in_use.datasets() for s in of_dataset(name, entry)]
            texts: Collection[str] = {t for s in statements for t in (s.text, s.original, s.label, s.source) if t}
        elif self.in_use.says(level, name, said):
            return
        else:
            whose = "nobody's" if level is Level.PARTICIPANT else "no acquisition's"
            texts = self.in_use.texts(level, name)
        near = near_match(text, said, texts) if len(texts) < MAX_TEXTS else None
        if near is not None and not self._is_known(text):
            self.notices.append(f"{whose} {name.removeprefix('dataset.')} is {text!r}; did you mean {near!r}?")

    def _is_known(self, text: str) -> bool:
        """Tell whether a vocabulary has a term or several of this name."""
        try:
            self.terms.resolve(text)
        except AmbiguousError:
            return True
        except (NotFoundError, InvalidRequestError):
            return False
        return True

    def _below(self, name: str, text: str, level: Level) -> Below:
        term = self._term(name, text)
        covered = self.terms.descendants(term)
        used = self._terms(level, name)
        return Below(
            frozenset(iri for iri in used if iri in covered or self._present_meaning(iri) in covered), ancestor=term
        )

    def _term(self, name: str, text: str) -> str:
        try:
            found = self._resolve(name, text)
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
