"""What a run cost in energy, where the machine tells: processors by RAPL, NVIDIA GPUs by their own counters.

RAPL (the powercap interface of Linux, ``Documentation/power/powercap``) counts what the processors of the whole
machine take, other work included; its counters begin again at a limit, so they are looked at now and then. A GPU's
counter (NVML, ``nvmlDeviceGetTotalEnergyConsumption``) is of that GPU, which a task has for itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executors.host import Gpu

POWERCAP = Path("/sys/class/powercap")

_LOOK_S = 60.0
"""So long no counter needs from its beginning to its limit: some 260 kJ at less than 4 kW."""

_NO_COUNTER = "this machine has no counter of its processors' energy that can be read"
_NOT_READABLE = "the counter of the processors' energy may not be read by the service's user"
_NO_GPU = "no GPU was given"
_NO_GPU_COUNTER = "the driver does not tell what the GPU's energy was"
NOT_FOLLOWED = "the run was not followed from its beginning to its end by one service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What a run took; None with a reason where it is not known.

    Attributes:
        cpu_joules: Of all processors of the machine while the task ran, whoever used them.
        cpu_reason: Why that is not known.
        gpu_joules: Of the GPUs that the task was given.
        gpu_reason: Why that is not known.
        gpu_seconds: Time from start to end, times the GPUs.
    """

    cpu_joules: float | None = None
    cpu_reason: str | None = None
    gpu_joules: float | None = None
    gpu_reason: str | None = None
    gpu_seconds: float = 0.0


def unmetered(gpus: int, wall_s: float) -> Energy:
    """Return what is known of a run whose beginning or end was not seen."""
    reason = _NO_GPU if gpus == 0 else NOT_FOLLOWED
    return Energy(cpu_reason=NOT_FOLLOWED, gpu_reason=reason, gpu_seconds=round(gpus * wall_s, 3))


class EnergyMeter:
    """Measures from its making until it is read.

    Args:
        gpus: GPUs of the task.
        powercap: Where the kernel shows its counters.
        gpu_counter: Returns the millijoules that a GPU has taken since some moment, None when nobody tells.
    """

    def __init__(
        self,
        gpus: Sequence[Gpu] = (),
        *,
        powercap: Path = POWERCAP,
        gpu_counter: Callable[[Gpu], int | None] | None = None,
    ) -> None:
        self._gpus = gpus
        self._gpu_counter = gpu_counter or gpu_millijoules
        self._zones, self._problem = _zones(powercap)
        self._last = [_number(zone / "energy_uj") for zone in self._zones]
        self._microjoules = 0
        self._gpu_before = [self._gpu_counter(gpu) for gpu in gpus]
        self._stop = threading.Event()
        if self._zones:
            threading.Thread(target=self._keep_looking, name="energy", daemon=True).start()

    def read(self, wall_s: float) -> Energy:
        """Stop measuring and return what was taken."""
        self._stop.set()
        self._look()
        gpu_joules, gpu_reason = self._gpu_joules()
        return Energy(
            cpu_joules=round(self._microjoules / 1e6, 3) if self._problem is None else None,
            cpu_reason=self._problem,
            gpu_joules=gpu_joules,
            gpu_reason=gpu_reason,
            gpu_seconds=round(len(self._gpus) * wall_s, 3),
        )

    def _keep_looking(self) -> None:
        while not self._stop.wait(_LOOK_S):
            self._look()

    def _look(self) -> None:
        for number, zone in enumerate(self._zones):
            now = _number(zone / "energy_uj")
            before, self._last[number] = self._last[number], now
            if now is None or before is None:
                self._problem = _NOT_READABLE
                continue
            limit = _number(zone / "max_energy_range_uj") or 0
            self._microjoules += now - before if now >= before else now - before + limit

    def _gpu_joules(self) -> tuple[float | None, str | None]:
        if not self._gpus:
            return None, _NO_GPU
        total = 0
        for gpu, before in zip(self._gpus, self._gpu_before, strict=True):
            now = self._gpu_counter(gpu)
            if now is None or before is None or now < before:
                return None, _NO_GPU_COUNTER
            total += now - before
        return round(total / 1e3, 3), None


def _zones(powercap: Path) -> tuple[list[Path], str | None]:
    """Return the zone of each processor package (parts of packages are in it), and why there is none."""
    try:
        zones = sorted(zone for zone in powercap.glob("intel-rapl:*") if zone.name.count(":") == 1)
    except OSError:
        zones = []
    if not zones:
        return [], _NO_COUNTER
    if any(_number(zone / "energy_uj") is None for zone in zones):
        return [], _NOT_READABLE
    return zones, None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def gpu_millijoules(gpu: Gpu) -> int | None:
    """Return what a GPU has taken since its driver was loaded; None where the driver does not tell (NVML)."""
    with contextlib.suppress(OSError, AttributeError):
        library: Any = ctypes.CDLL("libnvidia-ml.so.1")
        if library.nvmlInit_v2() != 0:
            return None
        try:
            device, taken = ctypes.c_void_p(), ctypes.c_ulonglong()
            found = library.nvmlDeviceGetHandleByUUID(gpu.uuid.encode(), ctypes.byref(device)) == 0
            if found and library.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(taken)) == 0:
                return taken.value
        finally:
            library.nvmlShutdown()
    return None
