"""Whatever is asked, in whatever order: never more than there is, everybody in the end, each in their turn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from executors.host import Gpu
from executors.local.slots import Grant, Slots
from executors.model import GIGABYTE, Resources

CORES, RAM_GB, GPUS = 4, 8, 2
OWNERS = ("a", "b", "c")

GPU = tuple(
    Gpu(index=i, uuid=f"GPU-{i}", model="m", driver="d", memory_bytes=(i + 1) * 16 * GIGABYTE, compute_capability="8.0")
    for i in range(GPUS)
)

resources = st.builds(
    Resources,
    cpu_cores=st.integers(1, CORES),
    ram_gb=st.none() | st.integers(1, RAM_GB).map(float),
    gpus=st.integers(0, 1),
    gpu_memory_gb=st.none() | st.sampled_from([16.0, 32.0]),
    gpus_optional=st.booleans(),
)
asked = st.lists(st.tuples(st.sampled_from(OWNERS), resources), min_size=1, max_size=25)
choices = st.lists(st.integers(0, 99), min_size=200, max_size=200)


@dataclass
class World:
    """Tasks that hold what they were given until they are told to leave."""

    slots: Slots = field(default_factory=lambda: Slots(cpu_cores=CORES, ram_bytes=RAM_GB * GIGABYTE, gpus=GPU))
    inside: dict[str, Grant] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)

    def ask(self, key: str, owner: str, wanted: Resources) -> None:
        def start(grant: Grant) -> None:
            self.inside[key] = grant
            self.begun.append(key)

        self.slots.queue(key, wanted, start, owner=owner)

    def leave(self, key: str) -> None:
        self.slots.give_back(self.inside.pop(key))

    def check(self) -> None:
        grants = self.inside.values()
        assert sum(grant.cpu_cores for grant in grants) <= CORES
        assert sum(grant.ram_bytes for grant in grants) <= RAM_GB * GIGABYTE
        given_away = [number for grant in grants for number in grant.gpus]
        assert len(given_away) == len(set(given_away))


@given(tasks=asked, picks=choices)
def test_never_too_much_and_everybody_in_the_end(tasks: list[tuple[str, Resources]], picks: list[int]) -> None:
    world = World()
    wanted = {}
    for number, (owner, asks) in enumerate(tasks):
        wanted[f"{owner}{number}"] = asks
        world.ask(f"{owner}{number}", owner, asks)
        world.check()
        if picks[number] < 40 and world.inside:
            world.leave(sorted(world.inside)[picks[number] % len(world.inside)])
            world.check()
    for pick in picks:
        if not world.inside:
            break
        world.leave(sorted(world.inside)[pick % len(world.inside)])
        world.check()
    assert sorted(world.begun) == sorted(wanted)
    for owner in OWNERS:
        mine = [int(key[1:]) for key in world.begun if key.startswith(owner)]
        assert mine == sorted(mine), "one owner's tasks begin in the order in which they came"


@given(tasks=asked, picks=choices)
def test_gpus_are_what_was_asked_for(tasks: list[tuple[str, Resources]], picks: list[int]) -> None:
    world = World()
    wanted = {f"{owner}{number}": asks for number, (owner, asks) in enumerate(tasks)}
    for (key, asks), pick in zip(wanted.items(), picks, strict=False):
        world.ask(key, key[0], asks)
        for inside, grant in world.inside.items():
            assert len(grant.gpus) == wanted[inside].gpus
            assert all(GPU[number].memory_bytes >= wanted[inside].gpu_memory_bytes for number in grant.gpus)
        if world.inside and pick < 60:
            world.leave(sorted(world.inside)[pick % len(world.inside)])


@given(counts=st.tuples(*[st.integers(12, 20)] * len(OWNERS)), picks=choices)
def test_shares_of_those_who_want_more_stay_within_one_task(counts: tuple[int, ...], picks: list[int]) -> None:
    """Equal tasks: once the first comers' have ended, nobody who waits holds two fewer than another."""
    world, waiting = World(), Counter(dict(zip(OWNERS, counts, strict=True)))
    for owner, count in waiting.items():
        for number in range(count):
            world.ask(f"{owner}{number}", owner, Resources())
    for pick in picks[: sum(counts) - CORES]:
        before = len(world.begun)
        held = Counter(key[0] for key in world.inside)
        gone = sorted(world.inside)[pick % len(world.inside)]
        world.leave(gone)
        held[gone[0]] -= 1
        begun = Counter(key[0] for key in world.begun)
        for key in world.begun[before:]:
            others = [owner for owner in OWNERS if begun[owner] < waiting[owner] and owner != key[0]]
            assert all(held[key[0]] <= held[owner] for owner in others)


@given(small=st.lists(st.sampled_from(OWNERS), min_size=30, max_size=30), picks=choices)
def test_a_stream_of_small_tasks_does_not_starve_a_large_one(small: list[str], picks: list[int]) -> None:
    """Before it go those who ran already, and at most one task of each who was given as little."""
    world = World()
    for number, owner in enumerate(small[:10]):
        world.ask(f"{owner}{number}", owner, Resources())
    before = set(world.inside)
    world.ask("large", "d", Resources(cpu_cores=CORES))
    for number, owner in enumerate(small[10:], start=10):
        world.ask(f"{owner}{number}", owner, Resources())
    assert set(world.inside) == before
    for pick in picks:
        if "large" in world.inside:
            break
        world.leave(sorted(world.inside)[pick % len(world.inside)])
    assert world.begun.index("large") <= len(before) + len(OWNERS)
