"""What may stand at a place of a CQL2 text that somebody is still typing.

One pass over the tokens before the place (OGC 21-065r2, Annex B), tolerant of all that is not there yet. Only what
stands before the place counts; what follows it is looked at for the end of the word or text that is replaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from catalog.search.names import Level, canonical_name, measure_name

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>'(?:[^']|'')*(?:'|$))
      | (?P<name>"(?:[^"]|"")*(?:"|$))
      | (?P<number>[+-]?\d[\w.]*)
      | (?P<word>[^\W\d][\w.:]*)
      | (?P<operator><>|<=|>=|!=|[=<>!])
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_REST_OF_WORD: Final = re.compile(r"[\w.:]*")
_REST_OF_STRING: Final = re.compile(r"(?:[^'\"()=<>,]|'')*'(?!')")
_REST_OF_NAME: Final = re.compile(r"[^'\"()=<>,]*\"")

RANGING: Final = ("has", "count", "derived")
"""Functions whose condition is said of one acquisition."""
NUMBERS: Final = ("count",)
ARGUMENTS: Final = ("under", "matches", "within", "measure", "casei")


class Expected(StrEnum):
    """What may stand at a place."""

    CONDITION = "condition"
    PROPERTY = "property"
    OPERATOR = "operator"
    VALUE = "value"
    NULL = "null"
    AND = "and"
    CONNECTIVE = "connective"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a query, and what may stand there.

    Attributes:
        expected: What.
        level: Whom the surrounding condition is about.
        property: Whose operator or value it is, by its canonical name; None where that is not known.
        function: The function whose argument it is, or (``count``) with whose number something is compared.
        typed: What of it is typed already, without quotation marks.
        quoted: Whether that stands in single quotes.
        start: Where it begins: what is chosen replaces the text from here.
        end: To here.
        nested: Whether a parenthesis is open.
    """

    expected: Expected
    level: Level
    property: str | None
    function: str | None
    typed: str
    quoted: bool
    start: int
    end: int
    nested: bool


@dataclass(slots=True)
class _Frame:
    """What stands between two parentheses."""

    level: Level
    function: str | None = None
    expected: Expected = Expected.CONDITION
    property: str | None = None
    compared: str | None = None
    range_left: int = 0
    argument: int = 0


