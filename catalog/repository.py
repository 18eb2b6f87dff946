"""The repository contract: records, edges, ledger and lineage behind one transactional door.

Every backend passes ``tests/contract/test_repository_*.py`` unchanged. Methods are synchronous and safe to
call from several threads; several processes may hold the same catalogue open.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from catalog.model import Commit, Committed, Edge, Page, Problem, Record
from ontology.errors import UnsupportedError
from provenance.ledger.entry import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryCapabilities:
    """What a backend declares; each is tested both ways."""

    survives_power_cut: bool
    several_processes: bool
    supports_backup: bool
    remote: bool = False
    """Whether every call crosses a network: never to be made where nothing may wait."""


@dataclass(frozen=True, slots=True)
class LineageNode:
    """A node of a lineage: a record or a file. ``depth`` is its least distance from the start."""

    id: str
    type: str
    label: str
    depth: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """All nodes reached, each once, and all edges between them (PROV direction: effect to cause).

    ``truncated`` is True when ``depth`` or ``limit`` cut it short.
    """

    start: str
    direction: str
    nodes: Sequence[LineageNode]
    edges: Sequence[Edge]
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class StoredBody:
    """An entry's body as it was hashed: ``sha256(salt + body)`` is the entry's ``body_digest``."""

    salt: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Entered:
    """An entry of the ledger with its body (None where it has none or was erased), as one store hands it to another."""

    entry: Entry
    body: StoredBody | None


class Repository(ABC):
    """Durable store of a catalogue. The ledger is the truth; records and edges are its view."""

    capabilities: ClassVar[RepositoryCapabilities]

    @abstractmethod
    def commit(self, commit: Commit) -> Committed:
        """Apply a commit: all of it, durably, or nothing.

        Raises:
            RequirementFailedError: A requirement does not hold; nothing was written.
            ConflictError: An alias belongs to another record, a type would change, or the edges of
                :data:`ontology.namespaces.LINEAGE` would close a cycle.
            NotFoundError: Withdraw or Erase of a record that is not there.
            StorageFullError: The disk is full; nothing was written.
            BackendUnavailableError: The store is locked or away; nothing was written.
            OutcomeUnknownError: The connection broke while committing.
        """

    @abstractmethod
    def get(self, id: str, *, version: int | None = None) -> Record:
        """Return a record (the current version unless told), or a file as a record of type ``File``.

        Raises:
            NotFoundError: No such record, file or version.
            WithdrawnError: The version's body was erased.
        """

    @abstractmethod
    def get_many(self, ids: Collection[str]) -> dict[str, Record]:
        """Return the current versions of those of ``ids`` that exist."""

    @abstractmethod
    def resolve(self, reference: str) -> str:
        """Return the IRI that ``reference`` means: an IRI, an alias, a SHA-256, or a prefix of an IRI's last part.

        Raises:
            NotFoundError: Nothing answers to it.
            AmbiguousError: Several do; ``params['candidates']`` lists up to ten.
        """

    @abstractmethod
    def find_alias(self, alias: str) -> str | None:
        """Return the IRI of the record that holds this alias, or None."""

    @abstractmethod
    def list_records(
        self,
        type: str,
        *,
        datasets: Collection[str] | None = None,
        part_of: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[Record]:
        """Return records of a type that are not withdrawn, oldest first.

        Args:
            type: Record type.
            datasets: Only records governed by these datasets (:attr:`Record.dataset`); None for all.
            part_of: Only records with an edge (any predicate) to this IRI.
            cursor: The ``next`` of the page before.
            limit: At most so many (1 to 1000).

        Raises:
            InvalidRequestError: The cursor or limit is not one of ours.
        """

    @abstractmethod
    def versions(self, id: str) -> Sequence[Record]:
        """Return all versions of a record, oldest first; erased ones as tombstones with an empty document.

        Raises:
            NotFoundError: No such record.
        """

    @abstractmethod
    def edges_from(self, ids: Collection[str], predicates: Collection[str] | None = None) -> Sequence[Edge]:
        """Return the current edges that start at any of ``ids``."""

    @abstractmethod
    def edges_to(self, ids: Collection[str], predicates: Collection[str] | None = None) -> Sequence[Edge]:
        """Return the current edges that end at any of ``ids``."""

    @abstractmethod
    def files_by_sha256(self, sha256: str) -> Sequence[Record]:
        """Return the files (records of type ``File``) with this content, in every dataset."""

    @abstractmethod
    def lineage(self, id: str, *, direction: str, depth: int | None = None, limit: int | None = None) -> Lineage:
        """Return what ``id`` rests on (``up``) or what rests on it (``down``), along lineage edges.

        Raises:
            NotFoundError: No such node.
            InvalidRequestError: ``direction`` is neither ``up`` nor ``down``, or ``depth`` is negative.
        """

    @abstractmethod
    def records_since(self, sequence: int, *, limit: int = 10_000) -> Sequence[Record]:
        """Return records last written by entries after ``sequence``, tombstones included, in ledger order.

        For projections: each record appears once, in its current version.
        """

    @property
    @abstractmethod
    def sequence(self) -> int:
        """Sequence number of the newest entry; -1 when the ledger is empty."""

    @abstractmethod
    def entries(
        self,
        *,
        after: int = -1,
        limit: int = 100,
        subject: str | None = None,
        action: str | None = None,
        principal: str | None = None,
    ) -> Page[Entry]:
        """Return ledger entries in order; ``next`` is the last sequence number as text.

        ``action`` ending in ``.*`` matches all verbs of a noun.
        """

    @abstractmethod
    def body(self, sequence: int) -> StoredBody | None:
        """Return an entry's salted body; None when it has none or it was erased.

        Raises:
            NotFoundError: No such entry.
        """

    def export(self, *, after: int = -1) -> Iterator[Entered]:
        """Yield the entries after ``after`` in order, each with its salted body: all that a ledger is."""
        reached = after
        while page := self.entries(after=reached, limit=1000).items:
            for entry in page:
                yield Entered(entry, None if entry.body_digest is None else self.body(entry.sequence))
            reached = page[-1].sequence

    def load(self, entered: Iterable[Entered]) -> int:
        """Append entries of another store's ledger exactly as they are; records, edges and aliases follow from them.

        For a copy of a whole catalogue, into a repository that was made with that ledger's signing key. The first
        entry follows the newest one that is here. Entries are taken in batches: what breaks off leaves the beginning
        of the ledger, and can go on from :attr:`sequence`. A body that was erased is not needed: the tombstone says
        what is left of its record.

        Returns:
            The sequence number of the newest entry.

        Raises:
            UnsupportedError: The backend cannot.
            IntegrityError: An entry does not follow the one before it, or a body is not the one whose digest it holds.
            StorageFullError: As for :meth:`commit`.
            BackendUnavailableError: As for :meth:`commit`.
        """
        raise UnsupportedError(f"{type(self).__name__} cannot take over a ledger")

    @property
    def engine_version(self) -> str | None:
        """Version of the software that stores, as it says itself; None where there is nothing to say.

        Raises:
            BackendUnavailableError: It is away.
        """
        return None

    @abstractmethod
    def inclusion_proof(self, sequence: int, tree_size: int | None = None) -> Sequence[bytes]:
        """Return the audit path of an entry in the tree of ``tree_size`` leaves (RFC 9162, section 2.1.3).

        Raises:
            NotFoundError: The entry is not in that tree.
        """

    @abstractmethod
    def consistency_proof(self, first: int, second: int | None = None) -> Sequence[bytes]:
        """Return the proof that the tree of ``first`` leaves is a prefix of that of ``second`` (RFC 9162, 2.1.4).

        Raises:
            InvalidRequestError: Not ``0 < first <= second <= size``.
        """

    @abstractmethod
    def checkpoint(self) -> str:
        """Return a signed checkpoint of the whole present ledger as a note (C2SP tlog-checkpoint)."""

    @abstractmethod
    def verifier_key(self) -> str:
        """Return the public key of the checkpoints in note form (C2SP signed-note, ``name+hash+key``)."""

    @abstractmethod
    def check(self, *, checkpoint: str | None = None) -> Iterator[Problem]:
        """Verify every invariant: hashes, tree, checkpoints, and that records, files and edges equal the bodies.

        Args:
            checkpoint: A signed checkpoint that was kept elsewhere: the ledger must have grown out of it. Only this
                finds a ledger that was cut back, or written anew, by somebody who holds the signing key.
        """

    @abstractmethod
    def backup(self, target: Path) -> None:
        """Write a consistent copy of the store to ``target`` while others read and write.

        Raises:
            UnsupportedError: The backend does not declare ``supports_backup``.
            ConflictError: ``target`` exists.
        """

    @abstractmethod
    def close(self) -> None:
        """Release files and connections; harmless to repeat."""

    def scrub(self) -> None:
        """Make sure that what was erased is in no file of the store any more; for the end of a withdrawal.

        An ``Erase`` alone takes content out of everything that can be asked. Where a backend's files may keep
        copies of moved cells, this writes them anew, which takes time and room for a second copy.

        Raises:
            StorageFullError: There is no room for a second copy; nothing was changed.
            BackendUnavailableError: The store is locked or away.
        """
        return None

    def iterate(
        self, type: str, *, datasets: Collection[str] | None = None, part_of: str | None = None
    ) -> Iterable[Record]:
        """Yield every record that :meth:`list_records` would list, page by page."""
        cursor = None
        while True:
            page = self.list_records(type, datasets=datasets, part_of=part_of, cursor=cursor, limit=1000)
            yield from page.items
            if page.next is None:
                return
            cursor = page.next
