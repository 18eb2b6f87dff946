"""Canonical JSON (RFC 8785), the form in which everything is hashed.

``rfc8785`` is the reference, and too slow to hash every record of a large dataset. A C encoder writes the same
bytes for nearly all values: with orjson where it is installed, else with the standard library. What they write
otherwise is known beforehand (some floats) or leads back to the reference (integers beyond 2**53, keys outside
the basic plane, subclasses, anything that is not JSON). A property test holds the two to be equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from math import copysign, isfinite
from typing import Any, Final

import rfc8785

from ontology.errors import InvalidRequestError

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

_SAFE: Final = 2**53
_TRAILING_ZERO: Final = re.compile(rb"\.0(?=[,\]}]|$)")
_EXPONENT: Final = re.compile(rb"([:,\[])(-?\d[\d.]*+e[+\-]?\d++)(?=[,\]}])")
# A run of anything but numbers, strings passed over whole, then one number; it must reach the end, or the search
# would begin anew inside a string.
_NUMBERS: Final = re.compile(rb'((?:[^"0-9\-]++|"(?:[^"\\]++|\\.)*+")*+)(-?\d[\d.eE+\-]*+|\Z)', re.DOTALL)
_FOUR_BYTE_LEADS: Final = re.compile(rb"[\xf0-\xf4]")


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as canonical JSON in UTF-8 (RFC 8785).

    Raises:
        InvalidRequestError: ``value`` holds something that JSON cannot say (NaN, an integer beyond 2**53).
    """
    surveyed = _survey(value)
    if surveyed is not None:
        text = _encode(value)
        if text is not None:
            whole, odd = surveyed
            return text if not whole and not odd else _canonical_floats(text, whole, odd)
    return _reference(value)


def _survey(value: Any) -> tuple[int, list[float]] | None:
    """Count the floats that end in a ``.0`` too much, and list those that may need more than its removal.

    None means that only the reference may write ``value``, or refuse it.
    """
    whole = 0
    odd: list[float] = []
    pending = [value]
    for item in pending:
        kind = type(item)
        if kind is str or kind is bool or item is None:
            continue
        if kind is dict and _has_text_keys(item):
            pending.extend(item.values())
        elif kind is list or kind is tuple:
            pending.extend(item)
        elif kind is float and isfinite(item):
            if item.is_integer():
                whole += 1
            if not _is_plain(item):
                odd.append(item)
        elif kind is not int or not -_SAFE < item < _SAFE:
            return None
    return whole, odd


def _has_text_keys(members: dict[Any, Any]) -> bool:
    for key in members:  # noqa: SIM110  a third of the time that all() takes
        if type(key) is not str:
            return False
    return True


def _is_plain(number: float) -> bool:
    """Tell whether the encoders write a float as ECMAScript does, but for a trailing ``.0``."""
    size = abs(number)
    return 1e-3 <= size < 1e15 or (size == 0 and copysign(1, number) > 0)


def _orjson_encode(value: Any) -> bytes | None:
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # too deep for it, or a lone surrogate
        return None
    # Keys are sorted by code point; UTF-16 order differs only where a character needs four bytes in UTF-8.
    return text if text.isascii() or not _FOUR_BYTE_LEADS.search(text) else None


_STANDARD: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)


def _standard_encode(value: Any) -> bytes | None:
    try:
        text = _STANDARD.encode(value).encode()
    except (RecursionError, UnicodeEncodeError):
        return None
    return text if text.isascii() or not _FOUR_BYTE_LEADS.search(text) else None


_encode: Callable[[Any], bytes | None] = _orjson_encode if orjson else _standard_encode


def _canonical_floats(text: bytes, whole: int, odd: list[float]) -> bytes:
    """Write floats as ECMAScript does (RFC 8785, section 3.2.2.3).

    Matches are counted: one too many lies in some string, and then the whole text is read with care.
    """
    exponents = 0
    for number in odd:
        if number == 0:  # -0.0 is written 0
            return _NUMBERS.sub(_number, text)
        if b"e" in (_encode(number) or b""):
            exponents += 1
            whole -= number.is_integer()
    shortened, points = _TRAILING_ZERO.subn(b"", text)
    respelt, spelt = _EXPONENT.subn(_respell, shortened) if exponents else (shortened, 0)
    return respelt if (points, spelt) == (whole, exponents) else _NUMBERS.sub(_number, text)


def _respell(found: re.Match[bytes]) -> bytes:
    return found.group(1) + _ecmascript(found.group(2))


@lru_cache(maxsize=4096)
def _ecmascript(token: bytes) -> bytes:
    return rfc8785.dumps(float(token))


def _number(found: re.Match[bytes]) -> bytes:
    token = found.group(2)
    if b"." in token or b"e" in token or b"E" in token:
        token = _ecmascript(token)
    return found.group(1) + token


def _reference(value: Any) -> bytes:
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise InvalidRequestError(f"not canonical JSON: {error}") from error
