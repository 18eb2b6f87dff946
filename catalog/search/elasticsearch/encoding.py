"""How a value is filed: each statement as a few exact terms, so that a test on values is a lookup of terms.

A term is the property's name, U+001F, and what may be asked for. Values are never given to Elasticsearch's own
analysers, numbers or mappings: what a text, word or number equals is decided in :mod:`catalog.search.projection`, and
a catalogue may have as many properties as it likes without the mapping growing.

Texts that are compared are folded, which turns U+001C to U+001F into spaces, and names are made of letters, digits,
``_`` and ``.``; so the separators are never part of either. A term may have 32,766 bytes. What is longer (a text of
4,000 characters can be, when folding lengthens it), or cannot be taken apart again, is filed under a digest of its
statement; there are hardly any, and they are read and tested one by one.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from catalog.search.names import ANY, fold
from catalog.search.periods import is_date
from catalog.search.projection import Statement, to_row, whole

SEPARATOR: Final = "\x1f"
AFTER_SEPARATOR: Final = "\x20"
BOOLEAN: Final = "\x1e"
DECIMAL: Final = "\x1d"
DIGEST: Final = "\x1c"

MAX_TERM: Final = 32_000
MAX_NAME: Final = 400
FACET_FIELDS: Final = 32
FACET_TEXT: Final = 200

LOOKED_UP: Final = ("forms", "texts", "dates", "terms", "numbers", "words", "units", "spelled")
"""Fields of exact terms that are looked up, and never counted."""

Filed = tuple[tuple[str, str], ...]
"""Fields and terms."""


@dataclass(frozen=True, slots=True)
class _Filing:
    """All that is filed for one statement; statements repeat, so it is kept."""

    terms: Filed
    start: str
    kinds: str
    facet: tuple[str, str]
    shown: tuple[str, str, str]


@lru_cache(maxsize=100_000)
def _filing(statement: Statement) -> _Filing:
    name = coded(statement.name)
    shown = (rank(statement), shown_field(statement.name), shown_term(statement))
    return _Filing(_terms(statement), name + SEPARATOR, _kinds(statement), (name, statement.facet), shown)


def filed(statements: Iterable[Statement]) -> dict[str, list[str]]:
    """Return the terms under which a record is filed for what it says, by field."""
    found: dict[str, set[str]] = {}
    kinds: dict[str, str] = {}
    shown: dict[tuple[str, str], tuple[str, str, str]] = {}
    for filing in map(_filing, statements):
        for field, term in filing.terms:
            if field in found:
                found[field].add(term)
            else:
                found[field] = {term}
        kinds[filing.start] = kinds.get(filing.start, "") + filing.kinds
        first = shown.get(filing.facet)
        if first is None or filing.shown < first:
            shown[filing.facet] = filing.shown
    for _, field, term in shown.values():
        found.setdefault(field, set()).add(term)
    if kinds:
        found["present"] = {start + "".join(sorted(set(of))) for start, of in kinds.items()}
    return {field: list(terms) for field, terms in found.items()}


def filed_built_in(statements: Iterable[Statement]) -> dict[str, list[str]]:
    """Return the terms of ``id`` and ``label``: they can be asked for, and are no values that facets or words show.

    They differ from record to record, so that nothing of them is kept.
    """
    found: dict[str, list[str]] = {"texts": [], "forms": []}
    for statement in statements:
        start, text = statement.name + SEPARATOR, fold(statement.text or "")
        terms = {form: start + form for form in (text, *statement.forms())}
        for form, term in terms.items():
            if fits(term):
                found["texts" if form == text else "forms"].append(term)
        if not all(map(fits, terms.values())):
            found[shown_field(statement.name)] = [shown_term(statement)]
    return found


def _terms(statement: Statement) -> Filed:
    return tuple((field, term) for field, term in _all_terms(statement) if fits(term))


def _all_terms(statement: Statement) -> Iterator[tuple[str, str]]:
    start, forms = coded(statement.name) + SEPARATOR, set(statement.forms())
    for field, term, form in _of_kind(statement):
        forms.discard(form)
        yield field, term
    yield from (("forms", start + form) for form in forms)
    if statement.term is not None:
        yield "terms", start + statement.term
    if statement.unit is not None:
        yield "units", start + statement.unit
    if statement.text is not None or statement.term is not None:
        spelled = filter(None, (statement.text, statement.original, statement.label))
        yield from (("spelled", start + written) for written in spelled)
    for word in statement.words():
        yield "words", start + word
        yield "words", ANY + SEPARATOR + word


def _of_kind(statement: Statement) -> Iterator[tuple[str, str, str]]:
    """Yield fields and terms of the value itself, each with the form that need not be filed because of it."""
    name = coded(statement.name)
    if statement.kind == "text" and statement.text is not None:
        text = fold(statement.text)
        yield "texts", name + SEPARATOR + text, text
        if is_date(text):
            yield "dates", name + SEPARATOR + text, text
    elif statement.kind == "number" and statement.number is not None:
        yield "numbers", number_term(name, statement.number), fold(str(statement.value))
    elif statement.kind == "boolean":
        yield "numbers", boolean_term(name, float(statement.number or 0)), ""


def _kinds(statement: Statement) -> str:
    """Return one letter for each thing that a value is: Boolean, number (Fraction), Text, or mapped to a Vocabulary."""
    kinds = {"boolean": "b", "number": "n", "text": "t"}.get(statement.kind, "")
    if statement.kind == "number" and statement.number is not None and not statement.number.is_integer():
        kinds += "f"
    return kinds + ("v" if statement.term is not None or statement.kind == "term" else "")


KINDS: Final = {"b": "boolean", "n": "number", "t": "text", "v": "term"}


@lru_cache(maxsize=16_384)
def coded(name: str) -> str:
    """Return a property's name as it stands in terms: itself, unless it is very long."""
    if len(name.encode()) <= MAX_NAME:
        return name
    return DIGEST + blake2b(name.encode(), digest_size=16).hexdigest()


