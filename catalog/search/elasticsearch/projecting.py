"""Following the repository: batches of records into one generation, and whole generations built beside the old."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from catalog.model import Record
from catalog.repository import Repository
from catalog.search.coverage import entry_hash, reached_by
from catalog.search.elasticsearch import stamp as stamps
from catalog.search.elasticsearch.connection import (
    IndexExistsError,
    IndexGoneError,
    Limits,
    LostRaceError,
    Server,
)
from catalog.search.elasticsearch.schema import FORMAT, MAPPINGS, Names, settings, writing
from catalog.search.elasticsearch.stamp import Stamp
from catalog.search.elasticsearch.storing import Store
from ontology.errors import BackendUnavailableError

_HEARTBEAT: Final = 1.0
_ROUNDS: Final = 1_000
_log = logging.getLogger(__name__)


class Projector:
    """Writes the generations of one catalogue's index."""

    def __init__(self, server: Server, names: Names, limits: Limits, *, shards: int) -> None:
        self.server = server
        self.names = names
        self._limits = limits
        self._shards = shards

    def current(self) -> Stamp | None:
        """Return the stamp of the generation that answers; None where there is none.

        Raises:
            BackendUnavailableError: The server is away.
        """
        return stamps.read(self.server, self.names.alias)

    def ensure(self) -> Stamp:
        """Return the stamp of the generation that answers; where there is none, an empty one is made.

        Raises:
            BackendUnavailableError: As for :meth:`current`.
        """
        for _ in range(_ROUNDS):
            found = self.current()
            if found is not None:
                return found
            generations = self._generations()
            answering = [index for index, aliases in generations.items() if self.names.alias in aliases]
            index = answering[0] if answering else self._create(generations, answers=True)
            try:
                return stamps.write(self.server, Stamp(index=index))
            except LostRaceError:  # another process has just made it too
                time.sleep(0.05)
        raise BackendUnavailableError("the search index cannot be made: others make and remove it all the time")

    def advance(self, stamp: Stamp, repository: Repository, *, start: int, newest: int) -> Stamp | None:
        """Apply one batch of records after ``start``; None where no record has changed since.

        Raises:
            LostRaceError: Another process has written meanwhile; begin again from its stamp.
            BackendUnavailableError: The server is away, or refused some documents.
            StorageFullError: The server's disk is full.
        """
        records = repository.records_since(start, limit=self._limits.batch_records) if newest > start else ()
        if not records:
            return None
        mine = _Claim(self.server, stamps.claimed(self.server, stamp, patience=self._limits.patience_seconds))
        try:
            self._apply(mine, self._store(mine), repository, records, newest)
        except LostRaceError:
            raise
        except BaseException:
            mine.release()
            raise
        return mine.stamp

    def _store(self, claim: _Claim, *, fresh: bool = False) -> Store:
        index = claim.stamp.index
        return Store(self.server, index, request_bytes=self._limits.request_bytes, fresh=fresh, alive=claim.show)

    def _apply(
        self, claim: _Claim, store: Store, repository: Repository, records: Sequence[Record], newest: int
    ) -> None:
        """Write a batch, let it be seen, and only then say so in the stamp."""
        reached = reached_by(records, newest=newest, batch=self._limits.batch_records)
        changed = store.apply(records, version=reached)
        self.server.ask("POST", f"/{claim.stamp.index}/_refresh")
        claim.finish(
            applied=reached,
            entry=entry_hash(repository, reached),
            datasets=reached if changed else claim.stamp.datasets,
            long=claim.stamp.long | store.long,
        )

    def rebuild(self, repository: Repository) -> Stamp:
        """Build a new generation beside the present one, then let it answer in its place.

        Raises:
            BackendUnavailableError: As for :meth:`advance`; the present generation answers as before.
            StorageFullError: As for :meth:`advance`.
        """
        index = self._create(self._generations(), answers=False)
        try:
            claim = _Claim(
                self.server, stamps.claimed(self.server, stamps.write(self.server, Stamp(index=index)), patience=0)
            )
            self._fill(claim, repository)
            self._switch(index)
        except BaseException:
            self._remove(index)
            raise
        return claim.stamp

    def _fill(self, claim: _Claim, repository: Repository) -> None:
        """Write everything. Only what changes meanwhile can come twice, and has to be looked for."""
        begun = repository.sequence
        reached = -1
        while (newest := repository.sequence) > reached:
            records = repository.records_since(reached, limit=self._limits.batch_records)
            if not records:
                claim.finish(applied=newest, entry=entry_hash(repository, newest))
                break
            store = self._store(claim, fresh=records[-1].sequence <= begun)
            self._apply(claim, store, repository, records, newest)
            reached = claim.stamp.applied
            _log.info("the new search index covers entry %d of %d", reached, newest)

    def _switch(self, index: str) -> None:
        """Let a generation answer, and remove those before it, in one step."""
        mine = self.names.generation(index) or 0
        older = [other for other in self._generations() if (self.names.generation(other) or 0) < mine]
        actions: list[dict[str, Any]] = [{"remove_index": {"index": other}} for other in older]
        actions.append({"add": {"index": index, "alias": self.names.alias}})
        self.server.ask("POST", "/_aliases", {"actions": actions})

    def remove_all(self) -> None:
        """Remove every generation.

        Raises:
            BackendUnavailableError: The server is away.
        """
        for index in self._generations():
            self._remove(index)

    def _remove(self, index: str) -> None:
        try:
            self.server.ask("DELETE", f"/{index}")
        except IndexGoneError:
            return
        except BackendUnavailableError:
            _log.warning("%s was begun and could not be removed; the next rebuild removes it", index)

    def _create(self, generations: dict[str, list[str]], *, answers: bool) -> str:
        """Make an empty generation after all that there are."""
        number = max((self.names.generation(index) or 0 for index in generations), default=0)
        for _ in range(_ROUNDS):
            number += 1
            index = self.names.index(number)
            aliases: dict[str, Any] = {writing(index): {}} | ({self.names.alias: {}} if answers else {})
            body = {"settings": settings(self._shards), "mappings": MAPPINGS, "aliases": aliases}
            try:
                self.server.ask("PUT", f"/{index}", body)
            except IndexExistsError:
                if answers:  # another process makes the first generation at this moment
                    return index
                continue
            return index
        raise BackendUnavailableError("no generation of the search index can be made")

    def _generations(self) -> dict[str, list[str]]:
        """Return the generations that are there, each with its aliases."""
        found = self.server.ask("GET", f"/{self.names.alias}-*/_alias", expand_wildcards="all", allow_no_indices="true")
        return {
            index: sorted(said["aliases"])
            for index, said in sorted(found.items())
            if self.names.generation(index) is not None
        }


class _Claim:
    """The right to write to a generation, kept up while work goes on."""

    def __init__(self, server: Server, stamp: Stamp) -> None:
        self._server = server
        self.stamp = stamp
        self._shown = time.monotonic()

    def show(self) -> None:
        """Show that the writer lives, if that is some time ago."""
        if time.monotonic() - self._shown > _HEARTBEAT:
            self.stamp = stamps.write(self._server, self.stamp)
            self._shown = time.monotonic()

    def finish(self, **facts: Any) -> None:
        """Say what the generation covers now, and let others write."""
        self.stamp = stamps.write(self._server, replace(self.stamp, writer=None, format=FORMAT, **facts))
        self._shown = time.monotonic()

    def release(self) -> None:
        """Let others write at once, as far as that can still be said."""
        try:
            stamps.write(self._server, replace(self.stamp, writer=None))
        except BackendUnavailableError:
            _log.info("the claim on the search index could not be given back; it runs out by itself")
