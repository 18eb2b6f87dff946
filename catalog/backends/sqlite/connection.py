"""Connections to the one file of a catalogue, and what SQLite's errors mean here."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ontology.errors import (
    BackendUnavailableError,
    IntegrityError,
    OutcomeUnknownError,
    SillageError,
    StorageFullError,
)

BUSY_SECONDS = 30.0
_CACHE_KIB = 65_536
_WAL_PAGES = 4_000
_WAL_BYTES = 64 * 1024 * 1024
_AWAY = frozenset(
    {
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


def connect(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open a connection; it may wander between threads, one at a time.

    Raises:
        BackendUnavailableError: The file cannot be opened.
        IntegrityError: It is not a database.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=busy_seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
    except sqlite3.Error as error:
        raise translate(error) from error
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error as error:
        connection.close()
        raise translate(error) from error
    return connection


def translate(error: sqlite3.Error, *, committing: bool = False) -> SillageError:
    """Return the error of the taxonomy that a SQLite error means.

    Args:
        error: What SQLite raised.
        committing: It was raised by ``COMMIT``: after a failed synchronisation, the frames of the transaction may
            or may not come back when the log is next read.
    """
    extended = getattr(error, "sqlite_errorcode", None)
    code = extended & 0xFF if extended is not None else None
    if code == sqlite3.SQLITE_FULL or extended == sqlite3.SQLITE_IOERR_WRITE:
        return StorageFullError("the disk of the catalogue is full, or a limit on its files is reached")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT):
        return IntegrityError(f"the store of the catalogue is damaged: {error}")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BackendUnavailableError(
            "another process has held the write lock of the catalogue for too long",
            next_step="Repeat the command when the other one has ended.",
        )
    if committing and code == sqlite3.SQLITE_IOERR:
        return OutcomeUnknownError(f"the disk failed while the change was being written: {error}")
    if code in _AWAY:
        return BackendUnavailableError(f"the store of the catalogue cannot be used: {error}")
    return IntegrityError(f"the store of the catalogue does not behave as it should: {error}")


class Pool:
    """Idle connections, so that each reader has one of its own without opening a file each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False

    @contextmanager
    def reading(self, *, snapshot: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend a connection; with ``snapshot``, all its queries see one state of the store.

        Raises:
            BackendUnavailableError: The store cannot be used, or was closed.
            IntegrityError: The store is damaged.
        """
        connection = self._take()
        try:
            if snapshot:
                connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise translate(error) from error
        finally:
            if connection.in_transaction:
                connection.rollback()
            self._give(connection)

    def _take(self) -> sqlite3.Connection:
        if self._closed:
            raise BackendUnavailableError("the catalogue was closed")
        try:
            return self._idle.pop()
        except IndexError:
            return connect(self._path)

    def _give(self, connection: sqlite3.Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """Close all idle connections, and lent ones when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
