"""Verification of a store, in one pass over the ledger and one over the view, in constant memory.

The ledger is held against its signed head, the view against the bodies. Nothing is repaired here.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterator
from typing import Any

from catalog.backends.sqlite.build import expected_schema, read_schema
from catalog.backends.sqlite.check_view import check_view
from catalog.commits.bodies import parse_body
from catalog.commits.snapshot import ERASED
from catalog.model import Problem
from ontology.errors import SillageError
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.entry import leaf_of
from provenance.ledger.keys import VerifierKey
from provenance.ledger.merkle import BLOCK, EMPTY_ROOT, Frontier

_log = logging.getLogger(__name__)

_ENTRIES = """
SELECT e.sequence, e.time, e.principal, e.action, e.subject, e.version, e.reason, e.body_digest, b.salt, b.body
FROM entry AS e LEFT JOIN body AS b ON b.sequence = e.sequence ORDER BY e.sequence
"""
_ERASED = "SELECT n.iri, r.version FROM record AS r JOIN node AS n ON n.key = r.key WHERE r.state = ?"
_STRAY = "SELECT sequence FROM body WHERE sequence < 0 OR sequence >= ? ORDER BY sequence"


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
        if read_schema(connection) != expected_schema():
            yield Problem("schema", "tables, indexes or triggers are not those of this format")
        yield from check_ledger(connection, key, trusted=trusted)
        yield from check_view(connection)
    except Exception as error:  # a damaged page can put any value of any kind anywhere
        _log.debug("check ended early", exc_info=True)
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
    for (sequence,) in connection.execute(_STRAY, (pass_over.frontier.size,)):
        yield Problem(f"body {sequence}", "no entry belongs to it")


class _LedgerPass:
    """One reading of all entries and bodies in order."""

    def __init__(self, connection: sqlite3.Connection, earlier: Checkpoint | None) -> None:
        self._connection = connection
        self._earlier = earlier
        self._erased: dict[str, int] = dict(connection.execute(_ERASED, (ERASED,)))
        self._blocks = connection.execute("SELECT number, root FROM leaf_block ORDER BY number")
        self.frontier = Frontier()
        self.time = ""

    def run(self) -> Iterator[Problem]:
        """Yield what is wrong with entries, bodies and the roots of blocks."""
        if self._earlier is not None and self._earlier.size == 0 and self._earlier.root != EMPTY_ROOT:
            yield Problem("checkpoint given", "its root is not that of an empty ledger")
        yield from self._read()
        if self._blocks.fetchone() is not None:
            yield Problem("blocks", "there are more than the entries make")
        if self._earlier is not None and self._earlier.size > self.frontier.size:
            yield Problem(
                "ledger", f"it was cut back: {self.frontier.size} entries, and there were {self._earlier.size}"
            )

    def _read(self) -> Iterator[Problem]:
        """Go through all entries; written in one piece, since every call in the loop costs a tenth of the whole."""
        sha256, erased = hashlib.sha256, self._erased
        leaves: list[bytes] = []
        room, last = self._room(), ""
        for expected, row in enumerate(self._connection.execute(_ENTRIES)):
            digest, body = row[7], row[9]
            said = None if body is None else sha256(row[8] + body).hexdigest()
            if said != digest or row[0] != expected or row[1] < last or row[4] in erased:
                yield from self._describe(row, expected, last)
            last = row[1]
            leaves.append(sha256(b"\x00" + leaf_of(row[:8])).digest())
            if len(leaves) == room:
                yield from self._fold(leaves)
                leaves, room = [], self._room()
        self.time = last
        if leaves:
            yield from self._fold(leaves)

    def _room(self) -> int:
        """Return how many leaves to gather, so that the tree has once the size of the checkpoint given."""
        before = 0 if self._earlier is None else self._earlier.size - self.frontier.size
        return min(BLOCK, before) if before > 0 else BLOCK

    def _fold(self, leaves: list[bytes]) -> Iterator[Problem]:
        number, earlier = self.frontier.size // BLOCK, self._earlier
        for place, root in enumerate(self.frontier.extend(leaves), number):
            if self._blocks.fetchone() != (place, root):
                yield Problem(f"block {place}", "its root is missing or not that of its entries")
        if earlier is not None and self.frontier.size == earlier.size and self.frontier.root() != earlier.root:
            yield Problem("ledger", f"its first {earlier.size} entries are not those of the checkpoint given")

    def _describe(self, row: tuple[Any, ...], expected: int, last: str) -> Iterator[Problem]:
        sequence, time, _, _, subject, version, _, digest, salt, body = row
        if sequence != expected:
            yield Problem(f"entry {expected}", f"it is missing: entry {sequence} stands in its place")
        if time < last:
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
