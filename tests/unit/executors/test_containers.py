"""Tasks in images, by a real podman: what they see, what is recorded, and that nothing of them outlives its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from executors.attempts.engines import Podman
from executors.attempts.folder import TaskFolder
from executors.attempts.processes import command_line, marked
from executors.attempts.sandbox import MARKER
from executors.local.runner import LocalRunner
from executors.model import KnownTask, TaskInput, TaskOutput, TaskSpec
from executors.pipelines.environment import image_environment
from executors.runner import Runner
from executors.states import EventKind, TaskState
from executors.testing import Recorder, task, wait_until
from ontology.errors import UnsupportedError

PATIENCE_S = 90.0
FILL = "tail -c 900000000 /dev/zero"
SHM = "head -c 95000000 /dev/zero >/dev/shm/$$; head -c 95000000 /dev/zero >/tmp/$$"

SERVICE = """
import sys, time
from pathlib import Path
from executors.local.runner import LocalRunner
from executors.serial import load_spec
runner = LocalRunner(Path(sys.argv[1]), container_engine="podman")
runner.submit(load_spec(sys.stdin.readline()), lambda task, event: print(event.kind, flush=True))
time.sleep(600)
"""


@pytest.fixture
def runner(podman: str, tmp_path: Path) -> Iterator[Runner]:
    runner = LocalRunner(tmp_path / "runner", container_engine="podman", grace_s=0.2)
    yield runner
    runner.close()


def in_image(image: str, script: str, **members: object) -> TaskSpec:
    return task(script, environment=image_environment(image), **members)


def carry_out(runner: Runner, spec: TaskSpec) -> Recorder:
    recorder = Recorder()
    runner.submit(spec, recorder)
    ended = runner.wait(spec.id, PATIENCE_S)
    if not ended:
        runner.cancel(spec.id)  # Nothing of it is to be in the way of the next test.
        runner.wait(spec.id, PATIENCE_S)
    assert ended, recorder.kinds(spec.id)
    return recorder


def folder_of(runner: Runner, spec: TaskSpec) -> TaskFolder:
    return TaskFolder(runner._root, spec.id, 1)  # type: ignore[attr-defined]


def containers() -> list[str]:
    podman = Podman("podman")
    return podman.call("ps", "--all", "--format", "{{.Names}}").stdout.split()


def nothing_is_left(folder: TaskFolder) -> bool:
    """Tell whether no process bears the task's mark or holds its container, and podman knows of none."""
    name = f"sillage-{folder.mark}"
    lines = (command_line(int(number)) for number in os.listdir("/proc") if number.isdecimal())
    monitors = [line for line in lines if name.encode() in line and line[0].endswith(b"conmon")]
    return not marked(folder.mark) and not monitors and name not in containers()


def started(folder: TaskFolder) -> int:
    """Wait until a task's command runs, and return the first process of its container."""
    wait_until(lambda: folder.exists and folder.printed("stdout", 0, 10) == b"up\n", PATIENCE_S)
    return int(folder.read("pid") or "")


def test_record_names_the_image_that_was_run(runner: Runner, podman: str) -> None:
    spec = in_image(podman, "echo $TOOL")
    recorder = carry_out(runner, spec)
    assert recorder.states[spec.id] is TaskState.COMPLETE, runner.logs(spec.id, "stderr")
    assert runner.logs(spec.id, "stdout") == b"of-the-image\n"
    record = recorder.record(spec.id)
    assert record["environment"]["image"] == podman
    assert record["environment"]["digest"] == podman.rpartition(":")[2]
    sandbox = record["sandbox"]
    assert (sandbox["kind"], sandbox["engine"], sandbox["not_enforced"]) == ("container", "podman", [])
    assert sandbox["image_digest"] == record["environment"]["digest"]
    assert sandbox["image_verified"] is True
    assert nothing_is_left(folder_of(runner, spec))


