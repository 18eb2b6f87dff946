"""Applying records to the tables: one batch of the ledger, inside one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence

from catalog.model import Record
from catalog.search import index_tables
from catalog.search.names import Level, fold
from catalog.search.projection import (
    SEARCHED,
    AcquisitionEntry,
    DatasetEntry,
    ParticipantEntry,
    Statement,
    project,
    to_row,
)

_LINKS = {
    Level.PARTICIPANT: (
        "SELECT statement FROM participant_statement WHERE participant = ?",
        "INSERT INTO participant_statement (participant, statement) VALUES (?, ?)",
        "DELETE FROM participant_statement WHERE participant = ? AND statement = ?",
    ),
    Level.ACQUISITION: (
        "SELECT statement FROM acquisition_statement WHERE acquisition = ?",
        "INSERT INTO acquisition_statement (acquisition, statement) VALUES (?, ?)",
        "DELETE FROM acquisition_statement WHERE acquisition = ? AND statement = ?",
    ),
}
_WITHDRAWN_DATASET = "UPDATE dataset SET label = NULL, title = NULL, statements = '[]', withdrawn = 1 WHERE key = ?"
_UNUSED = (
    "SELECT s.key FROM statement s WHERE s.key = ?1"
    " AND NOT EXISTS (SELECT 1 FROM participant_statement l WHERE l.statement = ?1)"
    " AND NOT EXISTS (SELECT 1 FROM acquisition_statement l WHERE l.statement = ?1)"
)
_USE = (
    "INSERT INTO property_use (property, dataset, kind, records) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (property, dataset, kind) DO UPDATE SET records = records + excluded.records"
)


class Writer:
    """Writes one batch; what it remembers is true only within the transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._properties: dict[tuple[Level, str], int] = {}
        self._datasets: dict[str, int] = {}
        self._statements: dict[tuple[Level, Statement], int] = {}
        self._traits: dict[int, Sequence[tuple[int, str]]] = {}
        self._uses: Counter[tuple[int, int, str]] = Counter()
        self._dropped: set[int] = set()
        self._tied: dict[Level, list[tuple[int, int]]] = {level: [] for level in Level}
        self._untied: dict[Level, list[tuple[int, int]]] = {level: [] for level in Level}

    def apply(self, records: Iterable[Record]) -> None:
        """Bring the tables to what these records now say."""
        for record in records:
            if record.type not in SEARCHED:
                continue
            if record.withdrawn:
                self._withdraw(record)
                continue
            entry = project(record)
            if isinstance(entry, DatasetEntry):
                self._put_dataset(entry)
            elif isinstance(entry, ParticipantEntry):
                self._put_participant(entry)
            else:
                self._put_acquisition(entry)
        self._finish()

    def _withdraw(self, record: Record) -> None:
        if record.type == "Dataset":
            key = self._dataset(record.id)
            self._db.execute(_WITHDRAWN_DATASET, (key,))
            return
        level = Level.PARTICIPANT if record.type == "Participant" else Level.ACQUISITION
        row = self._db.execute(_FIND[level], (record.id,)).fetchone()
        if row is None:
            return
        key, dataset = row
        self._link(level, key, self._linked(level, key), frozenset(), (dataset, None))
        if level is Level.ACQUISITION:
            self._db.execute("DELETE FROM acquisition WHERE key = ?", (key,))
        else:
            self._db.execute(
                "UPDATE participant SET live = 0, dataset = NULL, label = NULL, folded = NULL WHERE key = ?", (key,)
            )

    def _put_dataset(self, entry: DatasetEntry) -> None:
        self._db.execute(
            "UPDATE dataset SET label = ?, title = ?, statements = ?, withdrawn = 0 WHERE key = ?",
            (entry.label, entry.title, json.dumps([*map(to_row, entry.statements)]), self._dataset(entry.id)),
        )

    def _put_participant(self, entry: ParticipantEntry) -> None:
        key, was = self._participant(entry.id)
        dataset = self._dataset(entry.dataset) if entry.dataset else None
        self._db.execute(
            "UPDATE participant SET live = 1, dataset = ?, label = ?, folded = ? WHERE key = ?",
            (dataset, entry.label, fold(entry.label), key),
        )
        self._link(Level.PARTICIPANT, key, self._linked(Level.PARTICIPANT, key), entry.statements, (was, dataset))

    def _put_acquisition(self, entry: AcquisitionEntry) -> None:
        participant = self._participant(entry.participant)[0] if entry.participant else None
        dataset = self._dataset(entry.dataset) if entry.dataset else None
        row = self._db.execute(_FIND[Level.ACQUISITION], (entry.id,)).fetchone()
        facts = (participant, dataset, entry.label, fold(entry.label))
        if row is None:
            insert = "INSERT INTO acquisition (participant, dataset, label, folded, iri) VALUES (?, ?, ?, ?, ?)"
            key, was = self._db.execute(insert, (*facts, entry.id)).lastrowid or 0, None
            before: frozenset[int] = frozenset()
        else:
            key, was = row
            before = self._linked(Level.ACQUISITION, key)
            update = "UPDATE acquisition SET participant = ?, dataset = ?, label = ?, folded = ? WHERE key = ?"
            self._db.execute(update, (*facts, key))
        self._link(Level.ACQUISITION, key, before, entry.statements, (was, dataset))

    def _participant(self, iri: str) -> tuple[int, int | None]:
        """Return key and dataset of a participant; one that is not there yet is made without life."""
        row = self._db.execute(_FIND[Level.PARTICIPANT], (iri,)).fetchone()
        if row is None:
            insert = "INSERT INTO participant (iri, live) VALUES (?, 0)"
            return self._db.execute(insert, (iri,)).lastrowid or 0, None
        return row[0], row[1]

    def _dataset(self, iri: str) -> int:
        key = self._datasets.get(iri)
        if key is None:
            self._db.execute("INSERT INTO dataset (iri) VALUES (?) ON CONFLICT DO NOTHING", (iri,))
            key = self._datasets[iri] = self._db.execute("SELECT key FROM dataset WHERE iri = ?", (iri,)).fetchone()[0]
        return key

    def _linked(self, level: Level, key: int) -> frozenset[int]:
        """Return the statements that are true of a record so far; no record comes twice in a batch."""
        return frozenset(row[0] for row in self._db.execute(_LINKS[level][0], (key,)))

    def _link(
        self,
        level: Level,
        key: int,
        before: frozenset[int],
        statements: frozenset[Statement],
        datasets: tuple[int | None, int | None],
    ) -> None:
        """Replace the statements of a record that was in the first dataset and is in the second."""
        after = frozenset(self._statement(level, statement) for statement in statements)
        gone = before - after
        self._dropped |= gone
        self._untied[level] += [(key, statement) for statement in gone]
        self._tied[level] += [(key, statement) for statement in after - before]
        self._count(before, datasets[0], -1)
        self._count(after, datasets[1], 1)

    def _count(self, statements: Iterable[int], dataset: int | None, change: int) -> None:
        """Count the properties that a record gains in a dataset or loses there; none is dataset 0."""
        for use in {use for key in statements for use in self._kinds(key)}:
            self._uses[use[0], dataset or 0, use[1]] += change

    def _kinds(self, statement: int) -> Sequence[tuple[int, str]]:
        """Return property and kind of a statement, in each way in which it is counted."""
        found = self._traits.get(statement)
        if found is None:
            sql = "SELECT property, kind, term IS NOT NULL FROM statement WHERE key = ?"
            found = self._traits[statement] = _traits(*self._db.execute(sql, (statement,)).fetchone())
        return found

    def _statement(self, level: Level, statement: Statement) -> int:
        """Return the key of a statement, kept once however many records it is true of."""
        key = self._statements.get((level, statement))
        if key is None:
            prop = self._property(level, statement.name)
            digest = index_tables.digest(prop, statement)
            key = index_tables.statement_key(self._db, digest)
            if key is None:
                key = self._add(digest, prop, statement)
            self._statements[level, statement] = key
            self._traits[key] = _traits(prop, statement.kind, statement.term is not None)
        return key

    def _add(self, digest: bytes, prop: int, statement: Statement) -> int:
        key = index_tables.add_statement(self._db, digest, prop, statement)
        self._db.executemany("INSERT INTO word VALUES (?, ?, ?)", [(word, prop, key) for word in statement.words()])
        return key

    def _property(self, level: Level, name: str) -> int:
        key = self._properties.get((level, name))
        if key is None:
            key = index_tables.property_key(self._db, level, name)
            if key is None:
                key = index_tables.add_property(self._db, level, name)
            self._properties[level, name] = key
        return key

    def _finish(self) -> None:
        """Write links and counts, and forget statements that are true of nobody any more.

        Links are undone first: the key of an acquisition that went may belong to one that came.
        """
        for level, (_, insert, delete) in _LINKS.items():
            self._db.executemany(delete, self._untied[level])
            self._db.executemany(insert, self._tied[level])
        uses = [(*use, change) for use, change in self._uses.items() if change]
        self._db.executemany(_USE, uses)
        self._db.execute("DELETE FROM property_use WHERE records <= 0")
        unused = [row for key in self._dropped if (row := self._db.execute(_UNUSED, (key,)).fetchone())]
        self._db.executemany("DELETE FROM form WHERE statement = ?", unused)
        self._db.executemany("DELETE FROM word WHERE statement = ?", unused)
        self._db.executemany("DELETE FROM statement WHERE key = ?", unused)
        if unused:
            self._db.execute(
                "DELETE FROM property WHERE NOT EXISTS (SELECT 1 FROM property_use u WHERE u.property = property.key)"
            )


_FIND = {
    Level.PARTICIPANT: "SELECT key, dataset FROM participant WHERE iri = ?",
    Level.ACQUISITION: "SELECT key, dataset FROM acquisition WHERE iri = ?",
}


def _traits(prop: int, kind: str, has_term: bool) -> Sequence[tuple[int, str]]:
    """Return the kinds under which a value counts: its own, ``term`` where it is mapped to one, and all (``''``)."""
    return ((prop, kind), (prop, ""), (prop, "term")) if has_term else ((prop, kind), (prop, ""))
