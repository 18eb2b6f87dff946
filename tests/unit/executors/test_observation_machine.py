"""What the record says of GPUs, energy, frameworks and of what a task tells of itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from executors.host import Gpu, gpu_document, list_gpus
from executors.local.runner import LocalRunner
from executors.model import Environment, TaskOutput, TaskSpec
from executors.observation.energy import EnergyMeter, unmetered
from executors.observation.reported import FILE, determinism, frameworks, take_report
from executors.testing.harness import PATIENCE_S, Recorder, python_task, task

FAKE = """#!/bin/sh
case "$*" in
*--query-gpu=index,name*)
  echo "0, NVIDIA H100 80GB HBM3, 550.54.15, 81559, GPU-11111111-2222, 9.0"
  echo "1, NVIDIA A100-SXM4-40GB, 550.54.15, 40960, GPU-33333333-4444, [N/A]" ;;
"") echo "| NVIDIA-SMI 550.54.15   Driver Version: 550.54.15   CUDA Version: 12.4     |" ;;
esac
"""
H100 = Gpu(index=0, uuid="GPU-1", model="H100", driver="550", memory_bytes=1)


@pytest.fixture
def fake_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Gpu, ...]]:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    list_gpus.cache_clear()
    yield list_gpus()
    list_gpus.cache_clear()


def test_gpus_as_the_driver_describes_them(fake_gpus: tuple[Gpu, ...]) -> None:
    assert [gpu_document(gpu) for gpu in fake_gpus] == [
        {
            "uuid": "GPU-11111111-2222",
            "model": "NVIDIA H100 80GB HBM3",
            "driver": "550.54.15",
            "memory_bytes": 81559 << 20,
            "compute_capability": "9.0",
            "cuda": "12.4",
        },
        {
            "uuid": "GPU-33333333-4444",
            "model": "NVIDIA A100-SXM4-40GB",
            "driver": "550.54.15",
            "memory_bytes": 40960 << 20,
            "compute_capability": None,
            "cuda": "12.4",
        },
    ]


@pytest.mark.usefixtures("fake_gpus")
def test_record_of_a_task_on_a_gpu(tmp_path: Path) -> None:
    runner, recorder = LocalRunner(tmp_path / "runner", slots=1, sandbox="none"), Recorder()
    spec = task("sleep 0.1", limits={"gpus": 1}, seeds={"torch": "parameter seed"})
    runner.submit(spec, recorder)
    assert runner.wait(spec.id, PATIENCE_S)
    runner.close()
    record = recorder.record(spec.id)
    (gpu,) = record["gpus"]
    assert gpu["model"].startswith("NVIDIA")
    assert gpu["cuda"] == "12.4"
    assert record["energy"]["gpu_seconds"] >= 0.1
    assert record["energy"]["gpu_joules"] is None
    assert "driver" in record["energy"]["gpu_reason"]
    assert record["environment_variables"]["CUDA_VISIBLE_DEVICES"] == gpu["uuid"]
    assert record["determinism"]["declared"] == {"torch": "parameter seed"}


def counters(folder: Path, *microjoules: int, limit: int = 1000_000) -> Callable[..., None]:
    def write(*values: int) -> None:
        for number, value in enumerate(values):
            zone = folder / f"intel-rapl:{number}"
            zone.mkdir(parents=True, exist_ok=True)
            (zone / "energy_uj").write_text(f"{value}\n")
            (zone / "max_energy_range_uj").write_text(f"{limit}\n")
            (folder / f"intel-rapl:{number}:0").mkdir(exist_ok=True)

    write(*microjoules)
    return write


def test_energy_of_the_processors(tmp_path: Path) -> None:
    write = counters(tmp_path, 100_000, 900_000)
    meter = EnergyMeter(powercap=tmp_path)
    write(400_000, 100_000)
    energy = meter.read(2.0)
    assert energy.cpu_joules == 0.5
    assert energy.cpu_reason is None
    assert (energy.gpu_joules, energy.gpu_reason, energy.gpu_seconds) == (None, "no GPU was given", 0.0)


def test_energy_where_the_machine_does_not_tell(tmp_path: Path) -> None:
    energy = EnergyMeter(powercap=tmp_path / "none").read(1.0)
    assert energy.cpu_joules is None
    assert "no counter" in str(energy.cpu_reason)
    counters(tmp_path / "odd", 1)
    (tmp_path / "odd" / "intel-rapl:0" / "energy_uj").write_text("secret")
    assert "may not be read" in str(EnergyMeter(powercap=tmp_path / "odd").read(1.0).cpu_reason)


def test_energy_of_gpus() -> None:
    told = iter([1000, 5500])
    meter = EnergyMeter([H100], gpu_counter=lambda gpu: next(told))
    energy = meter.read(3.0)
    assert (energy.gpu_joules, energy.gpu_reason, energy.gpu_seconds) == (4.5, None, 3.0)
    reset = iter([1000, 5])
    assert EnergyMeter([H100], gpu_counter=lambda gpu: next(reset)).read(1.0).gpu_joules is None


def test_energy_of_a_run_that_was_not_followed() -> None:
    energy = unmetered(2, 10.0)
    assert (energy.cpu_joules, energy.gpu_joules, energy.gpu_seconds) == (None, None, 20.0)
    assert "not followed" in str(energy.cpu_reason)
    assert "not followed" in str(energy.gpu_reason)
    assert unmetered(0, 1.0).gpu_reason == "no GPU was given"


def test_frameworks_of_an_environment() -> None:
    packages = ("numpy==2.3.0", "nvidia-cudnn-cu12==9.10.2.21", "nvidia-cuda-runtime-cu12==12.8.90", "torch==2.8.0")
    assert frameworks(packages) == {"cudnn": "9.10.2.21", "cuda_runtime": "12.8.90", "torch": "2.8.0"}
    assert frameworks(()) == {}


def test_determinism_as_declared_set_and_told() -> None:
    spec = TaskSpec(id="t", name="t", command=("true",), seeds={"seed": 1}, environment=Environment())
    environ = {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "HOME": "/tmp"}
    found = determinism(spec, environ, {"determinism": {"deterministic_algorithms": True}})
    assert found == {
        "declared": {"seed": 1},
        "variables": {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"},
        "reported": {"deterministic_algorithms": True},
    }


@pytest.mark.parametrize("sandbox", ["bubblewrap", "none"])
def test_task_tells_of_itself(sandbox: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if sandbox == "bubblewrap":
        request.getfixturevalue("bubblewrap")
    runner, recorder = LocalRunner(tmp_path / "runner", slots=1, sandbox=sandbox), Recorder()
    told = {"frameworks": {"torch": "2.8.0"}, "determinism": {"deterministic_algorithms": True}}
    script = f"import os; open(os.environ['SILLAGE_REPORT'], 'w').write({json.dumps(told)!r}); open('out', 'w').close()"
    spec = python_task(script, outputs=(TaskOutput(name="all", path="."),))
    runner.submit(spec, recorder)
    assert runner.wait(spec.id, PATIENCE_S)
    runner.close()
    record = recorder.record(spec.id)
    assert record["reported"] == told
    assert record["determinism"]["reported"] == {"deterministic_algorithms": True}
    assert [output["path"] for output in record["outputs"]] == ["out"]
    assert [warning for warning in record["warnings"] if "reported" in warning] == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[1]", "no JSON object"),
        (b"{", "no JSON"),
        (b'{"a": NaN}', "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 60_000, "no JSON"),
        (b'{"a": "' + b"x" * 70_000 + b'"}', "larger than"),
    ],
)
def test_reports_that_are_not_taken(content: bytes, complaint: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    told, said = take_report(tmp_path, tmp_path / "kept.json")
    assert told is None
    assert complaint in str(said)


def test_reports_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"a": 1}')
    for make in (lambda p: p.symlink_to(tmp_path / "secret"), lambda p: os.mkfifo(p), lambda p: p.mkdir()):
        make(tmp_path / FILE)
        told, said = take_report(tmp_path, tmp_path / "kept.json")
        assert told is None
        assert said
        kept = tmp_path / "kept.json"
        kept.rmdir() if kept.is_dir() and not kept.is_symlink() else kept.unlink()
    assert take_report(tmp_path, tmp_path / "kept.json") == (None, None)


def test_report_is_found_again_when_the_end_is_told_twice(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"a": 1}')
    assert take_report(tmp_path, tmp_path / "kept.json") == ({"a": 1}, None)
    assert take_report(tmp_path, tmp_path / "kept.json") == ({"a": 1}, None)
