"""What one question may see: datasets, and the values in use, read from one generation of the index."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from catalog.search.elasticsearch.documents import PERSON, read_person
from catalog.search.elasticsearch.encoding import DIGEST, SEPARATOR, coded, digest, fits, shown_field
from catalog.search.elasticsearch.queries import (
    EVERY,
    PREFIX,
    Query,
    any_of,
    equal,
    every_of,
    has_name,
    nested,
)
from catalog.search.elasticsearch.vocabulary import Vocabulary
from catalog.search.in_use import MAX_TEXTS, InUse
from catalog.search.names import Level
from catalog.search.projection import DatasetEntry, Statement, built_in, of_dataset
from catalog.search.units import is_comparable
from catalog.search.value_tests import Equal, Test

_MANY_TEXTS: Final = 2 * MAX_TEXTS


class Scope:
    """The part of the index that a caller may see.

    Args:
        vocabulary: What is known of the index.
        datasets: IRIs of the datasets that exist for the caller; None for all.
    """

    def __init__(self, vocabulary: Vocabulary, datasets: Collection[str] | None) -> None:
        self.vocabulary = vocabulary
        self._allowed = None if datasets is None else frozenset(datasets)
        every = vocabulary.datasets.live
        self.visible: dict[str, DatasetEntry] = (
            every if self._allowed is None else {iri: every[iri] for iri in sorted(every.keys() & self._allowed)}
        )

    @property
    def sees_all(self) -> bool:
        """Whether the caller sees records of no dataset too."""
        return self._allowed is None

    def seen(self, level: Level) -> list[Query]:
        """Return what holds of the records of a level that may be seen.

        A record of no dataset is seen by those alone who see everything.
        """
        field = PREFIX[level] + "dataset"
        if self._allowed is not None:
            return [{"terms": {field: sorted(filter(fits, self.visible))}}]
        withdrawn = sorted(self.vocabulary.datasets.withdrawn)
        return [{"bool": {"must_not": [{"terms": {field: withdrawn}}]}}] if withdrawn else []

    def records(self, level: Level, condition: Query = EVERY) -> Query:
        """Return the query for documents with a visible record of a level that fulfils a condition."""
        if level is Level.PARTICIPANT:
            return every_of([{"term": {"live": True}}, *self.seen(level), condition])
        return nested(every_of([*self.seen(level), condition]))

    def existing(self, level: Level, field: str, terms: Iterable[str]) -> Iterator[str]:
        """Yield those of some terms of a field that a visible record of a level has."""
        wanted = list(terms)
        queries = (self.records(level, {"term": {PREFIX[level] + field: term}}) for term in wanted)
        yield from (term for term, there in zip(wanted, self.vocabulary.exist(queries), strict=False) if there)

    def exists(self, level: Level, condition: Query) -> bool:
        """Tell whether any visible record of a level fulfils a condition."""
        return next(self.vocabulary.exist([self.records(level, condition)]))

    def of_dataset(self, iri: str | None, name: str) -> tuple[Statement, ...]:
        """Return what a record has from its dataset."""
        return of_dataset(name, self.visible[iri]) if iri is not None and iri in self.visible else ()

    def datasets_passing(self, name: str, test: Test) -> list[str]:
        """Return the visible datasets that pass a test on what records have from them."""
        return sorted(iri for iri in self.visible if any(map(test.passes, self.of_dataset(iri, name))))

    def long_passing(self, level: Level, name: str, test: Test) -> list[str]:
        """Return the terms of those values that are filed under a digest alone, and pass a test."""
        if (level.value, name) not in self.vocabulary.stamp.long:
            return []
        field = PREFIX[level] + shown_field(name)
        terms = self.vocabulary.enumerated(field, f"{coded(name)}{SEPARATOR}{DIGEST}")
        return [term for term in terms if (found := self.read_long(level, name, term)) and test.passes(found)]

    def read_long(self, level: Level, name: str, term: str) -> Statement | None:
        """Return the statement that is filed under a digest, from a record that makes it; None if none does."""
        kept, wanted = self.vocabulary.kept, term.rpartition(DIGEST)[2]
        if wanted not in kept:
            said = self._some_statements(level, {"term": {PREFIX[level] + shown_field(name): term}})
            kept[wanted] = next((s for s in said if s.name == name and digest(s) == wanted), None)
        found: Statement | None = kept[wanted]
        return found

    def decoded(self, level: Level, name: str) -> str:
        """Return the property that a name in a term means; a very long one is read from a record that has it."""
        if not name.startswith(DIGEST):
            return name
        kept = self.vocabulary.kept
        if name not in kept:
            said = self._some_statements(level, has_name(level, name))
            kept[name] = next((s.name for s in said if coded(s.name) == name), name)
        found: str = kept[name]
        return found

    def _some_statements(self, level: Level, condition: Query) -> list[Statement]:
        """Return all that one document says that has a record of a level which fulfils a condition."""
        inside = condition if level is Level.PARTICIPANT else nested(condition)
        query = every_of([{"term": {"kind": PERSON}}, inside])
        body = {"query": query, "size": 1, "_source": ["said", "acquisitions"], "track_total_hits": False}
        hits = self.vocabulary.search(body)["hits"]["hits"]
        return list(_all_statements(hits[0]["_source"])) if hits else []

    def terms(self, level: Level, name: str) -> frozenset[str]:
        """Return the terms to which values of a property are mapped, in any dataset."""
        found = self.vocabulary.enumerated(PREFIX[level] + "terms", coded(name) + SEPARATOR)
        return frozenset(term.partition(SEPARATOR)[2] for term in found)

    def units(self, level: Level, name: str) -> frozenset[str]:
        """Return the units of a property's visible values, those left out that are brought to its own unit.

        One unit alone is nothing to speak of, so that it need not be looked for.
        """
        ever = self.vocabulary.enumerated(PREFIX[level] + "units", coded(name) + SEPARATOR)
        others = [term for term in ever if not is_comparable(name, term.partition(SEPARATOR)[2])]
        if len(others) < 2:
            return frozenset()
        return frozenset(term.partition(SEPARATOR)[2] for term in self.existing(level, "units", others))

    def texts(self, level: Level, name: str) -> Collection[str]:
        """Return texts, originals and labels of a property's visible values that are texts or terms."""
        ever = self.vocabulary.enumerated(PREFIX[level] + "spelled", coded(name) + SEPARATOR, stop=_MANY_TEXTS)
        if len(ever) >= _MANY_TEXTS:
            return ever
        return frozenset(term.partition(SEPARATOR)[2] for term in self.existing(level, "spelled", ever))

    def says(self, level: Level, name: str, forms: Collection[str]) -> bool:
        """Tell whether a visible value of a property has one of some folded forms."""
        test = Equal(forms=frozenset(forms))
        if self.exists(level, any_of(equal(PREFIX[level], coded(name), test))):
            return True
        field = shown_field(name)
        return any(self.existing(level, field, self.long_passing(level, name, test)))

    def names(self, level: Level) -> Collection[str]:
        """Return the names of the properties that visible records of a level have, looked for when asked."""
        return _Names(self, level)

    def in_use(self) -> InUse:
        """Return what the binder asks."""
        return InUse(
            names=self.names,
            terms=self.terms,
            units=self.units,
            texts=self.texts,
            says=self.says,
            datasets=self.visible.values,
        )


class _Names(Collection[str]):
    """The names that visible records of a level have; whether one is among them is asked of the index."""

    def __init__(self, scope: Scope, level: Level) -> None:
        self._scope = scope
        self._level = level

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(True for _ in self._existing(coded(name) + SEPARATOR))

    def __iter__(self) -> Iterator[str]:
        found = {term.partition(SEPARATOR)[0] for term in self._existing("")}
        return iter(sorted(self._scope.decoded(self._level, name) for name in found))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _existing(self, prefix: str) -> Iterator[str]:
        ever = self._scope.vocabulary.enumerated(PREFIX[self._level] + "present", prefix)
        return self._scope.existing(self._level, "present", ever)


def _all_statements(source: Any) -> Iterator[Statement]:
    """Yield all that a participant and its acquisitions say, ``id`` and ``label`` included."""
    document = read_person(source)
    for entry in (document.participant, *document.acquisitions.values()):
        if entry is not None:
            yield from entry.statements
            yield from (built_in(name, id=entry.id, label=entry.label) for name in ("id", "label"))
