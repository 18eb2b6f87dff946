"""How long a batch will still take: an interval that holds, or nothing."""

from __future__ import annotations

import random

import pytest

from api.operations.time_left import FEWEST, Estimate, time_left
from api.task_paces import KEPT, Paces, duration_of


def test_nothing_is_said_while_too_little_is_known() -> None:
    assert time_left([10.0] * (FEWEST - 1), waiting=10, ages=[], parallel=2) is None
    assert time_left([10.0] * 50, waiting=10, ages=[], parallel=0) is None


def test_nothing_takes_no_time() -> None:
    assert time_left([], waiting=0, ages=[], parallel=0) == Estimate(low_s=0.0, high_s=0.0)


def test_equal_tasks_give_the_exact_time() -> None:
    assert time_left([10.0] * 20, waiting=40, ages=[0.0, 0.0], parallel=2) == Estimate(low_s=210.0, high_s=210.0)


def test_what_runs_already_needs_only_the_rest() -> None:
    found = time_left([10.0] * 20, waiting=0, ages=[4.0], parallel=1)
    assert found == Estimate(low_s=6.0, high_s=6.0)
    overdue = time_left([10.0] * 20, waiting=0, ages=[99.0], parallel=1)
    assert overdue is not None
    assert overdue.low_s == 0.0


def test_durations_that_differ_widen_the_interval_and_knowing_more_narrows_it() -> None:
    few = time_left([1.0, 2.0, 30.0, 4.0, 5.0], waiting=100, ages=[], parallel=4)
    many = time_left([1.0, 2.0, 30.0, 4.0, 5.0] * 30, waiting=100, ages=[], parallel=4)
    assert few is not None
    assert many is not None
    assert 0 <= few.low_s < many.low_s < many.high_s < few.high_s


@pytest.mark.parametrize("parallel", [1, 4])
def test_the_interval_holds_nearly_as_often_as_it_says(parallel: int) -> None:
    """Simulate many batches; the true time must lie inside in most of them."""
    made = random.Random(7)
    inside = 0
    for _ in range(300):
        seen = [made.lognormvariate(3, 0.6) for _ in range(60)]
        rest = [made.lognormvariate(3, 0.6) for _ in range(200)]
        slots = [0.0] * parallel
        for duration in rest:
            slots.sort()
            slots[0] += duration
        found = time_left(seen, waiting=200 - parallel, ages=[0.0] * parallel, parallel=parallel)
        assert found is not None
        inside += found.low_s <= max(slots) <= found.high_s
    assert inside >= 240


def test_only_tasks_that_ran_have_a_duration() -> None:
    start, end = "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:02.500000Z"
    assert duration_of({"start_time": start, "end_time": end}) == 2.5
    assert duration_of({"start_time": None, "end_time": end}) is None
    assert duration_of({"start_time": start, "end_time": end, "reused": "urn:uuid:x"}) is None


def test_only_the_newest_durations_are_kept() -> None:
    paces = Paces()
    for second in range(KEPT + 10):
        end = f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"
        paces.note("b", {"start_time": "2026-01-01T00:00:00Z", "end_time": end})
    assert len(paces.of("b")) == KEPT
    assert paces.of("b")[0] == 10.0
    paces.forget("b")
    assert paces.of("b") == []
