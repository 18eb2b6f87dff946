"""Roots of ranges of the stored ledger, from the roots of complete blocks and the entries of the last one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ontology.errors import IntegrityError
from provenance.ledger.entry import Entry
from provenance.ledger.merkle import BLOCK, Frontier, fold

ENTRY_COLUMNS = "sequence, time, principal, action, subject, version, reason, body_digest"
_LEAVES = f"SELECT {ENTRY_COLUMNS} FROM entry WHERE sequence >= ? AND sequence < ? ORDER BY sequence"  # noqa: S608
_BLOCKS = "SELECT root FROM leaf_block WHERE number >= ? AND number < ? ORDER BY number"


def entry_of(row: tuple[int, str, str, str, str, int | None, str | None, str | None]) -> Entry:
    """Return a row of :data:`ENTRY_COLUMNS` as an entry."""
    sequence, time, principal, action, subject, version, reason, body_digest = row
    return Entry(
        sequence=sequence,
        time=time,
        principal=principal,
        action=action,
        subject=subject,
        version=version,
        reason=reason,
        body_digest=body_digest,
    )


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
        blocks, rest = Frontier(), Frontier()
        if whole > begin:
            blocks.extend(root for (root,) in self._connection.execute(_BLOCKS, (begin // BLOCK, whole // BLOCK)))
        rest.extend(self._leaves(whole, end))
        if blocks.size != (whole - begin) // BLOCK or rest.size != end - whole:
            raise IntegrityError(f"entries between {begin} and {end} are missing from the ledger")
        return fold([*blocks.peaks, *rest.peaks])

    def _leaves(self, begin: int, end: int) -> Iterator[bytes]:
        for row in self._connection.execute(_LEAVES, (begin, end)):
            yield entry_of(row).leaf_hash()