@dataclass(slots=True)
class _Walker:
    """Follows the tokens; the last frame is the innermost."""

    frames: list[_Frame] = field(default_factory=lambda: [_Frame(Level.PARTICIPANT)])
    word: str | None = None

    @property
    def here(self) -> _Frame:
        return self.frames[-1]

    def take(self, kind: str, text: str) -> None:
        """Go over one token."""
        word, self.word = self.word, None
        if text == "(":
            self._open(word)
        elif text == ")":
            self._close()
        elif text == ",":
            self._comma()
        elif kind == "operator":
            self.here.expected = Expected.VALUE
        elif kind == "word":
            self._word(text)
        elif kind == "name":
            self._operand(canonical_name(text.strip('"'), self.here.level))
        elif kind in ("string", "number"):
            self._literal(text)

    def _open(self, word: str | None) -> None:
        here, name = self.here, (word or "").casefold()
        if name in RANGING:
            self.frames.append(_Frame(Level.ACQUISITION, name))
        elif name in ARGUMENTS:
            first = Expected.VALUE if name == "measure" else Expected.PROPERTY
            inner = _Frame(here.level, name, first)
            if name == "casei" and here.expected is Expected.VALUE:
                inner.expected, inner.property = Expected.VALUE, here.property
            self.frames.append(inner)
        elif here.expected is Expected.VALUE:
            self.frames.append(_Frame(here.level, "in", Expected.VALUE, here.property))
        else:
            self.frames.append(_Frame(here.level))

    def _close(self) -> None:
        if len(self.frames) == 1:
            return
        inner = self.frames.pop()
        here = self.here
        if inner.function in NUMBERS:
            here.property, here.compared, here.expected = None, inner.function, Expected.OPERATOR
        elif inner.function in ("measure", "casei") and here.expected is not Expected.VALUE:
            here.property, here.expected = inner.property, Expected.OPERATOR
        else:
            self._finished()

    def _comma(self) -> None:
        here = self.here
        here.argument += 1
        here.expected = Expected.VALUE if here.function in ("under", "matches", "within", "in") else Expected.NOTHING

    def _word(self, text: str) -> None:
        here, folded = self.here, text.casefold()
        if here.expected is Expected.CONDITION and folded == "not":
            return
        if here.expected is Expected.CONNECTIVE:
            here.expected = Expected.CONDITION if folded in ("and", "or") else Expected.CONNECTIVE
        elif here.expected is Expected.OPERATOR:
            self._operator_word(folded)
        elif here.expected is Expected.NULL:
            here.expected = Expected.CONNECTIVE if folded == "null" else Expected.NULL
        elif here.expected is Expected.AND:
            here.expected = Expected.VALUE if folded == "and" else Expected.AND
        elif folded in ("true", "false"):
            self._finished()
        else:
            self.word = text
            if here.expected is not Expected.VALUE or folded not in ARGUMENTS:
                self._operand(canonical_name(text, here.level))

    def _operator_word(self, folded: str) -> None:
        here = self.here
        if folded == "is":
            here.expected = Expected.NULL
        elif folded in ("in", "like"):
            here.expected = Expected.VALUE
        elif folded == "between":
            here.expected, here.range_left = Expected.VALUE, 2

    def _operand(self, name: str) -> None:
        here = self.here
        if here.expected is Expected.CONDITION:
            here.property, here.expected = name, Expected.OPERATOR
        elif here.expected is Expected.PROPERTY:
            here.property, here.expected = name, Expected.NOTHING
        elif here.expected is Expected.VALUE:
            self._finished()

    def _literal(self, text: str) -> None:
        here = self.here
        if here.expected is Expected.CONDITION:  # as in 3 <= age
            here.property, here.expected = None, Expected.OPERATOR
        elif here.function == "measure":
            here.property, here.expected = measure_name(text.strip("'")), Expected.NOTHING
        else:
            self._finished()

    def _finished(self) -> None:
        """A value or a condition ends here."""
        here = self.here
        if here.function in ARGUMENTS or here.function == "in":
            here.expected = Expected.NOTHING
        elif here.range_left == 2:
            here.range_left, here.expected = 1, Expected.AND
        else:
            here.range_left, here.compared, here.expected = 0, None, Expected.CONNECTIVE


def place_of(text: str, at: int) -> Place:
    """Return what may stand at a place of a text; a place beyond its end is its end."""
    at = max(0, min(at, len(text)))
    tokens = [(t.lastgroup or "other", t.group(), t.start()) for t in _TOKEN.finditer(text[:at])]
    kind, typed, start = tokens[-1] if tokens else ("space", "", 0)
    unfinished = _is_unfinished(kind, typed)
    walker = _Walker()
    for of_kind, token, _ in tokens[:-1] if unfinished else tokens:
        if of_kind != "space":
            walker.take(of_kind, token)
    here = walker.here
    return Place(
        expected=here.expected,
        level=here.level,
        property=here.property,
        function=here.function if here.function in (*ARGUMENTS, "in") else here.compared,
        typed=typed.strip("'\"").replace("''", "'") if unfinished else "",
        quoted=unfinished and kind == "string",
        start=start if unfinished else at,
        end=at + _rest(kind, text[at:]) if unfinished else at,
        nested=len(walker.frames) > 1,
    )


def _is_unfinished(kind: str, text: str) -> bool:
    """Tell whether the token at the place is one that may go on."""
    if kind in ("string", "name"):
        return len(text) == 1 or (text.count(text[0]) % 2 == 1)
    return kind in ("word", "number") or text in ("<", ">", "!")


def _rest(kind: str, following: str) -> int:
    """Return how much of the token stands after the place."""
    if kind in ("string", "name"):
        found = (_REST_OF_STRING if kind == "string" else _REST_OF_NAME).match(following)
    else:
        found = _REST_OF_WORD.match(following) if kind != "operator" else None
    return found.end() if found else 0
