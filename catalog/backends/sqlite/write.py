"""Writing: one transaction for a batch of commits, its head signed inside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence

from catalog.backends.sqlite.connection import BUSY_SECONDS, translate
from catalog.backends.sqlite.predicates import Predicates
from catalog.backends.sqlite.stored import StoredRows
from catalog.commits.batch import Head, Outcome, Planned, next_head, plan_batch
from catalog.commits.plan import Plan
from catalog.commits.prepared import PreparedCommit
from catalog.commits.replay import replay_batch
from catalog.model import Durability
from catalog.repository import Entered
from ontology.errors import IntegrityError
from provenance.ledger.keys import SigningKey
from provenance.ledger.merkle import BLOCK

_HEAD = "SELECT size, time, peaks, (SELECT coalesce(max(key), 0) + 1 FROM node) FROM checkpoint WHERE id = 1"
_MOVE_HEAD = "UPDATE checkpoint SET size = ?, time = ?, peaks = ?, note = ? WHERE id = 1"
_ENTRY = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_RECORD = "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_FILE = "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?)"
_SCRUB_MS = 1_000
_ERASE = """
DELETE FROM body WHERE sequence IN (SELECT sequence FROM entry WHERE subject = ? AND version < ?)
"""


class Writer:
    """The one connection of this process that writes."""

    def __init__(self, connection: sqlite3.Connection, key: SigningKey) -> None:
        self._connection = connection
        self._key = key
        self._full = True
        self._scrub = False
        self._predicates = Predicates(connection)

    def write(self, batch: Sequence[PreparedCommit]) -> list[Outcome]:
        """Apply commits in one transaction; return for each what it did, or why it was refused.

        Raises:
            StorageFullError: The disk is full; nothing was written.
            BackendUnavailableError: The store is locked or away; nothing was written.
            OutcomeUnknownError: The disk failed during the commit.
            IntegrityError: The store is damaged; nothing was written.
        """
        self._synchronise(any(commit.durability is Durability.FULL for commit in batch))
        return self._apply(lambda stored, head: plan_batch(stored, self._predicates, head, batch)).outcomes

    def take_over(self, batch: Sequence[Entered]) -> None:
        """Append entries of another store's ledger as they are, in one transaction.

        Raises:
            IntegrityError: They do not follow, or the store is damaged; nothing was written.
            StorageFullError: As for :meth:`write`.
            BackendUnavailableError: As for :meth:`write`.
            OutcomeUnknownError: As for :meth:`write`.
        """
        self._synchronise(True)
        self._apply(lambda stored, head: replay_batch(stored, self._predicates, head, batch))

    def _apply(self, make_plan: Callable[[StoredRows, Head], Planned]) -> Planned:
        committing = False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            head = self._head()
            planned = make_plan(StoredRows(self._connection), head)
            if (plan := planned.plan) is not None:
                self._store(plan, head)
                committing = True
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise translate(error, committing=committing) from error
        finally:
            if self._connection.in_transaction:
                self._roll_back()
        if plan is not None and (plan.erased or self._scrub):
            self._empty_log()
        return planned

    def scrub(self) -> None:
        """Write the whole store anew: copies of erased cells that B-trees left when they were balanced go too.

        Raises:
            StorageFullError: There is no room for a second copy.
            BackendUnavailableError: The store is locked.
        """
        try:
            self._connection.execute("PRAGMA temp_store = FILE")
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA temp_store = MEMORY")
        except sqlite3.Error as error:
            raise translate(error) from error
        self._empty_log()

    def _empty_log(self) -> None:
        """Take what was erased out of the write-ahead log too; tried again later while a reader holds it."""
        self._scrub = True
        try:
            self._connection.execute(f"PRAGMA busy_timeout = {_SCRUB_MS}")
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
        except sqlite3.Error:
            return
        self._scrub = bool(busy)

    def close(self) -> None:
        """Close the connection; the last one to do so folds the log into the store."""
        self._connection.close()

    def _synchronise(self, full: bool) -> None:
        if full != self._full:
            try:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            except sqlite3.Error as error:
                raise translate(error) from error
            self._full = full

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise translate(error) from error

    def _head(self) -> Head:
        row = self._connection.execute(_HEAD).fetchone()
        if row is None:
            raise IntegrityError("the ledger has lost its head")
        return Head(*row)

    def _store(self, plan: Plan, head: Head) -> None:
        self._many("INSERT INTO predicate (curie, key) VALUES (?, ?)", plan.predicates.items())
        self._many("INSERT INTO node VALUES (?, ?)", plan.nodes.items())
        self._many(_RECORD, [(key, *row) for key, row in plan.records.items()])
        self._many(_FILE, [(key, *row) for key, row in plan.files.items()])
        removed, added = plan.edge_changes()
        self._many("DELETE FROM edge WHERE source = ? AND predicate = ? AND target = ?", removed)
        self._many("INSERT INTO edge (source, predicate, target) VALUES (?, ?, ?)", added)
        given_up, taken = plan.alias_changes()
        self._many("DELETE FROM alias WHERE name = ?", given_up)
        self._many("INSERT OR REPLACE INTO alias VALUES (?, ?)", taken)
        self._many(
            _ENTRY,
            [
                (e.sequence, e.time, e.principal, e.action, e.subject, e.version, e.reason, e.body_digest)
                for e in plan.entries
            ],
        )
        self._many("INSERT INTO body VALUES (?, ?, ?)", plan.bodies)
        self._many(_ERASE, plan.erased)
        self._move_head(plan, head)

    def _many(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        if rows := list(rows):
            self._connection.executemany(statement, rows)

    def _move_head(self, plan: Plan, head: Head) -> None:
        moved = next_head(head, plan, self._key)
        self._many("INSERT INTO leaf_block VALUES (?, ?)", enumerate(moved.blocks, head.size // BLOCK))
        self._connection.execute(_MOVE_HEAD, (moved.size, moved.time, moved.peaks, moved.note))
