"""Verification of a store, in one pass over the ledger and one over the view, in constant memory.

The ledger is held against its signed head, the view against the bodies. Nothing is repaired here.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from typing import Any

from catalog.backends.sqlite.bodies import parse_body
from catalog.backends.sqlite.check_view import check_view
from catalog.backends.sqlite.snapshot import ERASED
from catalog.model import Problem
from ontology.errors import SillageError
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.entry import leaf_of
from provenance.ledger.keys import VerifierKey
from provenance.ledger.merkle import BLOCK, EMPTY_ROOT, Frontier, leaf_hash

_ENTRIES = """
SELECT e.sequence, e.time, e.principal, e.action, e.subject, e.version, e.reason, e.body_digest, b.salt, b.body
FROM entry AS e LEFT JOIN body AS b ON b.sequence = e.sequence ORDER BY e.sequence
"""
_ERASED = "SELECT n.iri, r.version FROM record AS r JOIN node AS n ON n.key = r.key WHERE r.state = ?"
_ORPHANS = "SELECT sequence FROM body WHERE sequence NOT IN (SELECT sequence FROM entry) ORDER BY sequence"
_CHUNK = 64
"""Rows read at a time: few enough that their bodies are still in the processor's cache when they are hashed."""


def check(connection: sqlite3.Connection, key: VerifierKey, *, trusted: str | None) -> Iterator[Problem]:
    """Yield everything that is wrong with the store.

    Args:
        connection: Inside a read transaction.
        key: Public key of the ledger.
        trusted: A signed checkpoint that was kept elsewhere.
    """
    try:
        for (finding,) in connection.execute("PRAGMA integrity_check"):
            if finding != "ok":
                yield Problem("store", str(finding))
        yield from check_ledger(connection, key, trusted=trusted)
        yield from check_view(connection)
    except sqlite3.DatabaseError as error:
        yield Problem("store", f"it cannot be read to the end: {error}")


def check_ledger(connection: sqlite3.Connection, key: VerifierKey, *, trusted: str | None) -> Iterator[Problem]:
    """Yield what is wrong with entries, bodies, tree and head."""
    earlier: Checkpoint | None = None
    if trusted is not None:
        try:
            earlier = Checkpoint.open(trusted, key)
        except SillageError as error:
            yield Problem("checkpoint given", error.detail)
    pass_over = _LedgerPass(connection, earlier)
    yield from pass_over.run()
    yield from _check_head(connection, key, pass_over)
    for (sequence,) in connection.execute(_ORPHANS):
        yield Problem(f"body {sequence}", "no entry belongs to it")


class _LedgerPass:
    """One reading of all entries and bodies in order."""

    def __init__(self, connection: sqlite3.Connection, earlier: Checkpoint | None) -> None:
        self._connection = connection
        self._earlier = earlier
        self._erased: dict[str, int] = dict(connection.execute(_ERASED, (ERASED,)))
        self.frontier = Frontier()
        self.time = ""

    def run(self) -> Iterator[Problem]:
        """Yield what is wrong with entries, bodies and the roots of blocks."""
        blocks = self._connection.execute("SELECT number, root FROM leaf_block ORDER BY number")
        cursor = self._connection.execute(_ENTRIES)
        if self._earlier is not None and self._earlier.size == 0 and self._earlier.root != EMPTY_ROOT:
            yield Problem("checkpoint given", "its root is not that of an empty ledger")
        while rows := cursor.fetchmany(self._rows_to_read()):
            leaves: list[bytes] = []
            for expected, row in enumerate(rows, self.frontier.size):
                if not self._is_sound(row, expected):
                    yield from self._describe(row, expected)
                self.time = row[1]
                leaves.append(leaf_hash(leaf_of(row[:8])))
            number = self.frontier.size // BLOCK
            for place, root in enumerate(self.frontier.extend(leaves), number):
                if blocks.fetchone() != (place, root):
                    yield Problem(f"block {place}", "its root is missing or not that of its entries")
            yield from self._compare_earlier()
        if blocks.fetchone() is not None:
            yield Problem("blocks", "there are more than the entries make")
        if self._earlier is not None and self._earlier.size > self.frontier.size:
            yield Problem(
                "ledger", f"it was cut back: {self.frontier.size} entries, and there were {self._earlier.size}"
            )

    def _rows_to_read(self) -> int:
        """Return how many rows come next, so that the pass stops at the size of the checkpoint given."""
        before = 0 if self._earlier is None else self._earlier.size - self.frontier.size
        return min(_CHUNK, before) if before > 0 else _CHUNK

    def _compare_earlier(self) -> Iterator[Problem]:
        earlier = self._earlier
        if earlier is not None and self.frontier.size == earlier.size and self.frontier.root() != earlier.root:
            yield Problem("ledger", f"its first {earlier.size} entries are not those of the checkpoint given")

    def _is_sound(self, row: tuple[Any, ...], expected: int) -> bool:
        """Tell at once whether nothing is wrong with an entry and its body, as is nearly always so."""
        salt, body = row[8], row[9]
        if row[0] != expected or row[1] < self.time:
            return False
        if body is None:
            return row[7] is None
        return bool(hashlib.sha256(salt + body).hexdigest() == row[7]) and row[4] not in self._erased

    def _describe(self, row: tuple[Any, ...], expected: int) -> Iterator[Problem]:
        sequence, time, _, _, subject, version, _, digest, salt, body = row
        if sequence != expected:
            yield Problem(f"entry {expected}", f"it is missing: entry {sequence} stands in its place")
        if time < self.time:
            yield Problem(f"entry {sequence}", "its time is before that of the entry before it")
        erased = version is not None and version < self._erased.get(subject, 0)
        if body is None:
            if digest is not None and not erased:
                yield Problem(f"entry {sequence}", "its body is missing, and its record was not erased")
        elif hashlib.sha256(salt + body).hexdigest() != digest:
            yield Problem(f"entry {sequence}", "its body is not the one whose digest it holds")
        elif erased and parse_body(body).get("state") != "erased":
            yield Problem(f"entry {sequence}", "its record was erased, and the body is still there")


def _check_head(connection: sqlite3.Connection, key: VerifierKey, found: _LedgerPass) -> Iterator[Problem]:
    rows = connection.execute("SELECT size, time, peaks, note FROM checkpoint").fetchall()
    if len(rows) != 1:
        yield Problem("head", "the ledger has lost its head")
        return
    size, time, peaks, note = rows[0]
    if size != found.frontier.size:
        yield Problem("head", f"it says {size} entries, and there are {found.frontier.size}")
    if time != found.time:
        yield Problem("head", "its time is not that of the last entry")
    if peaks != found.frontier.peak_bytes():
        yield Problem("head", "the edge of its tree is not that of the entries")
    try:
        signed = Checkpoint.open(note, key)
    except SillageError as error:
        yield Problem("head", error.detail)
        return
    if (signed.size, signed.root) != (found.frontier.size, found.frontier.root()):
        yield Problem("head", f"the signed checkpoint of {signed.size} entries is not that of the entries")
