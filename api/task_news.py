"""Tells those who wait for a task that something has become of it, so that nobody has to ask again and again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Follower = Callable[[str, bool], None]
"""Called with the id of a task or batch that changed, and whether it ended."""


class TaskNews:
    """Wakes waiting requests of this process. What another process records is only seen by looking again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, set[Listener]] = {}
        self._followers: tuple[Follower, ...] = ()
        self.unrecorded = threading.Event()
        """Set when the end of a task could not be recorded and must be asked for again."""

    def tell(self, task_id: str, *, ended: bool = False, batch: str | None = None) -> None:
        """Wake everybody who waits for this task or its batch; called from any thread, once the ledger has it."""
        with self._lock:
            listeners = [*self._waiting.get(task_id, ()), *self._waiting.get(batch or "", ())]
            followers = self._followers
        for listener in listeners:
            listener.wake()
        for follow in followers:
            follow(task_id, ended)

    def follow(self, follower: Follower) -> None:
        """Call a function, that must not wait, at every change of any task."""
        with self._lock:
            self._followers = (*self._followers, follower)

    @contextmanager
    def listening(self, task_id: str) -> Iterator[Listener]:
        """Listen for news of a task, in the event loop that runs now; look at the task only after this."""
        listener = Listener()
        with self._lock:
            self._waiting.setdefault(task_id, set()).add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._waiting[task_id].discard(listener)
                if not self._waiting[task_id]:
                    del self._waiting[task_id]


class Listener:
    """One that waits, in its own event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Say that there is news; called from any thread."""
        with suppress(RuntimeError):  # The loop of a service that is stopping is closed already.
            self._loop.call_soon_threadsafe(self._news.set)

    async def wait(self, limit_s: float) -> None:
        """Return when there was news since the last call, or when the limit is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), limit_s)
        self._news.clear()
