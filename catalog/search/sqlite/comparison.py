"""Whether an index says what the repository says: every record projected again and compared."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from catalog.model import Problem, Record
from catalog.repository import Repository
from catalog.search.index_tables import FACTS, applied, dataset_entry
from catalog.search.names import Level, fold
from catalog.search.projection import (
    SEARCHED,
    AcquisitionEntry,
    Entry,
    ParticipantEntry,
    Statement,
    project,
)

BATCH = 1_000
_STATEMENTS = {
    Level.PARTICIPANT: "participant_statement l JOIN statement s ON s.key = l.statement AND l.participant = ?",
    Level.ACQUISITION: "acquisition_statement l JOIN statement s ON s.key = l.statement AND l.acquisition = ?",
}
_COUNTS = {
    "Participant": "SELECT COUNT(*) FROM participant WHERE live = 1",
    "Acquisition": "SELECT COUNT(*) FROM acquisition",
}
_USES = """
SELECT p.level, p.name, COALESCE(d.iri, ''), u.records, (
    SELECT COUNT(DISTINCT r.key) FROM statement s
    JOIN {link} l ON l.statement = s.key JOIN {record} r ON r.key = l.{record}
    WHERE s.property = p.key AND COALESCE(r.dataset, 0) = u.dataset)
FROM property p JOIN property_use u ON u.property = p.key AND u.kind = '' LEFT JOIN dataset d ON d.key = u.dataset
WHERE p.level = '{record}'
"""


def differences(db: sqlite3.Connection, repository: Repository) -> Iterator[Problem]:
    """Yield every way in which the index differs from what it would be if it were built now."""
    for (line,) in db.execute("PRAGMA quick_check(10)").fetchall():
        if line != "ok":
            yield Problem("search index", line)
    covered = applied(db)
    live = dict.fromkeys(_COUNTS, 0)
    after = -1
    while records := repository.records_since(after, limit=BATCH):
        after = records[-1].sequence
        for record in records:
            if record.type in SEARCHED and record.sequence <= covered:
                kind = "Acquisition" if record.type == "Entity" else record.type
                live[kind] = live.get(kind, 0) + (not record.withdrawn)
                if not _agrees(db, record):
                    yield Problem(record.id, "the search index differs from the record")
    if not repository.records_since(covered, limit=1):
        yield from _surplus(db, live)
    yield from _miscounted(db)
    yield from _misfiled(db)


def _surplus(db: sqlite3.Connection, live: dict[str, int]) -> Iterator[Problem]:
    for type, counting in _COUNTS.items():
        (count,) = db.execute(counting).fetchone()
        if count != live[type]:
            yield Problem("search index", f"it has {count} records of type {type}, the repository {live[type]}")


def _miscounted(db: sqlite3.Connection) -> Iterator[Problem]:
    for level in Level:
        sql = _USES.format(link=f"{level}_statement", record=level.value)
        for _, name, dataset, counted, found in db.execute(sql).fetchall():
            if counted != found:
                where = f"{level} property {name}"
                yield Problem(where, f"counted {counted} times in {dataset or 'no dataset'}, found {found} times")


def _misfiled(db: sqlite3.Connection) -> Iterator[Problem]:
    """Yield the statements that would not be found by what they say."""
    rows = db.execute(
        f"SELECT s.key, s.folded, s.facet, q.name, {FACTS} FROM statement s"  # noqa: S608
        " LEFT JOIN property q ON q.key = s.property"
    )
    for key, folded, facet, name, *facts in rows:
        statement = Statement(name or "", *facts)
        forms = frozenset(form for (form,) in db.execute("SELECT folded FROM form WHERE statement = ?", (key,)))
        said = frozenset(word for (word,) in db.execute("SELECT word FROM word WHERE statement = ?", (key,)))
        rightly = None if statement.text is None else fold(statement.text)
        if (forms, said, folded, facet) != (statement.forms(), statement.words(), rightly, statement.facet):
            yield Problem(f"search index, property {name}", "a value is filed under what it does not say")


def _agrees(db: sqlite3.Connection, record: Record) -> bool:
    stored = _stored(db, record)
    return stored is None if record.withdrawn else stored == project(record)


def _stored(db: sqlite3.Connection, record: Record) -> Entry | None:
    """Return what the index has about a record, in the form of its projection."""
    if record.type == "Dataset":
        sql = "SELECT iri, label, title, statements FROM dataset WHERE iri = ? AND withdrawn = 0"
        row = db.execute(sql, (record.id,)).fetchone()
        return dataset_entry(*row) if row else None
    if record.type == "Participant":
        sql = (
            "SELECT p.key, p.label, d.iri FROM participant p LEFT JOIN dataset d ON d.key = p.dataset"
            " WHERE p.iri = ? AND p.live = 1"
        )
        row = db.execute(sql, (record.id,)).fetchone()
        return ParticipantEntry(record.id, row[1], row[2], _said(db, Level.PARTICIPANT, row[0])) if row else None
    sql = (
        "SELECT a.key, a.label, d.iri, p.iri FROM acquisition a LEFT JOIN dataset d ON d.key = a.dataset"
        " LEFT JOIN participant p ON p.key = a.participant WHERE a.iri = ?"
    )
    row = db.execute(sql, (record.id,)).fetchone()
    return AcquisitionEntry(record.id, row[1], row[2], row[3], _said(db, Level.ACQUISITION, row[0])) if row else None


def _said(db: sqlite3.Connection, level: Level, key: int) -> frozenset[Statement]:
    rows = db.execute(
        f"SELECT q.name, {FACTS} FROM {_STATEMENTS[level]} JOIN property q ON q.key = s.property",  # noqa: S608
        (key,),
    )
    return frozenset(Statement(*row) for row in rows)
