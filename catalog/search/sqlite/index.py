"""The SQL form of cohort search: one SQLite file beside the catalogue, derived from it and rebuilt at will."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

from typing_extensions import override

from catalog.model import Problem, Record
from catalog.repository import Repository
from catalog.search import index_file
from catalog.search.binding import BoundQuery, bind
from catalog.search.index import Answer, Extent, PropertyInfo, SearchCapabilities, SearchIndex, Terms
from catalog.search.names import Level
from catalog.search.paging import check_limit, cursor_after, position_of
from catalog.search.query import Query
from catalog.search.sqlite import tables
from catalog.search.sqlite.answering import Answering
from catalog.search.sqlite.comparison import differences
from catalog.search.sqlite.overview import extent, facet_properties, properties
from catalog.search.sqlite.scope import Scope
from catalog.search.sqlite.translation import Sql, acquisitions
from catalog.search.sqlite.writer import Writer
from ontology.errors import IntegrityError

BATCH = 10_000
_log = logging.getLogger(__name__)


class SqlIndex(SearchIndex):
    """Cohort search by plain SQL joins."""

    capabilities: ClassVar[SearchCapabilities] = SearchCapabilities(
        persistent=True, several_processes=True, supports_full_text=True
    )

    def __init__(self, path: Path, terms: Terms) -> None:
        self.path = path
        self._terms = terms
        self._pool = index_file.Pool(path)
        self._lock = threading.RLock()
        self._covered = -1
        self._stored = -1
        self._verified: tuple[int, int] | None = None

    @classmethod
    def open(cls, path: Path, terms: Terms) -> Self:
        """Open the index in ``path``; one that is missing, damaged or of another format is begun anew.

        Raises:
            BackendUnavailableError: The file cannot be made or is locked for too long.
            StorageFullError: The disk is full.
        """
        index = cls(path, terms)
        index._ensure()
        return index

    def _ensure(self) -> None:
        """Make the tables where they are not there, not of this format, or damaged."""
        try:
            if not self._pool.damaged:
                return self._make_if_needed()
        except IntegrityError:
            pass
        _log.warning("the search index was damaged and is made anew")
        self._pool.remove_file()
        self._make_if_needed()

    def _make_if_needed(self) -> None:
        with self._pool.connection() as db:
            if not tables.is_current(db):
                db.execute("BEGIN IMMEDIATE")
                if not tables.is_current(db):
                    tables.make_tables(db)
                db.execute("COMMIT")

    @property
    @override
    def applied(self) -> int:
        with self._pool.connection() as db:
            return self._known(_applied(db))

    def _known(self, stored: int) -> int:
        """Return the entry that is covered, given what the file says.

        Entries that change no record are covered without a word in the file; what is remembered of them holds as
        long as the file says what it said then.
        """
        return self._covered if stored == self._stored else stored

    def _remember(self, *, stored: int, covered: int) -> int:
        self._stored, self._covered = stored, covered
        return covered

    @override
    def catch_up(self, repository: Repository) -> int:
        settled = self._verified == self._pool.identity() and not self._pool.damaged
        if settled and repository.sequence == self._covered:
            return self._covered
        with self._lock:
            try:
                self._ensure_same_history(repository)
                return self._catch_up(repository)
            except IntegrityError:
                if not self._pool.damaged:
                    raise  # it is the repository that is damaged
                return self.rebuild(repository)

    def _ensure_same_history(self, repository: Repository) -> None:
        """Rebuild an index that covers entries which the repository does not have (restored from a backup)."""
        if self._pool.damaged or self._verified != self._pool.identity():
            self._ensure()
            self._remember(stored=-1, covered=-1)
            with self._pool.connection() as db:
                applied, entry = _applied(db), _meta(db, "entry")
            if applied > repository.sequence or entry != _entry_hash(repository, applied):
                _log.warning("the search index covers another history than the ledger's and is made anew")
                self.rebuild(repository)
            self._verified = self._pool.identity()
        elif repository.sequence < self._covered:
            self.rebuild(repository)

    def _catch_up(self, repository: Repository) -> int:
        while True:
            with self._pool.connection() as db:
                stored = _applied(db)
            start = self._known(stored)
            newest = repository.sequence
            records = repository.records_since(start, limit=BATCH) if newest > start else ()
            if not records:  # entries that change no record need no writing here
                return self._remember(stored=stored, covered=max(newest, start))
            with self._pool.writing() as db:
                if _applied(db) != stored:
                    continue  # another process was quicker
                reached = _reached(records, newest)
                Writer(db).apply(records)
                _stamp(db, repository, reached)
            self._remember(stored=reached, covered=reached)

    @override
    def rebuild(self, repository: Repository) -> int:
        with self._lock:
            try:
                return self._rebuild(repository)
            except IntegrityError:
                if not self._pool.damaged:
                    raise  # it is the repository that is damaged
                return self._rebuild(repository)

    def _rebuild(self, repository: Repository) -> int:
        self._ensure()
        with self._pool.writing() as db:
            tables.make_tables(db)
            reached = -1
            while (newest := repository.sequence) > reached:
                records = repository.records_since(reached, limit=BATCH)
                Writer(db).apply(records)
                reached = _reached(records, newest)
            _stamp(db, repository, reached)
        self._verified = self._pool.identity()
        return self._remember(stored=reached, covered=reached)

    @override
    def find(
        self,
        query: Query,
        *,
        datasets: Collection[str] | None,
        facets: Sequence[str] = (),
        explain: bool = False,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Answer:
        check_limit(limit)
        after = position_of(cursor, query) if cursor is not None else None
        with self._pool.snapshot() as db:
            scope = Scope(db, datasets)
            bound = self._bind(query, scope)
            answering = Answering(scope, bound, self._terms)
            page = answering.page(after, limit + 1)
            more, page = len(page) > limit, page[:limit]
            return Answer(
                count=answering.count,
                items=tuple(answering.hits(page, explain=explain)),
                facets={name: answering.facet(name) for name in dict.fromkeys(facets)},
                next=cursor_after(page[-1][1], query) if more else None,
                notices=(*bound.notices, *answering.notices),
            )

    @override
    def members(self, query: Query, *, datasets: Collection[str] | None) -> list[str]:
        with self._pool.snapshot() as db:
            scope = Scope(db, datasets)
            return Answering(scope, self._bind(query, scope), self._terms).members()

    @override
    def select(self, query: Query, *, participant: str, datasets: Collection[str] | None = None) -> list[str]:
        with self._pool.snapshot() as db:
            scope = Scope(db, datasets)
            fulfilling = acquisitions(self._bind(query, scope, Level.ACQUISITION).root, scope)
            of_participant = "AND a.participant = (SELECT key FROM participant WHERE iri = ? AND live = 1)"
            select = fulfilling + Sql(of_participant, (participant,)) + "ORDER BY a.label, a.iri"
            rows = db.execute(select.text, select.parameters)
            return [iri for _, _, iri, _ in rows]

    def _bind(self, query: Query, scope: Scope, level: Level = Level.PARTICIPANT) -> BoundQuery:
        return bind(query, terms=self._terms, in_use=scope.in_use(), level=level)

    @override
    def extent(self, name: str, *, datasets: Collection[str] | None = None) -> Extent | None:
        with self._pool.snapshot() as db:
            return extent(Scope(db, datasets), name)

    @override
    def properties(self, *, datasets: Collection[str] | None = None) -> list[PropertyInfo]:
        with self._pool.snapshot() as db:
            return properties(Scope(db, datasets))

    @override
    def facet_properties(self, *, datasets: Collection[str] | None = None) -> list[PropertyInfo]:
        with self._pool.snapshot() as db:
            return facet_properties(Scope(db, datasets))

    @override
    def check(self, repository: Repository) -> Iterator[Problem]:
        self.catch_up(repository)
        with self._pool.snapshot() as db:
            yield from differences(db, repository)

    @override
    def close(self) -> None:
        self._pool.close()


def _meta(db: sqlite3.Connection, name: str) -> str:
    row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else ""


def _applied(db: sqlite3.Connection) -> int:
    return int(_meta(db, "applied") or -1)


def _reached(records: Sequence[Record], newest: int) -> int:
    """Return the entry up to which a batch covers a ledger whose newest entry was ``newest`` before it was read."""
    if len(records) < BATCH:
        return max(newest, records[-1].sequence if records else -1)
    return records[-1].sequence


def _stamp(db: sqlite3.Connection, repository: Repository, applied: int) -> None:
    """Write what the index covers, in the transaction that makes it so."""
    values = [(str(applied), "applied"), (_entry_hash(repository, applied), "entry")]
    db.executemany("UPDATE meta SET value = ? WHERE name = ?", values)


def _entry_hash(repository: Repository, sequence: int) -> str:
    """Return the leaf hash of a ledger entry, by which one history is told from another."""
    items = repository.entries(after=sequence - 1, limit=1).items if sequence >= 0 else ()
    return items[0].leaf_hash().hex() if items else ""
