"""Cohort search in columns and bitmaps: a folder beside the catalogue, derived from it and rebuilt at will.

The folder holds generations; the file ``current`` names the one that answers. A generation is a small SQLite file (the
dictionary of values, the newest documents) and immutable segments, which every process maps and none copies.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar, Final, Self

import numpy as np
from typing_extensions import override

from catalog.model import Problem
from catalog.repository import Repository
from catalog.search import index_tables
from catalog.search.advice import advice
from catalog.search.binding import BoundQuery, bind
from catalog.search.coverage import Coverage, covers, reached_by
from catalog.search.embedded.answering import Answering
from catalog.search.embedded.comparison import differences
from catalog.search.embedded.counting import Counting
from catalog.search.embedded.dictionary import Dictionary
from catalog.search.embedded.evaluation import Evaluation
from catalog.search.embedded.generation import Generation
from catalog.search.embedded.overview import extent, facet_properties, properties
from catalog.search.embedded.scope import Scope
from catalog.search.embedded.view import View
from catalog.search.embedded.writer import FRESH_RECORDS
from catalog.search.index import Answer, Extent, PropertyInfo, SearchCapabilities, SearchIndex, Terms
from catalog.search.names import Level
from catalog.search.paging import check_limit, cursor_after, position_of
from catalog.search.projection import SEARCHED
from catalog.search.query import Query
from ontology.errors import BackendUnavailableError, IntegrityError

BATCH: Final = 10_000
REBUILD_BATCH: Final = 100_000
_POINTER: Final = "current"
_log = logging.getLogger(__name__)


class EmbeddedIndex(SearchIndex):
    """Cohort search by columns and bitmaps, without a server."""

    capabilities: ClassVar[SearchCapabilities] = SearchCapabilities(
        persistent=True, several_processes=True, supports_full_text=True
    )

    def __init__(self, folder: Path, terms: Terms, *, fresh_records: int = FRESH_RECORDS) -> None:
        self.folder = folder
        self._fresh_records = fresh_records
        self._terms = terms
        self._lock = threading.RLock()
        self._generation: Generation | None = None
        self._pointed: tuple[int, int] = (0, 0)
        self._coverage = Coverage()
        self._verified: Generation | None = None

    @classmethod
    def open(cls, folder: Path, terms: Terms, *, fresh_records: int = FRESH_RECORDS) -> Self:
        """Open the index in ``folder``; one that is missing, damaged or of another format is begun anew.

        Args:
            folder: Where it lies; made when it is not there.
            terms: Where terms are looked up.
            fresh_records: So many records are kept outside segments.

        Raises:
            BackendUnavailableError: The folder cannot be made or is locked for too long.
            StorageFullError: The disk is full.
        """
        index = cls(folder, terms, fresh_records=fresh_records)
        index._make_folder()
        index._current()
        return index

    # -- generations

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BackendUnavailableError(f"the search index cannot be made: {error.strerror}") from error

    def _current(self) -> Generation:
        """Return the generation that answers now; another process may have built a newer one."""
        pointed = self._pointer_identity()
        if self._generation is None or pointed != self._pointed:
            with self._lock:
                self._open_current()
        assert self._generation is not None  # noqa: S101
        return self._generation

    def _pointer_identity(self) -> tuple[int, int]:
        try:
            found = os.stat(self.folder / _POINTER)
        except (FileNotFoundError, NotADirectoryError):
            return (0, 0)
        return (found.st_ino, found.st_mtime_ns)

    def _open_current(self) -> None:
        before, self._generation = self._generation, None
        if before is not None:
            before.close()
        self._generation = self._pointed_to()
        if self._generation is None:
            with self._alone():
                self._generation = self._pointed_to()  # another process may have been quicker
                if self._generation is None:
                    self._point_to(self._begin())

    def _pointed_to(self) -> Generation | None:
        """Return the generation that answers, or None where there is none that can."""
        self._pointed = self._pointer_identity()
        try:
            named = (self.folder / _POINTER).read_text(encoding="ascii").strip()
        except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
            return None
        found = Generation(self.folder / Path(named or "none").name, fresh_records=self._fresh_records)
        if found.is_current():
            return found
        _log.warning("the search index was damaged or of another format and is made anew")
        return None

    def _begin(self) -> Generation:
        return Generation.create(self.folder / uuid.uuid4().hex, fresh_records=self._fresh_records)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from making a generation meanwhile; a folder that was removed is made again."""
        self._make_folder()
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _point_to(self, generation: Generation) -> None:
        """Let a generation answer from now on, and remove the others."""
        pointer = self.folder / f"{_POINTER}.{uuid.uuid4().hex}"
        pointer.write_text(generation.folder.name + "\n", encoding="ascii")
        pointer.replace(self.folder / _POINTER)
        before, self._generation = self._generation, generation
        self._pointed = self._pointer_identity()
        self._verified = None
        if before is not None:
            before.close()
        for path in self.folder.iterdir():
            if path.is_dir() and path != generation.folder:
                shutil.rmtree(path, ignore_errors=True)

    # -- following the ledger

    @property
    @override
    def applied(self) -> int:
        with self._scope(None) as scope:
            return self._coverage.known(index_tables.applied(scope.dictionary.db))

    @override
    def catch_up(self, repository: Repository) -> int:
        generation = self._current()
        if generation is self._verified and not generation.damaged and repository.sequence == self._coverage.covered:
            return self._coverage.covered
        with self._lock:
            while True:
                generation = self._current()
                try:
                    self._ensure_same_history(repository)
                    return self._catch_up(repository)
                except (FileNotFoundError, BackendUnavailableError) as error:
                    # Another process may have built the index anew, and taken away what was being written to.
                    if self._current() is generation:
                        if isinstance(error, FileNotFoundError):
                            return self.rebuild(repository)
                        raise
                except IntegrityError:
                    if not self._current().damaged:
                        raise  # it is the repository that is damaged
                    _log.warning("the search index was damaged and is made anew")
                    return self.rebuild(repository)

    def _ensure_same_history(self, repository: Repository) -> None:
        """Rebuild an index that covers entries which the repository does not have (restored from a backup)."""
        generation = self._current()
        if generation.damaged:
            raise IntegrityError("the search index is damaged")
        if generation is not self._verified:
            self._coverage.forget()
            with generation.pool.connection() as db:
                applied, entry = index_tables.covered(db)
            if not covers(repository, applied=applied, entry=entry, newest=repository.sequence):
                _log.warning("the search index covers another history than the ledger's and is made anew")
                self.rebuild(repository)
            self._verified = self._current()
        elif repository.sequence < self._coverage.covered:
            self.rebuild(repository)

    def _catch_up(self, repository: Repository) -> int:
        generation = self._current()
        while True:
            with generation.pool.connection() as db:
                stored = index_tables.applied(db)
            start = self._coverage.known(stored)
            newest = repository.sequence
            records = repository.records_since(start, limit=BATCH) if newest > start else ()
            if not records:  # entries that change no record need no writing here
                return self._coverage.remember(stored=stored, covered=max(newest, start))
            if len(records) < BATCH and not any(record.type in SEARCHED for record in records):
                # Nor do records that nobody searches, such as tasks; of very many it is noted that they were read.
                self._coverage.remember(stored=stored, covered=reached_by(records, newest=newest, batch=BATCH))
                continue
            with generation.writing() as writer:
                if index_tables.applied(writer.db) != stored:
                    continue  # another process was quicker
                reached = reached_by(records, newest=newest, batch=BATCH)
                writer.apply(records)
                index_tables.stamp(writer.db, repository, reached)
            self._coverage.remember(stored=reached, covered=reached)

    @override
    def rebuild(self, repository: Repository) -> int:
        with self._lock, self._alone():
            made = self._begin()
            try:
                reached = _fill(made, repository)
            except BaseException:
                made.remove()
                raise
            self._point_to(made)
            self._verified = made
            return self._coverage.remember(stored=reached, covered=reached)

    @override
    def scrub(self) -> None:
        with self._lock, self._current().writing() as writer:
            writer.scrub()
        with self._lock, self._current().writing():
            pass  # removes the files that were written anew

    # -- answering

    @contextmanager
    def _scope(self, datasets: Collection[str] | None) -> Iterator[Scope]:
        with ExitStack() as stack:
            view, dictionary = self._snapshot(stack)
            yield Scope(view, dictionary, datasets)

    def _snapshot(self, stack: ExitStack) -> tuple[View, Dictionary]:
        """Open what answers now; while it is being opened, another process may put a newer one in its place."""
        while True:
            generation = self._current()
            try:
                return stack.enter_context(generation.snapshot())
            except (BackendUnavailableError, IntegrityError):
                if self._current() is generation:
                    raise

    def _bind(self, query: Query, scope: Scope, level: Level = Level.PARTICIPANT) -> BoundQuery:
        return bind(query, terms=self._terms, in_use=scope.in_use(), level=level)

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
        with self._scope(datasets) as scope:
            bound = self._bind(query, scope)
            answering = Answering(scope, bound, self._terms)
            counting = Counting(answering)
            page = answering.page(after, limit + 1)
            more, page = len(page) > limit, page[:limit]
            return Answer(
                count=answering.count,
                items=tuple(answering.hits(page, explain=explain)),
                facets={name: counting.facet(name) for name in dict.fromkeys(facets)},
                next=cursor_after(page[-1].at, query) if more else None,
                notices=(*bound.notices, *counting.notices),
                advice=() if answering.count else advice(bound.root, terms=self._terms, in_use=scope.in_use()),
            )

    @override
    def count_each(
        self, query: Query, conditions: Sequence[Query], *, datasets: Collection[str] | None
    ) -> tuple[int, ...]:
        with self._scope(datasets) as scope:
            answering = Answering(scope, self._bind(query, scope), self._terms)
            return tuple(answering.count_also(self._bind(condition, scope).root) for condition in conditions)

    @override
    def members(self, query: Query, *, datasets: Collection[str] | None) -> list[str]:
        with self._scope(datasets) as scope:
            return Answering(scope, self._bind(query, scope), self._terms).members()

    @override
    def select(self, query: Query, *, participant: str, datasets: Collection[str] | None = None) -> list[str]:
        with self._scope(datasets) as scope:
            bound = self._bind(query, scope, Level.ACQUISITION)
            for _, part, row in scope.view.places([participant]):
                if part.segment.shape.live[row]:
                    evaluation = Evaluation(part, scope)
                    (first,), (number,) = part.segment.shape.images_of(np.array([row]))
                    images = evaluation.seen_images(np.arange(first, first + number))
                    holding = images[evaluation.holds(bound.root, Level.ACQUISITION, images)]
                    return [part.segment.shape.images.iri(int(image)) for image in holding]
            return []

    @override
    def extent(self, name: str, *, datasets: Collection[str] | None = None) -> Extent | None:
        with self._scope(datasets) as scope:
            return extent(scope, name)

    @override
    def properties(self, *, datasets: Collection[str] | None = None) -> list[PropertyInfo]:
        with self._scope(datasets) as scope:
            return properties(scope)

    @override
    def facet_properties(self, *, datasets: Collection[str] | None = None) -> list[PropertyInfo]:
        with self._scope(datasets) as scope:
            return facet_properties(scope)

    @override
    def check(self, repository: Repository) -> Iterator[Problem]:
        self.catch_up(repository)
        with self._scope(None) as scope:
            dictionary = scope.dictionary
            yield from differences(scope.view, dictionary, repository, index_tables.applied(dictionary.db))

    @override
    def close(self) -> None:
        if self._generation is not None:
            self._generation.close()


def _fill(generation: Generation, repository: Repository) -> int:
    """Apply a whole repository to an empty index; return the entry that is then covered."""
    reached = -1
    while (newest := repository.sequence) > reached:
        records = repository.records_since(reached, limit=REBUILD_BATCH)
        reached = reached_by(records, newest=newest, batch=REBUILD_BATCH)
        with generation.writing() as writer:
            writer.apply(records)
            index_tables.stamp(writer.db, repository, reached)
    return reached
