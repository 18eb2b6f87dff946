"""How long tasks of batches take, as this process sees them end: what an estimate of the time left rests on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

KEPT = 200


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

    def forget(self, batch: str) -> None:
        """Drop what is known of a batch that has ended."""
        with self._lock:
            self._durations.pop(batch, None)
