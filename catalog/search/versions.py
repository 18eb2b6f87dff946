"""Versions of software in order: 1.9 comes before 1.10, and 2.0rc1 before 2.0.

What both Python (PEP 440) and Semantic Versioning 2.0.0 write is understood, with or without a ``v``. A text that is
no version is before and after nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from catalog.search.names import fold
from catalog.search.projection import Statement

VersionKey = tuple[tuple[int, ...], tuple[tuple[int, int, str], ...]]
"""Sorts as versions do: the numbers without zeros at the end, then what follows them."""

_WORDS: Final = "alpha|beta|preview|pre|post|rev|dev|rc|a|b|c|r"
_VERSION: Final = re.compile(
    r"v?\.?(?P<release>[0-9]{1,9}(?:\.[0-9]{1,9}){0,9})"
    rf"(?P<rest>(?:(?:{_WORDS})[-._]?[0-9]{{0,9}})?(?:[-._][0-9a-z][-._0-9a-z]{{0,63}})?)(?:\+\S*)?"
)
_PART: Final = re.compile(r"[0-9]{1,15}|[a-z]+")
_LATER: Final = re.compile(r"-([0-9]{1,9})(?:-g[0-9a-f]+)?$|[-._]?(?:post|rev|r)[-._]?([0-9]{0,9})(?![a-z])")
"""A later release of the same numbers: ``.post1``, ``-1``, and so many commits later by ``git describe``."""
_MEANS: Final = {"dev": "", "alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_FINAL: Final = (1, 0, "")
"""After every pre-release, before every later release of the same numbers."""


@lru_cache(maxsize=4096)
def version_key(text: str) -> VersionKey | None:
    """Return what a version is sorted by; None where the text is no version."""
    found = _VERSION.fullmatch(fold(text))
    if found is None:
        return None
    numbers = [int(number) for number in found["release"].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), _phase(found["rest"])


def _phase(rest: str) -> tuple[tuple[int, int, str], ...]:
    """Return the place of what follows the numbers: a pre-release, nothing, or a later release of the same."""
    if not rest:
        return (_FINAL,)
    later = _LATER.match(rest)
    if later is not None:
        return ((2, int(later[1] or later[2] or 0), ""),)
    return (*map(_identifier, _PART.findall(rest)), (-1, 0, ""))


def _identifier(part: str) -> tuple[int, int, str]:
    """Return the place of a part of a pre-release: numbers come before words (Semantic Versioning, 11.4.3)."""
    return (0, int(part), "") if part.isdigit() else (0, 10**15, _MEANS.get(part, part))


@dataclass(frozen=True, slots=True)
class VersionEqual:
    """A version that equals one of some, or a text that does."""

    versions: frozenset[VersionKey] = frozenset()
    forms: frozenset[str] = frozenset()

    def passes(self, statement: Statement) -> bool:
        """Tell whether a statement passes."""
        text = statement.text
        return text is not None and (fold(text) in self.forms or version_key(text) in self.versions)


@dataclass(frozen=True, slots=True)
class VersionRange:
    """A version between two; None is unbounded."""

    low: VersionKey | None = None
    high: VersionKey | None = None
    low_included: bool = True
    high_included: bool = True

    def passes(self, statement: Statement) -> bool:
        """Tell whether a statement passes."""
        value = None if statement.text is None else version_key(statement.text)
        if value is None:
            return False
        above = self.low is None or value > self.low or (self.low_included and value == self.low)
        below = self.high is None or value < self.high or (self.high_included and value == self.high)
        return above and below
