"""Verification of a store, in one pass over the ledger and one over the view, in constant memory.

The ledger is held against its signed head, the view against the bodies. Nothing is repaired here.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator

from catalog.backends.sqlite.build import expected_schema, read_schema
from catalog.backends.sqlite.check_view import check_view
from catalog.commits.snapshot import ERASED
from catalog.commits.verification import LedgerPass
from catalog.model import Problem
from provenance.ledger.keys import VerifierKey

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
    heads = connection.execute("SELECT size, time, peaks, note FROM checkpoint").fetchall()
    ledger = LedgerPass(
        connection.execute(_ENTRIES),
        connection.execute("SELECT number, root FROM leaf_block ORDER BY number"),
        erased=dict(connection.execute(_ERASED, (ERASED,))),
    )
    yield from ledger.verify(key, heads, trusted=trusted)
    for (sequence,) in connection.execute(_STRAY, (ledger.frontier.size,)):
        yield Problem(f"body {sequence}", "no entry belongs to it")
