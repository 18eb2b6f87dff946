"""The dictionary of the index: every distinct statement once, with all that it may be asked by."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from typing import Final

import numpy as np

from catalog.search import index_tables
from catalog.search.embedded.building import StatementFacts
from catalog.search.embedded.column import KINDS, Array
from catalog.search.index_tables import FACTS
from catalog.search.names import Level
from catalog.search.projection import Statement
from catalog.search.value_tests import Below, Equal, NumberRange, Pattern, Present, Test, TextRange, Word

_AMONG: Final = "IN (SELECT value FROM json_each(?))"
CHUNK: Final = 50_000


class Dictionary:
    """The statements of one index, as one snapshot or transaction has them."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._properties: dict[tuple[Level, str], int | None] = {}

    def property_key(self, level: Level, name: str) -> int | None:
        """Return the key of a property that has values."""
        if (level, name) not in self._properties:
            self._properties[level, name] = index_tables.property_key(self.db, level, name)
        return self._properties[level, name]

    def properties(self, level: Level) -> dict[int, str]:
        """Return key and name of all properties of a level."""
        return dict(self.db.execute("SELECT key, name FROM property WHERE level = ?", (level,)))

    def passing(self, prop: int, test: Test) -> Array:
        """Return the keys of a property's statements that pass a test; not for ranges of numbers."""
        found = (self.db.execute(sql, parameters) for sql, parameters in _select(prop, test))
        return np.array(sorted({key for rows in found for (key,) in rows}), np.int64)

    def holding(self, level: Level, test: Word) -> dict[int, Array]:
        """Return, by property, the keys of a level's statements that hold a word."""
        rows = self.db.execute(
            "SELECT s.property, s.key FROM word JOIN statement s ON s.key = word.rowid"
            " JOIN property p ON p.key = s.property WHERE word MATCH ? AND p.level = ?",
            (match(test), level),
        )
        found: dict[int, list[int]] = {}
        for prop, key in rows:
            found.setdefault(prop, []).append(key)
        return {prop: np.array(sorted(keys), np.int64) for prop, keys in found.items()}

    def statements(self, keys: Collection[int]) -> dict[int, Statement]:
        """Return statements by key; those that are gone are left out."""
        rows = self.db.execute(
            f"SELECT s.key, q.name, {FACTS} FROM statement s JOIN property q ON q.key = s.property"  # noqa: S608
            f" WHERE s.key {_AMONG}",
            (_json(keys),),
        )
        return {key: Statement(*facts) for key, *facts in rows}

    def facets(self, keys: Collection[int]) -> dict[int, str]:
        """Return the facet under which each of some statements is counted."""
        rows = self.db.execute(f"SELECT key, facet FROM statement WHERE key {_AMONG}", (_json(keys),))  # noqa: S608
        return dict(rows.fetchall())

    def facts(self, keys: Array) -> StatementFacts:
        """Return what columns need to know of statements (in order, each once)."""
        properties, kinds = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.uint8)
        numbers = np.full(len(keys), np.nan)
        for start in range(0, len(keys), CHUNK):
            rows = self.db.execute(
                "SELECT key, property, kind, number, term IS NOT NULL FROM statement"  # noqa: S608
                f" WHERE key {_AMONG} ORDER BY key",
                (_json(keys[start : start + CHUNK].tolist()),),
            ).fetchall()
            at = np.searchsorted(keys, np.array([row[0] for row in rows], np.int64))
            properties[at] = [row[1] for row in rows]
            kinds[at] = [kinds_of(row[2], has_term=bool(row[4])) for row in rows]
            numbers[at] = [row[3] if row[2] == "number" else np.nan for row in rows]
        return StatementFacts(keys, properties, numbers, kinds)


