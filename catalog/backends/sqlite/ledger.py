"""Reading the ledger: entries, bodies, proofs, the signed head."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from catalog.backends.sqlite.tree import ENTRY_COLUMNS, StoredTree, entry_of
from catalog.model import Page
from catalog.repository import StoredBody
from ontology.errors import IntegrityError, InvalidRequestError, NotFoundError
from provenance.ledger import merkle
from provenance.ledger.entry import Entry

_MAX_PAGE = 10_000


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
    if not 1 <= limit <= _MAX_PAGE:
        raise InvalidRequestError(f"limit is {limit}, not between 1 and {_MAX_PAGE}", field="limit")
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
    page = [entry_of(row) for row in rows[:limit]]
    return Page(items=page, total=total, next=str(page[-1].sequence) if len(rows) > limit else None)


def _conditions(*, subject: str | None, action: str | None, principal: str | None) -> tuple[str, list[str]]:
    conditions, parameters = ["1"], []
    for column, wanted in (("subject", subject), ("principal", principal)):
        if wanted is not None:
            conditions.append(f"{column} = ?")
            parameters.append(wanted)
    if action is not None and action.endswith(".*"):
        noun = action[:-1]
        conditions.append("action >= ? AND action < ?")
        parameters.extend((noun, noun[:-1] + "/"))
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


def inclusion(connection: sqlite3.Connection, sequence: int, tree_size: int | None) -> list[bytes]:
    """Return the audit path of an entry.

    Raises:
        NotFoundError: It is not in that tree.
    """
    present = size(connection)
    tree_size = present if tree_size is None else tree_size
    if not 0 <= sequence < tree_size <= present:
        raise NotFoundError(
            f"entry {sequence} is not in a ledger of {min(tree_size, present)} entries", field="sequence"
        )
    return merkle.inclusion_proof(sequence, tree_size, StoredTree(connection).range_root)


def consistency(connection: sqlite3.Connection, first: int, second: int | None) -> list[bytes]:
    """Return the proof that an earlier ledger begins a later one.

    Raises:
        InvalidRequestError: Not ``0 < first <= second <= size``.
    """
    present = size(connection)
    second = present if second is None else second
    if not 0 < first <= second <= present:
        raise InvalidRequestError(
            f"from {first} to {second} is no range of a ledger of {present} entries", field="first"
        )
    return merkle.consistency_proof(first, second, StoredTree(connection).range_root)


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
