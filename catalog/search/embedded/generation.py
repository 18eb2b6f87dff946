"""One generation of the index: its SQLite file, its segments, and the newest view of them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from catalog.search import index_file, index_tables
from catalog.search.embedded.dictionary import Dictionary
from catalog.search.embedded.view import View, load_view, stamp_of
from catalog.search.embedded.writer import FRESH_RECORDS, Writer
from ontology.errors import BackendUnavailableError, IntegrityError

FORMAT: Final = "2"
"""Changes whenever the tables, the segments or what is written into them change; another format is rebuilt."""

_FILE: Final = "index.sqlite"
_ATTEMPTS: Final = 5


class Generation:
    """An index in one folder."""

    def __init__(self, folder: Path, *, fresh_records: int = FRESH_RECORDS) -> None:
        self.folder = folder
        self._fresh_records = fresh_records
        self.pool = index_file.Pool(folder / _FILE)
        self._view: View | None = None
        self._broken = False

    @classmethod
    def create(cls, folder: Path, *, fresh_records: int = FRESH_RECORDS) -> Self:
        """Make an empty index in a new folder.

        Raises:
            BackendUnavailableError: It cannot be made.
            StorageFullError: The disk is full.
        """
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise BackendUnavailableError(f"the search index cannot be made: {error.strerror}") from error
        made = cls(folder, fresh_records=fresh_records)
        with made.pool.writing() as db:
            index_tables.make(db, backend="catalog.search.embedded", format=FORMAT, stamp="0")
        return made

    @property
    def damaged(self) -> bool:
        """Whether it has shown damage."""
        return self._broken or self.pool.damaged

    def is_current(self) -> bool:
        """Tell whether it is there, whole as far as can be seen, and of this format."""
        if not (self.folder / _FILE).is_file():
            return False
        try:
            with self.pool.connection() as db:
                return index_file.is_current(db, FORMAT)
        except IntegrityError:
            return False

    @contextmanager
    def snapshot(self) -> Iterator[tuple[View, Dictionary]]:
        """Lend one state of the index.

        Raises:
            BackendUnavailableError: It is away, or held for too long.
            IntegrityError: It is damaged.
        """
        with self._noticing_damage(), self.pool.connection() as db:
            yield self._opened(db), Dictionary(db)

    def _opened(self, db: sqlite3.Connection) -> View:
        """Begin to read, and return the view of what is read; segments may be merged away in between."""
        for attempt in range(_ATTEMPTS):
            db.execute("BEGIN")
            try:
                return self._current(db)
            except FileNotFoundError as error:
                db.execute("ROLLBACK")
                if attempt == _ATTEMPTS - 1:
                    raise IntegrityError("a file of the search index is gone") from error
        raise AssertionError("unreachable")

    def _current(self, db: sqlite3.Connection) -> View:
        known, stamp = self._view, stamp_of(db)
        if known is None or known.stamp != stamp:
            known = load_view(db, self.folder, known if known is not None and known.stamp < stamp else None)
            self._view = known
        known.ensure_whole()
        return known

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Lend a writer that alone may write; what it did is there for all when this ends, or nothing of it is.

        Raises:
            BackendUnavailableError: It is away, or held for too long.
            StorageFullError: The disk is full.
            IntegrityError: It is damaged.
        """
        with self._noticing_damage():
            with self.pool.writing() as db:
                self._clean(db)
                known = self._view
                known = known if known is not None and known.stamp <= stamp_of(db) else None
                if known is not None:
                    known.ensure_whole()
                writer = Writer(db, self.folder, known, fresh_records=self._fresh_records)
                yield writer
            self._view = writer.view

    def _clean(self, db: sqlite3.Connection) -> None:
        """Remove segments that were merged away, or written by somebody who did not live to say so."""
        named = {name for (name,) in db.execute("SELECT file FROM segment")}
        for path in self.folder.glob("*.segment"):
            if path.name not in named:
                path.unlink(missing_ok=True)

    @contextmanager
    def _noticing_damage(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            self._broken = True
            raise

    def remove(self) -> None:
        """Remove its folder; who reads it still may go on with what is open."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Close every connection; harmless to repeat."""
        self.pool.close()
