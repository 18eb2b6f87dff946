"""What a real cluster is asked for: batches as arrays, GPUs, and what a node tells of a running task."""

from __future__ import annotations

from pathlib import Path

import pytest

from executors.model import TaskInput
from executors.slurm.commands import Slurm
from executors.slurm.jobs import read_completions
from executors.slurm.post import Post
from executors.slurm.runner import SlurmRunner
from executors.slurm.states import JobState
from executors.states import EventKind, TaskState
from executors.testing import Recorder, task, wait_until
from ontology.errors import UnsupportedError
from tests.contract.slurm_world import PATIENCE_S, ended, folder_of, opened, up

LARGE = {"feature": "large", "memory_gb": 80, "compute_capability": "9.0"}


def test_a_batch_becomes_few_arrays(slurm_runner: SlurmRunner, calm_conf: Path) -> None:
    """Tasks that come together, one of which fails: the others are not touched by that."""
    recorder = Recorder()
    specs = [task(f"echo {number}; test {number} -ne 37") for number in range(60)]
    with slurm_runner._desk.guard:
        for spec in specs:
            slurm_runner.submit(spec, recorder)
    assert slurm_runner.drain(2 * PATIENCE_S)
    failed = [spec for spec in specs if recorder.states[spec.id] is not TaskState.COMPLETE]
    assert [recorder.last(spec.id).reason for spec in failed] == ["exit-code"]
    assert failed == [specs[37]]
    assert slurm_runner.logs(specs[7].id, "stdout") == b"7\n"
    places = {Post(folder_of(slurm_runner, spec)).place for spec in specs}
    batches = {place.batch for place in places if place is not None}
    assert len(batches) == 1
    log = calm_conf.parent / "completed"
    wait_until(lambda: len(list(read_completions(log, batches))) == len(specs), PATIENCE_S)
    history = Slurm(conf=calm_conf).history(batches)
    assert set(history) == places
    assert {job.state for job in history.values()} == {JobState.COMPLETED}


def test_gpus_are_the_ones_that_the_cluster_gives(slurm_runner: SlurmRunner) -> None:
    recorder = Recorder()
    assert slurm_runner.capabilities.gpus == 2
    meet = "echo $CUDA_VISIBLE_DEVICES; touch ../../../gpu-$CUDA_VISIBLE_DEVICES; "
    meet += "until test -e ../../../gpu-0 -a -e ../../../gpu-1; do sleep 0.05; done"
    spec = task(meet, limits={"gpus": 1, "wall_s": 100})
    other = task(meet, limits={"gpus": 1, "wall_s": 100})
    more = task("echo $CUDA_VISIBLE_DEVICES", limits={"gpus": 3, "gpus_optional": True})
    none = task("echo $CUDA_VISIBLE_DEVICES")
    for one in (spec, other, more, none):
        slurm_runner.submit(one, recorder)
    assert slurm_runner.drain(PATIENCE_S)
    assert {recorder.states[one.id] for one in (spec, other, more, none)} == {TaskState.COMPLETE}
    assert {slurm_runner.logs(one.id, "stdout") for one in (spec, other)} == {b"0\n", b"1\n"}
    assert slurm_runner.logs(more.id, "stdout") == b"0,1\n"
    assert slurm_runner.logs(none.id, "stdout") == b"\n"


def test_a_kind_of_gpu_is_asked_for_by_its_feature(tmp_path: Path, calm_conf: Path) -> None:
    """The node has no driver that tells, so that the record says what was not checked."""
    recorder, runner = Recorder(), opened(tmp_path, calm_conf, gpus=[LARGE])
    spec = task("true", limits={"gpus": 1, "gpu_memory_gb": 40, "gpu_compute_capability": "8.0"})
    runner.submit(spec, recorder)
    assert ended(runner, spec, recorder) == (TaskState.COMPLETE, None)
    warned = [event.reason for event in recorder.events[spec.id] if event.kind is EventKind.WARN]
    assert "gpu-unchecked" in warned
    assert any("could not be seen" in remark for remark in recorder.record(spec.id)["warnings"])
    with pytest.raises(UnsupportedError) as refused:
        runner.submit(task("true", limits={"gpus": 1, "gpu_memory_gb": 141}), recorder)
    assert refused.value.field == "resources.gpu_memory_gb"
    runner.close()


def test_a_node_tells_what_a_running_task_uses(slurm_runner: SlurmRunner) -> None:
    recorder = Recorder()
    spec = up(slurm_runner, recorder, "echo 0 >file; echo up; sleep 300")
    # The first look may come before the command has begun.
    wait_until(lambda: (used := slurm_runner.usage(spec.id)) is not None and used.processes >= 1, PATIENCE_S)
    used = slurm_runner.usage(spec.id)
    assert used is not None
    assert used.wall_s > 0
    assert used.rss_bytes > 0
    assert used.gpu_percent is None
    slurm_runner.cancel(spec.id)
    assert ended(slurm_runner, spec, recorder) == (TaskState.CANCELED, "canceled")
    assert slurm_runner.usage(spec.id) is None


def test_what_a_task_opens_is_seen_on_its_node(tmp_path: Path, calm_conf: Path, bubblewrap: str) -> None:
    recorder, runner = Recorder(), opened(tmp_path / "r", calm_conf, sandbox="bubblewrap")
    inputs = []
    for name in ("used", "left"):
        (tmp_path / name).write_text(name)
        inputs.append(TaskInput(id=name, host_path=tmp_path / name, path=f"/inputs/{name}"))
    spec = task("cat /inputs/used", inputs=tuple(inputs))
    runner.submit(spec, recorder)
    assert ended(runner, spec, recorder) == (TaskState.COMPLETE, None)
    seen = recorder.record(spec.id)["inputs_observed"]
    if seen["mechanism"] != "strace":
        pytest.skip(f"strace does not work here: {seen.get('reason')}")
    assert (seen["opened"], seen["not_opened"], seen["complete"]) == (["used"], ["left"], True)
    runner.close()
