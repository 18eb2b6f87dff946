"""The counts of control groups of version 2, as files: machines of the tests may have version 1 alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from executors.attempts import walls
from executors.attempts.walls import MemoryWall


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of events of this process's group, in a tree that has no version 1."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    if any("memory" in controllers.split(",") for _, controllers, _ in lines):
        lines = [["0", "", "/box"]]
        real = Path.read_text
        monkeypatch.setattr(
            Path, "read_text", lambda p, *a, **k: "0::/box\n" if str(p).endswith("/cgroup") else real(p, *a, **k)
        )
    path = tmp_path / next(path for number, _, path in lines if number == "0").lstrip("/") / "memory.events"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\n")
    monkeypatch.setattr(walls, "GROUPS", tmp_path)
    return path


def test_a_kill_is_seen_and_stays_seen(events: Path) -> None:
    wall = MemoryWall(os.getpid())
    assert wall.descriptor is None
    assert not wall.was_hit(), "reaching the limit is not yet being killed at it"
    events.write_text("low 0\nhigh 0\nmax 15\noom 1\noom_kill 1\n")
    assert wall.was_hit()
    events.write_text("")
    assert wall.was_hit()
    wall.close()


def test_no_counts_are_no_kill(events: Path) -> None:
    events.unlink()
    wall = MemoryWall(os.getpid())
    assert not wall.was_hit()
    wall.close()
    wall.close()


def test_a_process_that_is_gone_has_no_wall() -> None:
    wall = MemoryWall(2**22 + 1)
    assert not wall.was_hit()
    wall.close()
