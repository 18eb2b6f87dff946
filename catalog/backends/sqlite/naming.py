"""From what a person types to an IRI."""

from __future__ import annotations

import sqlite3

from catalog.commits.references import CANDIDATES, content_meant, names_meant, the_one

_BY_NAME = """
SELECT n.iri FROM node AS n WHERE n.iri = ? AND (EXISTS (SELECT 1 FROM record WHERE key = n.key)
  OR EXISTS (SELECT 1 FROM file WHERE key = n.key))
"""
_BY_ALIAS = "SELECT n.iri FROM alias AS a JOIN node AS n ON n.key = a.record WHERE a.name = ?"
_BY_CONTENT = """
SELECT n.iri, f.sequence < r.sequence AS superseded FROM file AS f JOIN node AS n ON n.key = f.key
JOIN record AS r ON r.key = f.record WHERE f.sha256 = ? ORDER BY superseded, f.key LIMIT ?
"""
_BY_PREFIX = """
SELECT n.iri FROM node AS n WHERE n.iri >= ? AND n.iri < ? AND (EXISTS (SELECT 1 FROM record WHERE key = n.key)
  OR EXISTS (SELECT 1 FROM file WHERE key = n.key)) ORDER BY n.iri LIMIT ?
"""


def find_alias(connection: sqlite3.Connection, alias: str) -> str | None:
    """Return the IRI of the record that holds an alias."""
    row = connection.execute(_BY_ALIAS, (alias,)).fetchone()
    return None if row is None else str(row[0])


def resolve(connection: sqlite3.Connection, reference: str) -> str:
    """Return the IRI that ``reference`` means: tried as a whole name, an alias, content, then a prefix.

    Raises:
        NotFoundError: Nothing answers to it.
        AmbiguousError: Several do.
    """
    row = connection.execute(_BY_NAME, (reference,)).fetchone()
    found = str(row[0]) if row is not None else find_alias(connection, reference)
    return found or the_one(reference, _by_content(connection, reference) or _by_prefix(connection, reference))


def _by_content(connection: sqlite3.Connection, reference: str) -> list[str]:
    sha256 = content_meant(reference)
    if sha256 is None:
        return []
    rows = connection.execute(_BY_CONTENT, (sha256, CANDIDATES)).fetchall()
    return [iri for iri, superseded in rows if superseded == rows[0][1]]


def _by_prefix(connection: sqlite3.Connection, reference: str) -> list[str]:
    bounds = names_meant(reference)
    if bounds is None:
        return []
    return [iri for (iri,) in connection.execute(_BY_PREFIX, (*bounds, CANDIDATES))]
