"""Which part of a repository's history an index covers, whatever its backend."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.model import Record
from catalog.repository import Repository


def entry_hash(repository: Repository, sequence: int) -> str:
    """Return the leaf hash of a ledger entry, by which one history is told from another."""
    items = repository.entries(after=sequence - 1, limit=1).items if sequence >= 0 else ()
    return items[0].leaf_hash().hex() if items else ""


def covers(repository: Repository, *, applied: int, entry: str, newest: int) -> bool:
    """Tell whether an index that covers a history up to an entry covers the repository's, and no other.

    The repository may have been restored from a backup, and the index may have been.

    Args:
        repository: Whose history it should be.
        applied: The entry up to which the index covers it.
        entry: That entry's hash when the index was written.
        newest: The repository's newest entry.
    """
    return applied <= newest and entry == entry_hash(repository, applied)


def reached_by(records: Sequence[Record], *, newest: int, batch: int) -> int:
    """Return the entry up to which records cover a ledger.

    Args:
        records: Those that changed since an entry, in order, at most ``batch`` of them.
        newest: The ledger's newest entry before they were read.
        batch: How many were asked for.
    """
    if len(records) < batch:
        return max(newest, records[-1].sequence if records else -1)
    return records[-1].sequence


class Coverage:
    """What a process remembers of how far its index goes.

    Entries that change no record are covered without a word in the index; what is remembered of them holds as long
    as the index says what it said then.
    """

    def __init__(self) -> None:
        self.covered = -1
        self._stored = -1

    def known(self, stored: int) -> int:
        """Return the entry that is covered, given what the index says."""
        return self.covered if stored == self._stored else stored

    def remember(self, *, stored: int, covered: int) -> int:
        """Remember what is covered, and what the index says; return what is covered."""
        self._stored, self.covered = stored, covered
        return covered

    def forget(self) -> None:
        """Remember nothing of an index that may be another now."""
        self.remember(stored=-1, covered=-1)
