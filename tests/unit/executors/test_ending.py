"""A process that is coming to its end, or is between two programs, is told from one that lives and one that is gone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from executors.attempts import ending, processes
from executors.attempts.ending import _is_ending, _wait_for_end, sweep
from executors.attempts.folder import TaskFolder
from executors.attempts.processes import census, lacks_environment
from executors.attempts.sandbox import MARKER
from executors.testing import task

PATIENCE_S = 60.0


def test_a_process_without_memory_is_coming_to_its_end() -> None:
    with subprocess.Popen(["sh", "-c", "echo up; read word"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        assert not _is_ending(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert _is_ending(child.pid)
        assert _wait_for_end(child.pid, PATIENCE_S)
    assert not _is_ending(child.pid)
    assert _wait_for_end(child.pid, PATIENCE_S)


def _stat(*, vsize: int, env_end: int) -> str:
    fields = ["S", *["1"] * 49]
    fields[20], fields[48] = str(vsize), str(env_end)
    return f"7 (a (name) of) {' '.join(fields)}\n"


def test_between_two_programs_there_is_memory_and_no_environment() -> None:
    assert lacks_environment(_stat(vsize=4096, env_end=0))
    assert not lacks_environment(_stat(vsize=4096, env_end=4096)), "an empty environment has an end"
    assert not lacks_environment(_stat(vsize=0, env_end=0)), "the kernel's own, or about to be gone"
    assert not lacks_environment(Path("/proc/self/stat").read_text())


def test_what_is_between_two_programs_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all that a task has left were in the middle of execve(2) for three looks, and a program then."""
    folder = TaskFolder(tmp_path / "tasks", "t", 1)
    folder.create(task("true"))
    folder.write("exit", "0\n")
    environ = os.environ | {MARKER: folder.mark}
    looks = iter([([], False)] * 3)
    with subprocess.Popen(["sleep", "600"], env=environ) as left:
        monkeypatch.setattr(ending, "census", lambda mark: next(looks, None) or processes.census(mark))
        try:
            assert sweep(folder, patience_s=PATIENCE_S)
            assert next(looks, None) is None
            assert left.wait(PATIENCE_S) == -9
        finally:
            left.kill()
    assert census(folder.mark)[0] == []
