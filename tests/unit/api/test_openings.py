"""What a task shows of its inputs."""

from __future__ import annotations

from typing import Any

import pytest

from api.operations.openings import with_openings

INPUTS = [{"id": "a", "path": "/inputs/a"}, {"id": "b", "path": "/inputs/b"}]


def body(**seen: Any) -> dict[str, Any]:
    return {"id": "task", "inputs": INPUTS, "record": {"inputs_observed": seen}}


@pytest.mark.parametrize(
    ("seen", "opened", "sentence"),
    [
        (
            {"mechanism": "strace", "complete": True, "opened": ["a"], "not_opened": ["b"]},
            [True, False],
            "1 of 2 inputs was opened.",
        ),
        (
            {"mechanism": "strace", "complete": False, "opened": ["a"], "not_opened": ["b"], "reason": "it was cut"},
            [True, None],
            "1 of 2 inputs was opened, perhaps more: it was cut.",
        ),
        (
            {"mechanism": "declared-mounts", "complete": False, "opened": [], "not_opened": [], "reason": "no strace"},
            [None, None],
            "Which inputs were opened was not observed: no strace.",
        ),
        (
            {"mechanism": "none", "complete": True, "opened": [], "not_opened": ["a", "b"]},
            [False, False],
            "0 of 2 inputs were opened.",
        ),
        ({"mechanism": "declared-mounts"}, [None, None], "Which inputs were opened was not observed."),
    ],
)
def test_openings(seen: dict[str, Any], opened: list[bool | None], sentence: str) -> None:
    shown = with_openings(body(**seen))
    assert [item["opened"] for item in shown["inputs"]] == opened
    assert shown["inputs_opened"] == sentence


def test_tasks_of_which_nothing_is_known_are_shown_as_they_are() -> None:
    for task in (
        {"id": "t", "inputs": INPUTS},
        {"id": "t", "inputs": INPUTS, "record": None},
        {"id": "t", "inputs": []},
    ):
        assert with_openings(task) == task
