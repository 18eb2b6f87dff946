"""Reading records, files and edges. Every function takes the connection, so that callers choose the snapshot."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from catalog.commits.records import file_of, page_start, past_version, record_of, version_of
from catalog.commits.snapshot import ERASED
from catalog.model import Edge, Page, Record
from ontology.errors import NotFoundError

_ASKED = "(SELECT value FROM json_each(?))"
_SELECT = """
SELECT r.key, n.iri, r.type, r.version, made.time, changed.time, r.sequence, r.state, b.body
FROM record AS r
JOIN node AS n ON n.key = r.key
JOIN entry AS made ON made.sequence = r.first
JOIN entry AS changed ON changed.sequence = r.sequence
LEFT JOIN body AS b ON b.sequence = r.sequence
"""
_SELECT_FILES = """
SELECT n.iri, f.position, d.iri, o.iri, r.version, made.time, changed.time, f.sequence, r.state, b.body
FROM file AS f
JOIN node AS n ON n.key = f.key
JOIN node AS o ON o.key = f.record
JOIN record AS r ON r.key = f.record
JOIN entry AS made ON made.sequence = r.first
JOIN entry AS changed ON changed.sequence = f.sequence
LEFT JOIN node AS d ON d.key = r.dataset
LEFT JOIN body AS b ON b.sequence = f.sequence
"""
_VERSIONS = """
SELECT e.version, e.time, e.sequence, b.body FROM entry AS e LEFT JOIN body AS b ON b.sequence = e.sequence
WHERE e.subject = ? AND e.version IS NOT NULL ORDER BY e.version
"""
_SINCE = """
SELECT r.key, e.subject, r.type, r.version, made.time, e.time, r.sequence, r.state, b.body
FROM entry AS e
JOIN node AS n ON n.iri = e.subject
JOIN record AS r ON r.key = n.key AND r.sequence = e.sequence
JOIN entry AS made ON made.sequence = r.first
LEFT JOIN body AS b ON b.sequence = e.sequence
WHERE e.sequence > ? AND e.version IS NOT NULL ORDER BY e.sequence LIMIT ?
"""
_EDGES = """
SELECT s.iri, p.curie, t.iri FROM edge AS e
JOIN predicate AS p ON p.key = e.predicate JOIN node AS s ON s.key = e.source JOIN node AS t ON t.key = e.target
WHERE e.{end} IN (SELECT key FROM node WHERE iri IN {asked}){only} ORDER BY e.source, e.target, e.predicate
"""


def get(connection: sqlite3.Connection, iri: str) -> Record:
    """Return the current version of a record or file.

    Raises:
        NotFoundError: There is none.
    """
    row = connection.execute(f"{_SELECT} WHERE n.iri = ?", (iri,)).fetchone()
    if row is not None:
        return record_of(row)
    row = connection.execute(f"{_SELECT_FILES} WHERE n.iri = ?", (iri,)).fetchone()
    if row is not None:
        return file_of(row)
    raise NotFoundError(f"there is nothing by the name of {iri}", field="id")


def get_many(connection: sqlite3.Connection, ids: Collection[str]) -> dict[str, Record]:
    """Return the current versions of those of ``ids`` that exist."""
    asked = (json.dumps(list(ids)),)
    found = {row[1]: record_of(row) for row in connection.execute(f"{_SELECT} WHERE n.iri IN {_ASKED}", asked)}
    if len(found) < len(ids):
        files = connection.execute(f"{_SELECT_FILES} WHERE n.iri IN {_ASKED}", asked)
        found.update((row[0], file_of(row)) for row in files)
    return found


def versions(connection: sqlite3.Connection, iri: str) -> list[Record]:
    """Return all versions of a record, oldest first.

    Raises:
        NotFoundError: No such record.
    """
    row = connection.execute(f"{_SELECT} WHERE n.iri = ?", (iri,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no record {iri}", field="id")
    current = record_of(row)
    state = row[7]
    return [
        past_version(current, version, time, sequence, body, erased=state == ERASED)
        for version, time, sequence, body in connection.execute(_VERSIONS, (iri,))
    ]


def get_version(connection: sqlite3.Connection, iri: str, version: int) -> Record:
    """Return one version of a record or file.

    Raises:
        NotFoundError: No such record, file or version.
        WithdrawnError: Its body was erased.
    """
    current = get(connection, iri)
    return version_of(current, version, lambda: versions(connection, iri))


def list_records(
    connection: sqlite3.Connection,
    type: str,
    *,
    datasets: Collection[str] | None,
    part_of: str | None,
    cursor: str | None,
    limit: int,
    counted: bool = True,
) -> Page[Record]:
    """Return a page of records; without ``counted`` the total is that of the page.

    Raises:
        InvalidRequestError: The cursor or limit is not one of ours.
    """
    after = page_start(cursor, limit)
    key, rest, parameters = _selection(type, datasets=datasets, part_of=part_of)
    page = f"SELECT DISTINCT {key} FROM {rest} AND {key} > ? ORDER BY {key} LIMIT ?"  # noqa: S608
    rows = connection.execute(
        f"{_SELECT} WHERE r.key IN ({page}) ORDER BY r.key", (*parameters, after, limit + 1)
    ).fetchall()
    more, rows = len(rows) > limit, rows[:limit]
    total = len(rows)
    if counted and (more or cursor is not None):
        count = f"SELECT count(DISTINCT {key}) FROM {rest}"  # noqa: S608
        total = connection.execute(count, parameters).fetchone()[0]
    return Page(items=[record_of(row) for row in rows], total=total, next=str(rows[-1][0]) if more else None)


def _selection(type: str, *, datasets: Collection[str] | None, part_of: str | None) -> tuple[str, str, list[str]]:
    """Return the column of keys, what stands behind FROM and WHERE, and its parameters.

    Both forms walk an index in the order of keys, so that a page costs no more than what it holds.
    """
    if part_of is None:
        key, rest, parameters = "r.key", "record AS r WHERE r.type = ? AND r.state = 0", [type]
    else:
        key, parameters = "e.source", [part_of, type]
        rest = (
            "edge AS e CROSS JOIN record AS r ON r.key = e.source"
            " WHERE e.target = (SELECT key FROM node WHERE iri = ?) AND r.type = ? AND r.state = 0"
        )
    if datasets is not None:
        rest += f" AND r.dataset IN (SELECT key FROM node WHERE iri IN {_ASKED})"  # noqa: S608
        parameters.append(json.dumps(list(datasets)))
    return key, rest, parameters


def edges(
    connection: sqlite3.Connection, end: str, ids: Collection[str], predicates: Collection[str] | None
) -> list[Edge]:
    """Return the edges that have one of ``ids`` at their ``source`` or ``target`` end."""
    only, parameters = "", [json.dumps(list(ids))]
    if predicates is not None:
        only = f" AND e.predicate IN (SELECT key FROM predicate WHERE curie IN {_ASKED})"  # noqa: S608
        parameters.append(json.dumps(list(predicates)))
    query = _EDGES.format(end="source" if end == "source" else "target", asked=_ASKED, only=only)
    return [Edge(*row) for row in connection.execute(query, parameters)]


def files_by_sha256(connection: sqlite3.Connection, sha256: str) -> list[Record]:
    """Return the files with this content, those of current versions first."""
    rows = connection.execute(f"{_SELECT_FILES} WHERE f.sha256 = ? ORDER BY f.sequence < r.sequence, f.key", (sha256,))
    return [file_of(row) for row in rows]


def records_since(connection: sqlite3.Connection, sequence: int, limit: int) -> list[Record]:
    """Return records last written after ``sequence``, in ledger order."""
    return [record_of(row) for row in connection.execute(_SINCE, (sequence, limit))]
