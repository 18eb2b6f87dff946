"""Connections to the SQLite file of an index that can be rebuilt, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from catalog.search.periods import is_date
from ontology.errors import BackendUnavailableError, IntegrityError, SillageError, StorageFullError

BUSY_SECONDS: Final = 60.0
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_BROKEN: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_SIDES: Final = ("", "-wal", "-shm")


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection; it may wander between threads, one at a time.

    Write-ahead logging without synchronising each commit: a power cut may take the newest part of an index, which
    is then caught up again from the repository, and never tears it.
    """
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "secure_delete = ON",  # what a participant withdrew is not to be found in free pages
            "temp_store = MEMORY",
            "cache_size = -65536",
            "journal_size_limit = 67108864",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function("is_date", 1, is_date, deterministic=True)
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS hit (key INTEGER PRIMARY KEY)")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def make_tables(connection: sqlite3.Connection, *, schema: str, meta: Mapping[str, str]) -> None:
    """Make every table of a schema anew, inside the caller's transaction, and say in ``meta`` what is in the file."""
    drop_tables(connection)
    for statement in _statements(schema):
        connection.execute(statement)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", list(meta.items()))


def drop_tables(connection: sqlite3.Connection) -> None:
    """Drop whatever tables are there."""
    rows = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    for (name,) in rows.fetchall():
        quoted = name.replace('"', '""')
        connection.execute(f'DROP TABLE IF EXISTS main."{quoted}"')


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script one by one, so that they can run inside a transaction."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def is_current(connection: sqlite3.Connection, written: str) -> bool:
    """Tell whether the file holds an index of a format."""
    try:
        row = connection.execute("SELECT value FROM main.meta WHERE name = 'format'").fetchone()
    except sqlite3.OperationalError as error:
        if is_broken(error) or is_busy(error):
            raise
        return False
    return row is not None and row[0] == written


def is_broken(error: sqlite3.Error) -> bool:
    """Tell whether an error means that the file is damaged or no database."""
    return _primary(error) in _BROKEN


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether an error means that somebody else holds the file."""
    return _primary(error) in _BUSY


def translate(error: sqlite3.Error) -> SillageError:
    """Return the error of the taxonomy that a SQLite error means."""
    if _primary(error) == sqlite3.SQLITE_FULL:
        return StorageFullError("there is no room for the search index")
    if is_broken(error):
        return IntegrityError("the search index is damaged", next_step="Run `sillage reindex`.")
    return BackendUnavailableError(f"the search index cannot be used: {error}")


def _primary(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


class Pool:
    """Connections to one file, each lent to one thread at a time; a file that was replaced is opened again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: deque[tuple[tuple[int, int], sqlite3.Connection]] = deque()
        self._closed = False
        self.damaged = False
        """Whether the file has shown damage since it was made."""

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection.

        Raises:
            BackendUnavailableError: The file is away, locked for too long, or the pool is closed.
            StorageFullError: The disk is full.
            IntegrityError: The file is damaged.
        """
        if self._closed:
            raise BackendUnavailableError("the search index is closed")
        with self._translated():
            identity, connection = self._take()
        try:
            with self._translated():
                yield connection
        finally:
            self._give_back(identity, connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self.damaged = self.damaged or is_broken(error)
            raise translate(error) from error

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection whose reads all see one state of the index.

        Raises:
            BackendUnavailableError: As for :meth:`connection`.
            IntegrityError: As for :meth:`connection`.
        """
        with self.connection() as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that alone may write; commits at the end, rolls back on any error.

        Raises:
            BackendUnavailableError: As for :meth:`connection`.
            StorageFullError: As for :meth:`connection`.
            IntegrityError: As for :meth:`connection`.
        """
        with self.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def _take(self) -> tuple[tuple[int, int], sqlite3.Connection]:
        present = self.identity()
        while self._idle:
            try:
                identity, connection = self._idle.pop()
            except IndexError:
                break
            if identity == present:
                return identity, connection
            connection.close()
        connection = connect(self.path)
        return self.identity(), connection

    def _give_back(self, identity: tuple[int, int], connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            return
        if self._closed:
            connection.close()
        else:
            self._idle.append((identity, connection))

    def identity(self) -> tuple[int, int]:
        """Return what tells this file from one that takes its place."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return (0, 0)
        return (found.st_dev, found.st_ino)

    def close(self) -> None:
        """Close every idle connection, and each lent one when it comes back."""
        self._closed = True
        self._close_idle()

    def remove_file(self) -> None:
        """Remove a damaged file; other processes notice that another has taken its place."""
        self._close_idle()
        for side in _SIDES:
            self.path.with_name(self.path.name + side).unlink(missing_ok=True)
        self.damaged = False

    def _close_idle(self) -> None:
        while self._idle:
            try:
                self._idle.pop()[1].close()
            except IndexError:
                return
