"""Verification of a store: the ledger against its signed head, and the view against the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from catalog.model import Problem
from provenance.ledger.keys import VerifierKey


def check(connection: sqlite3.Connection, key: VerifierKey, *, trusted: str | None) -> Iterator[Problem]:
    """Yield what is wrong."""
    yield from ()
