"""What statements are made of: identifiers, literals and times (PROV-DM section 5.7.3)."""

from __future__ import annotations

import math
import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from ontology.errors import InvalidRequestError
from provenance.vocabulary import (
    LANGUAGE_STRING,
    NAME_TYPES,
    RDF,
    XSD_BOOLEAN,
    XSD_DATETIME,
    XSD_DOUBLE,
    XSD_INT,
    XSD_INTEGER,
    XSD_LONG,
    XSD_STRING,
)

_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20<>\"{}|^`\\\ud800-\udfff]*")
_TIME = re.compile(
    r"(-?(?:[1-9][0-9]{4,}|[0-9]{4})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])(?:\.([0-9]+))?(Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?"
)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_FEBRUARY_30 = re.compile(r"-?[0-9]+-(?:02-3[01]|0[469]-31|11-31)T")


class Identifier(str):
    """An absolute IRI (RFC 3987).

    PROV-DM calls these qualified names; two of them are the same when their IRIs are (section 5.7.1), so the
    IRI is what the model keeps, and prefixes are a matter of how a document is written.

    Raises:
        InvalidRequestError: The text is no absolute IRI.
    """

    __slots__ = ()

    def __new__(cls, iri: str) -> Identifier:
        """Check ``iri`` and return it as an identifier."""
        if _IRI.fullmatch(iri) is None:
            raise InvalidRequestError(f"{iri!r} is not an absolute IRI", field="id")
        return str.__new__(cls, iri)


class _LiteralFields(NamedTuple):
    text: str
    datatype: str
    language: str | None


class Literal(_LiteralFields):
    """A typed value, or a string in a language.

    Two literals are equal when text, datatype and language are: ``"01"`` and ``"1"`` differ, and a document
    comes back from a file letter for letter. Times alone are brought to one spelling.

    Raises:
        InvalidRequestError: The datatype is one of qualified names (give an :class:`Identifier`), the language
            is no language tag, or the text has unpaired surrogates.
    """

    __slots__ = ()

    def __new__(cls, text: str, datatype: str = XSD_STRING, language: str | None = None) -> Literal:
        """Check the parts and return the literal."""
        if not text.isascii():
            _check_encodable(text)
        if language is not None:
            if _LANGUAGE.fullmatch(language) is None:
                raise InvalidRequestError(f"{language!r} is not a language tag")
            datatype = LANGUAGE_STRING
        elif datatype is not XSD_STRING:
            text = _typed_text(text, datatype)
        return tuple.__new__(cls, (text, datatype, language))


Value = Identifier | Literal
"""The value of an attribute."""


def _check_encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError("a text holds an unpaired surrogate, which no format can write") from error


def _typed_text(text: str, datatype: str) -> str:
    """Return the text of a literal in the spelling that the model keeps."""
    if datatype == XSD_DATETIME:
        return normal_time(text) if _TIME.fullmatch(text) else text
    if datatype in NAME_TYPES:
        raise InvalidRequestError(f"{text!r}: a value that is a name is an identifier, not a literal")
    if datatype in (LANGUAGE_STRING, RDF + "langString"):
        raise InvalidRequestError(f"{text!r}: a string of type {datatype} needs a language")
    _check_datatype(datatype)
    return text


@lru_cache(maxsize=256)
def _check_datatype(datatype: str) -> None:
    """Check that a datatype is an IRI; there are few of them, and many literals of each."""
    Identifier(datatype)


def normal_time(time: datetime | str) -> str:
    """Return an ``xsd:dateTime`` in one spelling: UTC as ``Z``, fractions without trailing zeros.

    The zone is kept as given, because it says where a clock stood.

    Raises:
        InvalidRequestError: Not an ``xsd:dateTime``.
    """
    text = time.isoformat() if isinstance(time, datetime) else time
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None or _FEBRUARY_30.match(text):
        raise InvalidRequestError(f"{text!r} is not an xsd:dateTime", field="time")
    whole, fraction, zone = found.groups()
    if fraction:
        fraction = fraction.rstrip("0")
    if zone in ("+00:00", "-00:00"):
        zone = "Z"
    return whole + (f".{fraction}" if fraction else "") + (zone or "")


def value_of(value: object) -> Value:
    """Return a Python value as a value of the model; a plain string is always text, never a name.

    Integers take the narrowest of ``xsd:int``, ``xsd:long`` and ``xsd:integer``, as PROV-N does (3.7.3).

    Raises:
        InvalidRequestError: A value of this type has no literal form.
    """
    if type(value) is str:
        return Literal(value)
    if isinstance(value, Identifier | Literal):
        return value
    if isinstance(value, bool):
        return Literal("true" if value else "false", XSD_BOOLEAN)
    if isinstance(value, int):
        return Literal(str(value), integer_type(value))
    if isinstance(value, float):
        return Literal(_double(value), XSD_DOUBLE)
    if isinstance(value, datetime):
        return Literal(value.isoformat(), XSD_DATETIME)
    if isinstance(value, str):
        return Literal(str(value))
    raise InvalidRequestError(f"a value of type {type(value).__name__} cannot be an attribute value")


def integer_type(value: int) -> str:
    """Return the narrowest of ``xsd:int``, ``xsd:long`` and ``xsd:integer`` that holds ``value``."""
    if -(2**31) <= value < 2**31:
        return XSD_INT
    return XSD_LONG if -(2**63) <= value < 2**63 else XSD_INTEGER


def _double(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "INF" if value > 0 else "-INF"
