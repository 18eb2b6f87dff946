# ruff: noqa: D102, S101 - tests: their names say what they show, and they assert
"""The service goes away and comes back: tasks go on, end, or are declared lost, and never twice."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest

from executors.model import KnownTask, TaskEvent, TaskInput, TaskOutput, TaskSpec
from executors.runner import Runner
from executors.states import EventKind, TaskState
from executors.testing.harness import PATIENCE_S, Recorder, RunnerSuite, task, wait_until
from ontology.errors import ConflictError

HELD = "until [ -e go ]; do sleep 0.02; done; rm go; "
"""Begins the script of a task that goes on when it is told to: however slow the machine, it is still there."""


def let_go(work_root: Path, spec: TaskSpec) -> None:
    """Tell a held task to go on."""
    (work_root / "tasks" / spec.id / "1" / "work" / "go").touch()


class Restart(RunnerSuite):
    """Reconciliation."""

    def _restart(self, spec: TaskSpec, recorder: Recorder, work_root: Path) -> Runner:
        again = self.open_runner(work_root)
        state = recorder.states.get(spec.id, TaskState.QUEUED)
        again.reconcile([KnownTask(task_id=spec.id, state=state, attempt=spec.attempt, spec=spec)], recorder)
        return again

    def _ends_well(self, runner: Runner, spec: TaskSpec, recorder: Recorder) -> None:
        try:
            assert runner.wait(spec.id, PATIENCE_S)
            assert recorder.states[spec.id] is TaskState.COMPLETE
            assert recorder.kinds(spec.id).count(EventKind.COMPLETE) == 1
            assert [output.path for output in recorder.last(spec.id).outputs] == ["out"]
            assert recorder.record(spec.id)["exit_code"] == 0
        finally:
            runner.close()

    def test_task_goes_on_without_the_service(self, durable: Runner, work_root: Path) -> None:
        spec, recorder = task(f"{HELD}echo x >out", outputs=(TaskOutput(name="o", path="out"),)), Recorder()
        durable.submit(spec, recorder)
        wait_until(lambda: recorder.states.get(spec.id) is TaskState.RUNNING)
        durable.close()
        assert recorder.kinds(spec.id) == [EventKind.INITIALIZE, EventKind.START]
        again = self._restart(spec, recorder, work_root)
        let_go(work_root, spec)
        self._ends_well(again, spec, recorder)

    def test_task_ends_without_the_service(self, durable: Runner, work_root: Path) -> None:
        spec, recorder = task(f"{HELD}echo x >out", outputs=(TaskOutput(name="o", path="out"),)), Recorder()
        durable.submit(spec, recorder)
        wait_until(lambda: recorder.states.get(spec.id) is TaskState.RUNNING)
        durable.close()
        let_go(work_root, spec)
        ended = work_root / "tasks" / spec.id / "1" / "exit"
        wait_until(ended.exists)
        self._ends_well(self._restart(spec, recorder, work_root), spec, recorder)

    @pytest.mark.parametrize("script", ["cat /inputs/a >out", "cat /inputs/a >out; exit 3"])
    @pytest.mark.parametrize("ended", [False, True])
    def test_inputs_are_recorded_after_a_restart(
        self, durable: Runner, work_root: Path, tmp_path: Path, script: str, ended: bool
    ) -> None:
        (tmp_path / "a").write_text("abc")
        digest = hashlib.sha256(b"abc").hexdigest()
        given = TaskInput(id="a", host_path=tmp_path / "a", path="/inputs/a", sha256=digest, size=3)
        spec, recorder = task(HELD + script, inputs=(given,)), Recorder()
        durable.submit(spec, recorder)
        wait_until(lambda: recorder.states.get(spec.id) is TaskState.RUNNING)
        durable.close()
        if ended:
            let_go(work_root, spec)
            wait_until((work_root / "tasks" / spec.id / "1" / "exit").exists)
        again = self._restart(spec, recorder, work_root)
        if not ended:
            let_go(work_root, spec)
        assert again.wait(spec.id, PATIENCE_S)
        again.close()
        record = recorder.record(spec.id)
        assert record["exit_code"] == (3 if "exit 3" in script else 0), record["detail"]
        assert record["inputs"] == [{"id": "a", "path": "/inputs/a", "sha256": digest, "size": 3}]

    def test_waiting_task_is_started(self, durable: Runner, work_root: Path) -> None:
        recorder, cores = Recorder(), durable.capabilities.cpu_cores
        first = task("sleep 600", limits={"cpu_cores": cores})
        second = task("echo x >out", outputs=(TaskOutput(name="o", path="out"),), limits={"cpu_cores": cores})
        durable.submit(first, recorder)
        durable.submit(second, recorder)
        wait_until(lambda: recorder.states.get(first.id) is TaskState.RUNNING)
        durable.close()
        again = self.open_runner(work_root)
        known = [KnownTask(task_id=spec.id, state=TaskState.QUEUED) for spec in (first, second)]
        again.reconcile(known, recorder)
        assert again.cancel(first.id)
        self._ends_well(again, second, recorder)
        assert recorder.states[first.id] is TaskState.CANCELED, recorder.last(first.id).detail

    def test_service_goes_away_while_the_task_is_prepared(self, durable: Runner, work_root: Path) -> None:
        spec, recorder = task("echo x >>out", outputs=(TaskOutput(name="o", path="out"),)), Recorder()
        closing = threading.Thread(target=durable.close, daemon=True)

        def sink(task_id: str, event: TaskEvent) -> None:
            recorder(task_id, event)
            if event.kind is EventKind.INITIALIZE:
                closing.start()
                time.sleep(0.05)

        durable.submit(spec, sink)
        wait_until(lambda: closing.ident is not None)
        closing.join(PATIENCE_S)
        again = self._restart(spec, recorder, work_root)
        self._ends_well(again, spec, recorder)
        assert recorder.last(spec.id).outputs[0].size == 2, "it ran once"

    def test_service_goes_away_while_the_task_is_canceled(self, durable: Runner, work_root: Path) -> None:
        spec, recorder = task("sleep 600"), Recorder()
        durable.submit(spec, recorder)
        wait_until(lambda: recorder.states.get(spec.id) is TaskState.RUNNING)
        durable.close()
        assert durable.cancel(spec.id)
        recorder.states[spec.id] = TaskState.CANCELING
        again = self._restart(spec, recorder, work_root)
        assert again.wait(spec.id, PATIENCE_S)
        assert recorder.states[spec.id] is TaskState.CANCELED, recorder.last(spec.id)
        again.close()

    def test_same_attempt_after_a_restart_is_refused(self, durable: Runner, work_root: Path) -> None:
        spec, recorder = task("true"), Recorder()
        durable.submit(spec, recorder)
        assert durable.wait(spec.id, PATIENCE_S)
        durable.close()
        again = self.open_runner(work_root)
        with pytest.raises(ConflictError):
            again.submit(spec, recorder)
        again.close()

    def test_cancel_reaches_a_task_that_was_picked_up(self, durable: Runner, work_root: Path) -> None:
        spec, recorder = task("sleep 600"), Recorder()
        durable.submit(spec, recorder)
        wait_until(lambda: recorder.states.get(spec.id) is TaskState.RUNNING)
        durable.close()
        again = self._restart(spec, recorder, work_root)
        assert again.cancel(spec.id)
        assert again.wait(spec.id, PATIENCE_S)
        assert recorder.states[spec.id] is TaskState.CANCELED, recorder.last(spec.id)
        again.close()

    def test_two_services_do_not_both_watch(self, durable: Runner, work_root: Path) -> None:
        spec, recorder, other = task(f"{HELD}true"), Recorder(), Recorder()
        durable.submit(spec, recorder)
        wait_until(lambda: recorder.states.get(spec.id) is TaskState.RUNNING)
        second = self.open_runner(work_root)
        second.reconcile([KnownTask(task_id=spec.id, state=TaskState.RUNNING)], other)
        second.reconcile([], other)
        let_go(work_root, spec)
        assert durable.wait(spec.id, PATIENCE_S)
        assert recorder.states[spec.id] is TaskState.COMPLETE
        assert other.events == {}
        second.close()

    def test_unknown_task_is_lost(self, runner: Runner) -> None:
        recorder = Recorder()
        recorder.states["task-gone"] = TaskState.RUNNING
        runner.reconcile([KnownTask(task_id="task-gone", state=TaskState.RUNNING)], recorder)
        wait_until(lambda: recorder.states["task-gone"].is_final)
        last = recorder.last("task-gone")
        assert (last.state, last.reason) == (TaskState.SYSTEM_ERROR, "lost")

    def test_final_event_is_delivered_again(self, durable: Runner, work_root: Path) -> None:
        spec, recorder = task("echo x >out", outputs=(TaskOutput(name="o", path="out"),)), Recorder()

        def failing(task_id: str, event: TaskEvent) -> None:
            if event.kind is EventKind.COMPLETE:
                raise OSError("the ledger is away")
            recorder(task_id, event)

        durable.submit(spec, failing)
        assert durable.drain(PATIENCE_S)
        assert recorder.states[spec.id] is TaskState.RUNNING
        durable.reconcile([KnownTask(task_id=spec.id, state=TaskState.RUNNING)], recorder)
        self._ends_well(durable, spec, recorder)
