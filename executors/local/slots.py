"""Slots: who may run now. First come, first served, by cores, memory and GPUs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from executors.check import refuse_excess
from executors.model import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a task holds while it runs."""

    cpu_cores: int
    ram_bytes: int
    gpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Waiting:
    key: str
    resources: Resources
    start: Callable[[Grant], None]


class Slots:
    """Hands out cores, memory and GPUs in the order in which they were asked for.

    Strictly in order, so that a large task is not overtaken for ever by small ones. A task without a memory
    limit is promised none.
    """

    def __init__(self, *, cpu_cores: int, ram_bytes: int, gpus: tuple[int, ...]) -> None:
        self.cpu_cores = cpu_cores
        self.ram_bytes = ram_bytes
        self.gpus = gpus
        self._free_cores = cpu_cores
        self._free_ram = ram_bytes
        self._free_gpus = list(gpus)
        self._queue: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def check(self, resources: Resources) -> None:
        """Refuse what can never be given.

        Raises:
            UnsupportedError: More is asked for than there is on this machine.
        """
        refuse_excess(resources, cpu_cores=self.cpu_cores, ram_bytes=self.ram_bytes, gpus=len(self.gpus))

    def queue(self, key: str, resources: Resources, start: Callable[[Grant], None]) -> None:
        """Call ``start`` with a grant as soon as it is this one's turn and there is room."""
        with self._lock:
            self._queue.append(_Waiting(key, resources, start))
        self._advance()

    def withdraw(self, key: str) -> bool:
        """Leave the queue; False when this one was not waiting (any more)."""
        with self._lock:
            waiting = next((item for item in self._queue if item.key == key), None)
            if waiting is None:
                return False
            self._queue.remove(waiting)
        self._advance()
        return True

    def give_back(self, grant: Grant) -> None:
        """Return what a task held, and let others in."""
        with self._lock:
            self._free_cores += grant.cpu_cores
            self._free_ram += grant.ram_bytes
            self._free_gpus = sorted([*self._free_gpus, *grant.gpus])
        self._advance()

    def take(self, resources: Resources, gpus: tuple[int, ...]) -> Grant:
        """Take what an already running task holds, out of turn and even beyond what is free."""
        with self._lock:
            self._free_gpus = [number for number in self._free_gpus if number not in gpus]
            self._free_cores -= resources.cpu_cores
            self._free_ram -= resources.ram_bytes or 0
        return Grant(cpu_cores=resources.cpu_cores, ram_bytes=resources.ram_bytes or 0, gpus=gpus)

    def close(self) -> list[str]:
        """Let nobody in any more; returns the keys of those who waited."""
        with self._lock:
            self._closed = True
            waiting = [item.key for item in self._queue]
            self._queue.clear()
        return waiting

    def _advance(self) -> None:
        ready: list[tuple[_Waiting, Grant]] = []
        with self._lock:
            while self._queue and not self._closed and self._fits(self._queue[0].resources):
                waiting = self._queue.popleft()
                ready.append((waiting, self._take(waiting.resources)))
        for waiting, grant in ready:
            waiting.start(grant)

    def _fits(self, resources: Resources) -> bool:
        gpus = min(resources.gpus, len(self.gpus)) if resources.gpus_optional else resources.gpus
        return (
            resources.cpu_cores <= self._free_cores
            and (resources.ram_bytes or 0) <= self._free_ram
            and gpus <= len(self._free_gpus)
        )

    def _take(self, resources: Resources) -> Grant:
        gpus = tuple(self._free_gpus[: resources.gpus])
        self._free_gpus = self._free_gpus[len(gpus) :]
        self._free_cores -= resources.cpu_cores
        self._free_ram -= resources.ram_bytes or 0
        return Grant(cpu_cores=resources.cpu_cores, ram_bytes=resources.ram_bytes or 0, gpus=gpus)
