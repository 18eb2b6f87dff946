"""The runner suite over every runner that ships: sandboxed, plain, on a cluster, and the one that runs nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from executors.local.runner import LocalRunner
from executors.noop import NoopRunner
from executors.runner import Runner
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

    def test_declares_what_it_enforces(self, runner: Runner) -> None:
        declared = runner.capabilities
        assert declared.confines_files
        assert declared.confines_network
        assert declared.contains_processes


class TestLocalPlain(RunnerContract):
    def open_runner(self, work_root: Path) -> Runner:
        return LocalRunner(work_root, slots=2, sandbox="none", grace_s=0.2, observe="none")

    def test_declares_what_it_does_not_enforce(self, runner: Runner) -> None:
        declared = runner.capabilities
        assert not declared.confines_files
        assert not declared.confines_network
        assert not declared.contains_processes


class _Observed:
    """Every task is watched by strace, also those without inputs."""

    @pytest.fixture(autouse=True)
    def _needs_strace(self, strace: str) -> None:
        assert strace


@pytest.mark.service
class TestLocalSandboxedObserved(_Observed, TestLocalSandboxed):
    def open_runner(self, work_root: Path) -> Runner:
        return LocalRunner(work_root, slots=2, sandbox="bubblewrap", grace_s=0.2, observe="strace")


@pytest.mark.service
class TestLocalPlainObserved(_Observed, TestLocalPlain):
    def open_runner(self, work_root: Path) -> Runner:
        return LocalRunner(work_root, slots=2, sandbox="none", grace_s=0.2, observe="strace")


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
    def open_runner(self, work_root: Path) -> Runner:
        return NoopRunner()
