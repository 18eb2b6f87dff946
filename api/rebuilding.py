"""How far the search index has been rebuilt, seen from what the rebuilding reads of the ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from ontology.errors import ConflictError

if TYPE_CHECKING:
    from catalog.model import Record
    from catalog.repository import Repository


class Rebuilding:
    """Whether this process rebuilds the index, and how much of the ledger it has read for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read = self._whole = 0

    @property
    def fraction(self) -> float | None:
        """From 0 to 1; None while nothing is rebuilt."""
        return min(1.0, self._read / max(1, self._whole)) if self._lock.locked() else None

    @contextmanager
    def watching(self, repository: Repository) -> Iterator[Repository]:
        """Lend the repository to whoever rebuilds the index.

        Raises:
            ConflictError: The index is being rebuilt already.
        """
        if not self._lock.acquire(blocking=False):
            raise ConflictError("the index is being rebuilt already", next_step="`sillage status` says how far it is.")
        try:
            self._read, self._whole = 0, repository.sequence + 1
            yield cast("Repository", _Watched(repository, self._note))
        finally:
            self._lock.release()

    def _note(self, records: Sequence[Record]) -> None:
        if records:
            self._read = records[-1].sequence + 1


class _Watched:
    """A repository that tells what is read of it in the order of the ledger."""

    def __init__(self, repository: Repository, note: Any) -> None:
        self._repository, self._note = repository, note

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)

    def records_since(self, sequence: int, *, limit: int = 10_000) -> Sequence[Record]:
        """Return what the repository returns, and note it."""
        records = self._repository.records_since(sequence, limit=limit)
        self._note(records)
        return records
