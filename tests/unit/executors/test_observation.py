"""Which inputs a task opens, seen by a real strace around real tasks, in the sandbox and without."""

from __future__ import annotations

import os
import shutil
import signal
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from executors.attempts.folder import TaskFolder
from executors.attempts.processes import command_line, marked
from executors.local.runner import LocalRunner
from executors.model import KnownTask, TaskInput, TaskSpec
from executors.observation import observer
from executors.states import TaskState
from executors.testing.harness import PATIENCE_S, Recorder, python_task, task, wait_until
from ontology.errors import UnsupportedError

pytestmark = pytest.mark.usefixtures("strace")

KINDS = ("bubblewrap", "none")


@pytest.fixture(params=KINDS)
def sandbox(request: pytest.FixtureRequest) -> str:
    if request.param == "bubblewrap":
        request.getfixturevalue("bubblewrap")
    return str(request.param)


@pytest.fixture
def runner(sandbox: str, tmp_path: Path) -> Iterator[LocalRunner]:
    opened = LocalRunner(tmp_path / "runner", slots=2, sandbox=sandbox, grace_s=0.2)
    yield opened
    opened.close()


@pytest.fixture
def given(tmp_path: Path) -> Callable[..., TaskInput]:
    """Make an input of its own content, by its name in the sandbox."""

    def make(name: str, content: str | None = None) -> TaskInput:
        place = tmp_path / "data" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content or f"content of {name}")
        return TaskInput(id=name, host_path=place, path=f"/inputs/{name}")

    return make


def observe(runner: LocalRunner, spec: TaskSpec, ends: TaskState = TaskState.COMPLETE) -> dict[str, Any]:
    """Run a task, and return what was seen of its inputs."""
    recorder = Recorder()
    runner.submit(spec, recorder)
    assert runner.wait(spec.id, PATIENCE_S), "the task did not end in time"
    said = runner.logs(spec.id, "stderr")
    assert recorder.states[spec.id] is ends, (recorder.last(spec.id).detail, said)
    seen: dict[str, Any] = recorder.record(spec.id)["inputs_observed"]
    return seen


def python_over(script: str, *inputs: TaskInput) -> TaskSpec:
    return python_task(textwrap.dedent(script), inputs=inputs)


def test_opened_and_not_opened(runner: LocalRunner, given: Callable[..., TaskInput]) -> None:
    seen = observe(runner, task("cat /inputs/a >out", inputs=(given("a"), given("b"), given("c"))))
    assert seen["mechanism"] == "strace"
    assert seen["complete"] is True
    assert (seen["opened"], seen["not_opened"]) == (["a"], ["b", "c"])
    assert "reason" not in seen


@pytest.mark.parametrize(
    "script",
    [
        "cat /inputs/a",
        "cat //inputs/./a",
        "cd /inputs && cat a",
        "cd /inputs && exec 5<a",
        "ln -s /inputs/a link && cat link",
        "ln -s /inputs folder && cat folder/a",
        "cat /proc/self/root/inputs/a",
        "cd /inputs && cat /proc/self/cwd/a",
        "(cat /inputs/a >seen &) ; until [ -s seen ]; do sleep 0.01; done",
        "setsid sh -c 'setsid cat /inputs/a'",
        "for i in 1 2 3 4 5 6 7 8; do cat /inputs/a & done; wait",
        "cat missing; cat /inputs/a",
    ],
)
@pytest.mark.usefixtures("bubblewrap")
def test_whatever_path_leads_there(script: str, given: Callable[..., TaskInput], tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path / "runner", slots=1, sandbox="bubblewrap", observe="strace")
    seen = observe(runner, task(f"{script}; true", inputs=(given("a"), given("b"))))
    runner.close()
    assert (seen["opened"], seen["not_opened"], seen["complete"]) == (["a"], ["b"], True)


