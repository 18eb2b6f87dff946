"""Who is in which of some cohorts: how many are in each combination of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Those who are in exactly these of the cohorts."""

    present: tuple[bool, ...]
    count: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """How some cohorts overlap.

    Attributes:
        union: How many are in any of them.
        intersection: How many are in all of them.
        difference: How many are in the first and in none of the others.
        patterns: Exact combinations that anybody is in, the most frequent first.
    """

    union: int
    intersection: int
    difference: int
    patterns: list[Pattern]

    @classmethod
    def of(cls, sets: Mapping[str, Set[str]]) -> Overlap:
        """Return the overlap of cohorts, given the members of each."""
        members = list(sets.values())
        everybody = frozenset().union(*members)
        counted = Counter(tuple(person in each for each in members) for person in everybody)
        most = max(counted.values(), default=1)
        return cls(
            union=len(everybody),
            intersection=sum(n for present, n in counted.items() if all(present)),
            difference=sum(n for present, n in counted.items() if present[0] and not any(present[1:])),
            patterns=[Pattern(present=present, count=n, share=n / most) for present, n in counted.most_common()],
        )