def test_nothing_of_this_machine_is_seen(
    runner: Runner, podman: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example")
    given = tmp_path / "sub-01, of: one person"
    given.write_text("voxels")
    spec = in_image(
        podman,
        "env; cat /etc/passwd /etc/group /etc/hostname /etc/hosts; ls /inputs /home /root; touch /x /inputs/b; "
        "cat /inputs/a,b:c; ls -ln out; touch out; ls -ln out; id",
        inputs=(TaskInput(id="a", host_path=given, path="/inputs/a,b:c"),),
        outputs=(TaskOutput(name="o", path="out"),),
    )
    recorder = carry_out(runner, spec)
    printed = (runner.logs(spec.id, "stdout") + runner.logs(spec.id, "stderr")).decode()
    assert recorder.states[spec.id] is TaskState.COMPLETE, printed
    assert "voxels" in printed
    assert printed.count("Read-only file system") == 2
    for secret in (os.uname().nodename, str(tmp_path), os.environ["HOME"] + "/"):
        assert secret not in printed
    variables = {line.partition("=")[0] for line in printed.splitlines() if "=" in line.split(" ")[0]}
    of_the_image = {"PATH", "TOOL", "HOSTNAME", "container", "SHLVL", "PWD"}
    assert variables - {"uid"} == set(recorder.record(spec.id)["environment_variables"]) | of_the_image | {MARKER}
    (output,) = recorder.last(spec.id).outputs
    assert output.host_path.stat().st_uid == os.getuid()


def test_places_of_data_are_in_no_command_line(runner: Runner, podman: str, tmp_path: Path) -> None:
    given = tmp_path / f"sub-secret-{os.getpid()}"
    given.mkdir()
    spec = in_image(
        podman,
        "echo up; sleep 600",
        inputs=(TaskInput(id="a", host_path=given, path="/inputs/a"),),
        env={"TOKEN": f"of-a-pipeline-{os.getpid()}"},
    )
    runner.submit(spec, Recorder())
    folder = folder_of(runner, spec)
    started(folder)
    everything = [b" ".join(command_line(int(name))) for name in os.listdir("/proc") if name.isdecimal()]
    assert any(folder.mark.encode() in line for line in everything)
    for secret in (given.name, f"of-a-pipeline-{os.getpid()}"):
        assert not any(secret.encode() in line for line in everything)
    runner.cancel(spec.id)
    assert runner.wait(spec.id, PATIENCE_S)


def test_image_that_is_not_here_is_refused_with_what_to_do(runner: Runner) -> None:
    image = f"registry.example/tool@sha256:{'0' * 64}"
    with pytest.raises(UnsupportedError) as caught:
        runner.submit(in_image(image, "true"), Recorder())
    assert caught.value.field == "environment.image"
    assert caught.value.next_step() == f"Fetch it: podman pull {image}"


def test_image_that_goes_before_its_task_begins_ends_the_task(podman: str, tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path / "runner", container_engine="podman", container_pull=True)
    recorder = carry_out(runner, spec := in_image(f"localhost/nobody@sha256:{'0' * 64}", "true"))
    assert recorder.states[spec.id] is TaskState.SYSTEM_ERROR
    assert recorder.last(spec.id).reason == "sandbox"
    runner.close()


@pytest.mark.parametrize("victim", ["client", "monitor", "first process", "wrapper"])
def test_whoever_is_killed_nothing_is_left(runner: Runner, podman: str, victim: str) -> None:
    spec, recorder = in_image(podman, "setsid sleep 600 & echo up; sleep 600"), Recorder()
    runner.submit(spec, recorder)
    folder = folder_of(runner, spec)
    first = started(folder)
    wrapper = folder.started()
    assert wrapper is not None
    os.kill(_victim(victim, folder, first, wrapper.pid), signal.SIGKILL)
    if victim == "monitor":
        runner.cancel(spec.id)
    assert runner.wait(spec.id, PATIENCE_S)
    assert recorder.states[spec.id] in {TaskState.EXECUTOR_ERROR, TaskState.SYSTEM_ERROR, TaskState.CANCELED}
    wait_until(lambda: nothing_is_left(folder))


def _victim(name: str, folder: TaskFolder, first: int, wrapper: int) -> int:
    if name == "client":
        return next(pid for pid in marked(folder.mark) if _is_podman(pid))
    if name == "monitor":
        return int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
    return first if name == "first process" else wrapper


def _is_podman(pid: int) -> bool:
    return any(Path(os.fsdecode(word)).name == "podman" for word in command_line(pid)[:1])


@pytest.mark.parametrize("client_dies_too", [False, True])
def test_kill_9_of_the_service(podman: str, tmp_path: Path, client_dies_too: bool) -> None:
    from executors.serial import dump_spec

    script = "echo up; until [ -e go ]; do sleep 0.05; done; rm go; echo x >out"
    spec = in_image(podman, script, outputs=(TaskOutput(name="o", path="out"),))
    command = [sys.executable, "-c", SERVICE, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdin is not None
        service.stdin.write(dump_spec(spec) + "\n")
        service.stdin.flush()
        folder = TaskFolder(tmp_path / "tasks", spec.id, 1)
        first = started(folder)
        service.kill()
    if client_dies_too:
        os.kill(_victim("client", folder, first, 0), signal.SIGKILL)
    recorder, runner = Recorder(), LocalRunner(tmp_path, container_engine="podman")
    recorder.states[spec.id] = TaskState.RUNNING
    runner.reconcile([KnownTask(task_id=spec.id, state=TaskState.RUNNING)], recorder)
    if not client_dies_too:
        (folder.work / "go").touch()
    assert runner.wait(spec.id, PATIENCE_S)
    ended = EventKind.FAIL if client_dies_too else EventKind.COMPLETE
    assert recorder.kinds(spec.id) == [ended], recorder.last(spec.id).detail
    assert recorder.record(spec.id)["sandbox"]["image_verified"] is True
    wait_until(lambda: nothing_is_left(folder))
    runner.close()


def test_task_that_the_ledger_has_ended_is_removed(runner: Runner, podman: str, tmp_path: Path) -> None:
    spec = in_image(podman, "echo up; sleep 600")
    runner.submit(spec, Recorder())
    folder = folder_of(runner, spec)
    started(folder)
    runner.close()
    again = LocalRunner(tmp_path / "runner", container_engine="podman")
    again.reconcile([], Recorder())
    wait_until(lambda: nothing_is_left(folder))
    again.close()


@pytest.mark.parametrize(
    "fill", [f"{FILL}; sleep 300", f"exec {FILL}", f"{FILL} >out", f"{FILL} || true", f"{SHM}; sleep 300"]
)
def test_wall_behind_the_memory_limit_says_what_it_was(runner: Runner, podman: str, fill: str) -> None:
    """However quickly, and even where no process holds it: what is filled here counts for the container alone."""
    spec = in_image(podman, fill, limits={"ram_gb": 0.1 if "shm" in fill else 0.2})
    assert carry_out(runner, spec).last(spec.id).reason == "out-of-memory"


def test_a_task_within_its_memory_ends_by_itself(runner: Runner, podman: str) -> None:
    spec = in_image(podman, "head -c 90000000 /dev/zero | tail -c 90000000 | wc -c; kill -9 $$", limits={"ram_gb": 0.2})
    assert carry_out(runner, spec).last(spec.id).reason == "signal"


def test_what_the_engine_said_is_kept_with_the_task(runner: Runner, podman: str) -> None:
    spec = in_image(podman, "exit 3")
    recorder = carry_out(runner, spec)
    assert recorder.last(spec.id).exit_code == 3
    said = json.loads(folder_of(runner, spec).read("container-end") or "")
    assert said["ran"] is True


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_cancel_in_the_middle_of_a_start_leaves_nothing(podman: str, tmp_path: Path, delay: float) -> None:
    runner, recorder = LocalRunner(tmp_path, slots=4, container_engine="podman", grace_s=0.1), Recorder()
    specs = [in_image(podman, "sleep 600") for _ in range(2)]
    for spec in specs:
        runner.submit(spec, recorder)
    time.sleep(delay)
    for spec in specs:
        runner.cancel(spec.id)
    assert runner.drain(PATIENCE_S)
    assert {recorder.states[spec.id] for spec in specs} == {TaskState.CANCELED}
    for spec in specs:
        wait_until(lambda: nothing_is_left(folder_of(runner, spec)))  # noqa: B023
    runner.close()


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_death_of_the_wrapper_in_the_middle_of_a_start_leaves_nothing(
    runner: Runner, podman: str, delay: float
) -> None:
    spec, recorder = in_image(podman, "sleep 600"), Recorder()
    runner.submit(spec, recorder)
    folder = folder_of(runner, spec)
    wait_until(lambda: folder.started() is not None)
    wrapper = folder.started()
    assert wrapper is not None
    time.sleep(delay)
    os.kill(wrapper.pid, signal.SIGKILL)
    assert runner.wait(spec.id, PATIENCE_S)
    assert recorder.last(spec.id).reason == "lost"
    wait_until(lambda: nothing_is_left(folder))
