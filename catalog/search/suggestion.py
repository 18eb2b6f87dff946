"""What somebody who types a query may want to write next: names, operators, values and terms that are in use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from catalog.search.conditions import EVERYTHING, literal_text, name_text
from catalog.search.index import FacetValue, PropertyInfo, SearchIndex, Terms
from catalog.search.names import MEASURE, Level, fold
from catalog.search.query import Query
from catalog.search.rollup import Ancestry, Property
from catalog.search.unfinished import Expected, Place, place_of
from ontology.errors import InvalidRequestError, NotFoundError, SillageError
from ontology.term_model import Term

MOST: Final = 20
TERMS: Final = 12
"""So many terms are looked up in the vocabularies, and counted."""

_COMPARISONS: Final = ("=", "<>", "<", "<=", ">", ">=")
_OF_KIND: Final = {
    "term": ("=", "<>", "IN ("),
    "text": ("=", "<>", "IN (", "LIKE", "<", "<=", ">", ">=", "BETWEEN"),
    "number": ("=", "<", "<=", ">", ">=", "BETWEEN", "<>", "IN ("),
    "boolean": ("=", "<>"),
}
_FUNCTIONS: Final = {
    Level.PARTICIPANT: {
        "under": "a term, or one below it: under(property, 'term')",
        "has": "one image fulfils a condition: has(condition)",
        "count": "how many images fulfil it: count(condition) >= 2",
        "derived": "one result of a pipeline fulfils it: derived(condition)",
        "matches": "words of the texts: matches('words')",
        "within": "between two dates or ages: within(property, 'start/end')",
    },
    Level.ACQUISITION: {
        "under": "a term, or one below it: under(property, 'term')",
        "measure": "a measure of a result: measure('name') > 1",
        "matches": "words of the texts: matches('words')",
        "within": "between two dates: within(property, 'start/end')",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Something that may be written.

    Attributes:
        text: What to write, quoted as the language wants it.
        label: What to show for it.
        kind: ``property``, ``function``, ``operator``, ``value`` or ``term``.
        start: Where in the text that is typed it begins.
        end: What is typed from there to here is replaced.
        count: How many participants (of a property of images: images) have it; None where that is not counted.
    """

    text: str
    label: str
    kind: str
    start: int
    end: int
    count: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the suggestion as it goes over the wire."""
        body: dict[str, Any] = {"text": self.text, "label": self.label, "kind": self.kind}
        body |= {"start": self.start, "end": self.end}
        return body | ({} if self.count is None else {"count": self.count})


def suggest(
    index: SearchIndex,
    terms: Terms,
    text: str,
    at: int,
    *,
    datasets: Collection[str] | None,
    least: int = 1,
) -> tuple[Suggestion, ...]:
    """Return what may stand at a place of a query that somebody types, the likeliest first.

    Args:
        index: Where properties and values are looked up.
        terms: Where terms are.
        text: What is typed so far, finished or not.
        at: The place, in characters from the beginning.
        datasets: Only what records of these have is suggested; None for all.
        least: Values that fewer participants have are not told.
    """
    place = place_of(text, at)
    return _Suggesting(index, terms, place, datasets, least).found()


@dataclass(slots=True)
class _Suggesting:
    """Suggests for one place."""

    index: SearchIndex
    terms: Terms
    place: Place
    datasets: Collection[str] | None
    least: int

    def found(self) -> tuple[Suggestion, ...]:
        if self.place.quoted and self.place.expected is not Expected.VALUE:
            return ()
        match self.place.expected:
            case Expected.CONDITION:
                found = [*self._properties(), *self._functions(), *self._words("NOT")]
            case Expected.PROPERTY:
                found = self._properties()
            case Expected.OPERATOR:
                found = self._operators()
            case Expected.VALUE:
                found = self._values()
            case Expected.NULL:
                found = self._words("NULL", "NOT NULL")
            case Expected.AND:
                found = self._words("AND")
            case Expected.CONNECTIVE:
                found = self._words("AND", "OR", *([")"] if self.place.nested else []))
            case Expected.NOTHING:
                found = self._after()
        return tuple(found[:MOST])

    def _make(self, text: str, kind: str, label: str | None = None, count: int | None = None) -> Suggestion:
        return Suggestion(
            text=text, label=label or text, kind=kind, start=self.place.start, end=self.place.end, count=count
        )

    def _words(self, *words: str) -> list[Suggestion]:
        typed = self.place.typed.casefold()
        return [self._make(word, "operator") for word in words if word.casefold().startswith(typed)]

    def _after(self) -> list[Suggestion]:
        """Return what ends or goes on with the arguments of a function."""
        first = self.place.function in ("under", "matches", "within") and self.place.property is not None
        return self._words(",", ")") if first else self._words(")")

    def _known(self) -> list[PropertyInfo]:
        return self.index.properties(datasets=self.datasets)

    def _properties(self) -> list[Suggestion]:
        """Return the names of the level that begin so, then those that hold it, each by how many have them."""
        place, ranked = self.place, []
        for info in self._known():
            rank = _rank(place.typed, info.name, info.name.replace("_", " "))
            of_images = place.level is Level.PARTICIPANT and info.level == Level.ACQUISITION
            if rank is None or info.name.startswith(MEASURE) or not self._fits(info, of_images):
                continue
            name = name_text(info.name)
            made = self._make(f"has({name}" if of_images else name, "property", _described(info), info.count)
            ranked.append(((of_images, rank, -info.count, info.name), made))
        return [made for _, made in sorted(ranked, key=lambda pair: pair[0])]

    def _fits(self, info: PropertyInfo, of_images: bool) -> bool:
        """Tell whether a property may stand here; within a function only one of its level, and of its kind."""
        function = self.place.function
        if function == "under" and "term" not in info.kinds:
            return False
        if function == "matches" and "text" not in info.kinds:
            return False
        if of_images:
            return self.place.expected is Expected.CONDITION and bool(self.place.typed)
        return info.level == self.place.level

    def _functions(self) -> list[Suggestion]:
        typed = self.place.typed.casefold()
        functions = _FUNCTIONS[self.place.level]
        return [
            self._make(f"{name}(", "function", label) for name, label in functions.items() if name.startswith(typed)
        ]

    def _operators(self) -> list[Suggestion]:
        if self.place.property is None:
            return self._words(*_COMPARISONS, "BETWEEN")
        kinds = next((i.kinds for i in self._known() if (i.level, i.name) == self._key()), ("text",))
        operators = dict.fromkeys(op for kind in kinds for op in _OF_KIND.get(kind, ()))
        return self._words(*operators, "IS NULL", "IS NOT NULL")

    def _key(self) -> tuple[str, str | None]:
        return (self.place.level, self.place.property)

    def _values(self) -> list[Suggestion]:
        """Return values in use that look like what is typed, then terms that are called so."""
        if self.place.function == "measure":
            return self._measures()
        name = self.place.property
        if name is None:
            return [] if self.place.function == "count" or self.place.quoted else self._properties()
        if self.place.function in ("matches", "within"):
            return []
        try:
            values = self.index.find(Query(EVERYTHING), datasets=self.datasets, facets=[name], limit=1).facets[name]
        except InvalidRequestError:
            return []  # as of a name that is different for everyone, or that nobody has
        shared = [value for value in values if value.count >= self.least or name == "dataset"]
        named = {value.value: self._term(value.value) for value in values}
        if self.place.function == "under":
            return self._terms(Property(name, self.place.level), shared, named)
        return list(self._in_use(name, shared, named))

    def _measures(self) -> list[Suggestion]:
        names = [(i.name.removeprefix(MEASURE), i.count) for i in self._known() if i.name.startswith(MEASURE)]
        fitting = [(name, count) for name, count in names if _rank(self.place.typed, name) is not None]
        return [self._make(literal_text(name), "property", name, count) for name, count in fitting]

    def _term(self, value: Any) -> Term | None:
        try:
            return self.terms.get(value) if isinstance(value, str) else None
        except (NotFoundError, InvalidRequestError):
            return None

    def _in_use(self, name: str, values: Iterable[FacetValue], named: dict[Any, Term | None]) -> Iterator[Suggestion]:
        ranked = []
        for value in values:
            term, written = named[value.value], value.value
            if self.place.quoted and not isinstance(written, str):
                continue
            rank = _rank(self.place.typed, str(written), value.label, *(term.synonyms if term else ()))
            if rank is None:
                continue
            if name == "dataset":
                written = value.label  # by which people call it
            kind = "term" if term else "value"
            label = f"{value.label} ({written})" if term else value.label
            ranked.append(
                ((rank, -value.count, value.label), self._make(literal_text(written), kind, label, value.count))
            )
        yield from (made for _, made in sorted(ranked, key=lambda pair: pair[0]))

    def _terms(
        self, property: Property, shared: Iterable[FacetValue], named: dict[Any, Term | None]
    ) -> list[Suggestion]:
        """Return terms that are called so, those with participants first."""
        typed = self.place.typed
        used = [term for value in shared if (term := named[value.value])]
        fitting = (term for term in used if _rank(typed, term.curie, term.label, *term.synonyms) is not None)
        candidates = {term.curie: term for term in fitting}
        if typed:
            candidates |= {term.curie: term for term in self._called(typed, filter(None, named.values()))}
        chosen = list(candidates.values())[: 2 * TERMS]
        if not chosen:
            return []
        ask = property.under if self.place.function == "under" else property.exactly
        counts = self._count([Query(ask(term)) for term in chosen])
        found = [
            self._make(literal_text(term.curie), "term", f"{term.label} ({term.curie})", count)
            for term, count in zip(chosen, counts, strict=True)
        ]
        told = [each if (each.count or 0) >= self.least else replace(each, count=None) for each in found]
        return sorted(told, key=lambda each: (each.count is None, _rank(typed, each.label) or 0, -(each.count or 0)))

    def _called(self, typed: str, used: Iterable[Term]) -> Iterator[Term]:
        """Yield terms that are called so; where there are some in use, those that share an ancestor with one."""
        known = Ancestry.of([term.curie for term in used], self.terms).above
        kind = frozenset().union(*known.values())
        for term in self.terms.find(typed, limit=2 * TERMS):
            if not term.deprecated and (not kind or kind & Ancestry.of([term.curie], self.terms).above[term.curie]):
                yield term

    def _count(self, conditions: list[Query]) -> tuple[int, ...]:
        try:
            return self.index.count_each(Query(EVERYTHING), conditions, datasets=self.datasets)
        except SillageError:
            return (0,) * len(conditions)  # of a name that nobody has; whoever types will be told when asking


def _rank(typed: str, *names: str) -> int | None:
    """Return how well a text fits what it is called: 0 begins so, 1 a word begins so, 2 holds it; None: not at all."""
    wanted = fold(typed)
    if not wanted:
        return 0
    best: int | None = None
    for name in map(fold, names):
        if name.startswith(wanted):
            return 0
        if f" {wanted}" in f" {name}":
            best = 1
        elif best is None and wanted in name:
            best = 2
    return best


def _described(info: PropertyInfo) -> str:
    of_images = " of an image" if info.level == Level.ACQUISITION else ""
    return f"{info.name} ({', '.join(sorted(info.kinds))}{of_images})" if info.kinds else info.name
