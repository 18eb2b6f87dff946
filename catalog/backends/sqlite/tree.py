"""Roots of ranges of the stored ledger, from the roots of complete blocks and the entries of the last one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from catalog.commits.entries import entry_of
from catalog.commits.proofs import range_root
from provenance.ledger.merkle import BLOCK

ENTRY_COLUMNS = "sequence, time, principal, action, subject, version, reason, body_digest"
_LEAVES = f"SELECT {ENTRY_COLUMNS} FROM entry WHERE sequence >= ? AND sequence < ? ORDER BY sequence"  # noqa: S608
_BLOCKS = "SELECT root FROM leaf_block WHERE number >= ? AND number < ? ORDER BY number"


class StoredTree:
    """The ledger's Merkle tree as one connection sees it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def range_root(self, begin: int, end: int) -> bytes:
        """Return the root of a range as proofs ask for it: aligned to the power of two that covers it.

        Raises:
            IntegrityError: An entry or block of the range is missing.
        """
        whole = begin + (end - begin) // BLOCK * BLOCK
        blocks = (root for (root,) in self._connection.execute(_BLOCKS, (begin // BLOCK, whole // BLOCK)))
        return range_root(begin, end, blocks=blocks, leaves=self._leaves(whole, end))

    def _leaves(self, begin: int, end: int) -> Iterator[bytes]:
        for row in self._connection.execute(_LEAVES, (begin, end)):
            yield entry_of(row).leaf_hash()
