# ruff: noqa: S608  names of tables and columns are constants of this package; values are bound parameters
"""What one question may see: datasets, property keys, and the values in use, read from one snapshot."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from functools import cached_property

from catalog.search import index_tables
from catalog.search.in_use import MAX_TEXTS, InUse
from catalog.search.names import Level
from catalog.search.projection import Statement, of_dataset
from catalog.search.units import is_comparable
from catalog.search.value_tests import Test


class Scope:
    """The part of the index that a caller may see.

    Args:
        db: A connection inside a read transaction.
        datasets: IRIs of the datasets that exist for the caller; None for all.
    """

    def __init__(self, db: sqlite3.Connection, datasets: Collection[str] | None) -> None:
        self.db = db
        rows = db.execute("SELECT key, withdrawn, iri, label, title, statements FROM dataset").fetchall()
        allowed = None if datasets is None else frozenset(datasets)
        self.visible = {
            key: index_tables.dataset_entry(*facts)
            for key, withdrawn, *facts in rows
            if not withdrawn and (allowed is None or facts[0] in allowed)
        }
        self._datasets = len(rows)
        self._allowed = allowed
        self._names: dict[Level, frozenset[str]] = {}

    @cached_property
    def keys(self) -> str:
        """The keys of the visible datasets, as a JSON array to be bound."""
        return json.dumps(sorted(self.visible))

    def condition(self, column: str) -> tuple[str, tuple[str, ...]]:
        """Return SQL and parameters that hold where a dataset column is visible.

        A record of no dataset is seen by those alone who see everything.
        """
        if len(self.visible) == self._datasets:
            return ("1" if self._allowed is None else f"{column} IS NOT NULL"), ()
        inside = f"{column} IN (SELECT value FROM json_each(?))"
        return (inside if self._allowed is not None else f"({column} IS NULL OR {inside})"), (self.keys,)

    def datasets_passing(self, name: str, test: Test) -> str:
        """Return the keys of the visible datasets that pass a test on what records have from them, as JSON."""
        return json.dumps(
            sorted(key for key, entry in self.visible.items() if any(map(test.passes, of_dataset(name, entry))))
        )

    def of_dataset(self, key: int | None, name: str) -> tuple[Statement, ...]:
        """Return what a record has from its dataset."""
        return of_dataset(name, self.visible[key]) if key is not None and key in self.visible else ()

    def property_key(self, level: Level, name: str) -> int | None:
        """Return the key of a property that has values."""
        return index_tables.property_key(self.db, level, name)

    def names(self, level: Level) -> frozenset[str]:
        """Return the names of the properties that visible records of a level have."""
        if level not in self._names:
            where, parameters = self.condition("NULLIF(u.dataset, 0)")
            rows = self.db.execute(
                "SELECT DISTINCT p.name FROM property p JOIN property_use u ON u.property = p.key"
                f" WHERE p.level = ? AND {where}",
                (level, *parameters),
            )
            self._names[level] = frozenset(name for (name,) in rows)
        return self._names[level]

    def terms(self, level: Level, name: str) -> frozenset[str]:
        """Return the terms to which values of a property are mapped, in any dataset."""
        rows = self.db.execute(
            "SELECT DISTINCT term FROM statement WHERE property = ? AND term IS NOT NULL",
            (self.property_key(level, name),),
        )
        return frozenset(term for (term,) in rows)

    def units(self, level: Level, name: str) -> frozenset[str]:
        """Return the units of a property's visible values, those that are brought to its own unit left out."""
        where, parameters = self.condition("r.dataset")
        rows = self.db.execute(
            "SELECT DISTINCT s.unit FROM statement s"
            f" JOIN {level}_statement l ON l.statement = s.key JOIN {level} r ON r.key = l.{level}"
            f" WHERE s.property = ? AND s.unit IS NOT NULL AND {where}",
            (self.property_key(level, name), *parameters),
        )
        return frozenset(unit for (unit,) in rows if not is_comparable(name, unit))

    def texts(self, level: Level, name: str) -> frozenset[str]:
        """Return texts, originals and labels of a property's visible values that are texts or terms."""
        seen, parameters = self._seen(level, "s.key")
        found = set[str]()
        for column in ("s.text", "s.original", "s.label"):
            rows = self.db.execute(
                f"SELECT DISTINCT {column} FROM statement s WHERE s.property = ? AND {column} IS NOT NULL"
                f" AND (s.text IS NOT NULL OR s.term IS NOT NULL) AND {seen} LIMIT ?",
                (self.property_key(level, name), *parameters, MAX_TEXTS),
            )
            found.update(text for (text,) in rows)
        return frozenset(found)

    def says(self, level: Level, name: str, forms: Collection[str]) -> bool:
        """Tell whether a visible value of a property has one of some folded forms."""
        seen, parameters = self._seen(level, "f.statement")
        row = self.db.execute(
            "SELECT 1 FROM form f WHERE f.property = ? AND f.folded IN (SELECT value FROM json_each(?))"
            f" AND {seen} LIMIT 1",
            (self.property_key(level, name), json.dumps(sorted(forms)), *parameters),
        )
        return row.fetchone() is not None

    def _seen(self, level: Level, statement: str) -> tuple[str, tuple[str, ...]]:
        """Return SQL and parameters that hold where a statement is true of a visible record."""
        where, parameters = self.condition("r.dataset")
        links = f"{level}_statement l JOIN {level} r ON r.key = l.{level}"
        return f"EXISTS (SELECT 1 FROM {links} WHERE l.statement = {statement} AND {where})", parameters

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
