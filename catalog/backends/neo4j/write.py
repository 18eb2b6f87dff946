"""Writing: one transaction for a batch of commits, its head signed inside it.

Writers take turns by the lock of the catalogue's node. When the connection breaks while a transaction is being
committed, the next one that holds that lock can tell whether it was: the first entry of a batch carries its mark.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from catalog.backends.neo4j.connection import (
    ATTEMPTS,
    Database,
    View,
    forget,
    hold_all,
    is_passing,
    rest,
    runner,
)
from catalog.backends.neo4j.limits import refuse_long, refuse_long_names
from catalog.backends.neo4j.rows import entry_rows, file_rows, node_rows, record_rows
from catalog.backends.neo4j.stored import Predicates, StoredGraph, relation
from catalog.commits.batch import Head, Outcome, Planned, next_head, plan_batch
from catalog.commits.plan import Plan
from catalog.commits.prepared import PreparedCommit
from catalog.commits.replay import replay_batch
from catalog.repository import Entered
from ontology.errors import (
    BackendUnavailableError,
    IntegrityError,
    OutcomeUnknownError,
    SillageError,
)
from provenance.ledger.keys import SigningKey
from provenance.ledger.merkle import BLOCK

if TYPE_CHECKING:
    from neo4j import Transaction

SETTLE_SECONDS = 60.0
"""So long a broken connection is mended to ask whether a commit happened."""
_ROWS = 5_000
_AT = "MATCH (n:SillageNode {catalog: $catalog, key: row.key}) USING INDEX n:SillageNode(catalog, key)"
_ENDS = """
UNWIND $rows AS row
MATCH (s:SillageNode {catalog: $catalog, key: row[0]}) USING INDEX s:SillageNode(catalog, key)
MATCH (t:SillageNode {catalog: $catalog, key: row[2]}) USING INDEX t:SillageNode(catalog, key)
"""
_LOCK = "MATCH (c:SillageCatalog {catalog: $catalog}) REMOVE c.held RETURN 1"
_HEAD = "MATCH (c:SillageCatalog {catalog: $catalog}) RETURN c.size, c.time, c.peaks, c.next_key"
_MOVE_HEAD = """
MATCH (c:SillageCatalog {catalog: $catalog})
SET c.size = $size, c.time = $time, c.peaks = $peaks, c.note = $note, c.next_key = $next_key
"""
_CREATE = "UNWIND $rows AS row CREATE (n:LABELS) SET n = row"
_RECORDS = f"UNWIND $rows AS row {_AT} SET n:SillageRecord, n += row"
_FILES = f"UNWIND $rows AS row {_AT} SET n:SillageFile, n += row"
_UNLINK = _ENDS + "MATCH (s)-[e:RELATION {predicate: row[1]}]->(t) DELETE e"
_LINK = _ENDS + "CREATE (s)-[:RELATION {predicate: row[1]}]->(t)"
_DROP_ALIASES = """
UNWIND $rows AS row
MATCH (a:SillageAlias {catalog: $catalog, name: row}) USING INDEX a:SillageAlias(catalog, name) DETACH DELETE a
"""
_ALIASES = """
UNWIND $rows AS row
MATCH (n:SillageNode {catalog: $catalog, key: row[1]}) USING INDEX n:SillageNode(catalog, key)
CREATE (:SillageAlias {catalog: $catalog, name: row[0]})-[:NAMES]->(n)
"""
_BLOCKS = "UNWIND $rows AS row CREATE (:SillageBlock {catalog: $catalog, number: row[0], root: row[1]})"
_ERASE = """
UNWIND $rows AS row
MATCH (e:SillageEntry {catalog: $catalog, subject: row[0]}) USING INDEX e:SillageEntry(catalog, subject)
WHERE e.version < row[1] REMOVE e.body, e.salt
"""
_MARK = "MATCH (e:SillageEntry {catalog: $catalog, sequence: $sequence}) RETURN e.batch"


Make = Callable[[StoredGraph, Predicates, Head], Planned]
"""Plans what is to be written, inside the transaction that writes it."""


class _MayHaveHappenedError(Exception):
    """The connection broke while a batch that begins with entry ``first`` was being committed."""

    def __init__(self, first: int, outcomes: list[Outcome]) -> None:
        super().__init__(first)
        self.first = first
        self.outcomes = outcomes


class Writer:
    """What writes for this process, one batch at a time."""

    def __init__(self, database: Database, catalog: int, key: SigningKey) -> None:
        self._database = database
        self._catalog = catalog
        self._key = key
        self._predicates = Predicates()

    def write(self, batch: Sequence[PreparedCommit]) -> list[Outcome]:
        """Apply commits in one transaction; return for each what it did, or why it was refused.

        Raises:
            BackendUnavailableError: The server is away or took too long; nothing was written.
            OutcomeUnknownError: The connection broke during the commit, and could not be mended to ask.
            IntegrityError: The stored data make no sense; nothing was written.
        """
        refused = {place: error for place, commit in enumerate(batch) if (error := refuse_long_names(commit))}
        wanted = [commit for place, commit in enumerate(batch) if place not in refused]
        written = iter(self._insist(partial(plan_batch, batch=wanted)) if wanted else ())
        return [refused[place] if place in refused else next(written) for place in range(len(batch))]

    def take_over(self, batch: Sequence[Entered]) -> None:
        """Append entries of another store's ledger as they are, in one transaction.

        Raises:
            InvalidRequestError: A name is longer than an index can hold.
            IntegrityError: They do not follow, or the stored data make no sense; nothing was written.
            BackendUnavailableError: As for :meth:`write`.
            OutcomeUnknownError: As for :meth:`write`.
        """
        self._insist(partial(_replay, batch=batch))

    def _insist(self, make: Make) -> list[Outcome]:
        mark = uuid.uuid4().hex
        for attempt in range(ATTEMPTS):
            try:
                return self._once(make, mark)
            except SillageError:
                raise
            except _MayHaveHappenedError as broken:
                if self._happened(broken.first, mark):
                    return broken.outcomes
                cause = broken.__cause__
            except Exception as error:
                cause = error
            if attempt + 1 == ATTEMPTS or not (isinstance(cause, Exception) and is_passing(cause)):
                raise self._database.translate(_exception(cause)) from cause
            rest(attempt)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, make: Make, mark: str) -> list[Outcome]:
        with self._database.writing() as transaction:
            view = View(runner(transaction), self._catalog)
            head = self._head(view)
            planned = make(StoredGraph(view, self._predicates), self._predicates, head)
            if planned.plan is None:
                return planned.outcomes
            self._store(view, planned, planned.plan, head, mark)
            hold_all(view)
            self._commit(transaction, head.size, planned.outcomes)
            return planned.outcomes

    def _commit(self, transaction: Transaction, first: int, outcomes: list[Outcome]) -> None:
        try:
            transaction.commit()
        except BaseException as error:
            forget(transaction)
            if not isinstance(error, Exception):
                raise
            raise _MayHaveHappenedError(first, outcomes) from error

    def _happened(self, first: int, mark: str) -> bool:
        """Ask whether a batch was committed. Whoever holds the lock knows that its transaction has ended.

        Raises:
            OutcomeUnknownError: The server did not come back in time.
        """
        until, attempt = time.monotonic() + SETTLE_SECONDS, 0
        while True:
            try:
                with self._database.writing() as transaction:
                    view = View(runner(transaction), self._catalog)
                    self._head(view)
                    row = view.row(_MARK, sequence=first)
                    return row is not None and row[0] == mark
            except Exception as error:
                if time.monotonic() > until or not (is_passing(error) or isinstance(error, OSError)):
                    raise OutcomeUnknownError(
                        f"the connection to {self._database.address.url} broke while the change was being written, "
                        "and the server could not be asked about it since"
                    ) from error
                rest(min(attempt, 4))
                attempt += 1

    def _head(self, view: View) -> Head:
        """Take the lock of the catalogue, then read its head: a transaction may have moved it meanwhile."""
        row = view.row(_HEAD) if view.row(_LOCK) is not None else None
        if row is None or None in row:
            raise IntegrityError("the ledger has lost its head")
        size, time_, peaks, next_key = row
        return Head(size, time_, bytes(peaks), next_key)

    def _store(self, view: View, planned: Planned, plan: Plan, head: Head, mark: str) -> None:
        names = {node.key: node.iri for node in planned.snapshot.nodes.values()}
        records, files = record_rows(plan, head, names), file_rows(plan)
        for labels, rows in node_rows(plan, records, files, self._catalog):
            self._many(view, _CREATE.replace("LABELS", labels), rows)
        self._many(view, _RECORDS, records.values())
        self._many(view, _FILES, files.values())
        removed, added = plan.edge_changes()
        self._link(view, _UNLINK, removed)
        self._link(view, _LINK, added)
        given_up, taken = plan.alias_changes()
        self._many(view, _DROP_ALIASES, [name for (name,) in given_up] + [name for name, _ in taken])
        self._many(view, _ALIASES, taken)
        entries = entry_rows(plan, self._catalog)
        entries[0]["batch"] = mark
        self._many(view, _CREATE.replace("LABELS", "SillageEntry"), entries)
        self._many(view, _ERASE, plan.erased)
        moved = next_head(head, plan, self._key)
        self._many(view, _BLOCKS, enumerate(moved.blocks, head.size // BLOCK))
        view.rows(
            _MOVE_HEAD,
            size=moved.size,
            time=moved.time,
            peaks=moved.peaks,
            note=moved.note,
            next_key=planned.snapshot.next_key,
        )

    def _link(self, view: View, statement: str, edges: Iterable[tuple[int, int, int]]) -> None:
        by_relation: dict[str, list[tuple[int, str, int]]] = {}
        for source, predicate, target in edges:
            rows = by_relation.setdefault(relation(predicate), [])
            rows.append((source, self._predicates.curie(predicate), target))
        for name, rows in by_relation.items():
            self._many(view, statement.replace("RELATION", name), rows)

    def _many(self, view: View, statement: str, rows: Iterable[Any]) -> None:
        whole = [list(row) if isinstance(row, tuple) else row for row in rows]
        for start in range(0, len(whole), _ROWS):
            view.rows(statement, rows=whole[start : start + _ROWS])


def _replay(stored: StoredGraph, predicates: Predicates, head: Head, *, batch: Sequence[Entered]) -> Planned:
    planned = replay_batch(stored, predicates, head, batch)
    if planned.plan is not None and (error := refuse_long([*planned.plan.nodes.values(), *planned.plan.holders])):
        raise error
    return planned


def _exception(cause: BaseException | None) -> Exception:
    return cause if isinstance(cause, Exception) else BackendUnavailableError("the server is away")
