"""The one place that calls library ``cql2``: CQL2 text to CQL2 JSON (OGC 21-065r2, Annex B), guarded.

The library's parser backtracks exponentially over nested parentheses and overflows the stack on long chains of
prefix operators (2026, version 0.6), so a text is looked over before the parser sees it: strings closed,
parentheses balanced and not deep, no arithmetic, no long chains. What is refused here is refused with its place.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ontology.errors import InvalidRequestError

MAX_BYTES: Final = 20_000
MAX_DEPTH: Final = 12
MAX_WORK: Final = 400_000
"""Bound on the sum over all tokens of two to the power of their depth: what the parser does at worst."""
MAX_OPERATORS: Final = 600
MAX_CHAIN: Final = 8

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*")
      | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
      | (?P<word>[^\W\d][\w.:]*)
      | (?P<operator><>|<=|>=|!=|[=<>])
      | (?P<open>\() | (?P<close>\)) | (?P<comma>,)
      | (?P<sign>[+-])
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_PLACE: Final = re.compile(r"-->\s*(\d+):(\d+)")
_OPERATOR_WORDS: Final = frozenset({"and", "or", "not", "like", "in", "between", "is"})
SUPPORTED: Final = (
    "=, <>, <, <=, >, >=, BETWEEN, IN, LIKE, IS NULL, AND, OR, NOT and the functions under(property, 'term'), "
    "has(condition), count(condition), derived(condition), measure('name'), matches('words'), "
    "matches(property, 'words'), within(property, 'start/end'), casei(...)"
)


def to_json(text: str) -> Any:
    """Return the CQL2 JSON of a CQL2 text.

    Raises:
        InvalidRequestError: The text is too long, too deep, or not CQL2; ``params['offset']`` is the place.
    """
    _look_over(text)
    import cql2

    try:
        return cql2.parse_text(text).to_json()
    except (cql2.ParseError, cql2.ValidationError, ValueError) as error:
        offset = _offset(text, str(error))
        ended = not text[offset:].strip()
        what = "it ends where a value or condition is missing" if ended else "it is not CQL2 from here on"
        raise malformed(what, text, offset) from error


def malformed(what: str, text: str, offset: int, next_step: str | None = None) -> InvalidRequestError:
    """Return the error for a text that cannot be read at ``offset``."""
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    before = text[max(0, offset - 30) : offset].strip()
    place = f"column {column}" if "\n" not in text else f"line {line}, column {column}"
    after = f" (after {before!r})" if before else ""
    return InvalidRequestError(
        f"the query cannot be read at {place}{after}: {what}",
        field="query",
        next_step=next_step or "Example: under(diagnosis, 'DOID:3213') AND age >= 30 AND has(suffix = 'FLAIR').",
        params={"offset": offset, "line": line, "column": column},
    )


def _offset(text: str, message: str) -> int:
    """Return the place that the parser's message names, as an index into the text."""
    found = _PLACE.search(message)
    if found is None:
        return 0
    line, column = int(found.group(1)), int(found.group(2))
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return min(len(text), start + column - 1)


def _look_over(text: str) -> None:
    """Refuse what would hurt the parser, and what can be explained better than by it."""
    if not text.strip():
        raise malformed("it is empty", text, 0, "Write a condition, or TRUE for every participant.")
    if len(text) > MAX_BYTES:
        raise InvalidRequestError(
            f"the query is longer than {MAX_BYTES} characters",
            field="query",
            next_step="Split it, or freeze a cohort of one part.",
            params={"limit": MAX_BYTES},
        )
    _Guard(text).run()


class _Guard:
    """One pass over the tokens of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.opened: list[int] = []
        self.work = 0
        self.operators = 0
        self.chain = 0
        self.operand = False

    def run(self) -> None:
        for token in _TOKEN.finditer(self.text):
            kind = token.lastgroup or "other"
            if kind == "space":
                continue
            self.work += 1 << len(self.opened)
            getattr(self, "_" + kind)(token.group(), token.start())
        if self.opened:
            raise malformed("this parenthesis is never closed", self.text, self.opened[-1])
        if self.work > MAX_WORK:
            raise malformed("it is too long for its depth", self.text, 0, "Use fewer parentheses or shorter lists.")

    def _string(self, _: str, __: int) -> None:
        self.chain, self.operand = 0, True

    _name = _number = _string

    def _word(self, word: str, at: int) -> None:
        folded = word.casefold()
        if folded in _OPERATOR_WORDS:
            self._operator(word, at)
            self.chain = self.chain + 1 if folded == "not" else 0
            if self.chain > MAX_CHAIN:
                raise malformed(f"more than {MAX_CHAIN} NOT in a row", self.text, at)
        else:
            self.chain, self.operand = 0, True

    def _operator(self, _: str, at: int) -> None:
        self.operators += 1
        self.chain, self.operand = 0, False
        if self.operators > MAX_OPERATORS:
            raise malformed(f"more than {MAX_OPERATORS} operators", self.text, at, "Use IN for long alternatives.")

    def _open(self, _: str, at: int) -> None:
        self.opened.append(at)
        self.chain, self.operand = 0, False
        if len(self.opened) > MAX_DEPTH:
            raise malformed(f"parentheses are nested more than {MAX_DEPTH} deep", self.text, at)

    def _close(self, _: str, at: int) -> None:
        if not self.opened:
            raise malformed("this parenthesis was never opened", self.text, at)
        self.opened.pop()
        self.chain, self.operand = 0, True

    def _comma(self, _: str, __: int) -> None:
        self.chain, self.operand = 0, False

    def _sign(self, sign: str, at: int) -> None:
        """A sign belongs to a number and follows no operand; anything else is arithmetic."""
        following = self.text[at + 1 : at + 2]
        if self.operand or not following.isdigit():
            raise malformed(f"arithmetic ({sign}) is not supported", self.text, at, f"Supported: {SUPPORTED}.")

    def _other(self, character: str, at: int) -> None:
        if character in "'\"":
            raise malformed("this quotation mark is never closed", self.text, at)
        if character in "*/%^":
            raise malformed(f"arithmetic ({character}) is not supported", self.text, at, f"Supported: {SUPPORTED}.")
        raise malformed(f"{character!r} means nothing here", self.text, at)
