"""The repository in one SQLite file: write-ahead log, full synchronisation, one writer and many readers."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from catalog.backends.sqlite import ledger, lineage, naming, reading
from catalog.backends.sqlite.build import FORMAT, create_store
from catalog.backends.sqlite.check import check
from catalog.backends.sqlite.connection import Pool, connect, translate
from catalog.backends.sqlite.write import Writer
from catalog.commits.line import WaitingLine
from catalog.commits.prepared import prepare
from catalog.commits.replay import in_batches
from catalog.model import Commit, Committed, Edge, Page, Problem, Record
from catalog.repository import Entered, Lineage, Repository, RepositoryCapabilities, StoredBody
from ontology.errors import (
    BackendUnavailableError,
    ConflictError,
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    StorageFullError,
)
from provenance.ledger.entry import Entry
from provenance.ledger.keys import SigningKey, VerifierKey

FILE_NAME = "catalog.sqlite"
KEY_FILE = "keys/ledger.pem"


class SqliteRepository(Repository):
    """A catalogue's repository in ``directory/catalog.sqlite``, its signing key in ``directory/keys``."""

    capabilities: ClassVar[RepositoryCapabilities] = RepositoryCapabilities(
        survives_power_cut=True, several_processes=True, supports_backup=True
    )

    def __init__(self, directory: Path, *, key: SigningKey) -> None:
        """Used by :meth:`create` and :meth:`open`."""
        self.directory = directory
        self._key = key
        self._pool = Pool(directory / FILE_NAME)
        self._writer = Writer(connect(directory / FILE_NAME), key)
        self._line = WaitingLine(self._writer.write)

    @classmethod
    def create(cls, directory: Path, *, name: str, key: SigningKey | None = None) -> SqliteRepository:
        """Make an empty repository; the directory is made if need be.

        Args:
            directory: Where the catalogue lies.
            name: Origin of the ledger in its checkpoints: nobody else's, without spaces and plus signs,
                such as ``sillage/<UUID>``.
            key: Signing key of the ledger that will be loaded; without it a new one is made.

        Raises:
            InvalidRequestError: ``name`` cannot be an origin.
            ConflictError: There is one already.
            StorageFullError: The disk is full.
            BackendUnavailableError: The directory cannot be written.
        """
        if (directory / FILE_NAME).exists():
            raise ConflictError(f"there is a catalogue in {directory} already", field="directory")
        try:
            create_store(directory, FILE_NAME, KEY_FILE, key=key or SigningKey.generate(name))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError("the disk is full") from error
            raise BackendUnavailableError(f"a catalogue cannot be made there: {error.strerror}") from error
        return cls.open(directory)

    @classmethod
    def open(cls, directory: Path) -> SqliteRepository:
        """Open a repository that :meth:`create` made.

        Raises:
            NotFoundError: There is none.
            BackendUnavailableError: It cannot be used: permissions, a newer format, a key that is away.
            IntegrityError: It is damaged.
        """
        path = directory / FILE_NAME
        if not path.is_file():
            raise NotFoundError(
                f"there is no catalogue in {directory}", field="catalog", next_step="Make one with `sillage init`."
            )
        connection = connect(path)
        try:
            meta = dict(connection.execute("SELECT name, value FROM meta"))
        except sqlite3.Error as error:
            raise translate(error) from error
        finally:
            connection.close()
        if meta.get("format") != FORMAT:
            raise BackendUnavailableError(
                f"the catalogue is of format {meta.get('format')}, this release reads {FORMAT}"
            )
        try:
            public = VerifierKey.parse(meta.get("verifier_key", ""))
        except InvalidRequestError as error:
            raise IntegrityError("the catalogue has lost its verifier key") from error
        key = SigningKey.load(directory / KEY_FILE, public.name)
        if key.verifier() != public:
            raise IntegrityError("the signing key is not the one of this catalogue")
        return cls(directory, key=key)

    @property
    def name(self) -> str:
        """Origin of the ledger in its checkpoints (C2SP tlog-checkpoint)."""
        return self._key.name

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that sees one state of the store, for measurements and inspection; write nothing with it.

        Raises:
            BackendUnavailableError: The store cannot be used, or was closed.
            IntegrityError: It is damaged.
        """
        with self._pool.reading() as connection:
            yield connection

    @override
    def commit(self, commit: Commit) -> Committed:
        return self._line.commit(prepare(commit))

    @override
    def get(self, id: str, *, version: int | None = None) -> Record:
        with self._pool.reading(snapshot=version is not None) as connection:
            if version is None:
                return reading.get(connection, id)
            return reading.get_version(connection, id, version)

    @override
    def get_many(self, ids: Collection[str]) -> dict[str, Record]:
        with self._pool.reading(snapshot=True) as connection:
            return reading.get_many(connection, ids)

    @override
    def resolve(self, reference: str) -> str:
        with self._pool.reading() as connection:
            return naming.resolve(connection, reference)

    @override
    def find_alias(self, alias: str) -> str | None:
        with self._pool.reading() as connection:
            return naming.find_alias(connection, alias)

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
        with self._pool.reading(snapshot=True) as connection:
            return reading.list_records(
                connection, type, datasets=datasets, part_of=part_of, cursor=cursor, limit=limit
            )

    @override
    def iterate(
        self, type: str, *, datasets: Collection[str] | None = None, part_of: str | None = None
    ) -> Iterable[Record]:
        cursor: str | None = None
        while True:
            with self._pool.reading() as connection:
                page = reading.list_records(
                    connection, type, datasets=datasets, part_of=part_of, cursor=cursor, limit=1000, counted=False
                )
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    @override
    def versions(self, id: str) -> Sequence[Record]:
        with self._pool.reading(snapshot=True) as connection:
            return reading.versions(connection, id)

    @override
    def edges_from(self, ids: Collection[str], predicates: Collection[str] | None = None) -> Sequence[Edge]:
        with self._pool.reading() as connection:
            return reading.edges(connection, "source", ids, predicates)

    @override
    def edges_to(self, ids: Collection[str], predicates: Collection[str] | None = None) -> Sequence[Edge]:
        with self._pool.reading() as connection:
            return reading.edges(connection, "target", ids, predicates)

    @override
    def files_by_sha256(self, sha256: str) -> Sequence[Record]:
        with self._pool.reading() as connection:
            return reading.files_by_sha256(connection, sha256)

    @override
    def lineage(self, id: str, *, direction: str, depth: int | None = None, limit: int | None = None) -> Lineage:
        with self._pool.reading(snapshot=True) as connection:
            return lineage.lineage(connection, id, direction=direction, depth=depth, limit=limit)

    @override
    def records_since(self, sequence: int, *, limit: int = 10_000) -> Sequence[Record]:
        with self._pool.reading() as connection:
            return reading.records_since(connection, sequence, limit)

    @property
    @override
    def sequence(self) -> int:
        with self._pool.reading() as connection:
            return ledger.size(connection) - 1

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
        with self._pool.reading(snapshot=True) as connection:
            return ledger.entries(
                connection, after=after, limit=limit, subject=subject, action=action, principal=principal
            )

    @override
    def body(self, sequence: int) -> StoredBody | None:
        with self._pool.reading(snapshot=True) as connection:
            return ledger.body(connection, sequence)

    @override
    def export(self, *, after: int = -1) -> Iterator[Entered]:
        with self._pool.reading(snapshot=True) as connection:
            yield from ledger.export(connection, after)

    @override
    def load(self, entered: Iterable[Entered]) -> int:
        for batch in in_batches(entered):
            with self._line.alone():
                self._writer.take_over(batch)
        return self.sequence

    @property
    @override
    def engine_version(self) -> str:
        return sqlite3.sqlite_version

    @override
    def inclusion_proof(self, sequence: int, tree_size: int | None = None) -> Sequence[bytes]:
        with self._pool.reading(snapshot=True) as connection:
            return ledger.inclusion(connection, sequence, tree_size)

    @override
    def consistency_proof(self, first: int, second: int | None = None) -> Sequence[bytes]:
        with self._pool.reading(snapshot=True) as connection:
            return ledger.consistency(connection, first, second)

    @override
    def checkpoint(self) -> str:
        with self._pool.reading() as connection:
            return ledger.checkpoint(connection)

    @override
    def verifier_key(self) -> str:
        return self._key.verifier().line()

    @override
    def check(self, *, checkpoint: str | None = None) -> Iterator[Problem]:
        with self._pool.reading(snapshot=True) as connection:
            yield from check(connection, self._key.verifier(), trusted=checkpoint)

    @override
    def backup(self, target: Path) -> None:
        if target.exists():
            raise ConflictError(f"{target} exists already", field="target")
        with self._pool.reading() as connection:
            ledger.copy(connection, target)

    @override
    def scrub(self) -> None:
        with self._line.alone():
            self._writer.scrub()

    @override
    def close(self) -> None:
        if self._line.close():
            self._pool.close()
            self._writer.close()
