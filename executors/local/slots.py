"""Slots: who may run now, by cores, memory and GPUs, fairly between those who ask.

Each owner has a queue of their own, served in order. Next comes the owner who holds the smallest share of the machine
(the largest part of any one resource: Ghodsi et al., *Dominant Resource Fairness*, NSDI 2011), and among equals the one
who was given least so far.

A task whose turn it is keeps its turn once there is room for others and not for it. Others may then go before it only
with what it will not need: when all that ran before its turn came has ended, it fits beside those who went before it.
So it waits for no task that began later, and no stream of small tasks can starve a large one.

A decision looks at the first task of each owner, never at the rest of a queue.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from executors.check import refuse_excess
from executors.host import Gpu
from executors.model import Resources
from ontology.errors import UnsupportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a task holds while it runs."""

    cpu_cores: int
    ram_bytes: int
    gpus: tuple[int, ...]
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    key: str
    resources: Resources
    start: Callable[[Grant], None]
    owner: str | None


@dataclass(slots=True)
class _Owner:
    """One who asks: what waits, what is held, and how much was given so far."""

    queue: OrderedDict[str, _Waiting] = field(default_factory=OrderedDict)
    held: list[int] = field(default_factory=lambda: [0, 0, 0])
    given: float = 0.0


@dataclass(slots=True)
class _Turn:
    """A task whose turn has come, for which there is less room than it needs, and what began since."""

    task: _Waiting
    since: set[int] = field(default_factory=set)


