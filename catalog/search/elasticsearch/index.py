"""Cohort search on Elasticsearch: a projection of the ledger that several processes share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import ClassVar, Final, Self, TypeVar

from typing_extensions import override

from catalog.model import Problem
from catalog.repository import Repository
from catalog.search.binding import BoundQuery, bind
from catalog.search.coverage import covers
from catalog.search.elasticsearch import overview
from catalog.search.elasticsearch.answering import Answering, select
from catalog.search.elasticsearch.comparison import differences
from catalog.search.elasticsearch.connection import IndexGoneError, Limits, LostRaceError, Server, address
from catalog.search.elasticsearch.projecting import Projector
from catalog.search.elasticsearch.schema import FORMAT, Names
from catalog.search.elasticsearch.scope import Scope
from catalog.search.elasticsearch.stamp import Stamp
from catalog.search.elasticsearch.vocabulary import Datasets, Vocabulary
from catalog.search.index import Answer, Extent, PropertyInfo, SearchCapabilities, SearchIndex, Terms
from catalog.search.names import Level
from catalog.search.paging import check_limit, position_of
from catalog.search.query import Query
from ontology.errors import BackendUnavailableError

T = TypeVar("T")
_TRIES: Final = 3
_log = logging.getLogger(__name__)


class ElasticsearchIndex(SearchIndex):
    """Cohort search by an Elasticsearch server."""

    capabilities: ClassVar[SearchCapabilities] = SearchCapabilities(
        persistent=True, several_processes=True, supports_full_text=True
    )

    def __init__(self, server: Server, names: Names, terms: Terms, limits: Limits, *, shards: int = 1) -> None:
        self._server = server
        self._terms = terms
        self._projector = Projector(server, names, limits, shards=shards)
        self._lock = threading.RLock()
        self._covered = -1
        self._stored: Stamp | None = None
        self._vocabulary: Vocabulary | None = None

    @classmethod
    def open(
        cls,
        url: str,
        terms: Terms,
        *,
        name: str,
        auth: tuple[str, str] | str | None = None,
        verify_certs: bool = True,
        ca_certs: str | None = None,
        shards: int = 1,
        limits: Limits | None = None,
    ) -> Self:
        """Open the index of a catalogue; one that is missing is begun.

        Args:
            url: Where the server is; may hold user and password.
            terms: Where terms are looked up.
            name: What tells this catalogue's index from others on the server.
            auth: User and password, or an API key.
            verify_certs: Whether the server's certificate must be good.
            ca_certs: File with the certificates of those who may have signed it.
            shards: Parts of a new generation.
            limits: How patient to be.

        Raises:
            InvalidRequestError: URL or name are of no use.
            NotInstalledError: The client library is missing.
            BackendUnavailableError: The server is away.
        """
        limits = limits or Limits()
        server = Server(address(url, auth), limits, verify_certs=verify_certs, ca_certs=ca_certs)
        try:
            index = cls(server, Names(name), terms, limits, shards=shards)
            index._projector.ensure()
        except BaseException:
            server.close()
            raise
        return index

    @property
    @override
    def engine_version(self) -> str:
        return str(self._server.ask("GET", "/")["version"]["number"])

    @property
    @override
    def applied(self) -> int:
        return self._known(self._stamp())

    def _stamp(self) -> Stamp:
        stamp = self._projector.current()
        if stamp is None or stamp.format != FORMAT:
            self._stored = None
            raise IndexGoneError(
                "the search index is not there, or is one of another version of Sillage",
                next_step="Ask again: it is then built anew from the catalogue. `sillage reindex` does it at once.",
            )
        return stamp

    def _known(self, stamp: Stamp) -> int:
        """Return the entry that is covered, given a stamp.

        Entries that change no record are covered without a word on the server; what is remembered of them holds as
        long as the stamp is as it was then.
        """
        known = self._stored
        same = known is not None and (known.index, known.applied, known.entry) == (
            stamp.index,
            stamp.applied,
            stamp.entry,
        )
        return self._covered if same else stamp.applied

    def _remember(self, stamp: Stamp, covered: int) -> int:
        self._stored, self._covered = stamp, covered
        return covered

    @override
    def catch_up(self, repository: Repository) -> int:
        if self._stored is not None and repository.sequence == self._covered and not self._server.closed:
            return self._covered
        with self._lock:
            while True:
                try:
                    return self._catch_up(repository)
                except LostRaceError:
                    continue
                except IndexGoneError:
                    self._stored = None
                    self._projector.ensure()

    def _catch_up(self, repository: Repository) -> int:
        stamp = self._verified(self._projector.ensure(), repository)
        while True:
            start, newest = self._known(stamp), repository.sequence
            advanced = self._projector.advance(stamp, repository, start=start, newest=newest)
            if advanced is None:  # entries that change no record need no writing here
                return self._remember(stamp, max(newest, start))
            stamp = advanced
            self._remember(stamp, stamp.applied)

    def _verified(self, stamp: Stamp, repository: Repository) -> Stamp:
        """Return the stamp of a generation that covers this repository's history and no other, building it if need be.

        The repository may have been restored from a backup, and the index may have been.
        """
        known = self._stored
        newest = repository.sequence
        if stamp.format == FORMAT and known is not None and known.index == stamp.index:
            if known.applied <= stamp.applied <= newest and self._covered <= newest:
                return stamp
        elif stamp.format == FORMAT and covers(repository, applied=stamp.applied, entry=stamp.entry, newest=newest):
            self._remember(stamp, stamp.applied)
            return stamp
        if stamp.applied >= 0 or stamp.format != FORMAT:
            _log.warning("the search index covers another history or has another form than it should: made anew")
        stamp = self._projector.rebuild(repository)
        self._remember(stamp, stamp.applied)
        return stamp

    @override
    def rebuild(self, repository: Repository) -> int:
        with self._lock:
            stamp = self._projector.rebuild(repository)
            return self._remember(stamp, stamp.applied)

    def _asked(self, datasets: Collection[str] | None, question: Callable[[Scope], T]) -> T:
        """Ask the generation that answers; when another takes its place meanwhile, ask that."""
        for attempt in range(_TRIES):
            try:
                return question(Scope(self._learnt(), datasets))
            except IndexGoneError:
                if attempt + 1 == _TRIES:
                    raise
        raise BackendUnavailableError("the search index is rebuilt all the time")

    def _learnt(self) -> Vocabulary:
        """Return what is known of the index as it is stamped now."""
        stamp, known = self._stamp(), self._vocabulary
        if known is not None and known.stamp == stamp:
            return known
        same = known is not None and (known.stamp.index, known.stamp.datasets) == (stamp.index, stamp.datasets)
        datasets = known.datasets if known is not None and same else Datasets(self._server, stamp)
        self._vocabulary = Vocabulary(self._server, stamp, datasets)
        return self._vocabulary

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

        def answer(scope: Scope) -> Answer:
            answering = Answering(scope, self._bind(query, scope), self._terms)
            return answering.answer(query, facets=facets, explain=explain, after=after, limit=limit)

        return self._asked(datasets, answer)

    @override
    def count_each(
        self, query: Query, conditions: Sequence[Query], *, datasets: Collection[str] | None
    ) -> tuple[int, ...]:
        def counts(scope: Scope) -> tuple[int, ...]:
            answering = Answering(scope, self._bind(query, scope), self._terms)
            return answering.count_each([self._bind(condition, scope) for condition in conditions])

        return self._asked(datasets, counts)

    @override
    def members(self, query: Query, *, datasets: Collection[str] | None) -> list[str]:
        return self._asked(datasets, lambda scope: Answering(scope, self._bind(query, scope), self._terms).members())

    @override
    def select(self, query: Query, *, participant: str, datasets: Collection[str] | None = None) -> list[str]:
        def selected(scope: Scope) -> list[str]:
            return select(scope, self._bind(query, scope, Level.ACQUISITION), participant, self._terms)

        return self._asked(datasets, selected)

    def _bind(self, query: Query, scope: Scope, level: Level = Level.PARTICIPANT) -> BoundQuery:
        return bind(query, terms=self._terms, in_use=scope.in_use(), level=level)

    @override
    def extent(self, name: str, *, datasets: Collection[str] | None = None) -> Extent | None:
        return self._asked(datasets, lambda scope: overview.extent(scope, name))

    @override
    def properties(self, *, datasets: Collection[str] | None = None) -> list[PropertyInfo]:
        return self._asked(datasets, overview.properties)

    @override
    def facet_properties(self, *, datasets: Collection[str] | None = None) -> list[PropertyInfo]:
        return self._asked(datasets, overview.facet_properties)

    @override
    def check(self, repository: Repository) -> Iterator[Problem]:
        self.catch_up(repository)
        yield from differences(self._server, self._stamp(), repository)

    @override
    def close(self) -> None:
        self._server.close()
        self._stored = None

    def drop(self) -> None:
        """Remove the index from the server, every generation of it.

        Raises:
            BackendUnavailableError: The server is away.
        """
        self._projector.remove_all()
        self._stored = self._vocabulary = None
