"""A real cluster on its bad days: nodes fail, jobs are preempted and killed, the service goes away."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.services.service import Instance
from deploy.services.slurm import SERVICE as SLURM
from executors.attempts.folder import TaskFolder
from executors.attempts.processes import marked, send
from executors.model import KnownTask
from executors.slurm import dispatch
from executors.slurm.commands import Request, Slurm
from executors.slurm.jobs import PREFIX, Place
from executors.slurm.post import Orders, Post, batch_folder, item
from executors.slurm.runner import SlurmRunner
from executors.states import EventKind, TaskState
from executors.testing import Recorder, task, wait_until
from tests.contract.slurm_world import HELD, PATIENCE_S, ask, ended, folder_of, job_of, let_go, node_of, opened, up

_GRACE_S = 14.0
"""More than the cluster's ``BatchStartTimeout`` and ``MessageTimeout``: before, a job that a node lacks may be new."""

SERVICE = """
import sys
from pathlib import Path
from executors.slurm.runner import SlurmRunner
from executors.testing import task
root, conf, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
runner = SlurmRunner(root, conf=conf, sandbox="none", poll_s=0.02, ask_s=0.5)
for number in range(count):
    runner.submit(task("echo ran; sleep 0.2"), lambda task_id, event: None)
    print("submitted", flush=True)
runner.drain()
"""


def test_operator_cancels_a_running_job(slurm_runner: SlurmRunner, calm_conf: Path) -> None:
    recorder = Recorder()
    spec = up(slurm_runner, recorder)
    ask(calm_conf, "scancel", job_of(slurm_runner, spec))
    assert ended(slurm_runner, spec, recorder) == (TaskState.CANCELED, "canceled")
    assert recorder.record(spec.id)["host"]["cpu_cores"] >= 1
    wait_until(lambda: marked(folder_of(slurm_runner, spec).mark) == [], PATIENCE_S)


def test_operator_cancels_a_waiting_job(slurm_runner: SlurmRunner, calm_conf: Path) -> None:
    recorder, cores = Recorder(), slurm_runner.capabilities.cpu_cores
    first = up(slurm_runner, recorder, limits={"cpu_cores": cores})
    second = task("true", limits={"cpu_cores": cores})
    slurm_runner.submit(second, recorder)
    wait_until(lambda: Post(folder_of(slurm_runner, second)).job is not None, PATIENCE_S)
    ask(calm_conf, "scancel", job_of(slurm_runner, second))
    assert ended(slurm_runner, second, recorder) == (TaskState.CANCELED, "canceled")
    assert recorder.kinds(second.id) == [EventKind.STOP]
    slurm_runner.cancel(first.id)
    ended(slurm_runner, first, recorder)


def test_a_more_urgent_job_preempts(slurm_runner: SlurmRunner, calm_conf: Path, tmp_path: Path) -> None:
    recorder, cores = Recorder(), slurm_runner.capabilities.cpu_cores
    urgent = opened(tmp_path / "urgent", calm_conf, partition="urgent")
    spec = up(slurm_runner, recorder, limits={"cpu_cores": cores})
    other = task("true", limits={"cpu_cores": cores})
    urgent.submit(other, recorder)
    assert ended(slurm_runner, spec, recorder) == (TaskState.PREEMPTED, "preempted")
    assert ended(urgent, other, recorder) == (TaskState.COMPLETE, None)
    urgent.close()


def test_the_node_is_taken_out_of_service(slurm_runner: SlurmRunner, calm_conf: Path) -> None:
    recorder = Recorder()
    spec = up(slurm_runner, recorder)
    ask(calm_conf, "scontrol", "update", f"nodename={node_of(calm_conf)}", "state=down", "reason=test")
    assert ended(slurm_runner, spec, recorder) == (TaskState.SYSTEM_ERROR, "node-failed")
    wait_until(lambda: marked(folder_of(slurm_runner, spec).mark) == [], PATIENCE_S)


