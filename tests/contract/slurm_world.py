"""A runner over a real cluster of the tests' own, and what operators do to such a cluster."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

from executors.attempts.folder import TaskFolder
from executors.model import TaskSpec
from executors.runner import Runner
from executors.slurm.post import Post
from executors.slurm.runner import SlurmRunner
from executors.states import TaskState
from executors.testing import Recorder, task, wait_until

HELD = "until [ -e go ]; do sleep 0.05; done"
"""Ends the script of a task that goes on when it is told to: however slow the machine, it is still there."""

PATIENCE_S = 120.0
"""A busy machine may need that long; nothing waits longer than it has to."""


AWAY = re.compile(r"timed out|unable to contact|connect|try again", re.IGNORECASE)
"""What Slurm's commands say of a controller that is too busy to answer in its time."""


def ask(conf: Path, *command: str) -> str:
    """Give a command of Slurm's as an operator would, and again where the controller was too busy to take it."""
    environ, until = os.environ | {"SLURM_CONF": str(conf)}, time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode == 0:
            return done.stdout
        assert AWAY.search(done.stderr), f"{command} was refused: {done.stderr}"
        assert time.monotonic() < until, f"{command}: {done.stderr}"
        time.sleep(0.5)


def opened(root: Path, conf: Path, sandbox: str = "none", **options: object) -> SlurmRunner:
    """Return a runner that looks often, as one may with a cluster of one node."""
    quick = {"grace_s": 0.2, "poll_s": 0.02, "ask_s": 0.3, "settle_s": 0.3} | options
    return SlurmRunner(root, conf=conf, sandbox=sandbox, **quick)  # type: ignore[arg-type]


def up(runner: Runner, recorder: Recorder, script: str = "echo up; sleep 300", **members: object) -> TaskSpec:
    """Submit a task and wait until it runs."""
    spec = task(script, **members)
    runner.submit(spec, recorder)
    wait_until(lambda: runner.logs(spec.id, "stdout") == b"up\n", PATIENCE_S)
    return spec


def folder_of(runner: SlurmRunner, spec: TaskSpec) -> TaskFolder:
    return TaskFolder(runner._root, spec.id, spec.attempt)


def let_go(folder: TaskFolder) -> None:
    """Tell a held task to go on."""
    (folder.work / "go").touch()


def job_of(runner: SlurmRunner, spec: TaskSpec) -> str:
    return str(Post(folder_of(runner, spec)).job)


def ended(runner: Runner, spec: TaskSpec, recorder: Recorder) -> tuple[TaskState, str | None]:
    """Wait for the end of a task and return how it was, after a look at its record."""
    assert runner.wait(spec.id, PATIENCE_S), "the task did not end in time"
    last = recorder.last(spec.id)
    assert last.record is not None
    assert (last.record["task"], last.record["reason"]) == (spec.id, last.reason)
    return recorder.states[spec.id], last.reason


def calm(conf: Path) -> None:
    """See to it that nothing runs on the cluster and its node takes jobs, whatever the test before has done to it."""
    ask(conf, "scancel", "--user=root")
    wait_until(lambda: _is_idle(conf) or _mend(conf), PATIENCE_S)


def node_of(conf: Path) -> str:
    return ask(conf, "sinfo", "--noheader", "--Node", "--format=%N").split()[0]


def _is_idle(conf: Path) -> bool:
    nobody = not ask(conf, "squeue", "--noheader", "--states=PENDING,RUNNING,COMPLETING").strip()
    return nobody and set(ask(conf, "sinfo", "--noheader", "--format=%T").split()) == {"idle"}


def _mend(conf: Path) -> bool:
    """Take the node back into service; False, because that takes a moment."""
    state = ask(conf, "sinfo", "--noheader", "--format=%T")
    if "drain" in state or "down" in state:
        ask(conf, "scontrol", "update", f"nodename={node_of(conf)}", "state=resume")
    return False
