"""A disk that fills while a task runs: the task ends, nothing is taken for complete, and the next one runs again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from executors.local.runner import LocalRunner
from executors.model import TaskOutput
from executors.states import TaskState
from executors.testing import Recorder, task
from ontology.errors import StorageFullError

SIZE = 3_000_000
PATIENCE_S = 90.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SIZE}", "sillage-test", str(folder)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here: run as root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("sandbox", ["auto", "none"])
def test_full_disk_during_output(small_disk: Path, sandbox: str) -> None:
    runner, recorder = LocalRunner(small_disk, sandbox=sandbox), Recorder()
    filling = task("head -c 9000000 /dev/zero >out", outputs=(TaskOutput(name="o", path="out"),))
    runner.submit(filling, recorder)
    assert runner.wait(filling.id, PATIENCE_S)
    last = recorder.last(filling.id)
    assert (last.state, last.reason, last.outputs) == (TaskState.SYSTEM_ERROR, "disk", ())
    assert "full" in str(last.detail)
    assert recorder.record(filling.id)["reason"] == "disk"
    after = task("echo x >out", outputs=(TaskOutput(name="o", path="out"),))
    with pytest.raises(StorageFullError):
        runner.submit(after, recorder)
    runner.release(filling.id)
    runner.submit(after, recorder)
    assert runner.wait(after.id, PATIENCE_S)
    assert recorder.states[after.id] is TaskState.COMPLETE, recorder.last(after.id)
    runner.close()