def fits(term: str) -> bool:
    """Tell whether a text is short enough for a term."""
    return len(term) <= MAX_TERM // 4 or len(term.encode()) <= MAX_TERM


def clipped(text: str) -> str:
    """Return so much of a text as a term can be."""
    return text if fits(text) else text.encode()[:MAX_TERM].decode(errors="ignore")


def number_term(name: str, number: float) -> str:
    """Return the term of a number: in the order of numbers, and with its decimal form behind."""
    return f"{name}{SEPARATOR}{ordered(number)}{DECIMAL}{whole(number)}"


def boolean_term(name: str, value: float) -> str:
    """Return the term of a truth value."""
    return f"{name}{BOOLEAN}{int(value)}"


def ordered(number: float) -> str:
    """Return 16 hexadecimal digits that are ordered as the numbers are (IEEE 754 binary64)."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", number))
    return f"{bits ^ (0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else 1 << 63):016x}"


def number_of(digits: str) -> float:
    """Return the number that :func:`ordered` wrote."""
    bits = int(digits, 16)
    bits ^= 1 << 63 if bits >> 63 else 0xFFFF_FFFF_FFFF_FFFF
    (number,) = struct.unpack(">d", struct.pack(">Q", bits))
    return float(number)


def number_in(form: str) -> float | None:
    """Return the number that is written so, if one is: a number's own form is not filed beside it."""
    try:
        number = float(form)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and fold(str(whole(number))) == form else None


def shown_field(name: str) -> str:
    """Return the field with the values of a property as facets count and show them.

    Counting goes through all values that a field has of a record; so they are spread over fields by name.
    """
    return f"shown.s{zlib.crc32(name.encode()) % FACET_FIELDS:02}"


def rank(statement: Statement) -> str:
    """Return by what the one spelling is chosen that stands for all in a facet."""
    return f"{statement.text or ''} {statement.label or ''}"


def shown_term(statement: Statement) -> str:
    """Return the term of a value as facets count and show it; :func:`shown_statement` reads it."""
    facet = statement.facet
    if not statement.term:
        facet = facet[:FACET_TEXT]
    original = statement.original if statement.term and not statement.label else None
    parts = [facet, statement.text or "", statement.label or "", original or ""]
    term = SEPARATOR.join([coded(statement.name), *parts])
    if fits(term) and not any(SEPARATOR in part for part in parts) and all(map(fits, _other_terms(statement))):
        return term
    return f"{coded(statement.name)}{SEPARATOR}{DIGEST}{digest(statement)}"


def _other_terms(statement: Statement) -> Iterator[str]:
    return (term for _, term in _all_terms(statement))


def is_long(statement: Statement) -> bool:
    """Tell whether a statement is filed under its digest."""
    return _filing(statement).shown[2].partition(SEPARATOR)[2].startswith(DIGEST)


def shown_statement(name: str, term: str) -> Statement | None:
    """Return what :func:`shown_term` says of a value; None where it has only a digest."""
    _, facet, *facts = term.split(SEPARATOR)
    if facet.startswith(DIGEST):
        return None
    text, label, original = (fact or None for fact in facts)
    kind, _, value = facet.partition(":")
    number = None
    if kind == "number":
        number = float(value)
    elif kind == "boolean":
        number = float(value == "True")
    iri = value if kind == "term" else None
    return Statement(name, kind, text=text, number=number, term=iri, label=label, original=original)


def digest(statement: Statement) -> str:
    """Return what tells a statement from all others."""
    return blake2b(repr(to_row(statement)).encode(), digest_size=16).hexdigest()


def like_wildcard(like: str) -> str:
    r"""Return a LIKE pattern in the syntax of wildcard queries: ``*``, ``?``, ``\``."""
    written: list[str] = []
    escaped = False
    for character in like:
        if not escaped and character == "\\":
            escaped = True
            continue
        if not escaped and character in "%_":
            written.append("*" if character == "%" else "?")
        else:
            written.append("\\" + character if character in "*?\\" else character)
        escaped = False
    return "".join(written)
