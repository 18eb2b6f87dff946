"""The memory wall of a group: counts of version 2 as files, and version 1 by the kernel itself where it has that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from executors.attempts import walls
from executors.attempts.walls import MemoryWall
from executors.testing import wait_until

INSIDE, OUTSIDE, NOBODY = 10, 11, 12
GREEDY = "import sys; open(sys.argv[1], 'w').write('0'); x = b'x' * 90_000_000"


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of events of a container's group."""
    for number, group in ((INSIDE, "/box"), (OUTSIDE, "/")):
        (tmp_path / "proc" / str(number)).mkdir(parents=True)
        (tmp_path / "proc" / str(number) / "cgroup").write_text(f"1:name=systemd:/\n0::{group}\n")
    path = tmp_path / "box" / "memory.events"
    path.parent.mkdir()
    path.write_text("low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\n")
    monkeypatch.setattr(walls, "GROUPS", tmp_path)
    monkeypatch.setattr(walls, "PROCESSES", tmp_path / "proc")
    return path


def test_a_kill_is_seen_and_stays_seen(events: Path) -> None:
    wall = MemoryWall(INSIDE, outside=OUTSIDE)
    assert wall.descriptor is None
    assert not wall.was_hit(), "reaching the limit is not yet being killed at it"
    events.write_text("low 0\nhigh 0\nmax 15\noom 1\noom_kill 1\n")
    assert wall.was_hit()
    events.write_text("")
    assert wall.was_hit()
    wall.close()


def test_no_counts_are_no_kill(events: Path) -> None:
    events.unlink()
    wall = MemoryWall(INSIDE, outside=OUTSIDE)
    assert not wall.was_hit()
    wall.close()
    wall.close()


def test_a_group_that_is_not_the_containers_own_is_no_wall(events: Path, tmp_path: Path) -> None:
    """Engines without power over groups leave a container in ours, where something may have been killed long ago."""
    events.write_text("oom_kill 3\n")
    (tmp_path / "proc" / str(OUTSIDE) / "cgroup").write_text("0::/box\n")
    wall = MemoryWall(INSIDE, outside=OUTSIDE)
    assert not wall.was_hit()
    wall.close()


@pytest.mark.usefixtures("events")
def test_a_process_that_is_gone_has_no_wall() -> None:
    for inside, outside in ((NOBODY, OUTSIDE), (INSIDE, NOBODY)):
        wall = MemoryWall(inside, outside=outside)
        assert not wall.was_hit()
        wall.close()


@pytest.fixture
def group() -> Iterator[Path]:
    """A group of version 1 with a wall that Python does not fit into twice."""
    folder = walls.GROUPS / "memory" / f"sillage-test-{uuid4().hex}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text("60000000")
        (folder / "memory.memsw.limit_in_bytes").write_text("60000000")
    except OSError as error:
        if folder.is_dir():
            folder.rmdir()
        pytest.skip(f"no control groups of version 1 can be made here ({error.strerror})")
    yield folder
    if folder.is_dir():
        folder.rmdir()


@pytest.mark.parametrize("greedy", [True, False])
def test_who_looks_only_when_the_group_is_gone_still_learns_of_it(group: Path, greedy: bool) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as first:
        (group / "cgroup.procs").write_text(str(first.pid))
        wall = MemoryWall(first.pid, outside=os.getpid())
        if greedy:
            command = [sys.executable, "-I", "-c", GREEDY, str(group / "cgroup.procs")]
            assert subprocess.run(command, check=False).returncode == -9
    wait_until(lambda: _is_removed(group))
    assert wall.was_hit() is greedy
    assert wall.was_hit() is greedy
    wall.close()


def _is_removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        return False
    return True
