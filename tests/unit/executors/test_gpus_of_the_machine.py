"""What nvidia-smi tells of GPUs, by a program that stands for it: old drivers and new ones, and none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from executors.host import gpu_load, list_gpus

FAKE = """#!/bin/sh
case "$*" in
  *utilization.gpu*) printf '0, 30, 1000\\n1, 50, 500\\n' ;;
  *compute_cap*) {told} ;;
  *index*) echo '0, Tesla, 470.1, 16160, GPU-a' ;;
esac
"""


def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(FAKE.format(told=told))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_capability_is_told_by_new_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "echo '0, H200, 570.1, 143771, GPU-a, 9.0'; echo '1, odd, 570.1, 1, GPU-b, [N/A]'")
    first, second = list_gpus.__wrapped__()
    assert (first.compute_capability, first.memory_bytes) == ("9.0", 143771 << 20)
    assert second.compute_capability is None


def test_old_driver_refuses_the_question_and_is_asked_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "exit 2")
    (gpu,) = list_gpus.__wrapped__()
    assert (gpu.model, gpu.compute_capability) == ("Tesla", None)


def test_load_is_the_mean_of_the_tasks_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "exit 2")
    assert gpu_load((0, 1)) == (40.0, 1500 << 20)
    assert gpu_load(()) is None


def test_no_driver_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list_gpus.__wrapped__() == ()
    assert gpu_load((0,)) is None
