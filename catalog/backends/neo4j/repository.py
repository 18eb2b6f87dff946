"""The repository in Neo4j: one transaction for records, edges and ledger, one writer and many readers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

from typing_extensions import override

from catalog.backends.neo4j import ledger, lineage, naming, reading
from catalog.backends.neo4j.address import Address
from catalog.backends.neo4j.build import create, find
from catalog.backends.neo4j.check import check
from catalog.backends.neo4j.connection import Database, View
from catalog.backends.neo4j.migrations import migrate
from catalog.backends.neo4j.write import Writer
from catalog.commits.line import WaitingLine
from catalog.commits.prepared import prepare
from catalog.commits.replay import in_batches
from catalog.model import Commit, Committed, Edge, Page, Problem, Record
from catalog.repository import Entered, Lineage, Repository, RepositoryCapabilities, StoredBody
from ontology.errors import UnsupportedError
from provenance.ledger.entry import Entry
from provenance.ledger.keys import SigningKey

T = TypeVar("T")


class Neo4jRepository(Repository):
    """A catalogue's repository in a Neo4j database, which may hold several; its signing key in a local folder.

    The key is what tells a catalogue from the others of its database: whoever opens one must hold its key.
    """

    capabilities: ClassVar[RepositoryCapabilities] = RepositoryCapabilities(
        survives_power_cut=True, several_processes=True, supports_backup=False, remote=True
    )

    def __init__(self, database: Database, *, catalog: int, key: SigningKey) -> None:
        """Used by :meth:`create` and :meth:`open`."""
        self._database = database
        self._catalog = catalog
        self._key = key
        self._writer = Writer(database, catalog, key)
        self._line = WaitingLine(self._writer.write)

    @classmethod
    def create(
        cls,
        url: str,
        keys_folder: Path,
        *,
        name: str,
        user: str | None = None,
        password: str | None = None,
        database: str | None = None,
        key: SigningKey | None = None,
    ) -> Neo4jRepository:
        """Make an empty repository; constraints and indexes are made if need be.

        Args:
            url: Of the server, ``neo4j://HOST:7687`` or ``neo4j+s://``; may carry user and password.
            keys_folder: Where the signing key is kept; made if need be.
            name: Origin of the ledger in its checkpoints: nobody else's, without spaces and plus signs,
                such as ``sillage/<UUID>``.
            user: Who asks, unless the URL says.
            password: Theirs.
            database: Name of the database on the server; its default one unless told.
            key: Signing key of the ledger that will be loaded; without it a new one is made.

        Raises:
            InvalidRequestError: ``name`` cannot be an origin, or the URL is none.
            ConflictError: There is one already.
            StorageFullError: The disk of the folder is full.
            BackendUnavailableError: The server is away, the folder cannot be written, or the database was made by a
                newer release.
            NotInstalledError: The driver is missing.
        """
        opened = Database(Address.parse(url, user=user, password=password, database=database))
        try:
            migrate(opened)
            catalog, signing = create(opened, keys_folder, name=name, key=key)
        except BaseException:
            opened.close()
            raise
        return cls(opened, catalog=catalog, key=signing)

    @classmethod
    def open(
        cls,
        url: str,
        keys_folder: Path,
        *,
        user: str | None = None,
        password: str | None = None,
        database: str | None = None,
    ) -> Neo4jRepository:
        """Open the repository that belongs to the signing key in a folder; see :meth:`create`.

        Raises:
            InvalidRequestError: The URL is none.
            NotFoundError: There is no key, or the database has no catalogue of that key.
            BackendUnavailableError: The server is away, the key cannot be read, or the database was made by a newer
                release.
            IntegrityError: Key or catalogue is damaged.
            NotInstalledError: The driver is missing.
        """
        opened = Database(Address.parse(url, user=user, password=password, database=database))
        try:
            migrate(opened)
            catalog, key = find(opened, keys_folder)
        except BaseException:
            opened.close()
            raise
        return cls(opened, catalog=catalog, key=key)

    @property
    def name(self) -> str:
        """Origin of the ledger in its checkpoints (C2SP tlog-checkpoint)."""
        return self._key.name

    @override
    def commit(self, commit: Commit) -> Committed:
        return self._line.commit(prepare(commit))

    def _read(self, ask: Callable[[View], T], *, snapshot: bool = False) -> T:
        return self._database.read(self._catalog, ask, snapshot=snapshot)

    @override
    def get(self, id: str, *, version: int | None = None) -> Record:
        if version is None:
            return self._read(lambda view: reading.get(view, id))
        return self._read(lambda view: reading.get_version(view, id, version), snapshot=True)

    @override
    def get_many(self, ids: Collection[str]) -> dict[str, Record]:
        return self._read(lambda view: reading.get_many(view, ids), snapshot=True)

    @override
    def resolve(self, reference: str) -> str:
        return self._read(lambda view: naming.resolve(view, reference))

    @override
    def find_alias(self, alias: str) -> str | None:
        return self._read(lambda view: naming.find_alias(view, alias))

    @override
    def list_records(
        self,
        type: str,
        *,
        datasets: Collection[str] | None = None,
        part_of: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[Record]:
        return self._read(
            lambda view: reading.list_records(
                view, type, datasets=datasets, part_of=part_of, cursor=cursor, limit=limit
            ),
            snapshot=True,
        )

    @override
    def iterate(
        self, type: str, *, datasets: Collection[str] | None = None, part_of: str | None = None
    ) -> Iterable[Record]:
        def page(view: View) -> Page[Record]:
            return reading.list_records(
                view, type, datasets=datasets, part_of=part_of, cursor=cursor, limit=1000, counted=False
            )

        cursor: str | None = None
        while True:
            found = self._read(page)
            yield from found.items
            cursor = found.next
            if cursor is None:
                return

    @override
    def versions(self, id: str) -> Sequence[Record]:
        return self._read(lambda view: reading.versions(view, id), snapshot=True)

    @override
    def edges_from(self, ids: Collection[str], predicates: Collection[str] | None = None) -> Sequence[Edge]:
        return self._read(lambda view: reading.edges(view, "source", ids, predicates))

    @override
    def edges_to(self, ids: Collection[str], predicates: Collection[str] | None = None) -> Sequence[Edge]:
        return self._read(lambda view: reading.edges(view, "target", ids, predicates))

    @override
    def files_by_sha256(self, sha256: str) -> Sequence[Record]:
        return self._read(lambda view: reading.files_by_sha256(view, sha256))

    @override
    def lineage(self, id: str, *, direction: str, depth: int | None = None, limit: int | None = None) -> Lineage:
        return self._read(
            lambda view: lineage.lineage(view, id, direction=direction, depth=depth, limit=limit), snapshot=True
        )

    @override
    def records_since(self, sequence: int, *, limit: int = 10_000) -> Sequence[Record]:
        return self._read(lambda view: reading.records_since(view, sequence, limit))

    @property
    @override
    def sequence(self) -> int:
        return self._read(ledger.size) - 1

    @override
    def entries(
        self,
        *,
        after: int = -1,
        limit: int = 100,
        subject: str | None = None,
        action: str | None = None,
        principal: str | None = None,
    ) -> Page[Entry]:
        return self._read(
            lambda view: ledger.entries(
                view, after=after, limit=limit, subject=subject, action=action, principal=principal
            ),
            snapshot=True,
        )

    @override
    def body(self, sequence: int) -> StoredBody | None:
        return self._read(lambda view: ledger.body(view, sequence))

    @override
    def export(self, *, after: int = -1) -> Iterator[Entered]:
        reached = after
        while batch := self._read(partial(ledger.export, after=reached)):
            yield from batch
            reached = batch[-1].entry.sequence

    @override
    def load(self, entered: Iterable[Entered]) -> int:
        for batch in in_batches(entered):
            with self._line.alone():
                self._writer.take_over(batch)
        return self.sequence

    @property
    @override
    def engine_version(self) -> str | None:
        row = self._read(lambda view: view.row("CALL dbms.components() YIELD versions RETURN versions[0]"))
        return None if row is None else str(row[0])

    @override
    def inclusion_proof(self, sequence: int, tree_size: int | None = None) -> Sequence[bytes]:
        return self._read(lambda view: ledger.inclusion(view, sequence, tree_size), snapshot=True)

    @override
    def consistency_proof(self, first: int, second: int | None = None) -> Sequence[bytes]:
        return self._read(lambda view: ledger.consistency(view, first, second), snapshot=True)

    @override
    def checkpoint(self) -> str:
        return self._read(ledger.checkpoint)

    @override
    def verifier_key(self) -> str:
        return self._key.verifier().line()

    @override
    def check(self, *, checkpoint: str | None = None) -> Iterator[Problem]:
        yield from check(self._database, self._catalog, self._key.verifier(), trusted=checkpoint)

    @override
    def backup(self, target: Path) -> None:
        raise UnsupportedError(
            "a catalogue in Neo4j is not copied by Sillage",
            next_step="Copy the database with `neo4j-admin database dump`, and keep the folder of keys beside it.",
        )

    @override
    def close(self) -> None:
        if self._line.close():
            self._database.close()