def test_the_node_loses_its_power(slurm_runner: SlurmRunner, calm_conf: Path) -> None:
    """Its daemon, the one beside the job, and everything of the job are gone at once; then it comes back."""
    recorder, instance = Recorder(), Instance(calm_conf.parent, 0)
    spec = up(slurm_runner, recorder)
    SLURM.kill_node(instance)
    send(_above(folder_of(slurm_runner, spec)), signal.SIGKILL)
    time.sleep(_GRACE_S)
    SLURM.start_node(instance)
    assert ended(slurm_runner, spec, recorder) == (TaskState.SYSTEM_ERROR, "node-failed")
    assert recorder.record(spec.id)["host"]["cpu_cores"] >= 1


def _above(folder: TaskFolder) -> list[int]:
    """Return a task's wrapper and what carries it, up to and with Slurm's own process beside the job."""
    started = folder.started()
    assert started is not None
    found = [started.pid]
    while b"slurmstepd" not in Path(f"/proc/{found[-1]}/cmdline").read_bytes():
        found.append(int(Path(f"/proc/{found[-1]}/stat").read_text().rpartition(")")[2].split()[1]))
    return [*reversed(found), *marked(folder.mark)]


def test_the_cluster_puts_a_job_back_into_its_queue(tmp_path: Path, calm_conf: Path) -> None:
    """It is not run twice: whoever reads how it ended decides on a retry."""
    recorder, runner = Recorder(), opened(tmp_path, calm_conf, options=("--requeue",))
    spec = up(runner, recorder)
    ask(calm_conf, "scontrol", "requeue", job_of(runner, spec))
    assert ended(runner, spec, recorder) == (TaskState.PREEMPTED, "requeued")
    assert runner.logs(spec.id, "stdout") == b"up\n"
    runner.close()


