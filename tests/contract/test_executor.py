"""The runner suite over every runner that ships: sandboxed, in images, plain, on a cluster, and the no-op."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from executors.local.runner import LocalRunner
from executors.model import TaskSpec
from executors.noop import NoopRunner
from executors.pipelines.environment import image_environment
from executors.runner import EventSink, Runner
from executors.slurm.runner import SlurmRunner
from executors.testing import RunnerContract
from ontology.errors import UnsupportedError


def _bubblewrap_works(tmp: Path) -> bool:
    try:
        LocalRunner(tmp, sandbox="bubblewrap").close()
    except UnsupportedError:
        return False
    return True


@pytest.mark.service
class TestLocalSandboxed(RunnerContract):
    @pytest.fixture(autouse=True)
    def _needs_bubblewrap(self, tmp_path: Path) -> None:
        if not _bubblewrap_works(tmp_path / "probe"):
            required = "bubblewrap" in os.environ.get("SILLAGE_TEST_REQUIRE", "").split(",")
            reason = f"bubblewrap does not work here (bwrap at {shutil.which('bwrap')})"
            pytest.fail(reason) if required else pytest.skip(reason)

    def open_runner(self, work_root: Path) -> Runner:
        return LocalRunner(work_root, slots=2, sandbox="bubblewrap", grace_s=0.2, observe="none")


class _InImage(LocalRunner):
    """Runs whatever it is given in one image, with what the description mounts."""

    image = ""

    def submit(self, spec: TaskSpec, sink: EventSink) -> None:
        pinned, given = image_environment(self.image), spec.environment
        inside = replace(pinned, packages=given.packages, mounts=given.mounts, executables=given.executables)
        super().submit(replace(spec, environment=inside), sink)


class TestLocalContainer(RunnerContract):
    """The same promises where the environment is an image, which an engine runs."""

    @pytest.fixture(autouse=True)
    def _image(self, podman: str) -> None:
        _InImage.image = podman

    def open_runner(self, work_root: Path) -> Runner:
        return _InImage(work_root, slots=2, container_engine="podman", sandbox="bubblewrap", grace_s=0.2)


class TestLocalPlain(RunnerContract):
    without = frozenset({"confines_files", "confines_network", "contains_processes"})

    def open_runner(self, work_root: Path) -> Runner:
        return LocalRunner(work_root, slots=2, sandbox="none", grace_s=0.2, observe="none")


class TestSlurm(RunnerContract):
    """Over a real cluster; its commands are quick, so that looks are frequent."""

    @pytest.fixture(autouse=True)
    def _cluster(self, slurm_conf: str) -> None:
        self.conf = Path(slurm_conf)

    def open_runner(self, work_root: Path) -> Runner:
        return SlurmRunner(
            work_root, conf=self.conf, sandbox="bubblewrap", grace_s=0.2, poll_s=0.02, ask_s=0.5, settle_s=0.5
        )

    def test_declares_what_the_cluster_has(self, runner: Runner) -> None:
        declared = runner.capabilities
        assert declared.survives_restart
        assert declared.cpu_cores >= 1
        assert declared.ram_gb > 0


class TestNoop(RunnerContract):
    without = frozenset({"runs_commands", "survives_restart"})

    def open_runner(self, work_root: Path) -> Runner:
        return NoopRunner()
