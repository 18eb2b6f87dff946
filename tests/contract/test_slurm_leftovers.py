"""What ended tasks leave in the folder that a real cluster shares, and container images on its nodes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from executors.attempts.containers import held_container
from executors.attempts.folder import bin_of
from executors.attempts.processes import marked
from executors.model import TaskInput, TaskOutput, TaskSpec
from executors.pipelines.environment import image_environment
from executors.slurm.runner import SlurmRunner
from executors.states import TaskState
from executors.testing import Recorder, task, wait_until
from tests.contract.slurm_world import PATIENCE_S, ended, folder_of, opened, up


def test_what_a_killed_service_did_not_release_is_found_and_deleted(
    slurm_runner: SlurmRunner, calm_conf: Path, tmp_path: Path
) -> None:
    recorder = Recorder()
    spec = task("echo x >out; chmod 000 .", outputs=(TaskOutput(name="o", path="out"),))
    slurm_runner.submit(spec, recorder)
    assert ended(slurm_runner, spec, recorder)[0].is_final
    assert slurm_runner.leftovers() == [spec.id]
    (bin_of(slurm_runner._root) / "half" / "1").mkdir(parents=True)
    slurm_runner.close()
    later = opened(slurm_runner._base, calm_conf)
    try:
        assert later.leftovers() == [spec.id]
        assert list(bin_of(later._root).iterdir()) == []
        later.clear(spec.id, attempt=1)
        assert later.leftovers() == []
        later.clear(spec.id, attempt=1)
    finally:
        later.close()


def test_what_still_runs_or_was_tried_again_is_left_alone(slurm_runner: SlurmRunner, calm_conf: Path) -> None:
    recorder = Recorder()
    spec = up(slurm_runner, recorder)
    assert slurm_runner.leftovers() == []
    slurm_runner.clear(spec.id, attempt=1)
    slurm_runner.close()
    later = opened(slurm_runner._base, calm_conf)
    try:
        assert later.leftovers() == [spec.id]
        later.clear(spec.id, attempt=1)
        folder = folder_of(later, spec)
        assert folder.exists, "its job may still write there"
        later.reconcile([], recorder)
        later.clear(spec.id, attempt=0)
        assert folder.exists, "a later attempt than the one that ended"
        wait_until(lambda: _is_cleared(later, spec), PATIENCE_S)
    finally:
        later.close()


def _is_cleared(runner: SlurmRunner, spec: TaskSpec) -> bool:
    """Clear what the ledger holds to have ended, and whose job was ended by the reconciliation before."""
    runner.clear(spec.id, attempt=spec.attempt)
    return runner.leftovers() == []


@pytest.fixture
def on_nodes(podman: str, calm_conf: Path, tmp_path: Path) -> Iterator[SlurmRunner]:
    """A runner whose jobs find the store of images that the tests have."""
    store = f"--export=ALL,CONTAINERS_STORAGE_CONF={os.environ['CONTAINERS_STORAGE_CONF']}"
    runner = opened(tmp_path / "runner", calm_conf, container_engine="podman", options=[store])
    yield runner
    runner.close()


def test_an_image_is_run_on_a_node(on_nodes: SlurmRunner, podman: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("abc")
    given = TaskInput(id="a", host_path=tmp_path / "a", path="/inputs/a")
    spec, recorder = (
        task("cat /inputs/a >out", inputs=(given,), outputs=(TaskOutput(name="o", path="out"),)),
        Recorder(),
    )
    on_nodes.submit(replace(spec, environment=image_environment(podman)), recorder)
    assert ended(on_nodes, spec, recorder) == (TaskState.COMPLETE, None), recorder.last(spec.id).detail
    record = recorder.record(spec.id)
    assert record["sandbox"]["kind"] == "container"
    assert record["environment"]["image"].split("@")[1] == podman.split("@")[1]
    assert recorder.last(spec.id).outputs[0].size == 3


def test_a_container_on_a_node_is_ended_with_its_task(on_nodes: SlurmRunner, podman: str) -> None:
    recorder = Recorder()
    spec = up(on_nodes, recorder, "echo up; sleep 300", environment=image_environment(podman))
    folder = folder_of(on_nodes, spec)
    held = held_container(folder)
    assert held is not None
    assert _containers(str(held["name"])) != ""
    assert on_nodes.cancel(spec.id)
    assert ended(on_nodes, spec, recorder) == (TaskState.CANCELED, "canceled")
    assert marked(folder.mark) == []
    assert _containers(str(held["name"])) == ""


def _containers(name: str) -> str:
    command = ["podman", "ps", "--all", "--quiet", "--filter", f"name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_image_that_a_node_does_not_have_is_named(slurm_runner: SlurmRunner) -> None:
    recorder = Recorder()
    image = image_environment("localhost/absent@sha256:" + "0" * 64)
    spec = task("true", environment=image)
    slurm_runner.submit(spec, recorder)
    assert ended(slurm_runner, spec, recorder) == (TaskState.SYSTEM_ERROR, "sandbox")
    assert "localhost/absent" in (recorder.last(spec.id).detail or "")
