"""What one question may see: datasets, and the values in use among their records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Hashable
from functools import cached_property

import numpy as np

from catalog.search.embedded.column import Array, Bools, Codes, Column, spread
from catalog.search.embedded.dictionary import Dictionary
from catalog.search.embedded.encoding import NO_DATASET
from catalog.search.embedded.segment import Uses, count_uses
from catalog.search.embedded.view import Part, View
from catalog.search.in_use import MAX_TEXTS, InUse
from catalog.search.names import Level
from catalog.search.projection import DatasetEntry, Statement, of_dataset
from catalog.search.units import is_comparable
from catalog.search.value_tests import Equal, Test, Word


class Scope:
    """The part of a view that a caller may see.

    Args:
        view: The index at one moment.
        dictionary: Its dictionary, of the same snapshot.
        datasets: IRIs of the datasets that exist for the caller; None for all.
    """

    def __init__(self, view: View, dictionary: Dictionary, datasets: Collection[str] | None) -> None:
        self.view = view
        self.dictionary = dictionary
        allowed = None if datasets is None else frozenset(datasets)
        self.visible: dict[int, DatasetEntry] = {
            key: entry
            for key, (entry, withdrawn) in view.datasets.items()
            if not withdrawn and (allowed is None or entry.id in allowed)
        }
        self.everything = allowed is None and len(self.visible) == len(view.datasets)
        self.key: Hashable = frozenset(self.visible), allowed is None
        self._seen = np.zeros(max(view.datasets, default=0) + 1, np.bool_)
        self._seen[list(self.visible)] = True
        self._seen[NO_DATASET] = allowed is None

    def sees(self, datasets: Array) -> Bools:
        """Tell of which of some records (by dataset) may be seen."""
        found: Bools = self._seen[datasets]
        return found

    def passing(self, name: str, test: Test) -> Bools:
        """Return, by dataset key, which datasets may be seen and pass a test on what records have from them."""
        found = np.zeros(len(self._seen), np.bool_)
        found[[key for key, entry in self.visible.items() if any(map(test.passes, of_dataset(name, entry)))]] = True
        return found

    def of_dataset(self, key: int, name: str) -> tuple[Statement, ...]:
        """Return what a record has from its dataset."""
        return of_dataset(name, self.visible[key]) if key in self.visible else ()

    @cached_property
    def uses(self) -> dict[tuple[Level, str], Counter[str]]:
        """How many visible records have a value of each property, by kind of value."""
        return self.view.remembered(("uses", self.key), self._count_uses)

    def _count_uses(self) -> dict[tuple[Level, str], Counter[str]]:
        found: dict[tuple[Level, str], Counter[str]] = {}
        for level in Level:
            names = self.dictionary.properties(level)
            for (prop, kind), count in self._all_uses(level).items():
                if count > 0 and prop in names:
                    found.setdefault((level, names[prop]), Counter())[kind] += count
        return found

    def _all_uses(self, level: Level) -> Counter[tuple[int, str]]:
        counts: Counter[tuple[int, str]] = Counter()
        for part in self.view.parts:
            for prop in part.segment.properties(level):
                for (dataset, kind), count in self._uses_of(part, level, prop).items():
                    if dataset < len(self._seen) and self._seen[dataset]:
                        counts[prop, kind] += count
        return counts

    def _uses_of(self, part: Part, level: Level, prop: int) -> Uses:
        """Return the uses of a property in a segment, without what is buried there."""
        uses = part.segment.uses(level, prop)
        column = part.segment.column(level, prop) if len(part.buried) else None
        if column is None:
            return uses
        shape = part.segment.shape
        gone = part.buried if level is Level.PARTICIPANT else spread(*shape.images_of(part.buried))
        left = Counter(uses)
        left.subtract(count_uses(column, shape.of(level).datasets, gone))
        return left

    def names(self, level: Level) -> frozenset[str]:
        """Return the names of the properties that visible records of a level have."""
        return self.view.remembered(
            ("names", self.key, level), lambda: frozenset(name for of, name in self.uses if of == level)
        )

    def terms(self, level: Level, name: str) -> frozenset[str]:
        """Return the terms to which values of a property are mapped, in any dataset."""
        return self.view.remembered(("terms", level, name), lambda: self._terms(level, name))

    def _terms(self, level: Level, name: str) -> frozenset[str]:
        rows = self.dictionary.db.execute(
            "SELECT DISTINCT term FROM statement WHERE property = ? AND term IS NOT NULL",
            (self.property_key(level, name),),
        )
        return frozenset(term for (term,) in rows)

    def units(self, level: Level, name: str) -> frozenset[str]:
        """Return the units of a property's visible values, those that are brought to its own unit left out."""
        return self.view.remembered(("units", self.key, level, name), lambda: self._units(level, name))

    def _units(self, level: Level, name: str) -> frozenset[str]:
        prop = self.property_key(level, name)
        rows = self.dictionary.db.execute(
            "SELECT unit, json_group_array(key) FROM statement WHERE property = ? AND unit IS NOT NULL GROUP BY unit",
            (prop,),
        )
        found = ((unit, keys) for unit, keys in rows if not is_comparable(name, unit))
        return frozenset(
            unit for unit, keys in found if self.said(level, prop or 0, np.fromstring(keys[1:-1], sep=","))
        )

    def property_key(self, level: Level, name: str) -> int | None:
        """Return the key of a property that has values."""
        return self.view.remembered(("key", level, name), lambda: self.dictionary.property_key(level, name))

    def passing_keys(self, prop: int, test: Test) -> Array:
        """Return the keys of a property's statements that pass a test; not for ranges of numbers."""
        return self.view.remembered(("passing", prop, test), lambda: self.dictionary.passing(prop, test))

    def holding_keys(self, level: Level, test: Word) -> dict[int, Array]:
        """Return, by property, the keys of a level's statements that hold a word."""
        return self.view.remembered(("holding", level, test), lambda: self.dictionary.holding(level, test))

    def said(self, level: Level, prop: int, keys: Array) -> bool:
        """Tell whether a visible record has any of some statements of a property."""
        for part in self.view.parts:
            column = part.segment.column(level, prop)
            codes: Codes = column.codes_of(keys) if column is not None else np.empty(0, np.int64)
            if column is None or not len(codes):
                continue
            if self.everything:
                if bool(self._left(part, level, column)[codes].any()):
                    return True
                continue
            rows = column.own.rows(codes)
            owners = rows if level is Level.PARTICIPANT else part.segment.shape.owner[rows]
            seen = self.sees(part.segment.shape.of(level).datasets[rows])
            if bool((part.kept[owners] & seen).any()):
                return True
        return False

    def _left(self, part: Part, level: Level, column: Column) -> Array:
        """Return how many records that are not buried have each code of a column."""

        def count() -> Array:
            shape = part.segment.shape
            gone = part.buried
            if level is Level.ACQUISITION:
                gone = spread(*shape.images_of(gone))
            _, codes = column.pairs(gone)
            left: Array = column.own.counts - np.bincount(codes, minlength=len(column.keys))
            return left

        return self.view.remembered(("left", id(column)), count) if len(part.buried) else column.own.counts

    def visible_keys(self, level: Level, prop: int) -> Array:
        """Return the keys of those statements of a property that visible records have."""
        found = [np.empty(0, np.int64)]
        for part in self.view.parts:
            column = part.segment.column(level, prop)
            if column is not None:
                found.append(column.keys[self.visible_codes(part, level, column)])
        return np.unique(np.concatenate(found))

    def visible_codes(self, part: Part, level: Level, column: Column) -> Codes:
        """Return the codes of a column that visible records have."""
        if self.everything:
            return np.flatnonzero(self._left(part, level, column))
        shape = part.segment.shape
        rows, codes = column.values()
        owners = rows if level is Level.PARTICIPANT else shape.owner[rows]
        seen = part.kept[owners] & self.sees(shape.of(level).datasets[rows])
        return np.unique(codes[seen]).astype(np.int64)

    def texts(self, level: Level, name: str) -> frozenset[str]:
        """Return texts, originals and labels of a property's visible values that are texts or terms."""
        prop = self.property_key(level, name)
        keys = self.visible_keys(level, prop).tolist() if prop is not None else []
        found = set[str]()
        for column in ("text", "original", "label"):
            rows = self.dictionary.db.execute(
                f"SELECT DISTINCT {column} FROM statement WHERE key IN (SELECT value FROM json_each(?))"  # noqa: S608
                f" AND (text IS NOT NULL OR term IS NOT NULL) AND {column} IS NOT NULL LIMIT ?",
                (json.dumps(keys), MAX_TEXTS),
            )
            found.update(text for (text,) in rows)
        return frozenset(found)

    def says(self, level: Level, name: str, forms: Collection[str]) -> bool:
        """Tell whether a visible value of a property has one of some folded forms."""
        prop = self.property_key(level, name)
        if prop is None:
            return False
        keys = self.passing_keys(prop, Equal(forms=frozenset(forms)))
        return self.view.remembered(
            ("says", self.key, level, prop, keys.tobytes()), lambda: self.said(level, prop, keys)
        )

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
