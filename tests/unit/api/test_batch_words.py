"""How a batch stands, in words."""

from __future__ import annotations

from typing import Any

import pytest

from api.operations.batch_words import remaining, summary


def status(state: str, counts: dict[str, int], **others: Any) -> dict[str, Any]:
    planned, refused = sum(counts.values()), others.pop("refused", 0)
    size = others.pop("size", planned + refused)
    told = {"state": state, "counts": counts, "planned": planned, "refused_count": refused}
    return {**told, "size": size, "looked_at": others.pop("looked_at", size), "time_left": None, **others}


@pytest.mark.parametrize(
    ("state", "counts", "others", "text"),
    [
        ("COMPLETE", {"COMPLETE": 21}, {}, "All 21 done"),
        ("COMPLETE", {"COMPLETE": 1}, {}, "Done"),
        ("EXECUTOR_ERROR", {"COMPLETE": 20, "EXECUTOR_ERROR": 1}, {}, "1 of 21 failed"),
        ("EXECUTOR_ERROR", {"COMPLETE": 19}, {"refused": 2}, "2 of 21 could not be run"),
        (
            "EXECUTOR_ERROR",
            {"COMPLETE": 5, "EXECUTOR_ERROR": 1, "SYSTEM_ERROR": 1},
            {"refused": 1},
            "2 of 8 failed, 1 could not be run",
        ),
        (
            "RUNNING",
            {"COMPLETE": 12, "RUNNING": 9},
            {"time_left": {"low_s": 220.0, "high_s": 260.0}},
            "12 of 21 done, about 4 minutes left",
        ),
        (
            "RUNNING",
            {"COMPLETE": 3, "EXECUTOR_ERROR": 1, "QUEUED": 20},
            {"size": 10_000, "looked_at": 24},
            "3 of 10,000 done, 1 failed, time left not yet known",
        ),
        ("CANCELING", {"COMPLETE": 1, "RUNNING": 2}, {}, "Stopping: 1 of 3 done"),
        ("CANCELED", {"COMPLETE": 12, "CANCELED": 9}, {}, "Cancelled: 12 of 21 done"),
    ],
)
def test_a_batch_is_told_in_one_line(state: str, counts: dict[str, int], others: dict[str, Any], text: str) -> None:
    assert summary(status(state, counts, **others)) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (5, 20, "less than a minute left"),
        (20, 90, "at most 2 minutes left"),
        (60, 70, "about 1 minute left"),
        (100, 300, "about 2 to 5 minutes left"),
        (7000, 9000, "about 2 hours left"),
    ],
)
def test_the_time_left_is_told_roughly(low: float, high: float, text: str) -> None:
    assert remaining({"low_s": low, "high_s": high}) == text