@pytest.mark.parametrize("sandbox", ["bubblewrap", "none"])
def test_what_carries_it_through_is_killed(tmp_path: Path, calm_conf: Path, bubblewrap: str, sandbox: str) -> None:
    recorder, runner = Recorder(), opened(tmp_path, calm_conf, sandbox)
    spec = up(runner, recorder)
    folder = folder_of(runner, spec)
    started = folder.started()
    assert started is not None
    # What the node knows so far is written just after the command has begun.
    wait_until(lambda: folder.read("draft.json") is not None, PATIENCE_S)
    carrier = int(Path(f"/proc/{started.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(carrier, signal.SIGKILL)
    assert ended(runner, spec, recorder) == (TaskState.SYSTEM_ERROR, "lost")
    assert recorder.record(spec.id)["command"][-1] == "echo up; sleep 300"
    assert recorder.record(spec.id)["sandbox"]["kind"] == sandbox
    assert marked(folder.mark) == []
    runner.close()


def test_what_the_cluster_refuses_ends_with_its_reason(tmp_path: Path, calm_conf: Path) -> None:
    recorder, runner, spec = (
        Recorder(),
        opened(tmp_path, calm_conf, options=("--qos=x", "--constraint=none")),
        task("true"),
    )
    runner.submit(spec, recorder)
    assert ended(runner, spec, recorder) == (TaskState.SYSTEM_ERROR, "refused")
    assert "feature" in str(recorder.last(spec.id).detail)
    runner.close()


def test_what_nodes_lack_is_said(tmp_path: Path, calm_conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the interpreter: the job ends before it has taken the task up, and what it printed is why."""
    monkeypatch.setattr(dispatch.sys, "executable", "/no/such/python")
    recorder, runner, spec = Recorder(), opened(tmp_path, calm_conf), task("true")
    runner.submit(spec, recorder)
    assert ended(runner, spec, recorder) == (TaskState.SYSTEM_ERROR, "not-started")
    assert "/no/such/python" in str(recorder.last(spec.id).detail)
    runner.close()


@pytest.mark.parametrize("forgets", ["job", "nothing-was-submitted", "both", "the-cluster"])
def test_service_dies_about_submission(tmp_path: Path, calm_conf: Path, forgets: str) -> None:
    """Between what it writes down before ``sbatch`` and what it writes down after; and a cluster that forgot a job."""
    recorder, runner = Recorder(), opened(tmp_path, calm_conf)
    spec = task(f"echo ran; {HELD}")
    folder = folder_of(runner, spec)
    if forgets in ("nothing-was-submitted", "the-cluster"):
        folder.create(spec)
        Post(folder).place = Place(f"{PREFIX}never", 0)
    else:
        runner.submit(spec, recorder)
        wait_until(lambda: Post(folder).job is not None, PATIENCE_S)
    runner.close()
    if forgets == "the-cluster":
        folder.write("job", "999999_0")
    elif forgets != "nothing-was-submitted":
        (folder.path / "job").unlink(missing_ok=True)
    if forgets == "both":
        _submit_again_beside(folder, tmp_path, calm_conf)
    again = opened(tmp_path, calm_conf)
    state = recorder.states.get(spec.id, TaskState.QUEUED)
    again.reconcile([KnownTask(task_id=spec.id, state=state)], recorder)
    let_go(folder)
    assert ended(again, spec, recorder) == (TaskState.COMPLETE, None)
    assert again.logs(spec.id, "stdout") == b"ran\n"
    again.close()


def _submit_again_beside(folder: TaskFolder, root: Path, calm_conf: Path) -> None:
    """Submit a second job for a task, as a service would that never learned of the first."""
    name = f"{PREFIX}second"
    batch = batch_folder(root, name)
    Orders(tasks=str(root / "tasks"), sandbox="none", grace_s=0.2, items=[item(folder)]).write(batch)
    script = f"#!/bin/sh\nexec {sys.executable} -m executors.slurm.node {batch}\n"
    python = {"PYTHONPATH": str(Path(__file__).parents[2])}
    request = Request(name=name, script=script, count=1, log=batch / "%a.log", options=(), environ=python)
    Slurm(conf=calm_conf).submit(request)
    Post(folder).place = Place(name, 0)


@pytest.mark.parametrize("seed", range(4))
def test_service_is_killed_at_any_moment(tmp_path: Path, calm_conf: Path, seed: int) -> None:
    """Every task that was acknowledged ends, complete, and its command ran exactly once."""
    root, count = tmp_path / "r", 6
    command = [sys.executable, "-c", SERVICE, str(root), str(calm_conf), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == b"submitted\n"
        time.sleep(random.Random(seed).uniform(0, 1.2))
        service.kill()
        acknowledged = 1 + service.stdout.read().count(b"submitted")
    # What was killed while it made a folder has acknowledged nothing.
    folders = sorted(folder for folder in (root / "tasks").iterdir() if (folder / "1").is_dir())
    known = [KnownTask(task_id=folder.name, state=TaskState.QUEUED) for folder in folders]
    recorder, runner = Recorder(), opened(root, calm_conf)
    for post in [Post(TaskFolder(root / "tasks", folder.name, 1)) for folder in folders]:
        (post.folder.path / "taken").unlink(missing_ok=True)
    runner.reconcile(known, recorder)
    assert runner.drain(PATIENCE_S)
    printed = [runner.logs(folder.name, "stdout") for folder in folders]
    runner.close()
    complete = [name for name, state in recorder.states.items() if state is TaskState.COMPLETE]
    assert acknowledged <= len(complete) == len(folders)
    assert printed.count(b"ran\n") == len(complete) == len(b"".join(printed).split())


def test_ended_on_the_ledger_and_alive_on_the_cluster(
    slurm_runner: SlurmRunner, calm_conf: Path, tmp_path: Path
) -> None:
    recorder = Recorder()
    spec = up(slurm_runner, recorder)
    slurm_runner.close()
    again = opened(tmp_path / "runner", calm_conf)
    again.reconcile([], recorder)
    wait_until(lambda: marked(folder_of(slurm_runner, spec).mark) == [], PATIENCE_S)
    again.close()
