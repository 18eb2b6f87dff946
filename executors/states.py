"""Task states and the one pure function that moves between them (GA4GH TES 1.1, ``tesState``).

Nothing else in Sillage decides whether a task may change state: the service folds every event through
:func:`transition` before it becomes a ledger entry.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ontology.errors import ConflictError


class TaskState(StrEnum):
    """State of a task, spelled as GA4GH TES 1.1 spells it (``tesState``)."""

    UNKNOWN = "UNKNOWN"
    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    CANCELING = "CANCELING"
    PREEMPTED = "PREEMPTED"

    @property
    def is_final(self) -> bool:
        """Whether a task in this state stays there unless somebody retries it."""
        return self in FINAL

    @property
    def is_retryable(self) -> bool:
        """Whether a retry, which makes a new attempt, may start from this state."""
        return self in RETRYABLE


class EventKind(StrEnum):
    """What happened to a task; also the verb of its ledger action (``task.start``)."""

    SUBMIT = "submit"
    """It entered the queue."""
    REUSE = "reuse"
    """What an identical task made before is taken for its own: nothing is run."""
    INITIALIZE = "initialize"
    """A runner took it up and prepares its inputs."""
    START = "start"
    """Its command runs."""
    WARN = "warn"
    """Something that a reader of the record must know; changes no state."""
    PROGRESS = "progress"
    """How far it has come; changes no state."""
    PAUSE = "pause"
    """It stands still and holds its place."""
    RESUME = "resume"
    """It goes on after a pause."""
    COMPLETE = "complete"
    """Its command succeeded and every output that is owed is there."""
    FAIL = "fail"
    """Its command failed, broke a limit, or owes an output."""
    ABORT = "abort"
    """It ended through no fault of its command: ours, the machine's, or it is lost."""
    CANCEL = "cancel"
    """Somebody asked for its end; its processes may still live."""
    STOP = "stop"
    """It was canceled, and nothing of it is left running."""
    PREEMPT = "preempt"
    """The machine was taken for something else."""
    RETRY = "retry"
    """A new attempt was asked for, out of an error state."""


FINAL = frozenset(
    {
        TaskState.COMPLETE,
        TaskState.EXECUTOR_ERROR,
        TaskState.SYSTEM_ERROR,
        TaskState.CANCELED,
        TaskState.PREEMPTED,
    }
)
RETRYABLE = frozenset({TaskState.EXECUTOR_ERROR, TaskState.SYSTEM_ERROR, TaskState.PREEMPTED})

_WAITING = frozenset({TaskState.QUEUED, TaskState.INITIALIZING})
_ACTIVE = _WAITING | {TaskState.RUNNING, TaskState.PAUSED}
_UNFINISHED = _ACTIVE | {TaskState.CANCELING}
_BEGUN = frozenset({TaskState.INITIALIZING, TaskState.RUNNING, TaskState.PAUSED, TaskState.CANCELING})

_MOVES: dict[EventKind, tuple[frozenset[TaskState], TaskState]] = {
    EventKind.SUBMIT: (frozenset({TaskState.UNKNOWN}), TaskState.QUEUED),
    EventKind.REUSE: (frozenset({TaskState.QUEUED}), TaskState.COMPLETE),
    EventKind.INITIALIZE: (_WAITING, TaskState.INITIALIZING),
    EventKind.START: (frozenset({TaskState.INITIALIZING}), TaskState.RUNNING),
    EventKind.PAUSE: (frozenset({TaskState.RUNNING}), TaskState.PAUSED),
    EventKind.RESUME: (frozenset({TaskState.PAUSED}), TaskState.RUNNING),
    EventKind.COMPLETE: (frozenset({TaskState.RUNNING, TaskState.CANCELING}), TaskState.COMPLETE),
    EventKind.FAIL: (_BEGUN, TaskState.EXECUTOR_ERROR),
    EventKind.ABORT: (_UNFINISHED, TaskState.SYSTEM_ERROR),
    EventKind.CANCEL: (_ACTIVE, TaskState.CANCELING),
    EventKind.STOP: (_UNFINISHED, TaskState.CANCELED),
    EventKind.PREEMPT: (_UNFINISHED, TaskState.PREEMPTED),
    EventKind.RETRY: (RETRYABLE, TaskState.QUEUED),
}
"""For each event that moves a task: the states it may come in, and where it leads.

``complete`` and ``fail`` may come while ``CANCELING``: the task was done before the request reached it.
``initialize`` may come twice: a service that crashed in between starts that task anew.
"""

_REMARKS: dict[EventKind, frozenset[TaskState]] = {
    EventKind.WARN: _UNFINISHED,
    EventKind.PROGRESS: frozenset({TaskState.INITIALIZING, TaskState.RUNNING, TaskState.PAUSED, TaskState.CANCELING}),
}


class IllegalTransitionError(ConflictError):
    """An event came that the task's present state does not allow; the state stands.

    Attributes:
        state: The present state.
        kind: The event that was refused.
    """

    def __init__(self, state: TaskState, kind: EventKind) -> None:
        detail = f"A task that is {state.value} cannot take the event {kind.value!r}."
        params: dict[str, Any] = {"state": state.value, "event": kind.value}
        advice = "Retry is for tasks that ended in an error." if kind is EventKind.RETRY else None
        super().__init__(detail, field="state", next_step=advice, params=params)
        self.state = state
        self.kind = kind


def transition(state: TaskState, kind: EventKind) -> TaskState:
    """Return the state that an event leads to. Pure: no clock, no store, no side effect.

    Args:
        state: Present state; ``UNKNOWN`` for a task that has no event yet.
        kind: What happened.

    Raises:
        IllegalTransitionError: The present state does not allow this event.
    """
    remark = _REMARKS.get(kind)
    if remark is not None:
        if state in remark:
            return state
        raise IllegalTransitionError(state, kind)
    sources, target = _MOVES[kind]
    if state not in sources:
        raise IllegalTransitionError(state, kind)
    return target


_UNHEARD: dict[tuple[TaskState, EventKind], EventKind] = {
    (TaskState.QUEUED, EventKind.START): EventKind.INITIALIZE,
    (TaskState.QUEUED, EventKind.COMPLETE): EventKind.INITIALIZE,
    (TaskState.QUEUED, EventKind.FAIL): EventKind.INITIALIZE,
    (TaskState.INITIALIZING, EventKind.COMPLETE): EventKind.START,
}


def unheard(state: TaskState, kind: EventKind) -> EventKind | None:
    """Return what must have happened to a task in this state before an event could come; None when nothing is missing.

    A service that is killed in the moment of a start never hears of it; the end of the task says that it was.
    """
    return _UNHEARD.get((state, kind))
