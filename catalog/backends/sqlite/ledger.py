"""Reading the ledger: entries, bodies, proofs, the signed head."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from catalog.backends.sqlite.tree import ENTRY_COLUMNS, StoredTree
from catalog.commits import proofs
from catalog.commits.entries import entry_of, page_of, refuse_limit, verbs_of
from catalog.model import Page
from catalog.repository import Entered, StoredBody
from ontology.errors import IntegrityError, NotFoundError
from provenance.ledger.entry import Entry

_WHOLE = """
SELECT e.sequence, e.time, e.principal, e.action, e.subject, e.version, e.reason, e.body_digest, b.salt, b.body
FROM entry AS e LEFT JOIN body AS b ON b.sequence = e.sequence WHERE e.sequence > ? ORDER BY e.sequence
"""


def size(connection: sqlite3.Connection) -> int:
    """Return the number of entries."""
    return int(_head(connection, "size"))


def checkpoint(connection: sqlite3.Connection) -> str:
    """Return the signed head."""
    return _head(connection, "note")


def _head(connection: sqlite3.Connection, column: str) -> str:
    row = connection.execute(f"SELECT {column} FROM checkpoint WHERE id = 1").fetchone()  # noqa: S608
    if row is None:
        raise IntegrityError("the ledger has lost its head")
    return str(row[0])


def entries(
    connection: sqlite3.Connection,
    *,
    after: int,
    limit: int,
    subject: str | None,
    action: str | None,
    principal: str | None,
) -> Page[Entry]:
    """Return a page of entries, in order; see :meth:`catalog.repository.Repository.entries`.

    Raises:
        InvalidRequestError: The limit is out of bounds.
    """
    refuse_limit(limit)
    conditions, parameters = _conditions(subject=subject, action=action, principal=principal)
    rows = connection.execute(
        f"SELECT {ENTRY_COLUMNS} FROM entry WHERE {conditions} AND sequence > ? ORDER BY sequence LIMIT ?",  # noqa: S608
        (*parameters, after, limit + 1),
    ).fetchall()
    if parameters:
        count = f"SELECT count(*) FROM entry WHERE {conditions}"  # noqa: S608
        total = connection.execute(count, parameters).fetchone()[0]
    else:
        total = size(connection)
    return page_of([entry_of(row) for row in rows], total=total, limit=limit)


def _conditions(*, subject: str | None, action: str | None, principal: str | None) -> tuple[str, list[str]]:
    conditions, parameters = ["1"], []
    for column, wanted in (("subject", subject), ("principal", principal)):
        if wanted is not None:
            conditions.append(f"{column} = ?")
            parameters.append(wanted)
    if action is not None and action.endswith(".*"):
        conditions.append("action >= ? AND action < ?")
        parameters.extend(verbs_of(action))
    elif action is not None:
        conditions.append("action = ?")
        parameters.append(action)
    return " AND ".join(conditions), parameters


def body(connection: sqlite3.Connection, sequence: int) -> StoredBody | None:
    """Return the salted body of an entry.

    Raises:
        NotFoundError: No such entry.
    """
    if not 0 <= sequence < size(connection):
        raise NotFoundError(f"there is no entry {sequence}", field="sequence")
    row = connection.execute("SELECT salt, body FROM body WHERE sequence = ?", (sequence,)).fetchone()
    return None if row is None else StoredBody(*row)


def export(connection: sqlite3.Connection, after: int) -> Iterator[Entered]:
    """Yield the entries after ``after`` with their bodies, in order."""
    for *members, salt, content in connection.execute(_WHOLE, (after,)):
        yield Entered(entry_of(tuple(members)), None if content is None else StoredBody(salt, content))


def inclusion(connection: sqlite3.Connection, sequence: int, tree_size: int | None) -> list[bytes]:
    """Return the audit path of an entry.

    Raises:
        NotFoundError: It is not in that tree.
    """
    return proofs.inclusion(sequence, tree_size, size(connection), StoredTree(connection).range_root)


def consistency(connection: sqlite3.Connection, first: int, second: int | None) -> list[bytes]:
    """Return the proof that an earlier ledger begins a later one.

    Raises:
        InvalidRequestError: Not ``0 < first <= second <= size``.
    """
    return proofs.consistency(first, second, size(connection), StoredTree(connection).range_root)


def copy(connection: sqlite3.Connection, target: Path) -> None:
    """Write a consistent copy of the whole store to a new file (SQLite's online backup)."""
    copied = sqlite3.connect(target, isolation_level=None)
    try:
        connection.backup(copied)
        copied.execute("PRAGMA synchronous = FULL")
        copied.execute("PRAGMA journal_mode = WAL")
        copied.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        copied.close()
