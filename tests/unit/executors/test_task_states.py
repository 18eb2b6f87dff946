from __future__ import annotations

import pytest

from executors.model import TaskEvent
from executors.states import FINAL, EventKind, IllegalTransitionError, TaskState, transition, unheard
from ontology.errors import ConflictError


def test_names_are_those_of_tes() -> None:
    assert {state.value for state in TaskState} == {
        "UNKNOWN",
        "QUEUED",
        "INITIALIZING",
        "RUNNING",
        "PAUSED",
        "COMPLETE",
        "EXECUTOR_ERROR",
        "SYSTEM_ERROR",
        "CANCELED",
        "CANCELING",
        "PREEMPTED",
    }
    assert all(state.name == state.value for state in TaskState)


@pytest.mark.parametrize(
    ("path", "end"),
    [
        (["submit", "initialize", "start", "complete"], TaskState.COMPLETE),
        (["submit", "initialize", "start", "warn", "progress", "fail"], TaskState.EXECUTOR_ERROR),
        (["submit", "initialize", "initialize", "start", "abort"], TaskState.SYSTEM_ERROR),
        (["submit", "initialize", "start", "cancel", "stop"], TaskState.CANCELED),
        (["submit", "cancel", "stop"], TaskState.CANCELED),
        (["submit", "stop"], TaskState.CANCELED),
        (["submit", "initialize", "start", "cancel", "complete"], TaskState.COMPLETE),
        (["submit", "initialize", "start", "pause", "resume", "preempt", "retry"], TaskState.QUEUED),
        (["submit", "abort", "retry", "initialize", "start", "complete"], TaskState.COMPLETE),
    ],
)
def test_lives(path: list[str], end: TaskState) -> None:
    state = TaskState.UNKNOWN
    for word in path:
        state = transition(state, EventKind(word))
    assert state is end


@pytest.mark.parametrize("state", sorted(FINAL))
@pytest.mark.parametrize("kind", [kind for kind in EventKind if kind is not EventKind.RETRY])
def test_what_has_ended_stays_ended(state: TaskState, kind: EventKind) -> None:
    with pytest.raises(IllegalTransitionError) as caught:
        transition(state, kind)
    assert isinstance(caught.value, ConflictError)
    assert caught.value.params == {"state": state.value, "event": kind.value}
    assert state.value in caught.value.detail


@pytest.mark.parametrize("state", [TaskState.COMPLETE, TaskState.CANCELED, TaskState.RUNNING, TaskState.QUEUED])
def test_only_errors_are_retried(state: TaskState) -> None:
    assert not state.is_retryable
    with pytest.raises(IllegalTransitionError) as caught:
        transition(state, EventKind.RETRY)
    assert "error" in (caught.value.next_step() or "")


def test_nothing_runs_before_it_is_initialized() -> None:
    for kind in (EventKind.START, EventKind.COMPLETE, EventKind.PAUSE, EventKind.FAIL):
        with pytest.raises(IllegalTransitionError):
            transition(TaskState.QUEUED, kind)


def test_event_applies_itself() -> None:
    assert TaskEvent(kind=EventKind.START).apply(TaskState.INITIALIZING) is TaskState.RUNNING


@pytest.mark.parametrize("state", [TaskState.QUEUED, TaskState.INITIALIZING])
@pytest.mark.parametrize("kind", [EventKind.COMPLETE, EventKind.FAIL])
def test_an_end_whose_beginning_nobody_heard_of_is_led_up_to(state: TaskState, kind: EventKind) -> None:
    while (missing := unheard(state, kind)) is not None:
        state = transition(state, missing)
    assert transition(state, kind).is_final


@pytest.mark.parametrize("state", list(TaskState))
@pytest.mark.parametrize("kind", list(EventKind))
def test_only_what_may_not_come_yet_is_led_up_to(state: TaskState, kind: EventKind) -> None:
    if unheard(state, kind) is not None:
        with pytest.raises(IllegalTransitionError):
            transition(state, kind)