@pytest.mark.parametrize(
    "call",
    [
        "os.open('/inputs/a', os.O_RDONLY)",
        "os.open('a', os.O_RDONLY, dir_fd=os.open('/inputs', os.O_PATH))",
        "(os.chdir('/inputs'), open('a'))",
        "os.open('/proc/self/fd/%d' % os.open('/inputs/a', os.O_PATH), os.O_RDONLY)",
        "open(b'/inputs/a').read()",
        "[t.join() for t in [threading.Thread(target=lambda: open('/inputs/a')) for _ in range(8)] if not t.start()]",
        "[os.waitpid(p, 0) for p in [os.posix_spawn('/bin/cat', ['cat', '/inputs/a'], {}) for _ in range(8)]]",
        "subprocess.run(['cat', 'a'], cwd='/inputs')",
        "mmap.mmap(os.open('/inputs/a', os.O_RDONLY), 0, prot=mmap.PROT_READ)",
    ],
)
@pytest.mark.usefixtures("bubblewrap")
def test_whatever_call_opens(call: str, given: Callable[..., TaskInput], tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path / "runner", slots=1, sandbox="bubblewrap", observe="strace")
    spec = python_over(f"import mmap, os, subprocess, threading\n{call}", given("a"), given("b"))
    seen = observe(runner, spec)
    runner.close()
    assert (seen["opened"], seen["not_opened"], seen["complete"]) == (["a"], ["b"], True)


@pytest.mark.parametrize(
    "call",
    [
        "os.stat('/inputs/a')",
        "os.access('/inputs/a', os.R_OK)",
        "os.listdir('/inputs')",
        "os.open('/inputs/a', os.O_PATH)",
        "os.path.exists('/inputs/a') or 1",
        "open('a', 'w').write('/inputs/a')",
    ],
)
@pytest.mark.usefixtures("bubblewrap")
def test_looking_at_is_not_opening(call: str, given: Callable[..., TaskInput], tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path / "runner", slots=1, sandbox="bubblewrap", observe="strace")
    seen = observe(runner, python_over(f"import os\n{call}", given("a")))
    runner.close()
    assert (seen["opened"], seen["not_opened"], seen["complete"]) == ([], ["a"], True)


@pytest.mark.usefixtures("bubblewrap")
def test_failed_opening_does_not_count(given: Callable[..., TaskInput], tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path / "runner", slots=1, sandbox="bubblewrap", observe="strace")
    seen = observe(runner, task("echo x 2>&1 >/inputs/a; cat /inputs/a/b /inputs/none; true", inputs=(given("a"),)))
    runner.close()
    assert (seen["opened"], seen["complete"]) == ([], True)


@pytest.mark.parametrize(
    "name", ["sub 01 (x)", 'quo"te', "new\nline", "<angle> = 3<x>", "größe", "back\\slash", "#%$;&|*"]
)
def test_odd_names(name: str, runner: LocalRunner, given: Callable[..., TaskInput]) -> None:
    odd = given(name)
    spec = python_over("import glob\n[open(p).read() for p in [__import__('sys').argv[1]]]", odd, given("b"))
    seen = observe(runner, replace_command(spec, f"/inputs/{name}"))
    assert (seen["opened"], seen["not_opened"], seen["complete"]) == ([name], ["b"], True)


def replace_command(spec: TaskSpec, *more: str) -> TaskSpec:
    from dataclasses import replace

    return replace(spec, command=(*spec.command, *more))


def test_name_that_is_no_text(runner: LocalRunner, tmp_path: Path) -> None:
    place = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    Path(place).write_text("x")
    item = TaskInput(id="odd", host_path=Path(place), path="/inputs/odd")
    seen = observe(runner, task("cat /inputs/odd", inputs=(item,)))
    assert (seen["opened"], seen["complete"]) == (["odd"], True)


