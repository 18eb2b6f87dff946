"""Statements: what records say, as search knows it.

A *statement* is one non-missing value of one property (``docs/reference/records.md``), under its canonical name,
with the texts by which it may be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from catalog.search.names import fold, words


@dataclass(frozen=True, slots=True)
class Statement:
    """One value of one property.

    Attributes:
        name: Canonical name of the property.
        kind: ``number``, ``text``, ``boolean`` or ``term`` (a term without a value of its own).
        text: The value, where it is a text.
        number: The value as it is compared (in the property's own unit), 0 or 1 for a boolean.
        unit: UCUM code of the value as found.
        term: IRI of the term it is mapped to.
        label: The term's label when it was mapped.
        original: The text found in the source.
        source: File that says so.
        session: Label of the session it belongs to.
    """

    name: str
    kind: str
    text: str | None = None
    number: float | None = None
    unit: str | None = None
    term: str | None = None
    label: str | None = None
    original: str | None = None
    source: str | None = None
    session: str | None = None

    def __hash__(self) -> int:
        """Return a hash of what distinguishes most statements: they are hashed for every value of every record."""
        return hash((self.name, self.text, self.number, self.term))

    @property
    def value(self) -> str | int | float | bool | None:
        """The value as it is shown: whole numbers without a decimal point."""
        if self.kind == "boolean":
            return bool(self.number)
        if self.number is not None:
            return whole(self.number)
        return self.text

    def forms(self) -> frozenset[str]:
        """Return the folded texts that equal this value: value, original, label, term IRI."""
        value = self.value
        shown = ("true" if value else "false") if isinstance(value, bool) else value
        texts = [str(shown)] if shown is not None else []
        texts += [text for text in (self.original, self.label, self.term) if text]
        if self.name == "session":
            texts += [other_form(text, "ses-") for text in texts]
        return frozenset(map(fold, texts))

    def words(self) -> frozenset[str]:
        """Return the words by which full text finds it: of value, original and label, where it is a text or term."""
        if self.text is None and self.term is None:
            return frozenset()
        return frozenset(word for text in (self.text, self.original, self.label) if text for word in words(text))

    @property
    def facet(self) -> str:
        """Key under which a facet counts it: one per term, else per folded value."""
        if self.term:
            return "term:" + self.term
        return f"{self.kind}:{fold(self.text) if self.text is not None else self.value}"


def to_row(statement: Statement) -> list[Any]:
    """Return a statement as a list of JSON values; :func:`from_row` reads it."""
    return [getattr(statement, name) for name in Statement.__slots__]


def from_row(row: Sequence[Any]) -> Statement:
    """Return the statement that :func:`to_row` wrote."""
    return Statement(*row)


def whole(number: float) -> int | float:
    """Return a number without a decimal point where it has no fraction."""
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def other_form(text: str, prefix: str) -> str:
    """Return a BIDS label with its prefix if it came without, and without if it came with."""
    return text.removeprefix(prefix) if text.startswith(prefix) else prefix + text
