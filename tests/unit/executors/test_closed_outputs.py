"""Folders and files that a task closed, to a service that is not allowed everything: refused, said so, and deleted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from executors.attempts.folder import TaskFolder, bin_of
from executors.attempts.leftovers import left_behind
from executors.attempts.removal import remove_tree
from executors.testing import task
from ontology.errors import NotFoundError

POWERS = ("dac_override", "dac_read_search", "fowner")
"""What lets root read and change what it may not."""

SERVICE = """
import json, sys
from pathlib import Path
from executors.local.runner import LocalRunner
from executors.model import TaskOutput
from executors.testing import RunnerContract, task
root, script, path = sys.argv[1:]
runner = LocalRunner(Path(root), sandbox="none", observe="none")
spec = task(script, outputs=(TaskOutput(name="o", path=path),))
last = RunnerContract.carry_out(runner, spec).last(spec.id)
runner.release(spec.id)
left = [str(place) for place in Path(root, "tasks").iterdir()] + [str(place) for place in Path(root, "gone").iterdir()]
print(json.dumps([last.state, last.reason, last.detail, left]))
runner.close()
"""


def without_powers() -> list[str]:
    """Return how to start a process that permissions hold for, be we root or not."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv (util-linux) is not installed: root is allowed everything")
    dropped = ",".join(f"-{power}" for power in POWERS)
    return [setpriv, f"--bounding-set={dropped}", f"--inh-caps={dropped}"]


@pytest.mark.parametrize(
    ("script", "path"),
    [
        ("echo x >out; chmod 000 out", "out"),
        ("mkdir out; echo x >out/a; chmod 000 out", "out"),
        ("mkdir out; echo x >out/a; chmod 000 out", "out/a"),
        ("mkdir -p out/deep/er; echo x >out/deep/er/a; chmod 000 out/deep", "out/**/*.txt"),
        ("mkdir out; echo x >out/a; chmod 000 out .", "out"),
    ],
)
def test_what_cannot_be_read_is_an_output_problem(tmp_path: Path, script: str, path: str) -> None:
    command = [*without_powers(), sys.executable, "-c", SERVICE, str(tmp_path), script, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    state, reason, detail, left = json.loads(done.stdout)
    assert (state, reason) == ("EXECUTOR_ERROR", "output-refused"), detail
    assert "cannot be read" in detail
    assert left == []


DELETE = """
import sys
from pathlib import Path
from executors.attempts.folder import TaskFolder, bin_of
from executors.attempts.leftovers import left_behind
from executors.attempts.removal import remove_tree
from executors.testing import task
from ontology.errors import NotFoundError
sys.exit(0 if remove_tree(Path(sys.argv[1])) else 1)
"""


def test_folders_that_were_closed_are_deleted(tmp_path: Path) -> None:
    root = tmp_path / "task"
    for place in ("a/b/c", "a/d", "e"):
        (root / place).mkdir(parents=True)
        (root / place / "file").write_text("x")
    (root / "e" / "out").symlink_to(tmp_path)
    for place in ("a/b/c", "a/b", "a", "e", "."):
        (root / place).chmod(0)
    command = [*without_powers(), sys.executable, "-c", DELETE, str(root)]
    assert subprocess.run(command, timeout=120, check=False).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_folders_deeper_than_any_path_are_deleted(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    here = os.open(tmp_path / "task", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=here)
        deeper = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    assert remove_tree(tmp_path / "task")


def test_what_is_not_there_is_deleted(tmp_path: Path) -> None:
    assert remove_tree(tmp_path / "nothing")


def test_what_is_printed_by_a_task_that_is_being_deleted_is_not_nothing(tmp_path: Path) -> None:
    """An empty log would be kept in the place of the one that was kept before."""
    spec = task("true")
    folder = TaskFolder(tmp_path / "tasks", spec.id, 1)
    folder.create(spec)
    assert folder.printed("stdout", 0, 10) == b""
    bin_of(tmp_path / "tasks").write_text("no folder: nothing can be put aside")
    assert folder.ask_to_cancel()
    folder.delete()
    assert not folder.ask_to_cancel(), "it ended, and was deleted by whoever took its end"
    with pytest.raises(NotFoundError):
        folder.printed("stdout", 0, 10)


def test_looking_for_what_is_left_does_not_take_the_bin_from_those_who_delete(tmp_path: Path) -> None:
    root = tmp_path / "tasks"
    (bin_of(root) / "half" / "1").mkdir(parents=True)
    (root / "some").mkdir(parents=True)
    assert left_behind(root, ()) == ["some"]
    assert list(bin_of(root).iterdir()) == []
