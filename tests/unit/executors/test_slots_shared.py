"""Several processes on one machine: it is promised once, fairly, and neither the dead nor the stopped keep anything."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from executors.attempts.folder import TaskFolder
from executors.host import Gpu
from executors.local import board
from executors.local.board import Board
from executors.local.runner import LocalRunner
from executors.local.slots import Grant, Slots
from executors.model import KnownTask, Resources
from executors.states import TaskState
from executors.testing import Recorder, task, wait_until

PATIENCE_S = 60.0


class Process:
    """Slots as another process would have them, with what it runs."""

    def __init__(self, root: Path, cores: int = 4, ram: int = 10_000_000_000, gpus: int = 0) -> None:
        self.board = Board(root, root / "tasks")
        known = tuple(
            Gpu(index=n, uuid=f"{n}", model="m", driver="d", memory_bytes=40_000_000_000, compute_capability="8.0")
            for n in range(gpus)
        )
        self.slots = Slots(cpu_cores=cores, ram_bytes=ram, gpus=known, board=self.board)
        self.inside: dict[str, Grant] = {}

    def ask(self, key: str, owner: str = "x", **limits: float) -> bool:
        """Ask for room; tell whether it was given at once."""
        resources = Resources(**limits)  # type: ignore[arg-type]
        self.slots.queue(key, resources, lambda grant: self.inside.update({key: grant}), owner=owner)
        return key in self.inside

    def leave(self, key: str) -> None:
        self.slots.give_back(self.inside.pop(key))


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the board's lock, and for wishes, however long this machine lets another thread or process rest."""
    monkeypatch.setattr(board, "LOCK_S", PATIENCE_S)
    monkeypatch.setattr(board, "STALE_S", PATIENCE_S)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    made: list[Process] = []
    (tmp_path / "tasks").mkdir()

    def process(**members: int) -> Process:
        made.append(Process(tmp_path, **members))
        return made[-1]

    yield process
    for each in made:
        each.slots.close()


def test_cores_and_memory_are_promised_once(make: Callable[..., Process]) -> None:
    one, two = make(cores=4), make(cores=4)
    assert one.ask("a", cpu_cores=3)
    assert not two.ask("b", cpu_cores=2)
    one.leave("a")
    wait_until(lambda: "b" in two.inside, PATIENCE_S)
    assert one.ask("c", ram_gb=6, cpu_cores=1)
    assert not two.ask("d", ram_gb=6, cpu_cores=1)
    one.leave("c")
    wait_until(lambda: "d" in two.inside, PATIENCE_S)


def test_no_gpu_is_given_twice(make: Callable[..., Process]) -> None:
    one, two = make(gpus=2), make(gpus=2)
    assert one.ask("a", gpus=1)
    assert two.ask("b", gpus=1)
    assert {one.inside["a"].gpus, two.inside["b"].gpus} == {(0,), (1,)}
    assert not one.ask("c", gpus=1)
    two.leave("b")
    wait_until(lambda: "c" in one.inside, PATIENCE_S)


def test_who_holds_least_goes_first_whichever_process_he_asks(make: Callable[..., Process]) -> None:
    one, two = make(cores=2), make(cores=2)
    assert one.ask("a1", owner="a")
    assert one.ask("a2", owner="a")
    assert not one.ask("a3", owner="a")
    assert not two.ask("b1", owner="b")
    one.leave("a1")
    assert "a3" not in one.inside, "b holds nothing, and is served before"
    wait_until(lambda: "b1" in two.inside, PATIENCE_S)
    one.leave("a2")
    wait_until(lambda: "a3" in one.inside, PATIENCE_S)


def test_a_large_task_is_not_starved_by_another_process(make: Callable[..., Process]) -> None:
    one, two = make(cores=4), make(cores=4)
    for number in range(4):
        assert one.ask(f"{number}", owner="a")
    assert not two.ask("large", owner="b", cpu_cores=4)
    for number in range(4):
        one.ask(f"more-{number}", owner="a")
        one.leave(f"{number}")
    assert not [key for key in one.inside if key.startswith("more")]
    wait_until(lambda: "large" in two.inside, PATIENCE_S)
    two.leave("large")
    wait_until(lambda: len(one.inside) == 4, PATIENCE_S)


