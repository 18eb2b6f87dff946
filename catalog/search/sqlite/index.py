"""The SQL form of cohort search: one SQLite file beside the catalogue, derived from it and rebuilt at will."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

from typing_extensions import override

from catalog.model import Problem
from catalog.repository import Repository
from catalog.search import index_file, index_tables
from catalog.search.advice import advice
from catalog.search.binding import BoundQuery, bind
from catalog.search.coverage import Coverage, covers, reached_by
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
        self._coverage = Coverage()
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
            return self._coverage.known(index_tables.applied(db))

    @override
    def catch_up(self, repository: Repository) -> int:
        settled = self._verified == self._pool.identity() and not self._pool.damaged
        if settled and repository.sequence == self._coverage.covered:
            return self._coverage.covered
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
            self._coverage.forget()
            with self._pool.connection() as db:
                applied, entry = index_tables.covered(db)
            if not covers(repository, applied=applied, entry=entry, newest=repository.sequence):
                _log.warning("the search index covers another history than the ledger's and is made anew")
                self.rebuild(repository)
            self._verified = self._pool.identity()
        elif repository.sequence < self._coverage.covered:
            self.rebuild(repository)

    def _catch_up(self, repository: Repository) -> int:
        while True:
            with self._pool.connection() as db:
                stored = index_tables.applied(db)
            start = self._coverage.known(stored)
            newest = repository.sequence
            records = repository.records_since(start, limit=BATCH) if newest > start else ()
            if not records:  # entries that change no record need no writing here
                return self._coverage.remember(stored=stored, covered=max(newest, start))
            with self._pool.writing() as db:
                if index_tables.applied(db) != stored:
                    continue  # another process was quicker
                reached = reached_by(records, newest=newest, batch=BATCH)
                Writer(db).apply(records)
                index_tables.stamp(db, repository, reached)
            self._coverage.remember(stored=reached, covered=reached)

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
                reached = reached_by(records, newest=newest, batch=BATCH)
            index_tables.stamp(db, repository, reached)
        self._verified = self._pool.identity()
        return self._coverage.remember(stored=reached, covered=reached)

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
                advice=() if answering.count else advice(bound.root, terms=self._terms, in_use=scope.in_use()),
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
