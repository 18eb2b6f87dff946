# ruff: noqa: D102, S101 - tests: their names say what they show, and they assert
"""From submission to the final event: order, refusals, failures, cancelling, logs."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import fields, replace
from pathlib import Path

import pytest

from executors.model import Resources, TaskContent, TaskInput, TaskOutput, Usage
from executors.runner import Runner
from executors.states import EventKind, TaskState
from executors.testing.harness import PATIENCE_S, Recorder, RunnerSuite, python_task, task, wait_until
from ontology.errors import (
    BackendUnavailableError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnsupportedError,
    ValidationFailedError,
)

ORDER = [EventKind.INITIALIZE, EventKind.START]


class Lifecycle(RunnerSuite):
    """What becomes of a task."""

    def test_declares_what_is_tested(self, runner: Runner) -> None:
        declared = runner.capabilities
        switches = [member.name for member in fields(declared) if isinstance(getattr(declared, member.name), bool)]
        assert {name for name in switches if not getattr(declared, name)} == set(self.without)

    def test_hello(self, runner: Runner) -> None:
        spec = task("echo hello")
        recorder = self.carry_out(runner, spec)
        assert recorder.kinds(spec.id) == [*ORDER, EventKind.COMPLETE]
        assert recorder.states[spec.id] is TaskState.COMPLETE
        assert recorder.last(spec.id).exit_code == 0
        assert recorder.record(spec.id)["task"] == spec.id

    def test_input_to_output(self, real: Runner, tmp_path: Path) -> None:
        source = tmp_path / "sub-01 T1w.txt"
        source.write_text("voxels")
        spec = task(
            "cat /inputs/a.txt /inputs/more.txt >out.txt; cat note.txt >>out.txt",
            inputs=(TaskInput(id="a", host_path=source, path="/inputs/a.txt"),),
            contents=(
                TaskContent(path="/inputs/more.txt", content="+"),
                TaskContent(path="/work/note.txt", content="note"),
            ),
            outputs=(TaskOutput(name="o", path="out.txt"),),
        )
        recorder = self.carry_out(real, spec)
        (output,) = recorder.last(spec.id).outputs
        assert output.host_path.read_text() == "voxels+note"
        assert (output.name, output.path, output.size) == ("o", "out.txt", 11)
        assert output.sha256 == hashlib.sha256(b"voxels+note").hexdigest()

    def test_record_says_what_was_run(self, real: Runner, tmp_path: Path) -> None:
        source = tmp_path / "a"
        source.write_text("x")
        spec = task(
            "echo said; echo erred >&2",
            inputs=(TaskInput(id="a", host_path=source, path="/inputs/a"),),
            parameters={"threshold": 0.5},
            plan={"name": "p", "version": "1.0.0"},
            seeds={"numpy": 7},
            env={"MODE": "quick"},
        )
        record = self.carry_out(real, spec).record(spec.id)
        assert record["command"] == ["/bin/sh", "-c", "echo said; echo erred >&2"]
        assert record["parameters"] == {"threshold": 0.5}
        assert record["plan"]["version"] == "1.0.0"
        assert record["seeds"] == {"numpy": 7}
        assert record["environment_variables"]["MODE"] == "quick"
        assert record["inputs"] == [
            {"id": "a", "path": "/inputs/a", "sha256": hashlib.sha256(b"x").hexdigest(), "size": 1}
        ]
        assert record["started"] <= record["ended"]
        assert record["logs"]["stdout"]["sha256"] == hashlib.sha256(b"said\n").hexdigest()
        assert record["logs"]["stderr"]["size"] == len(b"erred\n")
        assert record["resources"]["wall_s"] >= 0
        assert record["host"]["cpu_cores"] >= 1
        assert record["gpus"] == []

    def test_environment_is_not_inherited(self, real: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET_TOKEN", "s3cret")
        spec = task("env")
        self.carry_out(real, spec)
        assert b"s3cret" not in real.logs(spec.id, "stdout")

    def test_python_of_the_environment(self, real: Runner) -> None:
        spec = python_task("import numpy; print(numpy.__name__)")
        recorder = self.carry_out(real, spec)
        assert recorder.states[spec.id] is TaskState.COMPLETE, real.logs(spec.id, "stderr")
        assert real.logs(spec.id, "stdout") == b"numpy\n"
        assert any(package.startswith("numpy==") for package in recorder.record(spec.id)["environment"]["packages"])

    def test_same_attempt_twice_is_refused(self, runner: Runner) -> None:
        spec = task("true")
        recorder = self.carry_out(runner, spec)
        with pytest.raises(ConflictError):
            runner.submit(spec, recorder)

    def test_retry_is_a_new_attempt(self, runner: Runner) -> None:
        spec = task("true")
        self.carry_out(runner, spec)
        again = replace(spec, attempt=2)
        recorder = self.carry_out(runner, again)
        assert recorder.last(spec.id).attempt == 2
        assert recorder.states[spec.id] is TaskState.COMPLETE

    def test_more_than_there_is_is_refused(self, runner: Runner) -> None:
        too_many = runner.capabilities.cpu_cores + 1
        with pytest.raises(UnsupportedError) as caught:
            runner.submit(task("true", limits={"cpu_cores": too_many}), Recorder())
        assert caught.value.field == "resources.cpu_cores"
        assert caught.value.params["available"] == runner.capabilities.cpu_cores

    def test_contradictions_are_all_listed(self, runner: Runner) -> None:
        spec = task(
            "true",
            inputs=(TaskInput(id="a", host_path=Path("/a"), path="inputs/../a"),),
            outputs=(TaskOutput(name="o", path="../outside"),),
            env={"NOT A NAME": "x"},
            resources=Resources(wall_s=-1),
        )
        with pytest.raises(ValidationFailedError) as caught:
            runner.submit(spec, Recorder())
        fields = {problem["field"] for problem in caught.value.params["problems"]}
        assert fields == {"/inputs", "/outputs/0/path", "/env/NOT A NAME", "/resources/wall_s"}

    def test_exit_status_is_a_failure(self, real: Runner) -> None:
        spec = task("echo reason >&2; exit 3")
        recorder = self.carry_out(real, spec)
        last = recorder.last(spec.id)
        assert (last.kind, last.state, last.reason, last.exit_code) == (
            EventKind.FAIL,
            TaskState.EXECUTOR_ERROR,
            "exit-code",
            3,
        )
        assert recorder.record(spec.id)["exit_code"] == 3
        assert real.logs(spec.id, "stderr") == b"reason\n"

    def test_signal_is_a_failure(self, real: Runner) -> None:
        spec = task("kill -SEGV $$")
        recorder = self.carry_out(real, spec)
        assert recorder.last(spec.id).reason == "signal"
        assert recorder.record(spec.id)["signal"] == 11

    def test_absent_command_is_a_failure(self, real: Runner) -> None:
        spec = task("/no/such/command", "x")
        recorder = self.carry_out(real, spec)
        assert recorder.states[spec.id] is TaskState.EXECUTOR_ERROR
        assert recorder.last(spec.id).reason == "command-not-found"

    def test_absent_input_is_not_the_commands_fault(self, real: Runner, tmp_path: Path) -> None:
        spec = task("true", inputs=(TaskInput(id="a", host_path=tmp_path / "none", path="/inputs/a"),))
        recorder = self.carry_out(real, spec)
        assert recorder.states[spec.id] is TaskState.SYSTEM_ERROR
        assert recorder.last(spec.id).reason == "input-missing"

    def test_altered_input_is_not_run_on(self, real: Runner, tmp_path: Path) -> None:
        source = tmp_path / "a"
        source.write_text("altered")
        digest = hashlib.sha256(b"original").hexdigest()
        spec = task("true", inputs=(TaskInput(id="a", host_path=source, path="/inputs/a", sha256=digest),))
        recorder = self.carry_out(real, spec)
        assert recorder.kinds(spec.id) == [EventKind.INITIALIZE, EventKind.ABORT]
        assert recorder.last(spec.id).reason == "input-changed"

    def test_time_runs_out(self, real: Runner) -> None:
        spec = task("sleep 600", limits={"wall_s": 0.3})
        recorder = self.carry_out(real, spec)
        assert recorder.last(spec.id).reason == "timeout"
        assert recorder.states[spec.id] is TaskState.EXECUTOR_ERROR

    def test_cancel_running(self, real: Runner) -> None:
        spec, recorder = task("echo up; sleep 600"), Recorder()
        real.submit(spec, recorder)
        wait_until(lambda: real.logs(spec.id, "stdout") == b"up\n")
        assert real.cancel(spec.id)
        assert real.wait(spec.id, PATIENCE_S)
        assert recorder.states[spec.id] is TaskState.CANCELED, recorder.last(spec.id)
        assert recorder.last(spec.id).kind is EventKind.STOP
        assert real.cancel(spec.id) is False

    def test_cancel_waiting(self, real: Runner) -> None:
        recorder, cores = Recorder(), real.capabilities.cpu_cores
        first = task("sleep 600", limits={"cpu_cores": cores})
        second = task("echo ran", limits={"cpu_cores": cores})
        real.submit(first, recorder)
        real.submit(second, recorder)
        assert real.cancel(second.id)
        assert real.wait(second.id, PATIENCE_S)
        assert recorder.kinds(second.id) == [EventKind.STOP]
        assert real.cancel(first.id)
        assert real.drain(PATIENCE_S)

    def test_tasks_wait_for_room(self, real: Runner) -> None:
        recorder, cores = Recorder(), real.capabilities.cpu_cores
        specs = [task("sleep 0.1", limits={"cpu_cores": cores}) for _ in range(3)]
        for spec in specs:
            real.submit(spec, recorder)
        assert real.drain(PATIENCE_S)
        spans = sorted((recorder.record(spec.id)["started"], recorder.record(spec.id)["ended"]) for spec in specs)
        assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))

    def test_what_a_running_task_uses(self, real: Runner) -> None:
        spec, recorder = task("head -c 3000000 /dev/zero >file; sleep 600"), Recorder()
        real.submit(spec, recorder)
        seen: list[Usage] = []

        def is_seen() -> bool:
            """Tell whether a look shows it all: the first may come before the command has begun."""
            look = real.usage(spec.id)
            seen.extend([] if look is None else [look])
            return look is not None and look.work_bytes >= 3_000_000 and look.processes >= 1 and look.rss_bytes > 0

        wait_until(is_seen)
        assert seen[-1].wall_s > 0
        assert seen[-1].at.endswith("Z")
        real.cancel(spec.id)
        assert real.wait(spec.id, PATIENCE_S)
        assert real.usage(spec.id) is None

    def test_nothing_is_used_by_tasks_that_nobody_knows(self, runner: Runner) -> None:
        assert runner.usage("task-nobody") is None

    def test_logs_from_an_offset(self, real: Runner) -> None:
        spec = task("printf 0123456789")
        self.carry_out(real, spec)
        assert real.logs(spec.id, "stdout", 4, 3) == b"456"
        assert real.logs(spec.id, "stdout", 99) == b""
        with pytest.raises(InvalidRequestError):
            real.logs(spec.id, "stdin")
        with pytest.raises(InvalidRequestError):
            real.logs(spec.id, "stdout", -1)

    def test_unknown_tasks(self, runner: Runner) -> None:
        for ask in (runner.cancel, runner.wait, lambda name: runner.logs(name, "stdout")):
            with pytest.raises(NotFoundError):
                ask("task-nobody")

    def test_release_forgets(self, runner: Runner) -> None:
        spec = task("true")
        self.carry_out(runner, spec)
        runner.release(spec.id)
        with pytest.raises(NotFoundError):
            runner.logs(spec.id, "stdout")

    def test_release_while_the_final_event_is_taken(self, real: Runner) -> None:
        spec, recorder = task("true"), Recorder()

        def sink(task_id: str, event: object) -> None:
            recorder(task_id, event)  # type: ignore[arg-type]
            if recorder.states[task_id].is_final:
                real.release(task_id)

        real.submit(spec, sink)
        wait_until(lambda: recorder.states.get(spec.id) is TaskState.COMPLETE)
        real.drain(PATIENCE_S)
        with pytest.raises(NotFoundError):
            real.logs(spec.id, "stdout")

    def test_release_of_a_running_task_is_refused(self, real: Runner) -> None:
        spec = task("sleep 600")
        real.submit(spec, Recorder())
        with pytest.raises(ConflictError):
            real.release(spec.id)
        real.cancel(spec.id)
        assert real.wait(spec.id, PATIENCE_S)

    def test_closed_runner_takes_nothing(self, runner: Runner) -> None:
        runner.close()
        runner.close()
        with pytest.raises(BackendUnavailableError):
            runner.submit(task("true"), Recorder())
