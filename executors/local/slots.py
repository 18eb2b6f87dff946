"""Slots: who may run now, by cores, memory and GPUs, fairly between those who ask.

Each owner has a queue of their own, served in order. Next comes the owner who holds the smallest share of the machine
(the largest part of any one resource: Ghodsi et al., *Dominant Resource Fairness*, NSDI 2011), and among equals the one
who was given least so far.

A task whose turn it is keeps its turn once there is room for others and not for it. Others may then go before it only
with what it will not need: when all that ran before its turn came has ended, it fits beside those who went before it.
So it waits for no task that began later, and no stream of small tasks can starve a large one.

A decision looks at the first task of each owner, never at the rest of a queue.

Several processes may share one machine (:mod:`executors.local.board`). What the others hold is not free, and counts for
whoever they hold it for. Where the first task of another process comes before one of ours, by the same order (the share
of its owner, then who has waited longer), we leave it the room that it needs. The first of all is held up by nobody.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from executors.check import refuse_excess
from executors.host import Gpu
from executors.local.board import Alone, Claim, Others, Page
from executors.model import Resources
from ontology.errors import UnsupportedError

LOOK_S, ALONE_LOOK_S = 0.1, 1.0
"""How often a process in which tasks wait looks at the board, with others there and without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a task holds while it runs."""

    cpu_cores: int
    ram_bytes: int
    gpus: tuple[int, ...]
    owner: str | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    key: str
    resources: Resources
    start: Callable[[Grant], None]
    owner: str | None
    since: float = field(default_factory=time.monotonic)


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
        board: Where other processes say what they hold; nobody else is there unless told.
    """

    def __init__(self, *, cpu_cores: int, ram_bytes: int, gpus: tuple[Gpu, ...], board: Alone | None = None) -> None:
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
        self._board = board or Alone()
        self._others = Others()
        self._watcher: threading.Thread | None = None
        self._over = threading.Event()

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

    def take(self, resources: Resources, gpus: tuple[int, ...], *, owner: str | None = None, key: str = "") -> Grant:
        """Take what an already running task holds, out of turn and even beyond what is free."""
        with self._lock, self._board.open() as page:
            grant = self._take(resources, gpus, owner, key)
            self._note(page)
        return grant

    def close(self) -> list[str]:
        """Let nobody in any more; returns the keys of those who waited."""
        with self._lock:
            self._closed = True
            waiting = list(self._of_key)
            self._of_key.clear()
            self._owners.clear()
            self._turn = None
            self._board.leave()
        self._over.set()
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
        with self._lock, self._board.open() as page:
            self._others = page.others
            while not self._closed and (found := self._next()) is not None:
                ready.append(found)
            self._note(page)
            self._watch()
        for waiting, grant in ready:
            waiting.start(grant)

    def _note(self, page: Page) -> None:
        """Say what is held here, and what waits to be held first."""
        page.held = [
            Claim(
                key=grant.key, owner=grant.owner, cpu_cores=grant.cpu_cores, ram_bytes=grant.ram_bytes, gpus=grant.gpus
            )
            for grant in self._grants.values()
        ]
        page.wanted = [self._wish(waiting) for waiting in self._firsts()] if self._board.is_shared else []

    def _wish(self, waiting: _Waiting) -> Claim:
        wants = waiting.resources
        return Claim(
            key=waiting.key,
            owner=waiting.owner,
            cpu_cores=wants.cpu_cores,
            ram_bytes=wants.ram_bytes or 0,
            gpus=tuple(self._suitable(wants)) if wants.gpus else (),
            gpu_count=self._gpus_wanted(wants),
            since=waiting.since,
        )

    def _watch(self) -> None:
        """Look again while tasks wait: other processes do not tell when they give something back."""
        if self._watcher is None and self._of_key and self._board.is_shared and not self._closed:
            self._watcher = threading.Thread(target=self._look_again, name="slots", daemon=True)
            self._watcher.start()

    def _look_again(self) -> None:
        while not self._over.wait(LOOK_S if self._others.held or self._others.wanted else ALONE_LOOK_S):
            with self._lock:
                if not self._of_key:
                    self._watcher = None
                    return
            self._advance()

    def _next(self) -> tuple[_Waiting, Grant] | None:
        """Let one task in; None when nobody can be let in now."""
        if self._turn is not None:
            gpus = self._room_for(self._turn.task.resources, self._before(self._turn.task))
            if gpus is not None:
                waiting, self._turn = self._turn.task, None
                return waiting, self._let_in(waiting, gpus)
        passed_over = None if self._turn is None else self._turn.task
        for waiting in self._firsts():
            gpus = self._room_for(waiting.resources, self._before(waiting))
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
        waiting = [(name, owner) for name, owner in self._owners.items() if owner.queue]
        waiting.sort(key=lambda item: (self._share_of(item[0]), item[1].given))
        return [next(iter(owner.queue.values())) for _, owner in waiting]

    def _before(self, waiting: _Waiting) -> list[Claim]:
        """Return what waits in other processes and comes before a task of ours."""
        if not self._others.wanted:
            return []
        rank = (self._share_of(waiting.owner), waiting.since)
        return [claim for claim in self._others.wanted if (self._share_of(claim.owner), claim.since) < rank]

    def _share_of(self, name: str | None) -> float:
        """Return the share that an owner holds, in all processes together."""
        held = list(self._owners[name].held) if name in self._owners else [0, 0, 0]
        for claim in self._others.held:
            if claim.owner == name:
                held = [held[0] + claim.cpu_cores, held[1] + claim.ram_bytes, held[2] + len(claim.gpus)]
        return self._share(*held)

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

    def _room_for(self, resources: Resources, before: Iterable[Claim] = ()) -> tuple[int, ...] | None:
        """Return the GPUs to be given to a task for which there is room now; None when there is none."""
        taken = [*self._others.held, *before]
        if resources.cpu_cores > self._free_cores - sum(claim.cpu_cores for claim in taken):
            return None
        if (resources.ram_bytes or 0) > self._free_ram - sum(claim.ram_bytes for claim in taken):
            return None
        if resources.gpus == 0:
            return ()
        left = self._free_gpus - {number for claim in self._others.held for number in claim.gpus}
        for claim in before:
            left -= set([number for number in claim.gpus if number in left][: claim.gpu_count])
        wanted = self._gpus_wanted(resources)
        free = [number for number in self._suitable(resources) if number in left]
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
        grant = self._take(waiting.resources, gpus, waiting.owner, waiting.key)
        self._owners[waiting.owner].given += self._share(grant.cpu_cores, grant.ram_bytes, len(gpus))
        if self._turn is not None:
            self._turn.since.add(id(grant))
        return grant

    def _take(self, resources: Resources, gpus: tuple[int, ...], owner: str | None, key: str) -> Grant:
        ram_bytes = resources.ram_bytes or 0
        grant = Grant(cpu_cores=resources.cpu_cores, ram_bytes=ram_bytes, gpus=gpus, owner=owner, key=key)
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