class Slots:
    """Hands out cores, memory and GPUs. A task without a memory limit is promised none.

    Args:
        cpu_cores: Cores to hand out.
        ram_bytes: Memory to promise.
        gpus: GPUs to hand out, as their driver describes them.
    """

    def __init__(self, *, cpu_cores: int, ram_bytes: int, gpus: tuple[Gpu, ...]) -> None:
        self.cpu_cores = cpu_cores
        self.ram_bytes = ram_bytes
        self.gpus = gpus
        self._grants: dict[int, Grant] = {}
        self._free_cores = cpu_cores
        self._free_ram = ram_bytes
        self._free_gpus = {gpu.index for gpu in gpus}
        self._owners: dict[str | None, _Owner] = {}
        self._of_key: dict[str, str | None] = {}
        self._turn: _Turn | None = None
        self._lock = threading.Lock()
        self._closed = False

    def check(self, resources: Resources) -> None:
        """Refuse what can never be given.

        Raises:
            UnsupportedError: More is asked for than there is on this machine, or a GPU that none of its GPUs is.
        """
        refuse_excess(resources, cpu_cores=self.cpu_cores, ram_bytes=self.ram_bytes, gpus=len(self.gpus))
        fit = len(self._suitable(resources))
        if resources.gpus > fit and not resources.gpus_optional:
            asked = []
            if resources.gpu_memory_gb is not None:
                asked.append(f"{resources.gpu_memory_gb:g} GB of memory")
            if resources.gpu_compute_capability is not None:
                asked.append(f"compute capability {resources.gpu_compute_capability}")
            raise UnsupportedError(
                f"The task asks for {resources.gpus} GPUs with {' and '.join(asked)}; this runner has {fit}.",
                field="resources.gpu_memory_gb" if resources.gpu_memory_gb else "resources.gpu_compute_capability",
                params={"available": fit},
            )

    def queue(
        self, key: str, resources: Resources, start: Callable[[Grant], None], *, owner: str | None = None
    ) -> None:
        """Call ``start`` with a grant as soon as it is this one's turn and there is room."""
        with self._lock:
            self._welcome(owner).queue[key] = _Waiting(key, resources, start, owner)
            self._of_key[key] = owner
        self._advance()

    def withdraw(self, key: str) -> bool:
        """Leave the queue; False when this one was not waiting (any more)."""
        with self._lock:
            if key not in self._of_key:
                return False
            del self._owners[self._of_key.pop(key)].queue[key]
            if self._turn is not None and self._turn.task.key == key:
                self._turn = None
        self._advance()
        return True

    def give_back(self, grant: Grant) -> None:
        """Return what a task held, and let others in."""
        with self._lock:
            self._grants.pop(id(grant), None)
            if self._turn is not None:
                self._turn.since.discard(id(grant))
            self._account(grant, -1)
            self._free_gpus |= set(grant.gpus)
        self._advance()

    def take(self, resources: Resources, gpus: tuple[int, ...], *, owner: str | None = None) -> Grant:
        """Take what an already running task holds, out of turn and even beyond what is free."""
        with self._lock:
            return self._take(resources, gpus, owner)

    def close(self) -> list[str]:
        """Let nobody in any more; returns the keys of those who waited."""
        with self._lock:
            self._closed = True
            waiting = list(self._of_key)
            self._of_key.clear()
            self._owners.clear()
            self._turn = None
        return waiting

    def _welcome(self, name: str | None) -> _Owner:
        """Return an owner; one who comes back is not owed for the time in which nothing was asked for."""
        owner = self._owners.setdefault(name, _Owner())
        if not owner.queue and not any(owner.held):
            least = min((other.given for other in self._owners.values() if other.queue or any(other.held)), default=0.0)
            owner.given = max(owner.given, least)
        return owner

    def _advance(self) -> None:
        """Start whatever may start; ``start`` is called without the lock."""
        ready: list[tuple[_Waiting, Grant]] = []
        with self._lock:
            while not self._closed and (found := self._next()) is not None:
                ready.append(found)
        for waiting, grant in ready:
            waiting.start(grant)

    def _next(self) -> tuple[_Waiting, Grant] | None:
        """Let one task in; None when nobody can be let in now."""
        if self._turn is not None:
            gpus = self._room_for(self._turn.task.resources)
            if gpus is not None:
                waiting, self._turn = self._turn.task, None
                return waiting, self._let_in(waiting, gpus)
        passed_over = None if self._turn is None else self._turn.task
        for waiting in self._firsts():
            gpus = self._room_for(waiting.resources)
            if gpus is None:
                passed_over = passed_over or waiting
                continue
            if passed_over is not None and self._turn is None:
                self._turn = _Turn(passed_over)
            if self._turn is None or self._leaves_room(self._turn, waiting.resources, gpus):
                return waiting, self._let_in(waiting, gpus)
        return None

    def _firsts(self) -> list[_Waiting]:
        """Return the first task of each owner, in the order in which they are to be served."""
        waiting = [owner for owner in self._owners.values() if owner.queue]
        waiting.sort(key=lambda owner: (self._share(*owner.held), owner.given))
        return [next(iter(owner.queue.values())) for owner in waiting]

    def _share(self, cores: int, ram: int, gpus: int) -> float:
        """Return the largest part of any one resource."""
        return max(cores / self.cpu_cores, ram / max(self.ram_bytes, 1), gpus / max(len(self.gpus), 1))

    def _suitable(self, resources: Resources) -> list[int]:
        """Return the GPUs that are as a task wants them, the smallest first: what is larger is left for others."""
        least = _version(resources.gpu_compute_capability)
        fit = [
            gpu
            for gpu in self.gpus
            if gpu.memory_bytes >= resources.gpu_memory_bytes and _version(gpu.compute_capability) >= least
        ]
        return [gpu.index for gpu in sorted(fit, key=lambda gpu: (gpu.memory_bytes, gpu.index))]

    def _gpus_wanted(self, resources: Resources) -> int:
        return min(resources.gpus, len(self._suitable(resources))) if resources.gpus_optional else resources.gpus

    def _room_for(self, resources: Resources) -> tuple[int, ...] | None:
        """Return the GPUs to be given to a task for which there is room now; None when there is none."""
        if resources.cpu_cores > self._free_cores or (resources.ram_bytes or 0) > self._free_ram:
            return None
        if resources.gpus == 0:
            return ()
        wanted = self._gpus_wanted(resources)
        free = [number for number in self._suitable(resources) if number in self._free_gpus]
        return tuple(sorted(free[:wanted])) if len(free) >= wanted else None

    def _leaves_room(self, turn: _Turn, resources: Resources, gpus: Iterable[int]) -> bool:
        """Tell whether the task whose turn it is still fits once all has ended that began before its turn came."""
        since = [self._grants[number] for number in turn.since]
        cores = sum(grant.cpu_cores for grant in since) + resources.cpu_cores
        ram = sum(grant.ram_bytes for grant in since) + (resources.ram_bytes or 0)
        taken = {number for grant in since for number in grant.gpus} | set(gpus)
        wants = turn.task.resources
        left = [number for number in self._suitable(wants) if number not in taken]
        return (
            cores + wants.cpu_cores <= self.cpu_cores
            and ram + (wants.ram_bytes or 0) <= self.ram_bytes
            and len(left) >= self._gpus_wanted(wants)
        )

    def _let_in(self, waiting: _Waiting, gpus: tuple[int, ...]) -> Grant:
        del self._of_key[waiting.key]
        del self._owners[waiting.owner].queue[waiting.key]
        grant = self._take(waiting.resources, gpus, waiting.owner)
        self._owners[waiting.owner].given += self._share(grant.cpu_cores, grant.ram_bytes, len(gpus))
        if self._turn is not None:
            self._turn.since.add(id(grant))
        return grant

    def _take(self, resources: Resources, gpus: tuple[int, ...], owner: str | None) -> Grant:
        grant = Grant(cpu_cores=resources.cpu_cores, ram_bytes=resources.ram_bytes or 0, gpus=gpus, owner=owner)
        self._grants[id(grant)] = grant
        self._free_gpus -= set(gpus)
        self._account(grant, 1)
        return grant

    def _account(self, grant: Grant, sign: int) -> None:
        self._free_cores -= sign * grant.cpu_cores
        self._free_ram -= sign * grant.ram_bytes
        held = self._owners.setdefault(grant.owner, _Owner()).held
        for number, amount in enumerate((grant.cpu_cores, grant.ram_bytes, len(grant.gpus))):
            held[number] += sign * amount


def _version(text: str | None) -> tuple[int, ...]:
    """Return a compute capability as numbers, so that 10.0 comes after 9.0; nothing for none."""
    return tuple(map(int, text.split("."))) if text else ()