def test_nobody_waits_for_a_process_that_has_stopped(
    make: Callable[..., Process], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one, two = make(cores=2), make(cores=2)
    assert one.ask("a", owner="a", cpu_cores=2)
    assert not two.ask("b", owner="b", cpu_cores=2)
    two.slots._over.set()
    assert not one.ask("c", owner="a")
    monkeypatch.setattr(board, "STALE_S", -1.0)
    one.leave("a")
    wait_until(lambda: "c" in one.inside, PATIENCE_S)
    monkeypatch.setattr(board, "LOCK_S", 0.0)
    with open(tmp_path / board.FILE) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert one.ask("d", owner="a"), "there is room, as far as anybody can tell"


def test_a_board_that_cannot_be_read_stops_nobody(make: Callable[..., Process], tmp_path: Path) -> None:
    one = make()
    (tmp_path / board.FILE).write_bytes(b"x" * 3 * board.HALF)
    assert one.ask("a")
    (tmp_path / board.FILE).write_bytes(b"")
    assert one.ask("b")


def test_a_process_that_is_killed_while_it_writes_spoils_nothing(make: Callable[..., Process], tmp_path: Path) -> None:
    one, two = make(cores=2), make(cores=2)
    assert one.ask("a")
    assert one.ask("b")
    content = bytearray((tmp_path / board.FILE).read_bytes())
    newer = 0 if content[0] > content[board.HALF] else board.HALF
    older = board.HALF - newer
    content[older : older + 60] = b"{" * 60
    (tmp_path / board.FILE).write_bytes(content)
    assert not two.ask("c"), "what was noted last still counts"
    one.leave("a")
    wait_until(lambda: "c" in two.inside, PATIENCE_S)


OTHER = """
import sys, time
from pathlib import Path
from executors.local.runner import LocalRunner
from executors.model import Resources, TaskSpec
runner = LocalRunner(Path(sys.argv[1]), slots=2, sandbox="none", observe="none")
script = "until [ -e go ]; do sleep 0.02; done"
for name in ("first", "second"):
    spec = TaskSpec(id=name, name=name, command=("/bin/sh", "-c", script), resources=Resources(cpu_cores=2))
    runner.submit(spec, lambda task, event: print(f"{task} {event.kind}\\n", end="", flush=True))
print("submitted\\n", end="", flush=True)
runner.drain()
print("drained", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_machine_that_another_process_uses(tmp_path: Path, killed: bool) -> None:
    root = tmp_path / "runner"
    command = [sys.executable, "-c", OTHER, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        try:
            said: set[str] = set()
            while not {"first start", "submitted"} <= said:
                said.add(other.stdout.readline().rstrip())
                assert other.poll() is None
            running = TaskFolder(root / "tasks", "first", 1)
            wait_until(lambda: running.started() is not None, PATIENCE_S)
            runner, recorder = LocalRunner(root, slots=2, sandbox="none", observe="none"), Recorder()
            spec = task("true", limits={"cpu_cores": 1})
            runner.submit(spec, recorder)
            if killed:
                other.kill()
                other.wait(PATIENCE_S)
            runner._slots._advance()
            assert spec.id not in recorder.states, "what the other has begun still runs"
            for name in ("first", "second"):
                (TaskFolder(root / "tasks", name, 1).work / "go").touch()
            assert runner.wait(spec.id, PATIENCE_S)
            assert recorder.states[spec.id] is TaskState.COMPLETE
            runner.close()
        finally:
            other.kill()


def test_what_is_taken_up_again_is_counted_once(tmp_path: Path) -> None:
    runner, recorder = LocalRunner(tmp_path, slots=2, sandbox="none", observe="none"), Recorder()
    spec = task("until [ -e go ]; do sleep 0.02; done")
    folder = TaskFolder(tmp_path / "tasks", spec.id, 1)
    runner.submit(spec, recorder)
    wait_until(lambda: recorder.states.get(spec.id) is TaskState.RUNNING, PATIENCE_S)
    wait_until(lambda: folder.started() is not None, PATIENCE_S)
    runner.close()
    again = LocalRunner(tmp_path, slots=2, sandbox="none", observe="none")
    again.reconcile([KnownTask(task_id=spec.id, state=TaskState.RUNNING)], recorder)
    quick = task("true")
    again.submit(quick, recorder)
    assert again.wait(quick.id, PATIENCE_S)
    (folder.work / "go").touch()
    assert again.wait(spec.id, PATIENCE_S)
    assert again.drain(PATIENCE_S)
    again.close()
    left = LocalRunner(tmp_path, slots=2, sandbox="none", observe="none")
    full = task("true", limits={"cpu_cores": 2})
    left.submit(full, recorder)
    assert left.wait(full.id, PATIENCE_S)
    left.close()
