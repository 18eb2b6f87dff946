"""The local runner and real death: of the service, of a task's processes, of nobody's tasks."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from executors.attempts.folder import TaskFolder, is_alive
from executors.attempts.processes import marked
from executors.attempts.sandbox import PlainSandbox
from executors.attempts.wrapper import start
from executors.local.runner import LocalRunner
from executors.model import KnownTask, TaskInput, TaskOutput
from executors.states import EventKind, TaskState
from executors.testing import Recorder, task, wait_until

SERVICE = """
import sys, time
from pathlib import Path
from executors.local.runner import LocalRunner
from executors.model import Resources, TaskOutput, TaskSpec
runner = LocalRunner(Path(sys.argv[1]), sandbox=sys.argv[2])
script = "sleep 0.5; until [ -e go ]; do sleep 0.02; done; rm go; echo survived >out"
spec = TaskSpec(id="t", name="t", command=("/bin/sh", "-c", script), outputs=(TaskOutput(name="o", path="out"),))
runner.submit(spec, lambda task, event: print(event.kind, flush=True))
time.sleep(600)
"""

SANDBOXES = ("auto", "none")
PATIENCE_S = 90.0
HELD = "until [ -e go ]; do sleep 0.02; done; rm go"


def let_go(folder: TaskFolder) -> None:
    """Tell a held task to go on."""
    (folder.work / "go").touch()


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("ended_meanwhile", [False, True])
def test_kill_9_of_the_service(tmp_path: Path, sandbox: str, ended_meanwhile: bool) -> None:
    command = [sys.executable, "-c", SERVICE, str(tmp_path), sandbox]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        while service.stdout.readline().strip() != "start":
            assert service.poll() is None
        service.kill()
    folder = TaskFolder(tmp_path / "tasks", "t", 1)
    if ended_meanwhile:
        let_go(folder)
        wait_until(lambda: folder.exit_code() is not None)
    recorder, runner = Recorder(), LocalRunner(tmp_path, sandbox=sandbox)
    recorder.states["t"] = TaskState.RUNNING
    runner.reconcile([KnownTask(task_id="t", state=TaskState.RUNNING)], recorder)
    if not ended_meanwhile:
        let_go(folder)
    assert runner.wait("t", PATIENCE_S)
    assert recorder.kinds("t") == [EventKind.COMPLETE]
    (output,) = recorder.last("t").outputs
    assert output.host_path.read_text() == "survived\n"
    record = recorder.record("t")
    assert record["resources"]["wall_s"] >= 0.4
    assert record["started"] < record["ended"]
    runner.close()


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_killed_wrapper_is_lost(tmp_path: Path, sandbox: str) -> None:
    runner, recorder, spec = LocalRunner(tmp_path, sandbox=sandbox), Recorder(), task("sleep 600")
    runner.submit(spec, recorder)
    folder = TaskFolder(tmp_path / "tasks", spec.id, 1)
    wait_until(lambda: folder.started() is not None)
    identity = folder.started()
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)
    assert runner.wait(spec.id, PATIENCE_S)
    last = recorder.last(spec.id)
    assert (last.state, last.reason) == (TaskState.SYSTEM_ERROR, "lost")
    runner.close()


def test_task_that_vanished_while_nobody_watched_is_lost(tmp_path: Path) -> None:
    runner, recorder, spec = LocalRunner(tmp_path), Recorder(), task("sleep 600")
    runner.submit(spec, recorder)
    wait_until(lambda: recorder.states.get(spec.id) is TaskState.RUNNING)
    runner.close()
    folder = TaskFolder(tmp_path / "tasks", spec.id, 1)
    wait_until(lambda: folder.started() is not None)
    identity = folder.started()
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(identity))
    again = LocalRunner(tmp_path)
    again.reconcile([KnownTask(task_id=spec.id, state=TaskState.RUNNING)], recorder)
    assert again.wait(spec.id, PATIENCE_S)
    assert recorder.last(spec.id).reason == "lost"
    again.close()


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_task_that_the_ledger_has_ended_is_killed(tmp_path: Path, sandbox: str) -> None:
    runner, recorder, spec = LocalRunner(tmp_path, sandbox=sandbox), Recorder(), task("sleep 600")
    runner.submit(spec, recorder)
    folder = TaskFolder(tmp_path / "tasks", spec.id, 1)
    wait_until(lambda: folder.started() is not None)
    runner.close()
    identity = folder.started()
    assert identity is not None
    assert is_alive(identity)
    again = LocalRunner(tmp_path, sandbox=sandbox)
    again.reconcile([], recorder)
    wait_until(lambda: not is_alive(identity))
    again.close()


def test_number_of_a_dead_process_used_again_is_not_mistaken(tmp_path: Path) -> None:
    runner, spec = LocalRunner(tmp_path, grace_s=0.1), task("sleep 600")
    runner.submit(spec, Recorder())
    folder = TaskFolder(tmp_path / "tasks", spec.id, 1)
    wait_until(lambda: folder.started() is not None)
    identity = folder.started()
    assert identity is not None
    assert is_alive(identity)
    assert not is_alive(replace(identity, start_ticks=identity.start_ticks + 1))
    assert not is_alive(replace(identity, boot="another"))
    runner.cancel(spec.id)
    assert runner.wait(spec.id, PATIENCE_S)
    runner.close()


def test_task_started_twice_runs_once(tmp_path: Path) -> None:
    spec, recorder = task(f"echo ran >>out; {HELD}", outputs=(TaskOutput(name="o", path="out"),)), Recorder()
    folder = TaskFolder(tmp_path / "tasks", spec.id, 1)
    folder.create(spec)
    launch = PlainSandbox().launch(spec, folder, ())
    earlier = start(launch, folder, spec.resources)
    try:
        runner = LocalRunner(tmp_path, sandbox="none")
        real, here = TaskFolder.started, threading.get_ident()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TaskFolder, "started", lambda f: None if threading.get_ident() == here else real(f))
            runner.reconcile([KnownTask(task_id=spec.id, state=TaskState.QUEUED)], recorder)
        wait_until(lambda: EventKind.START in recorder.kinds(spec.id))
        let_go(folder)
        assert runner.wait(spec.id, PATIENCE_S)
    finally:
        os.close(earlier.pidfd)
    assert recorder.states[spec.id] is TaskState.COMPLETE, recorder.last(spec.id).detail
    assert recorder.last(spec.id).outputs[0].size == len("ran\n")
    runner.close()


def test_verdict_survives_the_service(tmp_path: Path) -> None:
    runner, recorder = LocalRunner(tmp_path, grace_s=30), Recorder()
    spec = task(f"trap '' TERM; {HELD}; exit 0", limits={"wall_s": 0.2})
    runner.submit(spec, recorder)
    folder = TaskFolder(tmp_path / "tasks", spec.id, 1)
    wait_until(lambda: folder.verdict() is not None)
    runner.close()
    let_go(folder)
    wait_until(lambda: folder.exit_code() is not None)
    again = LocalRunner(tmp_path, grace_s=30)
    again.reconcile([KnownTask(task_id=spec.id, state=TaskState.RUNNING)], recorder)
    assert again.wait(spec.id, PATIENCE_S)
    assert recorder.last(spec.id).reason == "timeout"
    again.close()


@pytest.mark.parametrize(("after", "said"), [("xyz", "digest"), (None, "not here")])
def test_input_that_changed_while_nobody_watched_spoils_the_result(
    tmp_path: Path, after: str | None, said: str
) -> None:
    source = tmp_path / "a"
    source.write_text("abc")
    digest = hashlib.sha256(b"abc").hexdigest()
    given = TaskInput(id="a", host_path=source, path="/inputs/a", sha256=digest, size=3)
    runner, recorder, spec = LocalRunner(tmp_path), Recorder(), task(f"echo up; {HELD}", inputs=(given,))
    runner.submit(spec, recorder)
    wait_until(lambda: runner.logs(spec.id, "stdout") == b"up\n")
    runner.close()
    source.unlink() if after is None else source.write_text(after)
    again = LocalRunner(tmp_path)
    again.reconcile([KnownTask(task_id=spec.id, state=TaskState.RUNNING)], recorder)
    let_go(TaskFolder(tmp_path / "tasks", spec.id, 1))
    assert again.wait(spec.id, PATIENCE_S)
    last = recorder.last(spec.id)
    assert (last.state, last.reason) == (TaskState.SYSTEM_ERROR, "input-changed")
    assert said in (last.detail or "")
    assert recorder.record(spec.id)["inputs"][0]["sha256"] == digest
    again.close()


def test_unreadable_description_is_lost(tmp_path: Path) -> None:
    runner, recorder = LocalRunner(tmp_path), Recorder()
    folder = TaskFolder(tmp_path / "tasks", "t", 1)
    folder.create(task("true", outputs=(TaskOutput(name="o", path="o"),)))
    folder.write("spec.json", "{")
    recorder.states["t"] = TaskState.RUNNING
    runner.reconcile([KnownTask(task_id="t", state=TaskState.RUNNING)], recorder)
    assert recorder.last("t").reason == "lost"
    runner.close()


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("delay", [0.0, 0.001, 0.002, 0.003, 0.005, 0.01])
def test_cancel_in_the_middle_of_a_start_leaves_nothing(tmp_path: Path, sandbox: str, delay: float) -> None:
    runner, recorder = LocalRunner(tmp_path, slots=8, sandbox=sandbox, grace_s=0.1), Recorder()
    specs = [task("sleep 600") for _ in range(4)]
    for spec in specs:
        runner.submit(spec, recorder)
    time.sleep(delay)
    for spec in specs:
        runner.cancel(spec.id)
    assert runner.drain(PATIENCE_S)
    assert {recorder.states[spec.id] for spec in specs} == {TaskState.CANCELED}
    for spec in specs:
        assert marked(TaskFolder(tmp_path / "tasks", spec.id, 1).mark) == []
    runner.close()


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("delay", [0.0, 0.001, 0.002, 0.003, 0.005, 0.01])
def test_death_of_the_wrapper_in_the_middle_of_a_start_leaves_nothing(
    tmp_path: Path, sandbox: str, delay: float
) -> None:
    runner, recorder, spec = LocalRunner(tmp_path, sandbox=sandbox), Recorder(), task("sleep 600")
    runner.submit(spec, recorder)
    folder = TaskFolder(tmp_path / "tasks", spec.id, 1)
    wait_until(lambda: folder.started() is not None)
    identity = folder.started()
    assert identity is not None
    time.sleep(delay)
    os.kill(identity.pid, signal.SIGKILL)
    assert runner.wait(spec.id, PATIENCE_S)
    assert recorder.last(spec.id).reason == "lost"
    assert marked(folder.mark) == []
    runner.close()
