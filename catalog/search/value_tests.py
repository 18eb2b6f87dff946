"""Tests on one value: what a leaf of a query asks, once its literals are folded and its terms looked up.

A backend translates a test into its own language; ``passes`` says what the translation must mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from catalog.search.names import fold
from catalog.search.periods import is_date
from catalog.search.projection import Statement, built_in_forms
from catalog.search.versions import VersionEqual, VersionRange

_RUN: Final = "%"
_ONE: Final = "_"


@dataclass(frozen=True, slots=True)
class Present:
    """Any value passes."""

    def passes(self, statement: Statement) -> bool:
        """Tell whether a statement passes."""
        return True


@dataclass(frozen=True, slots=True)
class Equal:
    """Equal to one of some texts, terms, numbers or truth values."""

    forms: frozenset[str] = frozenset()
    terms: frozenset[str] = frozenset()
    numbers: frozenset[float] = frozenset()
    booleans: frozenset[float] = frozenset()

    def passes(self, statement: Statement) -> bool:
        """Tell whether a statement passes."""
        if statement.term in self.terms:
            return True
        if statement.kind == "number" and statement.number in self.numbers:
            return True
        if statement.kind == "boolean" and statement.number in self.booleans:
            return True
        return bool(self.forms) and not self.forms.isdisjoint(built_in_forms(statement))


@dataclass(frozen=True, slots=True)
class NumberRange:
    """A number between two bounds; None is unbounded."""

    low: float | None = None
    high: float | None = None
    low_included: bool = True
    high_included: bool = True

    def passes(self, statement: Statement) -> bool:
        """Tell whether a statement passes."""
        value = statement.number
        if statement.kind != "number" or value is None:
            return False
        above = self.low is None or value > self.low or (self.low_included and value == self.low)
        below = self.high is None or value < self.high or (self.high_included and value == self.high)
        return above and below


@dataclass(frozen=True, slots=True)
class TextRange:
    """A folded text between two folded bounds, by code points; None is unbounded.

    ``dates``: only a text that is a date or a time (:data:`catalog.search.periods.DATE`) passes.
    """

    low: str | None = None
    high: str | None = None
    low_included: bool = True
    high_included: bool = True
    dates: bool = False

    def passes(self, statement: Statement) -> bool:
        """Tell whether a statement passes."""
        if statement.kind != "text" or statement.text is None:
            return False
        value = fold(statement.text)
        if self.dates and not is_date(value):
            return False
        above = self.low is None or value > self.low or (self.low_included and value == self.low)
        below = self.high is None or value < self.high or (self.high_included and value == self.high)
        return above and below


@dataclass(frozen=True, slots=True)
class Pattern:
    """Some form is like a folded LIKE pattern, which does not end in a lone backslash."""

    like: str

    def passes(self, statement: Statement) -> bool:
        """Tell whether a statement passes."""
        return any(is_like(form, self.like) for form in built_in_forms(statement))


@dataclass(frozen=True, slots=True)
class Below:
    """The term is one of these: what ``ancestor`` covers among the terms in use."""

    terms: frozenset[str]
    ancestor: str

    def passes(self, statement: Statement) -> bool:
        """Tell whether a statement passes."""
        return statement.term in self.terms


@dataclass(frozen=True, slots=True)
class Word:
    """Some text of it holds a word of :func:`catalog.search.names.words`, or one that begins so."""

    word: str
    prefix: bool = False

    def passes(self, statement: Statement) -> bool:
        """Tell whether a statement passes."""
        found = statement.words()
        return any(word.startswith(self.word) for word in found) if self.prefix else self.word in found


Test = Present | Equal | NumberRange | TextRange | Pattern | Below | Word | VersionEqual | VersionRange
"""The last two are asked of datasets alone, which no backend translates: it runs ``passes`` over those it may show."""


def is_like(text: str, like: str) -> bool:
    """Tell whether a text is like a pattern (CQL2, section 7.3), in time bounded by the product of their lengths."""
    pattern = _pieces(like)
    at = piece = 0
    retry_piece, retry_at = -1, 0
    while at < len(text):
        if piece < len(pattern) and pattern[piece] is None:
            retry_piece, retry_at, piece = piece + 1, at, piece + 1
        elif piece < len(pattern) and pattern[piece] in ("", text[at]):
            at, piece = at + 1, piece + 1
        elif retry_piece >= 0:
            retry_at += 1
            at, piece = retry_at, retry_piece
        else:
            return False
    return all(rest is None for rest in pattern[piece:])


@lru_cache(maxsize=256)
def _pieces(like: str) -> Sequence[str | None]:
    """Return a pattern as characters: None for any run, an empty text for any one, else the character itself."""
    pieces: list[str | None] = []
    escaped = False
    for character in like:
        if escaped or character not in (_RUN, _ONE, "\\"):
            pieces.append(character)
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            pieces.append(None if character == _RUN else "")
    return pieces


def folded_pattern(pattern: str) -> str:
    """Return a LIKE pattern in the form in which texts are compared, without a lone backslash at its end."""
    folded = fold(pattern)
    slashes = len(folded) - len(folded.rstrip("\\"))
    return folded[:-1] if slashes % 2 else folded
