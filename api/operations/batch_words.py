"""How a batch stands, in the words of somebody who waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executors.states import TaskState

_FAILED = (TaskState.EXECUTOR_ERROR, TaskState.SYSTEM_ERROR)
_MINUTE, _HOUR = 60, 3600


def summary(status: Mapping[str, Any]) -> str:
    """Return in one line how many items are done, what became of the others, and how long it will still take.

    Args:
        status: Of a batch: ``state``, ``size``, ``looked_at``, ``planned``, ``refused_count``, ``counts``, and
            ``time_left`` where it is known.
    """
    counts, state = status["counts"], TaskState(status["state"])
    done = counts.get(TaskState.COMPLETE, 0)
    total = status["planned"] + status["refused_count"] + max(0, status["size"] - status["looked_at"])
    failed = sum(counts.get(each, 0) for each in _FAILED)
    canceled, refused = counts.get(TaskState.CANCELED, 0), status["refused_count"]
    preempted = counts.get(TaskState.PREEMPTED, 0)
    others = [(failed, "failed"), (refused, "could not be run"), (canceled, "cancelled"), (preempted, "preempted")]
    told = [f"{number:,} {what}" for number, what in others if number]
    if not state.is_final:
        begun = {TaskState.CANCELING: "stopping: ", TaskState.QUEUED: "waiting: "}.get(state, "")
        left = [remaining(status.get("time_left"))] if state is not TaskState.CANCELING else []
        return _sentence(f"{begun}{done:,} of {total:,} done", *told, *left)
    if done == total:
        return "Done" if total == 1 else f"All {total:,} done"
    if state is TaskState.CANCELED:
        return _sentence(f"cancelled: {done:,} of {total:,} done", *(text for text in told if "cancelled" not in text))
    first, *rest = told or [f"{done:,} of {total:,} done"]
    number, _, what = first.partition(" ")
    return _sentence(f"{number} of {total:,} {what}" if told else first, *rest)


def _sentence(*parts: str) -> str:
    text = ", ".join(part for part in parts if part)
    return text[:1].upper() + text[1:]


def remaining(estimate: Mapping[str, float] | None) -> str:
    """Return about how long something will still take; that it is not known is said, too."""
    if estimate is None:
        return "time left not yet known"
    low, high = estimate["low_s"], estimate["high_s"]
    if high < _MINUTE:
        return "less than a minute left"
    unit, name = (_MINUTE, "minute") if high < 2 * _HOUR else (_HOUR, "hour")
    least, most = round(low / unit), max(1, round(high / unit))
    if least == most:
        return f"about {most:,} {name}{'s' if most > 1 else ''} left"
    if least == 0:
        return f"at most {most:,} {name}{'s' if most > 1 else ''} left"
    return f"about {least:,} to {most:,} {name}s left"
