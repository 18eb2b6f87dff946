# ruff: noqa: D102, S101 - tests: their names say what they show, and they assert
"""Tasks that mean harm: whatever they do, they end, nothing of them is left, and nothing else is touched."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from executors.model import TaskInput
from executors.runner import Runner
from executors.states import EventKind, TaskState
from executors.testing.harness import PATIENCE_S, Recorder, RunnerSuite, needs, python_task, task, wait_until

MEGABYTE = 1_000_000

CLING = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
print("up", flush=True)
time.sleep(600)
"""
"""Ignores being asked to end, and leaves a grandchild in a session of its own."""


def processes_with(mark: str) -> list[int]:
    """Return the processes of this machine whose command line holds ``mark``."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdecimal() and mark.encode() in Path("/proc", name, "cmdline").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found


class HostileTasks(RunnerSuite):
    """Limits and walls."""

    def test_cancel_leaves_nothing(self, real: Runner) -> None:
        mark = f"mark-{os.getpid()}-{id(self)}"
        spec, recorder = python_task(f"{CLING}\n# {mark}"), Recorder()
        real.submit(spec, recorder)
        wait_until(lambda: real.logs(spec.id, "stdout") == b"up\n")
        assert len(processes_with(mark)) >= 2
        real.cancel(spec.id)
        assert real.wait(spec.id, PATIENCE_S)
        assert recorder.states[spec.id] is TaskState.CANCELED, recorder.last(spec.id)
        assert processes_with(mark) == []

    def test_what_outlives_its_command_is_ended(self, real: Runner) -> None:
        mark = f"mark-{os.getpid()}-{id(self)}"
        spec = task(f"(setsid sh -c 'sleep 600; : {mark}' >/dev/null 2>&1 &) ; sleep 0.05")
        recorder = self.carry_out(real, spec)
        assert recorder.states[spec.id] is TaskState.COMPLETE
        assert processes_with(mark) == []

    def test_too_many_processes(self, real: Runner) -> None:
        mark = f"mark-{os.getpid()}-{id(self)}"
        script = f"n=0; while [ $n -lt 60 ]; do sh -c 'sleep 600; : {mark}' & n=$((n+1)); done; wait"
        spec = task(script, limits={"processes": 20})
        recorder = self.carry_out(real, spec)
        assert recorder.last(spec.id).reason == "processes"
        assert processes_with(mark) == []

    def test_too_much_memory(self, real: Runner) -> None:
        spec = python_task("x = b'x' * 300_000_000; import time; time.sleep(600)", limits={"ram_gb": 0.1})
        recorder = self.carry_out(real, spec)
        assert recorder.last(spec.id).reason == "out-of-memory"

    def test_prints_without_end(self, real: Runner) -> None:
        limit = 10_000
        spec, recorder = task("printf first; yes >&2 & yes", limits={"log_bytes": limit}), Recorder()
        real.submit(spec, recorder)
        for stream in ("stdout", "stderr"):
            wait_until(lambda: b"was not kept" in real.logs(spec.id, stream))  # noqa: B023
        real.cancel(spec.id)
        assert real.wait(spec.id, PATIENCE_S)
        logs = recorder.record(spec.id)["logs"]
        for stream in ("stdout", "stderr"):
            assert limit <= logs[stream]["size"] < limit + 1000
            assert logs[stream]["truncated"] is True
        kept = real.logs(spec.id, "stdout")
        assert kept.startswith(b"first")
        assert b"was not kept" in kept[-100:]

    def test_one_file_fills_the_disk(self, real: Runner) -> None:
        spec = task("head -c 400000000 /dev/zero >big", limits={"disk_gb": 0.02})
        recorder = self.carry_out(real, spec)
        assert recorder.states[spec.id] is TaskState.EXECUTOR_ERROR
        assert recorder.last(spec.id).reason in ("disk", "exit-code")
        usage = sum(path.stat().st_size for path in self._files(real, spec.id))
        assert usage < 25 * MEGABYTE

    def test_many_files_fill_the_disk(self, real: Runner) -> None:
        script = "n=0; while [ $n -lt 2000 ]; do head -c 1000000 /dev/zero >f$n; n=$((n+1)); done; sleep 600"
        spec = task(script, limits={"disk_gb": 0.02})
        assert self.carry_out(real, spec).last(spec.id).reason == "disk"

    @staticmethod
    def _files(runner: Runner, task_id: str) -> list[Path]:
        root: Path | None = getattr(runner, "_root", None)
        return [] if root is None else [path for path in (root / task_id).rglob("*") if path.is_file()]

    def test_writes_outside(self, real: Runner, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_text("intact")
        given = TaskInput(id="a", host_path=victim, path="/inputs/a")
        script = f"echo harm >{victim}; echo harm >/inputs/a; echo harm >/usr/sillage-harm; :"
        if not real.capabilities.confines_files:
            script = "echo harm >/inputs/a; :"
        spec = task(script, inputs=(given,))
        recorder = self.carry_out(real, spec)
        assert not Path("/usr/sillage-harm").exists()
        if real.capabilities.confines_files:
            assert victim.read_text() == "intact"
        else:
            assert recorder.last(spec.id).reason == "input-changed"
            assert "filesystem" in recorder.record(spec.id)["sandbox"]["not_enforced"]
            assert EventKind.WARN in [event.kind for event in recorder.events[spec.id]]

    def test_reads_what_it_was_not_given(self, real: Runner, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("of another participant")
        spec = task(f"d={str(tmp_path).lstrip('/')}; cat /$d/secret; ls /$d")
        recorder = self.carry_out(real, spec)
        observed = recorder.record(spec.id)["inputs_observed"]
        if real.capabilities.confines_files:
            assert real.logs(spec.id, "stdout") == b""
            assert observed["mechanism"] in ("declared-mounts", "strace")
        else:
            assert b"another participant" in real.logs(spec.id, "stdout")
            assert observed["mechanism"] in ("none", "strace")

    @pytest.mark.parametrize("asked", [False, True])
    def test_opens_the_network(self, real: Runner, asked: bool) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(PATIENCE_S)
            accepted = threading.Thread(target=self._accept, args=(server,), daemon=True)
            accepted.start()
            port = server.getsockname()[1]
            script = f"import socket; socket.create_connection(('127.0.0.1', {port}), 60); print('reached')"
            spec = python_task(script, network=asked)
            recorder = self.carry_out(real, spec)
        reached = real.logs(spec.id, "stdout") == b"reached\n"
        assert reached is (asked or not real.capabilities.confines_network)
        assert recorder.record(spec.id)["network"] is reached

    @staticmethod
    def _accept(server: socket.socket) -> None:
        try:
            server.accept()[0].close()
        except OSError:
            return

    @needs("contains_processes")
    def test_sees_no_other_processes(self, real: Runner) -> None:
        spec = task(f"kill -0 {os.getpid()}; ls /proc")
        self.carry_out(real, spec)
        seen = [int(name) for name in real.logs(spec.id, "stdout").split() if name.isdigit()]
        assert max(seen) < 50

    @needs("contains_processes")
    def test_gains_no_powers(self, real: Runner) -> None:
        spec = task(
            "grep ^CapEff /proc/self/status; echo 1 >/proc/sys/kernel/sysrq; mount -t tmpfs x /tmp; unshare -r id"
        )
        self.carry_out(real, spec)
        assert real.logs(spec.id, "stdout") == b"CapEff:\t0000000000000000\n"

    def test_inherits_no_descriptors(self, real: Runner, tmp_path: Path) -> None:
        held = os.open(tmp_path, os.O_RDONLY)
        os.set_inheritable(held, True)
        try:
            spec = task("ls /proc/self/fd")
            self.carry_out(real, spec)
        finally:
            os.close(held)
        assert set(real.logs(spec.id, "stdout").split()) == {b"0", b"1", b"2", b"3"}
