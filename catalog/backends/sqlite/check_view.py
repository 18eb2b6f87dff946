"""Verification of the view: records, edges, aliases and files against the bodies they come from."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from catalog.backends.sqlite.predicates import read
from catalog.commits.consistency import StoredRecord, check_record, mentioned_files
from catalog.model import Problem
from ontology.errors import IntegrityError
from ontology.namespaces import PART_OF

_RECORDS = """
SELECT r.key, n.iri, r.type, r.version, r.state, d.iri, r.label, e.subject, e.version, b.body
FROM record AS r
LEFT JOIN node AS n ON n.key = r.key
LEFT JOIN node AS d ON d.key = r.dataset
LEFT JOIN entry AS e ON e.sequence = r.sequence
LEFT JOIN body AS b ON b.sequence = r.sequence
ORDER BY r.key
"""
_RECORD_EDGES = """
SELECT e.source, p.curie, t.iri FROM edge AS e
LEFT JOIN predicate AS p ON p.key = e.predicate LEFT JOIN node AS t ON t.key = e.target
WHERE EXISTS (SELECT 1 FROM record WHERE key = e.source) ORDER BY e.source
"""
_STRAY_EDGES = """
SELECT count(*) FROM edge AS e WHERE NOT EXISTS (SELECT 1 FROM record WHERE key = e.source)
AND NOT EXISTS (SELECT 1 FROM file WHERE key = e.source)
"""
_ALIASES = "SELECT record, name FROM alias INDEXED BY alias_record ORDER BY record"
_FILES = """
SELECT f.key, n.iri, f.record, o.iri, f.sequence, r.sequence, f.position, f.sha256, f.label,
  (SELECT count(*) FROM edge WHERE source = f.key),
  (SELECT count(*) FROM edge JOIN predicate AS p ON p.key = predicate
   WHERE source = f.key AND target = f.record AND p.curie = :part_of)
FROM file AS f
LEFT JOIN node AS n ON n.key = f.key
LEFT JOIN node AS o ON o.key = f.record
LEFT JOIN record AS r ON r.key = f.record
ORDER BY f.key
"""
_HISTORY = """
SELECT e.subject, count(*), max(e.version), max(e.sequence), min(e.sequence), r.version, r.sequence, r.first
FROM entry AS e LEFT JOIN node AS n ON n.iri = e.subject LEFT JOIN record AS r ON r.key = n.key
WHERE e.version IS NOT NULL GROUP BY e.subject
"""
_SUPERSEDED = """
SELECT e.sequence, r.key, b.body FROM entry AS e JOIN node AS n ON n.iri = e.subject
JOIN record AS r ON r.key = n.key AND r.version > e.version JOIN body AS b ON b.sequence = e.sequence
WHERE e.version IS NOT NULL
"""
_FILE = "SELECT f.record, f.sequence FROM node AS n JOIN file AS f ON f.key = n.key WHERE n.iri = ?"


def check_view(connection: sqlite3.Connection) -> Iterator[Problem]:
    """Yield every difference between the view and what the ledger says."""
    listed = _Count()
    yield from _check_records(connection, listed)
    yield from _check_history(connection)
    yield from _check_files(connection, listed)
    yield from _check_superseded(connection)
    try:
        read(connection)
    except IntegrityError as error:
        yield Problem("predicates", error.detail)
    stray = connection.execute(_STRAY_EDGES).fetchone()[0]
    if stray:
        yield Problem("edges", f"{stray} start at neither a record nor a file")


class _Count:
    """Files that current bodies list."""

    def __init__(self) -> None:
        self.files = 0


class _Groups:
    """Rows sorted by their first column, taken group by group while another sorted cursor goes along."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self.passed = 0

    def take(self, key: int) -> list[tuple[Any, ...]]:
        """Return the rows of ``key``; rows of smaller keys are counted in ``passed``."""
        found = []
        while self._next is not None and self._next[0] <= key:
            if self._next[0] == key:
                found.append(self._next[1:])
            else:
                self.passed += 1
            self._next = next(self._rows, None)
        return found

    def rest(self) -> int:
        """Return how many rows no key asked for."""
        return self.passed + (self._next is not None) + sum(1 for _ in self._rows)


def _check_records(connection: sqlite3.Connection, listed: _Count) -> Iterator[Problem]:
    edges = _Groups(connection.execute(_RECORD_EDGES))
    aliases = _Groups(connection.execute(_ALIASES))
    for key, *row in connection.execute(_RECORDS):
        names = {name for (name,) in aliases.take(key)}
        problems, files = check_record(StoredRecord(*row), edges.take(key), names)
        yield from problems
        listed.files += files
    if aliases.rest():
        yield Problem("aliases", "some belong to no record")


def _check_history(connection: sqlite3.Connection) -> Iterator[Problem]:
    subjects = 0
    for subject, count, version, last, first, *stands in connection.execute(_HISTORY):
        subjects += 1
        if count != version:
            yield Problem(f"record {subject}", f"the ledger has {count} versions, numbered up to {version}")
        if stands != [version, last, first]:
            yield Problem(f"record {subject}", "it is missing, or not at the version that the ledger ends with")
    records = connection.execute("SELECT count(*) FROM record").fetchone()[0]
    if records > subjects:
        yield Problem("records", f"{records - subjects} were never entered in the ledger")


def _check_files(connection: sqlite3.Connection, listed: _Count) -> Iterator[Problem]:
    mentions = lru_cache(maxsize=64)(lambda sequence: _mentions(connection, sequence))
    current = 0
    for row in connection.execute(_FILES, {"part_of": PART_OF}):
        _, iri, _, owner, sequence, newest, position, sha256, label, edges, memberships = row
        current += sequence == newest
        if mentions(sequence).get(iri) != (owner, position, sha256, label):
            yield Problem(f"file {iri}", "its record, place, checksum or label is not what the body says")
        if (edges, memberships) != (1, 1):
            yield Problem(f"file {iri}", "it is not exactly part of its record")
    if current != listed.files:
        yield Problem("files", f"the records list {listed.files} files, and {current} are there")


def _mentions(connection: sqlite3.Connection, sequence: int) -> Mapping[str, tuple[Any, ...]]:
    """Return for each file of a body what its row should say."""
    row = connection.execute("SELECT body FROM body WHERE sequence = ?", (sequence,)).fetchone()
    return mentioned_files(None if row is None else row[0])


def _check_superseded(connection: sqlite3.Connection) -> Iterator[Problem]:
    for sequence, record, body in connection.execute(_SUPERSEDED):
        if b'"files":[{' not in body:
            continue
        for iri in _mentions(connection, sequence):
            row = connection.execute(_FILE, (iri,)).fetchone()
            if row is None or row[0] != record or row[1] < sequence:
                yield Problem(f"file {iri}", f"entry {sequence} lists it, and it is not there")
