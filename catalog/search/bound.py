"""A query made ready for translation: few kinds of node, with every name checked and every term looked up.

What a backend translates is small: a record *has a statement that passes a test*, joined by all, any and not;
``has`` and ``count`` range over the acquisitions of a participant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from catalog.search.conditions import Condition
from catalog.search.names import Level
from catalog.search.value_tests import Test


@dataclass(frozen=True, slots=True)
class Some:
    """The record has a statement of a property that passes; ``condition`` is what that stands for.

    ``quiet``: that it has none needs no words, because a neighbouring test says what it has instead.
    """

    level: Level
    property: str
    test: Test
    condition: Condition
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class AnyPart:
    """Some part holds."""

    parts: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Opposite:
    """The part does not hold."""

    part: Bound


@dataclass(frozen=True, slots=True)
class HasAcquisition:
    """One acquisition fulfils ``part``."""

    part: Bound
    condition: Condition


@dataclass(frozen=True, slots=True)
class CountAcquisitions:
    """The number of acquisitions that fulfil ``part`` compares so with ``n``."""

    part: Bound
    op: str
    n: int
    condition: Condition

    def holds(self, number: int) -> bool:
        """Tell whether a number of acquisitions is one that was asked for."""
        return COMPARE[self.op](number, self.n)


Bound = Some | All | AnyPart | Opposite | HasAcquisition | CountAcquisitions

COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query made ready: the tree to translate, and what to tell the person who asked."""

    root: Bound
    notices: tuple[str, ...]
