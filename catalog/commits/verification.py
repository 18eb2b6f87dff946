"""Verification of a ledger: every entry and body against the tree, and the tree against its signed head."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from catalog.commits.bodies import parse_body
from catalog.model import Problem
from ontology.errors import SillageError
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.entry import leaf_of
from provenance.ledger.keys import VerifierKey
from provenance.ledger.merkle import BLOCK, EMPTY_ROOT, Frontier


class LedgerPass:
    """One reading of all entries and bodies in order, in constant memory.

    Args:
        rows: Members of each entry, salt and body, in order.
        blocks: Number and root of each complete block, in order.
        erased: Version of the tombstone of each record that was erased; may grow while ``rows`` is read.
    """

    def __init__(
        self, rows: Iterable[tuple[Any, ...]], blocks: Iterable[Sequence[Any]], *, erased: Mapping[str, int]
    ) -> None:
        self._rows = rows
        self._blocks = iter(blocks)
        self._erased = erased
        self._earlier: Checkpoint | None = None
        self.frontier = Frontier()
        self.time = ""

    def verify(self, key: VerifierKey, heads: Sequence[Sequence[Any]], *, trusted: str | None) -> Iterator[Problem]:
        """Yield what is wrong with entries, bodies, tree and head.

        Args:
            key: Public key of the ledger.
            heads: Size, time, peaks and note of the stored head.
            trusted: A signed checkpoint that was kept elsewhere.
        """
        if trusted is not None:
            try:
                self._earlier = Checkpoint.open(trusted, key)
            except SillageError as error:
                yield Problem("checkpoint given", error.detail)
        yield from self._run()
        yield from _check_head(heads, key, self)

    def _run(self) -> Iterator[Problem]:
        if self._earlier is not None and self._earlier.size == 0 and self._earlier.root != EMPTY_ROOT:
            yield Problem("checkpoint given", "its root is not that of an empty ledger")
        yield from self._read()
        if next(self._blocks, None) is not None:
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
        for expected, row in enumerate(self._rows):
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
            if tuple(next(self._blocks, ())) != (place, root):
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


def _check_head(heads: Sequence[Sequence[Any]], key: VerifierKey, found: LedgerPass) -> Iterator[Problem]:
    if len(heads) != 1:
        yield Problem("head", "the ledger has lost its head")
        return
    size, time, peaks, note = heads[0]
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
