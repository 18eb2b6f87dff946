"""A real cluster on its bad days: nodes fail, jobs are preempted and killed, the controller and the service go away."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.services.server import Server
from executors.attempts.folder import TaskFolder
from executors.attempts.processes import marked
from executors.model import KnownTask, TaskSpec
from executors.runner import Runner
from executors.slurm.commands import PREFIX, Place, Request, Slurm, read_completions
from executors.slurm.post import Orders, Post, batch_folder, item
from executors.slurm.runner import SlurmRunner
from executors.slurm.states import JobState
from executors.states import EventKind, TaskState
from executors.testing import Recorder, task, wait_until

PATIENCE_S = 25.0

SERVICE = """
import sys
from pathlib import Path
from executors.slurm.runner import SlurmRunner
from executors.testing import task
root, conf, count, victim = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
runner = SlurmRunner(root, conf=conf, sandbox="none", poll_s=0.02, ask_s=0.5)
for number in range(count):
    runner.submit(task(f"echo {number} >>{victim}; sleep 0.2"), lambda task_id, event: None)
    print("submitted", flush=True)
runner.drain()
"""


@pytest.fixture
def conf(slurm_cluster: Server) -> Path:
    return Path(str(slurm_cluster.url))


def ask(conf: Path, *command: str) -> str:
    """Give a command of Slurm's as an operator would."""
    environ = os.environ | {"SLURM_CONF": str(conf)}
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=30).stdout


def opened(root: Path, conf: Path, sandbox: str = "none", **options: object) -> SlurmRunner:
    quick = {"grace_s": 0.2, "poll_s": 0.02, "ask_s": 0.3, "settle_s": 0.3} | options
    return SlurmRunner(root, conf=conf, sandbox=sandbox, **quick)  # type: ignore[arg-type]


@pytest.fixture
def runner(tmp_path: Path, conf: Path) -> Iterator[SlurmRunner]:
    made = opened(tmp_path / "runner", conf)
    yield made
    made.close()
    ask(conf, "scancel", "--user=root")


def up(runner: Runner, recorder: Recorder, script: str = "echo up; sleep 60", **members: object) -> TaskSpec:
    """Submit a task and wait until it runs."""
    spec = task(script, **members)
    runner.submit(spec, recorder)
    wait_until(lambda: runner.logs(spec.id, "stdout") == b"up\n")
    return spec


def folder_of(runner: SlurmRunner, spec: TaskSpec) -> TaskFolder:
    return TaskFolder(runner._root, spec.id, spec.attempt)


def job_of(runner: SlurmRunner, spec: TaskSpec) -> str:
    return str(Post(folder_of(runner, spec)).job)


def ended(runner: Runner, spec: TaskSpec, recorder: Recorder) -> tuple[TaskState, str | None]:
    assert runner.wait(spec.id, PATIENCE_S), "the task did not end in time"
    last = recorder.last(spec.id)
    assert last.record is not None
    assert (last.record["task"], last.record["reason"]) == (spec.id, last.reason)
    return recorder.states[spec.id], last.reason


def test_operator_cancels_a_running_job(runner: SlurmRunner, conf: Path) -> None:
    recorder = Recorder()
    spec = up(runner, recorder)
    ask(conf, "scancel", job_of(runner, spec))
    assert ended(runner, spec, recorder) == (TaskState.CANCELED, "canceled")
    assert recorder.record(spec.id)["host"]["cpu_cores"] >= 1
    assert marked(folder_of(runner, spec).mark) == []


def test_operator_cancels_a_waiting_job(runner: SlurmRunner, conf: Path) -> None:
    recorder, cores = Recorder(), runner.capabilities.cpu_cores
    first = up(runner, recorder, limits={"cpu_cores": cores})
    second = task("true", limits={"cpu_cores": cores})
    runner.submit(second, recorder)
    wait_until(lambda: Post(folder_of(runner, second)).job is not None)
    ask(conf, "scancel", job_of(runner, second))
    assert ended(runner, second, recorder) == (TaskState.CANCELED, "canceled")
    assert recorder.kinds(second.id) == [EventKind.STOP]
    runner.cancel(first.id)
    ended(runner, first, recorder)


