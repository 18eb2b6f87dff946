"""What a person sees of a task or batch that runs: one line of state, and the last lines that it printed."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

LINES = 5
_ORDER = ("COMPLETE", "RUNNING", "INITIALIZING", "QUEUED", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED", "PREEMPTED")


class LiveView:
    """Takes the events of a task or batch and says how it stands."""

    def __init__(self) -> None:
        self._state: Mapping[str, Any] = {}
        self._usage: Mapping[str, Any] = {}
        self._lines: deque[str] = deque(maxlen=LINES)

    def take(self, name: str, data: Mapping[str, Any]) -> None:
        """Take one event."""
        if name in ("state", "end"):
            self._state = data
        elif name == "usage":
            self._usage = data
        elif name == "log":
            self._lines.extend(data["text"].splitlines())

    def text(self) -> str:
        """Return what is to be shown now."""
        head = self._batch() if "counts" in self._state else self._task()
        return "\n".join([head, *self._lines])

    def _task(self) -> str:
        state = str(self._state.get("state", ""))
        if not self._usage:
            return state
        used = self._usage
        gpu = f", GPU {used['gpu_percent']:.0f} %" if used.get("gpu_percent") is not None else ""
        megabytes = used["rss_bytes"] / 1e6
        return f"{state}: {duration(used['wall_s'])}, CPU {duration(used['cpu_s'])}, {megabytes:,.0f} MB{gpu}"

    def _batch(self) -> str:
        counts = self._state["counts"]
        parts = [f"{counts[state]:,} {state.lower().replace('_', ' ')}" for state in _ORDER if counts.get(state)]
        if self._state["phase"] == "planning":
            parts.append(f"planned {self._state['looked_at']:,} of {self._state['size']:,}")
        if self._state["refused_count"]:
            parts.append(f"{self._state['refused_count']:,} could not be run")
        if self._state["held_back"]:
            parts.append(f"waiting: {self._state['held_back']}")
        return f"{', '.join(parts)}; {time_left(self._state['time_left'])}"


def time_left(estimate: Mapping[str, float] | None) -> str:
    """Return how long the rest takes, as people say it."""
    if estimate is None:
        return "time left: not yet known"
    low, high = duration(estimate["low_s"]), duration(estimate["high_s"])
    return f"time left: {low}" if low == high else f"time left: {low} to {high}"


def duration(seconds: float) -> str:
    """Return a duration to two units."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min" if whole < 86400 else f"{whole // 86400} d"