def test_folder_lists_what_was_opened_in_it(runner: LocalRunner, tmp_path: Path) -> None:
    for name in ("study/sub-01/a.txt", "study/sub-01/b.txt", "study/sub-02/a.txt", "other/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    inputs = tuple(TaskInput(id=name, host_path=tmp_path / name, path=f"/inputs/{name}") for name in ("study", "other"))
    seen = observe(runner, task("cat /inputs/study/sub-01/a.txt /inputs/study/sub-02/a.txt", inputs=inputs))
    assert (seen["opened"], seen["not_opened"]) == (["study"], ["other"])
    assert seen["within"] == {"study": ["sub-01/a.txt", "sub-02/a.txt"]}


def test_folder_with_more_than_is_listed(runner: LocalRunner, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(1100):
        (tmp_path / "many" / f"{number:04}").touch()
    item = TaskInput(id="many", host_path=tmp_path / "many", path="/inputs/many")
    seen = observe(
        runner,
        python_over("import glob\nfor p in glob.glob('/inputs/many/*'): open(p).close()", item)
        if runner.capabilities.confines_files
        else task("cat /inputs/many/*", inputs=(item,)),
    )
    assert seen["opened"] == ["many"]
    assert len(seen["within"]["many"]) in (999, 1000)
    assert seen["unlisted"] == ["many"]


def test_input_below_a_folder_that_is_an_input_too(runner: LocalRunner, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "inner").write_text("x")
    (tmp_path / "one").write_text("x")
    inputs = (
        TaskInput(id="study", host_path=tmp_path / "study", path="/inputs/study"),
        TaskInput(id="one", host_path=tmp_path / "one", path="/inputs/one"),
    )
    seen = observe(runner, task("cat /inputs/one", inputs=inputs))
    assert (seen["opened"], seen["not_opened"]) == (["one"], ["study"]), seen


@pytest.mark.parametrize("how", ["/inputs/tool", "./tool", "../inputs/tool"])
def test_input_that_is_executed(how: str, runner: LocalRunner, tmp_path: Path) -> None:
    place = tmp_path / "true-program"
    place.write_bytes(Path("/bin/true").read_bytes())
    place.chmod(0o755)
    tool = TaskInput(id="tool", host_path=place, path="/inputs/tool")
    other = TaskInput(id="other", host_path=tmp_path / "runner", path="/inputs/other")
    seen = observe(
        runner, task(how if how.startswith("/") else f'cd "$(dirname /inputs/tool)" && {how}', inputs=(tool, other))
    )
    assert (seen["opened"], seen["not_opened"]) == (["tool"], ["other"])


def test_one_content_at_two_places(runner: LocalRunner, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    inputs = tuple(TaskInput(id="same", host_path=tmp_path / "x", path=f"/inputs/{name}") for name in "ab")
    seen = observe(runner, task("cat /inputs/b", inputs=inputs))
    assert (seen["opened"], seen["not_opened"]) == (["same"], [])


def test_failed_task_is_observed_too(runner: LocalRunner, given: Callable[..., TaskInput]) -> None:
    spec = task("cat /inputs/a; exit 3", inputs=(given("a"), given("b")))
    seen = observe(runner, spec, TaskState.EXECUTOR_ERROR)
    assert (seen["opened"], seen["not_opened"], seen["complete"]) == (["a"], ["b"], True)


def test_canceled_task_is_observed_too(runner: LocalRunner, given: Callable[..., TaskInput]) -> None:
    spec, recorder = task("cat /inputs/a; mkfifo p; echo up; read -r x <p", inputs=(given("a"), given("b"))), Recorder()
    runner.submit(spec, recorder)
    wait_until(lambda: runner.logs(spec.id, "stdout").endswith(b"up\n"))
    runner.cancel(spec.id)
    assert runner.wait(spec.id, PATIENCE_S)
    seen = recorder.record(spec.id)["inputs_observed"]
    assert (seen["opened"], seen["not_opened"], seen["complete"]) == (["a"], ["b"], True)


def test_task_that_never_began_opened_nothing(runner: LocalRunner, tmp_path: Path) -> None:
    missing = TaskInput(id="a", host_path=tmp_path / "none", path="/inputs/a")
    seen = observe(runner, task("cat /inputs/a", inputs=(missing,)), TaskState.SYSTEM_ERROR)
    assert (seen["mechanism"], seen["complete"], seen["not_opened"]) == ("none", True, ["a"])


def test_task_without_inputs_needs_no_observer(runner: LocalRunner) -> None:
    seen = observe(runner, task("true"))
    assert seen["mechanism"] in ("declared-mounts", "none")
    assert seen["complete"] is runner.capabilities.confines_files


def test_exit_status_and_signals_are_the_tasks_own(runner: LocalRunner, given: Callable[..., TaskInput]) -> None:
    for script, code, number in (("exit 41", 41, None), ("kill -SEGV $$", 139, 11)):
        recorder, spec = Recorder(), task(script, inputs=(given("a"),))
        runner.submit(spec, recorder)
        assert runner.wait(spec.id, PATIENCE_S)
        record = recorder.record(spec.id)
        assert (record["exit_code"], record["signal"]) == (code, number)


def observers(root: Path, spec: TaskSpec) -> dict[str, int]:
    """Return strace and awk of a running task."""
    folder = TaskFolder(root / "tasks", spec.id, 1)
    found = {}
    for pid in marked(folder.mark):
        words = command_line(pid)
        if words[:1] != [b"/bin/sh"] and any(word.endswith(os.fsencode(folder.trace)) for word in words):
            found["strace" if words[0].endswith(b"strace") else "awk"] = pid
    return found


def test_task_that_is_over_before_its_reader_begins(
    runner: LocalRunner, given: Callable[..., TaskInput], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow-awk"
    slow.write_text(f'#!/bin/sh\nsleep 0.7\nexec {shutil.which("awk")} "$@"\n')
    slow.chmod(0o755)
    assert observe(runner, task("cat /inputs/a", inputs=(given("a"),)))["opened"] == ["a"]
    monkeypatch.setattr(observer, "_programs", lambda: (shutil.which("strace"), str(slow)))
    seen = observe(runner, task("cat /inputs/a", inputs=(given("a"), given("b"))))
    assert (seen["opened"], seen["not_opened"], seen["complete"]) == (["a"], ["b"], True)


@pytest.mark.parametrize("victim", ["strace", "awk"])
def test_observer_that_is_killed(
    victim: str, runner: LocalRunner, given: Callable[..., TaskInput], tmp_path: Path
) -> None:
    script = "cat /inputs/a; echo up; while :; do sleep 0.05; : </dev/null; cat /inputs/b || exit 9; done"
    spec, recorder = task(script, inputs=(given("a"), given("b"))), Recorder()
    runner.submit(spec, recorder)
    wait_until(lambda: b"up\n" in runner.logs(spec.id, "stdout"))
    wait_until(lambda: len(observers(tmp_path / "runner", spec)) == 2)
    os.kill(observers(tmp_path / "runner", spec)[victim], signal.SIGKILL)
    if not runner.wait(spec.id, 3.0):
        runner.cancel(spec.id)
        assert runner.wait(spec.id, PATIENCE_S)
    last = recorder.last(spec.id)
    assert last.reason in ("fault", "canceled", "lost")
    seen = recorder.record(spec.id)["inputs_observed"]
    assert seen["complete"] is False
    assert "ended before" in seen["reason"] or "cannot be read" in seen["reason"]
    assert "may have been" in seen["statement"]
    wait_until(lambda: observers(tmp_path / "runner", spec) == {})


def test_restart_of_the_service_misses_nothing(sandbox: str, given: Callable[..., TaskInput], tmp_path: Path) -> None:
    first = LocalRunner(tmp_path / "runner", slots=2, sandbox=sandbox)
    script = "cat /inputs/a; echo up; while [ ! -e go ]; do sleep 0.02; done; cat /inputs/b"
    spec, recorder = task(script, inputs=(given("a"), given("b"), given("c"))), Recorder()
    first.submit(spec, recorder)
    wait_until(lambda: b"up\n" in first.logs(spec.id, "stdout"))
    first.close()
    second = LocalRunner(tmp_path / "runner", slots=2, sandbox=sandbox)
    second.reconcile([KnownTask(task_id=spec.id, state=TaskState.RUNNING)], recorder)
    (TaskFolder(tmp_path / "runner" / "tasks", spec.id, 1).work / "go").touch()
    assert second.wait(spec.id, PATIENCE_S)
    second.close()
    seen = recorder.record(spec.id)["inputs_observed"]
    assert (seen["opened"], seen["not_opened"], seen["complete"]) == (["a", "b"], ["c"], True)


def test_many_openings_leave_little_on_disk(
    runner: LocalRunner, given: Callable[..., TaskInput], tmp_path: Path
) -> None:
    spec = task("n=0; while [ $n -lt 3000 ]; do : </inputs/a; : </dev/null; n=$((n+1)); done", inputs=(given("a"),))
    seen = observe(runner, spec)
    assert (seen["opened"], seen["complete"]) == (["a"], True)
    folder = TaskFolder(tmp_path / "runner" / "tasks", spec.id, 1)
    assert (folder.path / "opened").stat().st_size < 1000


@pytest.mark.usefixtures("bubblewrap")
def test_io_uring_is_noticed(given: Callable[..., TaskInput], tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path / "runner", slots=1, sandbox="bubblewrap")
    script = """
        import ctypes
        made = ctypes.CDLL(None, use_errno=True).syscall(425, 4, ctypes.create_string_buffer(120))
        print("ring" if made >= 0 else "none", flush=True)
    """
    spec = python_over(script, given("a"))
    recorder = Recorder()
    runner.submit(spec, recorder)
    assert runner.wait(spec.id, PATIENCE_S)
    seen = recorder.record(spec.id)["inputs_observed"]
    if runner.logs(spec.id, "stdout") == b"ring\n":
        assert seen["complete"] is False
        assert "io_uring" in seen["reason"]
    else:
        assert seen["complete"] is True
    runner.close()


def test_nothing_of_the_command_is_left_in_what_is_kept(
    runner: LocalRunner, given: Callable[..., TaskInput], tmp_path: Path
) -> None:
    spec = task("cat /inputs/a; cat /etc/passwd; : a-secret-word", inputs=(given("a"),))
    observe(runner, spec)
    folder = TaskFolder(tmp_path / "runner" / "tasks", spec.id, 1)
    kept = (folder.path / "opened").read_text()
    assert kept.count("opened") == 1
    assert b"secret".hex() not in kept.replace("\\x", "")
    assert b"passwd".hex() not in kept.replace("\\x", "")


@pytest.mark.parametrize("missing", ["strace", "awk"])
def test_degrades_openly(
    missing: str, given: Callable[..., TaskInput], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from executors.observation import observer

    programs = {"strace": "/usr/bin/strace", "awk": "/usr/bin/awk", missing: None}
    monkeypatch.setattr(observer, "_programs", lambda: (programs["strace"], programs["awk"]))
    runner = LocalRunner(tmp_path / "runner", slots=1, sandbox="none")
    seen = observe(runner, task("cat /inputs/a", inputs=(given("a"),)))
    runner.close()
    assert (seen["mechanism"], seen["complete"]) == ("none", False)
    assert seen["reason"] == f"{missing} is not installed"
    with pytest.raises(UnsupportedError, match=f"{missing} is not installed") as caught:
        LocalRunner(tmp_path / "second", sandbox="none", observe="strace")
    assert caught.value.field == "observe"
    assert caught.value.next_step


def test_tracing_that_is_forbidden_is_found_out_once(
    given: Callable[..., TaskInput], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from executors.observation import observer

    forbidden = tmp_path / "strace"
    forbidden.write_text("#!/bin/sh\necho 'strace: ptrace: Operation not permitted' >&2\nexit 1\n")
    forbidden.chmod(0o755)
    monkeypatch.setattr(observer, "_programs", lambda: (str(forbidden), "/usr/bin/awk"))
    monkeypatch.setattr(observer, "_END_S", 0.05)
    runner = LocalRunner(tmp_path / "runner", slots=1, sandbox="none")
    for name in "ab":
        seen = observe(runner, task(f"cat /inputs/{name}", inputs=(given(name),)))
        assert seen["mechanism"] == "none"
        assert "Operation not permitted" in seen["reason"]
    runner.close()
    assert [message for message in caplog.messages if "is not observed" in message] == [
        "which inputs tasks open is not observed: strace cannot trace here (strace: ptrace: Operation not permitted)"
    ]


def test_switched_off(given: Callable[..., TaskInput], tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path / "runner", slots=1, sandbox="none", observe="none")
    seen = observe(runner, task("cat /inputs/a", inputs=(given("a"),)))
    runner.close()
    assert (seen["mechanism"], seen["reason"]) == ("none", "the configuration says so")


def test_nothing_is_left_of_the_observers(runner: LocalRunner, given: Callable[..., TaskInput], tmp_path: Path) -> None:
    spec = task("(setsid sleep 600 >/dev/null 2>&1 &); sleep 0.2; cat /inputs/a", inputs=(given("a"),))
    seen = observe(runner, spec)
    assert (seen["opened"], seen["complete"]) == (["a"], True)
    wait_until(lambda: not marked(TaskFolder(tmp_path / "runner" / "tasks", spec.id, 1).mark))
