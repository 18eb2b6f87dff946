"""The machine: what the record of a run says of where it ran. Read once and kept; nothing names the machine."""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_QUERY = "index,name,driver_version,memory.total,uuid,compute_cap"
_LOAD = "index,utilization.gpu,memory.used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU as its driver describes it.

    ``compute_capability`` is what CUDA programs are built for (``"8.0"``), ``cuda`` the newest CUDA that the driver
    serves (``"12.8"``); None where it does not tell.
    """

    index: int
    uuid: str
    model: str
    driver: str
    memory_bytes: int
    compute_capability: str | None = None
    cuda: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Platform, kernel, processor and memory of this machine."""

    platform: str
    kernel: str
    machine: str
    cpu_model: str
    cpu_cores: int
    memory_bytes: int


@functools.cache
def describe_host() -> Host:
    """Return what this machine is."""
    return Host(
        platform=_platform(),
        kernel=platform.release(),
        machine=platform.machine(),
        cpu_model=_cpu_model(),
        cpu_cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def _platform() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or "unknown"


@functools.cache
def list_gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that the NVIDIA driver shows; none without a driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    # Drivers before 510 do not know the last member, and refuse the whole question.
    told = _ask(program, _QUERY) or _ask(program, _QUERY.removesuffix(",compute_cap"))
    cuda = _driver_cuda(program) if told else None
    return tuple(gpu for gpu in (_gpu(line, cuda) for line in told.splitlines()) if gpu is not None)


def _ask(program: str, query: str) -> str:
    command = [program, f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _driver_cuda(program: str) -> str | None:
    """Return the CUDA version of the driver; it stands only in what the program prints for people."""
    try:
        done = subprocess.run([program], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"CUDA Version *: *([0-9.]+)", done.stdout)
    return None if found is None else found[1]


def _gpu(line: str, cuda: str | None) -> Gpu | None:
    fields = [field.strip() for field in line.split(",")]
    try:
        index, model, driver, mebibytes, uuid = int(fields[0]), fields[1], fields[2], int(fields[3]), fields[4]
    except (IndexError, ValueError):
        return None
    told = fields[5] if len(fields) > 5 and fields[5].replace(".", "").isdigit() else None
    memory = mebibytes << 20
    return Gpu(
        index=index,
        uuid=uuid,
        model=model,
        driver=driver,
        memory_bytes=memory,
        compute_capability=told,
        cuda=cuda,
    )


def gpu_load(indices: tuple[int, ...]) -> tuple[float, int] | None:
    """Return mean load in percent and memory in use of these GPUs now; None where the driver does not tell."""
    program = shutil.which("nvidia-smi")
    if program is None or not indices:
        return None
    chosen = ",".join(map(str, indices))
    command = [program, f"--id={chosen}", f"--query-gpu={_LOAD}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
        rows = [[int(field) for field in line.split(",")] for line in done.stdout.splitlines()]
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return (sum(row[1] for row in rows) / len(rows), sum(row[2] for row in rows) << 20) if rows else None


def gpu_document(gpu: Gpu) -> dict[str, Any]:
    """Return what the record says of a GPU."""
    return {name: value for name, value in asdict(gpu).items() if name != "index"}


@functools.cache
def host_document() -> dict[str, Any]:
    """Return :func:`describe_host` as JSON members."""
    return asdict(describe_host())