class DictionaryWriter(Dictionary):
    """Adds statements and forgets them, within one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__(db)
        self._keys: dict[tuple[Level, Statement], int] = {}

    def keys(self, level: Level, statements: Iterable[Statement]) -> tuple[int, ...]:
        """Return the keys of statements, in order; new ones are written."""
        return tuple(sorted(self._key(level, statement) for statement in statements))

    def _key(self, level: Level, statement: Statement) -> int:
        key = self._keys.get((level, statement))
        if key is None:
            prop = self._property(level, statement.name)
            digest = index_tables.digest(prop, statement)
            key = index_tables.statement_key(self.db, digest)
            if key is None:
                key = self._add(digest, prop, statement)
            self._keys[level, statement] = key
        return key

    def _add(self, digest: bytes, prop: int, statement: Statement) -> int:
        key = index_tables.add_statement(self.db, digest, prop, statement)
        words = statement.words()
        if words:
            self.db.execute("INSERT INTO word (rowid, words) VALUES (?, ?)", (key, " ".join(sorted(words))))
        return key

    def _property(self, level: Level, name: str) -> int:
        key = self.property_key(level, name)
        if key is None:
            key = self._properties[level, name] = index_tables.add_property(self.db, level, name)
        return key

    def forget(self, keys: Collection[int]) -> None:
        """Remove statements that are true of nobody any more, and properties that nobody has."""
        if not keys:
            return
        rows = [(key,) for key in keys]
        self.db.executemany("DELETE FROM form WHERE statement = ?", rows)
        self.db.executemany("DELETE FROM word WHERE rowid = ?", rows)
        self.db.execute("INSERT INTO word (word) VALUES ('optimize')")  # deleted words stay in its tree till then
        self.db.executemany("DELETE FROM statement WHERE key = ?", rows)
        self.db.execute(
            "DELETE FROM property WHERE NOT EXISTS (SELECT 1 FROM statement s WHERE s.property = property.key)"
        )
        self._keys.clear()
        self._properties.clear()


def kinds_of(kind: str, *, has_term: bool) -> int:
    """Return what a statement counts as, by bits."""
    return KINDS[kind] | (KINDS["term"] if has_term else 0)


def match(test: Word) -> str:
    """Return the FTS5 expression of a word (letters and digits alone, so it needs no escape)."""
    return f'"{test.word}"*' if test.prefix else f'"{test.word}"'


def _select(prop: int, test: Test) -> Iterable[tuple[str, tuple[object, ...]]]:
    """Yield the statements of SQL that find the keys of what passes a test."""
    start = "SELECT s.key FROM statement s WHERE s.property = ?"
    match test:
        case Present():
            yield start, (prop,)
        case Equal():
            yield from _equal(prop, test)
        case TextRange():
            bounds = [(f"AND s.folded {'>=' if test.low_included else '>'} ?", test.low)]
            bounds += [(f"AND s.folded {'<=' if test.high_included else '<'} ?", test.high)]
            given = [(sql, value) for sql, value in bounds if value is not None]
            conditions = " ".join([*(sql for sql, _ in given), *(["AND is_date(s.folded)"] if test.dates else [])])
            yield f"{start} AND s.kind = 'text' {conditions}", (prop, *(value for _, value in given))
        case Pattern(like=like):
            form = "SELECT f.statement FROM form f WHERE f.property = ? AND f.folded LIKE ? ESCAPE '\\'"
            yield form, (prop, like)
        case Below(terms=terms):
            yield f"{start} AND s.term {_AMONG}", (prop, _json(sorted(terms)))
        case Word():
            yield (
                "SELECT s.key FROM word JOIN statement s ON s.key = word.rowid WHERE word MATCH ? AND s.property = ?",
                (match(test), prop),
            )
        case NumberRange():
            raise TypeError("columns answer ranges of numbers")


def _equal(prop: int, test: Equal) -> Iterable[tuple[str, tuple[object, ...]]]:
    start = "SELECT s.key FROM statement s WHERE s.property = ?"
    if test.forms:
        yield (
            f"SELECT f.statement FROM form f WHERE f.property = ? AND f.folded {_AMONG}",  # noqa: S608
            (prop, _json(sorted(test.forms))),
        )
    if test.terms:
        yield f"{start} AND s.term {_AMONG}", (prop, _json(sorted(test.terms)))
    if test.numbers:
        yield f"{start} AND s.kind = 'number' AND s.number {_AMONG}", (prop, _json(sorted(test.numbers)))
    if test.booleans:
        yield f"{start} AND s.kind = 'boolean' AND s.number {_AMONG}", (prop, _json(sorted(test.booleans)))


def _json(values: Iterable[object]) -> str:
    return json.dumps(list(values))
