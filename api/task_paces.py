"""How long tasks of batches and their planning take, as this process sees it: what estimates of time left use."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

KEPT = 200
PIECES = 10


def duration_of(document: Mapping[str, Any]) -> float | None:
    """Return the seconds that an ended task ran; None where it did not."""
    start, end = document.get("start_time"), document.get("end_time")
    if not start or not end or document.get("reused"):
        return None
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


class Paces:
    """What the newest tasks of each batch took, as this process saw them end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._durations: dict[str, deque[float]] = {}
        self._planning: dict[str, deque[float]] = {}
        self._planned_at: dict[str, float] = {}

    def note(self, batch: str, document: Mapping[str, Any]) -> None:
        """Take up how long a task ran."""
        took = duration_of(document)
        if took is not None:
            with self._lock:
                self._durations.setdefault(batch, deque(maxlen=KEPT)).append(took)

    def of(self, batch: str) -> list[float]:
        """Return the durations that are known of a batch."""
        with self._lock:
            return list(self._durations.get(batch, ()))

    def begin_planning(self, batch: str, *, now: float | None = None) -> None:
        """Take up that a piece is planned from now on, unless the piece before says since when."""
        with self._lock:
            self._planned_at.setdefault(batch, time.monotonic() if now is None else now)

    def note_planning(self, batch: str, items: int, *, now: float | None = None) -> None:
        """Take up that so many items were planned; the time since the piece before is what they took."""
        now = time.monotonic() if now is None else now
        with self._lock:
            before, self._planned_at[batch] = self._planned_at.get(batch), now
            if items and before is not None:
                self._planning.setdefault(batch, deque(maxlen=PIECES)).append((now - before) / items)

    def pause_planning(self, batch: str) -> None:
        """Take up that a batch waits: the pause is no part of the next piece."""
        with self._lock:
            self._planned_at.pop(batch, None)

    def of_planning(self, batch: str) -> list[float]:
        """Return the seconds for each item of the newest pieces of planning."""
        with self._lock:
            return list(self._planning.get(batch, ()))

    def forget(self, batch: str) -> None:
        """Drop what is known of a batch that has ended."""
        with self._lock:
            for known in (self._durations, self._planning, self._planned_at):
                known.pop(batch, None)
