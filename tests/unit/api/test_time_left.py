"""How long a batch will still take: an interval that holds, or nothing."""

from __future__ import annotations

import random

import pytest

from api.operations.time_left import FEWEST, Estimate, Planning, time_left
from api.task_paces import KEPT, PIECES, Paces, duration_of


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


def test_a_batch_is_not_done_before_it_is_planned() -> None:
    left = Planning(items=9_000, paces=[0.03] * 4)
    found = time_left([0.5] * 20, waiting=9_100, ages=[], parallel=100, planning=left)
    assert found is not None
    assert (round(found.low_s, 3), round(found.high_s, 3)) == (270.5, 270.5)
    slow_tasks = time_left([600.0] * 20, waiting=9_100, ages=[], parallel=100, planning=left)
    assert slow_tasks == time_left([600.0] * 20, waiting=9_100, ages=[], parallel=100)


def test_pieces_of_planning_that_differ_widen_the_interval_and_one_says_nothing() -> None:
    assert Planning(items=100, paces=[0.1]).estimate() is None
    assert time_left([1.0] * 9, waiting=100, ages=[], parallel=1, planning=Planning(items=9, paces=[])) is None
    found = Planning(items=100, paces=[0.1, 0.3]).estimate()
    assert found is not None
    assert 0.0 == found.low_s < 20.0 < found.high_s


def test_the_pace_of_planning_is_that_from_piece_to_piece_without_pauses() -> None:
    paces = Paces()
    paces.begin_planning("b", now=0.0)
    assert paces.of_planning("b") == []
    paces.note_planning("b", 200, now=1.0)
    paces.pause_planning("b")
    paces.begin_planning("b", now=500.0)
    paces.note_planning("b", 100, now=501.0)
    assert paces.of_planning("b") == [0.005, 0.01]
    for second in range(PIECES + 5):
        paces.note_planning("b", 1, now=502.0 + second)
    assert paces.of_planning("b") == [1.0] * PIECES
    paces.forget("b")
    assert paces.of_planning("b") == []