def test_a_more_urgent_job_preempts(runner: SlurmRunner, conf: Path, tmp_path: Path) -> None:
    recorder, cores = Recorder(), runner.capabilities.cpu_cores
    urgent = opened(tmp_path / "urgent", conf, partition="urgent")
    spec = up(runner, recorder, limits={"cpu_cores": cores})
    other = task("true", limits={"cpu_cores": cores})
    urgent.submit(other, recorder)
    assert ended(runner, spec, recorder) == (TaskState.PREEMPTED, "preempted")
    assert ended(urgent, other, recorder) == (TaskState.COMPLETE, None)
    urgent.close()


def test_the_node_fails(runner: SlurmRunner, conf: Path) -> None:
    recorder = Recorder()
    spec = up(runner, recorder)
    node = ask(conf, "sinfo", "--noheader", "--Node", "--format=%N").split()[0]
    ask(conf, "scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        assert ended(runner, spec, recorder) == (TaskState.SYSTEM_ERROR, "node-failed")
    finally:
        wait_until(lambda: _is_idle(conf) or not ask(conf, "scontrol", "update", f"nodename={node}", "state=idle"))
        wait_until(lambda: _is_idle(conf))


def _is_idle(conf: Path) -> bool:
    return set(ask(conf, "sinfo", "--noheader", "--format=%T").split()) == {"idle"}


@pytest.mark.parametrize("sandbox", ["bubblewrap", "none"])
def test_what_carries_it_through_is_killed(tmp_path: Path, conf: Path, bubblewrap: str, sandbox: str) -> None:
    recorder, runner = Recorder(), opened(tmp_path, conf, sandbox)
    spec = up(runner, recorder)
    folder = folder_of(runner, spec)
    started = folder.started()
    assert started is not None
    carrier = int(Path(f"/proc/{started.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(carrier, signal.SIGKILL)
    assert ended(runner, spec, recorder) == (TaskState.SYSTEM_ERROR, "lost")
    assert recorder.record(spec.id)["command"][-1] == "echo up; sleep 60"
    assert recorder.record(spec.id)["sandbox"]["kind"] == sandbox
    assert marked(folder.mark) == []
    runner.close()


def test_what_the_cluster_refuses_ends_with_its_reason(tmp_path: Path, conf: Path) -> None:
    recorder, runner, spec = Recorder(), opened(tmp_path, conf, options=("--qos=x", "--constraint=none")), task("true")
    runner.submit(spec, recorder)
    assert ended(runner, spec, recorder) == (TaskState.SYSTEM_ERROR, "refused")
    assert "feature" in str(recorder.last(spec.id).detail)
    runner.close()


def test_gpus_are_the_ones_that_the_cluster_gives(runner: SlurmRunner) -> None:
    recorder = Recorder()
    assert runner.capabilities.gpus == 2
    spec = task("echo $CUDA_VISIBLE_DEVICES; sleep 0.3", limits={"gpus": 1})
    other = task("echo $CUDA_VISIBLE_DEVICES; sleep 0.3", limits={"gpus": 1})
    more = task("echo $CUDA_VISIBLE_DEVICES", limits={"gpus": 3, "gpus_optional": True})
    for one in (spec, other, more):
        runner.submit(one, recorder)
    assert runner.drain(PATIENCE_S)
    given = {runner.logs(one.id, "stdout") for one in (spec, other)}
    assert given == {b"0\n", b"1\n"}
    assert runner.logs(more.id, "stdout") == b"0,1\n"


def test_the_controller_is_away_for_a_while(slurm_cluster: Server, tmp_path: Path, conf: Path) -> None:
    recorder, runner = Recorder(), opened(tmp_path, conf, timeout_s=2)
    first = up(runner, recorder, "echo up; sleep 1")
    slurm_cluster.kill()
    second = task("echo late")
    runner.submit(second, recorder)
    assert ended(runner, first, recorder) == (TaskState.COMPLETE, None)
    assert second.id not in recorder.states
    slurm_cluster.start()
    assert ended(runner, second, recorder) == (TaskState.COMPLETE, None)
    assert recorder.kinds(second.id).count(EventKind.START) == 1
    runner.close()


def test_a_batch_becomes_few_arrays(runner: SlurmRunner, conf: Path) -> None:
    recorder = Recorder()
    specs = [task(f"echo {number}") for number in range(24)]
    for spec in specs:
        runner.submit(spec, recorder)
    assert runner.drain(PATIENCE_S)
    assert {recorder.states[spec.id] for spec in specs} == {TaskState.COMPLETE}
    assert runner.logs(specs[7].id, "stdout") == b"7\n"
    batches = {Post(folder_of(runner, spec)).place.batch for spec in specs}  # type: ignore[union-attr]
    assert len(batches) < len(specs) / 2
    noted = {job.place: job.state for job in read_completions(conf.parent / "completed", batches)}
    places = {Post(folder_of(runner, spec)).place for spec in specs}
    wait_until(lambda: len(list(read_completions(conf.parent / "completed", batches))) == len(specs))
    assert set(noted) <= places
    assert set(noted.values()) <= {JobState.COMPLETED}
    assert set(Slurm(conf=conf).history(batches)) == places


@pytest.mark.parametrize("forgets", ["job", "nothing-was-submitted", "both"])
def test_service_dies_about_submission(tmp_path: Path, conf: Path, forgets: str) -> None:
    """Between what it writes down before ``sbatch`` and what it writes down after."""
    counted, recorder = tmp_path / "counted", Recorder()
    runner = opened(tmp_path / "r", conf)
    spec = task(f"echo ran >>{counted}; sleep 0.5")
    if forgets == "nothing-was-submitted":
        folder = TaskFolder(runner._root, spec.id, 1)
        folder.create(spec)
        Post(folder).place = Place(f"{PREFIX}never", 0)
    else:
        runner.submit(spec, recorder)
        wait_until(lambda: Post(folder_of(runner, spec)).job is not None)
    runner.close()
    folder = folder_of(runner, spec)
    if forgets != "nothing-was-submitted":
        (folder.path / "job").unlink()
    if forgets == "both":
        _submit_again_beside(folder, tmp_path / "r", conf)
    again = opened(tmp_path / "r", conf)
    state = recorder.states.get(spec.id, TaskState.QUEUED)
    again.reconcile([KnownTask(task_id=spec.id, state=state)], recorder)
    assert ended(again, spec, recorder) == (TaskState.COMPLETE, None)
    again.close()
    assert counted.read_text() == "ran\n"


def _submit_again_beside(folder: TaskFolder, root: Path, conf: Path) -> None:
    """Submit a second job for a task, as a service would that never learned of the first."""
    name = f"{PREFIX}second"
    batch = batch_folder(root, name)
    Orders(tasks=str(root / "tasks"), sandbox="none", grace_s=0.2, items=[item(folder)]).write(batch)
    script = f"#!/bin/sh\nexec {sys.executable} -m executors.slurm.node {batch}\n"
    python = {"PYTHONPATH": str(Path(__file__).parents[2])}
    request = Request(name=name, script=script, count=1, log=batch / "%a.log", options=(), environ=python)
    Slurm(conf=conf).submit(request)
    Post(folder).place = Place(name, 0)


@pytest.mark.parametrize("seed", range(4))
def test_service_is_killed_at_any_moment(tmp_path: Path, conf: Path, seed: int) -> None:
    """Every task that was acknowledged ends, complete, and its command ran exactly once."""
    counted, root, count = tmp_path / "counted", tmp_path / "r", 6
    command = [sys.executable, "-c", SERVICE, str(root), str(conf), str(count), str(counted)]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert service.stdout is not None
    assert service.stdout.readline() == b"submitted\n"
    time.sleep(random.Random(seed).uniform(0, 1.2))
    service.kill()
    acknowledged = 1 + service.stdout.read().count(b"submitted")
    service.stdout.close()
    service.wait()
    folders = sorted((root / "tasks").iterdir())
    known = [KnownTask(task_id=folder.name, state=TaskState.QUEUED) for folder in folders]
    recorder, runner = Recorder(), opened(root, conf)
    for post in [Post(TaskFolder(root / "tasks", folder.name, 1)) for folder in folders]:
        (post.folder.path / "taken").unlink(missing_ok=True)
    runner.reconcile(known, recorder)
    assert runner.drain(PATIENCE_S)
    runner.close()
    complete = [name for name, state in recorder.states.items() if state is TaskState.COMPLETE]
    assert acknowledged <= len(complete) == len([f for f in folders if (f / "1" / "spec.json").exists()])
    assert len(counted.read_text().split()) == len(complete)


def test_ended_on_the_ledger_and_alive_on_the_cluster(runner: SlurmRunner, conf: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    spec = up(runner, recorder)
    runner.close()
    again = opened(tmp_path / "runner", conf)
    again.reconcile([], recorder)
    wait_until(lambda: marked(folder_of(runner, spec).mark) == [])
    again.close()
