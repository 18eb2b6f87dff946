"""The state of a batch: final once its end is on the ledger, whatever the counts show while tasks move."""

from __future__ import annotations

from typing import Any

import pytest

from api.operations.batches import Phase, state_of
from executors.states import TaskState

SIZE = 3


def state(phase: Phase, counted: dict[str, int], **members: Any) -> str:
    document = {"phase": phase.value, "size": SIZE, "position": SIZE, "planned": SIZE, "refused_count": 0}
    document |= {"canceling": False, **members}
    return state_of(document, {TaskState(name): number for name, number in counted.items()}).value


@pytest.mark.parametrize(
    ("counted", "members", "expected"),
    [
        ({"COMPLETE": 3}, {}, "COMPLETE"),
        ({"COMPLETE": 2, "SYSTEM_ERROR": 1}, {}, "EXECUTOR_ERROR"),
        ({"COMPLETE": 2}, {"planned": 2, "refused_count": 1}, "EXECUTOR_ERROR"),
        ({"COMPLETE": 1, "CANCELED": 2}, {"canceling": True}, "CANCELED"),
        ({"COMPLETE": 1}, {"canceling": True, "planned": 1, "position": 1}, "CANCELED"),
        ({"COMPLETE": 3}, {"canceling": True}, "COMPLETE"),
        ({"CANCELED": 3}, {}, "CANCELED"),
    ],
)
def test_what_has_ended_is_told_from_its_tasks(counted: dict[str, int], members: dict[str, Any], expected: str) -> None:
    assert state(Phase.ENDED, counted, **members) == expected


@pytest.mark.parametrize(
    ("phase", "counted", "members", "expected"),
    [
        (Phase.PLANNING, {}, {"position": 0, "planned": 0}, "QUEUED"),
        (Phase.PLANNING, {"QUEUED": 1}, {"position": 1, "planned": 1}, "QUEUED"),
        (Phase.PLANNING, {"COMPLETE": 1}, {"position": 1, "planned": 1}, "RUNNING"),
        (Phase.RUNNING, {"QUEUED": 1, "COMPLETE": 2}, {}, "RUNNING"),
        (Phase.RUNNING, {"CANCELING": 1, "COMPLETE": 2}, {"canceling": True}, "CANCELING"),
    ],
)
def test_what_has_something_left_to_do_is_not_over(
    phase: Phase, counted: dict[str, int], members: dict[str, Any], expected: str
) -> None:
    assert state(phase, counted, **members) == expected


def test_all_tasks_have_ended_a_moment_before_their_batch() -> None:
    assert state(Phase.RUNNING, {"COMPLETE": 3}) == "RUNNING"
    assert state(Phase.RUNNING, {"CANCELED": 3}, canceling=True) == "CANCELING"


def test_a_task_that_was_missed_while_it_moved_has_not_ended() -> None:
    """As one that is queued again between the look at the queue and the look at what failed."""
    assert state(Phase.ENDED, {"COMPLETE": 2}) == "RUNNING"
    assert state(Phase.ENDED, {}, canceling=True) == "CANCELING"
