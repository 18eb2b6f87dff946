"""Commits of many threads, written in one transaction by whichever thread comes first."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue

from catalog.commits.batch import Outcome
from catalog.commits.prepared import PreparedCommit
from catalog.model import Committed
from ontology.errors import BackendUnavailableError, OutcomeUnknownError, SillageError

BATCH = 256
"""Commits of waiting threads that are written in one transaction."""


class _Waiting:
    """A commit that waits for a thread to write it; ``wake`` gets a token when it is written, or may lead."""

    __slots__ = ("commit", "outcome", "wake")

    def __init__(self, commit: PreparedCommit) -> None:
        self.commit = commit
        self.outcome: Outcome | None = None
        self.wake: SimpleQueue[None] = SimpleQueue()


class WaitingLine:
    """Threads that want to commit: one leads and writes for all, then another.

    Args:
        write: Writes a batch in one transaction and returns what each commit did.
    """

    def __init__(self, write: Callable[[Sequence[PreparedCommit]], Sequence[Outcome]]) -> None:
        self._write = write
        self._writing = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._last_batch = 0
        self._closed = False

    def commit(self, commit: PreparedCommit) -> Committed:
        """Have a commit written, by this thread or another.

        Raises:
            SillageError: What :meth:`catalog.repository.Repository.commit` raises.
        """
        waiting = _Waiting(commit)
        self._waiting.append(waiting)
        try:
            while waiting.outcome is None:
                if self._writing.acquire(blocking=False):
                    self._lead()
                else:
                    waiting.wake.get()
        except BaseException:
            self._wake_next()  # this thread may have been woken to lead
            raise
        if isinstance(waiting.outcome, SillageError):
            raise waiting.outcome
        return waiting.outcome

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every writer of this process out.

        Raises:
            BackendUnavailableError: The line was closed.
        """
        with self._writing:
            self._refuse_when_closed()
            yield

    def close(self) -> bool:
        """Refuse commits from now on; tell whether this call closed the line."""
        with self._writing:
            was_open, self._closed = not self._closed, True
            return was_open

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise BackendUnavailableError("the catalogue was closed")

    def _lead(self) -> None:
        """Write what all threads wait for, in one transaction; then let the next one lead.

        The lock is given back before the queue is looked at: a thread that failed to get the lock had queued
        before, and so is seen.
        """
        try:
            self._write_waiting()
        finally:
            self._writing.release()
            self._wake_next()

    def _wake_next(self) -> None:
        with suppress(IndexError):
            self._waiting[0].wake.put(None)

    def _gather(self) -> list[_Waiting]:
        """Take the commits that wait, once as many have come as last time, or a moment has passed.

        Threads that were just served mostly come back at once; a lone writer never waits here.
        """
        for _ in range(self._last_batch):
            if len(self._waiting) >= self._last_batch:
                break
            time.sleep(0)
        batch: list[_Waiting] = []
        with suppress(IndexError):
            while len(batch) < BATCH:
                batch.append(self._waiting.popleft())
        self._last_batch = len(batch)
        return batch

    def _write_waiting(self) -> None:
        batch = self._gather()
        outcomes: Sequence[Outcome] = [OutcomeUnknownError("the thread that was writing was interrupted")] * len(batch)
        try:
            self._refuse_when_closed()
            if batch:
                outcomes = self._write([waiting.commit for waiting in batch])
        except SillageError as error:
            outcomes = [error] * len(batch)
        finally:
            for waiting, outcome in zip(batch, outcomes, strict=True):
                waiting.outcome = outcome
                waiting.wake.put(None)
