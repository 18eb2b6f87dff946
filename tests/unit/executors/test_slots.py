from __future__ import annotations

from collections.abc import Iterable

import pytest

from executors.host import Gpu
from executors.local.board import Claim
from executors.local.slots import Grant, Slots
from executors.model import Resources
from ontology.errors import UnsupportedError


class Line:
    """Who was let in, in order."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.inside: dict[str, Grant] = {}
        self.order: list[str] = []

    def ask(self, key: str, owner: str | None = None, **limits: object) -> None:
        def start(grant: Grant) -> None:
            self.inside[key] = grant
            self.order.append(key)

        self.slots.queue(key, Resources(**limits), start, owner=owner)  # type: ignore[arg-type]

    def leave(self, key: str) -> None:
        self.slots.give_back(self.inside.pop(key))


def slots(cores: int = 4, ram: int = 10_000_000_000, gpus: tuple[int, ...] = ()) -> Slots:
    return Slots(cpu_cores=cores, ram_bytes=ram, gpus=tuple(map(gpu, gpus)))


def gpu(index: int, gigabytes: int = 40, capability: str | None = "8.0") -> Gpu:
    return Gpu(
        index=index,
        uuid=f"GPU-{index}",
        model="m",
        driver="d",
        memory_bytes=gigabytes * 1_000_000_000,
        compute_capability=capability,
    )


def test_first_come_first_served() -> None:
    line = Line(slots(cores=2))
    for key, cores in (("a", 1), ("b", 2), ("c", 1)):
        line.ask(key, cpu_cores=cores)
    assert line.order == ["a"], "c does not overtake b, which waits for two cores"
    line.leave("a")
    assert line.order == ["a", "b"]
    line.leave("b")
    assert line.order == ["a", "b", "c"]


def test_memory_is_promised_once() -> None:
    line = Line(slots(ram=8_000_000_000))
    line.ask("a", ram_gb=5.0)
    line.ask("b", ram_gb=5.0)
    assert line.order == ["a"]
    line.leave("a")
    assert line.order == ["a", "b"]


def test_gpus_are_handed_out_by_number() -> None:
    line = Line(slots(gpus=(0, 1)))
    line.ask("a", gpus=1)
    line.ask("b", gpus=1)
    line.ask("c", gpus=1)
    assert [line.inside[key].gpus for key in ("a", "b")] == [(0,), (1,)]
    line.leave("b")
    assert line.inside["c"].gpus == (1,)


def test_optional_gpu_waits_where_there_is_one_and_is_done_without_where_there_is_none() -> None:
    with_one = Line(slots(gpus=(0,)))
    with_one.ask("a", gpus=1)
    with_one.ask("b", gpus=1, gpus_optional=True)
    assert with_one.order == ["a"]
    without = Line(slots())
    without.ask("a", gpus=1, gpus_optional=True)
    assert without.inside["a"].gpus == ()


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"cpu_cores": 5}, "resources.cpu_cores"),
        ({"ram_gb": 11.0}, "resources.ram_gb"),
        ({"gpus": 1}, "resources.gpus"),
    ],
)
def test_what_can_never_be_given_is_refused(limits: dict[str, float], field: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        slots().check(Resources(**limits))  # type: ignore[arg-type]
    assert caught.value.field == field


def test_withdrawing_lets_the_next_one_in() -> None:
    line = Line(slots(cores=2))
    line.ask("a", cpu_cores=1)
    line.ask("big", cpu_cores=2)
    line.ask("b", cpu_cores=1)
    assert line.slots.withdraw("big")
    assert not line.slots.withdraw("big")
    assert line.order == ["a", "b"]


def test_closing_turns_everybody_away() -> None:
    line = Line(slots(cores=1))
    line.ask("a")
    line.ask("b")
    assert line.slots.close() == ["b"]
    line.leave("a")
    assert line.order == ["a"]


def test_a_task_found_running_takes_its_own_gpus() -> None:
    line = Line(slots(gpus=(0, 1)))
    line.slots.take(Resources(gpus=1), (0,))
    line.ask("a", gpus=1)
    assert line.inside["a"].gpus == (1,)


def test_a_gpu_is_chosen_by_what_the_task_needs_of_it() -> None:
    there = (gpu(0, 80, "9.0"), gpu(1, 16, "7.5"), gpu(2, 40, "10.0"))
    line = Line(Slots(cpu_cores=8, ram_bytes=8_000_000_000, gpus=there))
    line.ask("any", gpus=1)
    line.ask("large", gpus=1, gpu_memory_gb=64.0)
    line.ask("new", gpus=1, gpu_compute_capability="9.1")
    assert [line.inside[key].gpus for key in ("any", "large", "new")] == [(1,), (0,), (2,)]


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"gpus": 1, "gpu_memory_gb": 41.0}, "resources.gpu_memory_gb"),
        ({"gpus": 1, "gpu_compute_capability": "8.6"}, "resources.gpu_compute_capability"),
        ({"gpus": 3, "gpu_memory_gb": 16.0}, "resources.gpus"),
    ],
)
def test_a_gpu_that_is_not_there_is_refused(limits: dict[str, object], field: str) -> None:
    line = slots(gpus=(0, 1))
    with pytest.raises(UnsupportedError) as caught:
        line.check(Resources(**limits))  # type: ignore[arg-type]
    assert caught.value.field == field
    line.check(Resources(**limits, gpus_optional=True))  # type: ignore[arg-type]


def test_a_gpu_of_unknown_capability_is_not_taken_for_a_new_one() -> None:
    with pytest.raises(UnsupportedError):
        Slots(cpu_cores=1, ram_bytes=1, gpus=(gpu(0, capability=None),)).check(
            Resources(gpus=1, gpu_compute_capability="5.0")
        )


def test_who_holds_least_goes_first() -> None:
    line = Line(slots(cores=2))
    for number in range(5):
        line.ask(f"early-{number}", owner="early")
    line.ask("late-0", owner="late")
    line.ask("late-1", owner="late")
    for key in ("early-0", "early-1", "late-0", "early-2"):
        line.leave(key)
    assert line.order == ["early-0", "early-1", "late-0", "early-2", "late-1", "early-3"]


def test_who_comes_back_is_not_owed_for_the_time_away() -> None:
    line = Line(slots(cores=1))
    line.ask("away", owner="away")
    line.leave("away")
    for number in range(20):
        line.ask(f"busy-{number}", owner="busy")
    for number in range(10):
        line.leave(f"busy-{number}")
    for number in range(10):
        line.ask(f"away-{number}", owner="away")
    for _ in range(6):
        line.leave(line.order[-1])
    assert sum(key.startswith("away-") for key in line.order) in (3, 4)


def test_a_large_task_that_waits_is_not_delayed_by_those_who_go_before_it() -> None:
    line = Line(slots(cores=4))
    line.ask("a", owner="a", cpu_cores=3)
    line.ask("large", owner="b", cpu_cores=3)
    line.ask("small", owner="c")
    line.ask("also small", owner="d")
    assert line.order == ["a", "small"], "a second small one would stand in the large one's way"
    line.leave("a")
    assert line.order == ["a", "small", "large"]


def test_what_needs_no_gpu_does_not_wait_for_one() -> None:
    line = Line(slots(cores=4, gpus=(0,)))
    line.ask("a", owner="a", gpus=1)
    line.ask("b", owner="b", gpus=1)
    line.ask("c", owner="c")
    line.ask("d", owner="d", gpus=1, gpus_optional=True)
    assert line.order == ["a", "c"], "d would take the GPU that b waits for"


def test_ten_thousand_wait_in_no_time_worth_naming() -> None:
    """Each decision looks at one task of each owner: the number of looks grows with the tasks, not their square."""
    line = Line(slots(cores=2))
    looks = 0
    original = line.slots._room_for

    def count(resources: Resources, before: Iterable[Claim] = ()) -> tuple[int, ...] | None:
        nonlocal looks
        looks += 1
        return original(resources, before)

    line.slots._room_for = count  # type: ignore[method-assign]
    for number in range(10_000):
        line.ask(f"{number}", owner=f"owner-{number % 5}")
    while line.inside:
        line.leave(next(iter(line.inside)))
    assert len(line.order) == 10_000
    assert looks < 2 * 5 * 10_000 + 10_000 * 5
