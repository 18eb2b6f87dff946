from __future__ import annotations

import pytest

from executors.local.slots import Grant, Slots
from executors.model import Resources
from ontology.errors import UnsupportedError


class Line:
    """Who was let in, in order."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.inside: dict[str, Grant] = {}
        self.order: list[str] = []

    def ask(self, key: str, **limits: object) -> None:
        def start(grant: Grant) -> None:
            self.inside[key] = grant
            self.order.append(key)

        self.slots.queue(key, Resources(**limits), start)  # type: ignore[arg-type]

    def leave(self, key: str) -> None:
        self.slots.give_back(self.inside.pop(key))


def slots(cores: int = 4, ram: int = 10_000_000_000, gpus: tuple[int, ...] = ()) -> Slots:
    return Slots(cpu_cores=cores, ram_bytes=ram, gpus=gpus)


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
