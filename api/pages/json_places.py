"""Where in the text of a JSON document the things stand that JSON pointers (RFC 6901) name."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, Final

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_SCALAR: Final = re.compile(r"[^\s,\]}]+")
AROUND: Final = 2
"""Lines that are shown before and after one that something is wrong with."""
WIDEST: Final = 400
"""Characters of a line that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a document as it is shown; where ``number`` is None, some are left out.

    Attributes:
        number: Its number, from 1.
        text: What it says.
        problems: What is wrong there, each with the pointer to it.
    """

    number: int | None
    text: str = ""
    problems: tuple[Mapping[str, str], ...] = ()


def places_of(text: str) -> dict[str, int]:
    """Return where each value of a document begins, by the pointer to it; of a member, where its name begins.

    Args:
        text: The text of a document that ``json.loads`` reads.
    """
    found: dict[str, int] = {"": _SPACE.match(text, 0).end()}  # type: ignore[union-attr]
    try:
        _Walk(text, found).value(found[""], "")
    except RecursionError:  # Deeper than anybody writes: what was found so far will do.
        return found
    return found


@dataclass(frozen=True, slots=True)
class _Walk:
    """One reading of a document."""

    text: str
    found: dict[str, int]

    def _past_space(self, at: int) -> int:
        return _SPACE.match(self.text, at).end()  # type: ignore[union-attr]

    def value(self, at: int, pointer: str) -> int:
        """Note everything within the value that begins here and return where it ends."""
        first = self.text[at]
        if first == "{":
            return self._members(at, pointer)
        if first == "[":
            return self._items(at, pointer)
        if first == '"':
            return int(scanstring(self.text, at + 1, False)[1])
        return _SCALAR.match(self.text, at).end()  # type: ignore[union-attr]

    def _members(self, at: int, pointer: str) -> int:
        at = self._past_space(at + 1)
        while self.text[at] != "}":
            at = self._past_space(at + 1) if self.text[at] == "," else at
            name, end = scanstring(self.text, at + 1, False)
            inner = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            self.found[inner] = at
            colon = self._past_space(end)
            at = self._past_space(self.value(self._past_space(colon + 1), inner))
        return at + 1

    def _items(self, at: int, pointer: str) -> int:
        at, number = self._past_space(at + 1), 0
        while self.text[at] != "]":
            at = self._past_space(at + 1) if self.text[at] == "," else at
            inner = f"{pointer}/{number}"
            self.found[inner] = at
            at, number = self._past_space(self.value(at, inner)), number + 1
        return at + 1


def place_of(places: Mapping[str, int], pointer: str) -> int:
    """Return where a pointer leads; where what it names is missing, to what should have it."""
    while pointer not in places:
        pointer = pointer.rpartition("/")[0]
    return places[pointer]


def excerpt(text: str, problems: Iterable[Mapping[str, Any]]) -> list[Line]:
    """Return the lines of a document that something is wrong with, and those about them, each with what is wrong.

    Args:
        text: The document.
        problems: ``{field, detail}`` with the pointer, or ``{at, detail}`` with the place itself.
    """
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    said = _by_line(text, starts[1:], list(problems))
    shown = sorted({near for at in said for near in range(at - AROUND, at + AROUND + 1) if 0 <= near < len(lines)})
    found: list[Line] = []
    for at in shown:
        if (found and found[-1].number != at) or (not found and at):
            found.append(Line(number=None))
        found.append(Line(number=at + 1, text=_short(lines[at]), problems=tuple(said.get(at, ()))))
    return [*found, Line(number=None)] if found and found[-1].number != len(lines) else found


def _by_line(text: str, ends: list[int], problems: list[Mapping[str, Any]]) -> dict[int, list[Mapping[str, str]]]:
    places = places_of(text) if any("at" not in each for each in problems) else {}
    said: dict[int, list[Mapping[str, str]]] = {}
    for each in problems:
        at = each["at"] if "at" in each else place_of(places, str(each["field"]))
        line = min(bisect_right(ends, at), len(ends) - 1)
        said.setdefault(line, []).append({"field": str(each.get("field", "")), "detail": str(each["detail"])})
    return said


def _short(line: str) -> str:
    return line.rstrip("\r") if len(line) <= WIDEST else f"{line[:WIDEST]} \N{HORIZONTAL ELLIPSIS}"
