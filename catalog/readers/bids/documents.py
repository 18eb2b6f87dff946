"""JSON files of a dataset: read as far as they can be, with every departure from RFC 8259 reported.

What is handed on can always be stored: objects only, finite numbers, exact integers, valid Unicode, and no
deeper than a reader of records need expect.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from catalog.readers.bids.schema import BidsSchema
from catalog.readers.problems import ProblemLog
from catalog.readers.reading import Document

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

BYTES = 16 * 1024 * 1024
"""Largest sidecar that is read."""
DEPTH = 64
"""Deepest nesting that is read."""
EXACT = 2**53
"""Integers beyond this are not the same in every reader of JSON (RFC 8259, section 6)."""

_QUESTIONABLE = 2.0**63
"""Floats beyond this may be integers that a reader of JSON could not hold, and are looked at with care."""
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)
_TYPE_NAMES = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def decode(raw: bytes, path: str, problems: ProblemLog) -> str:
    """Return ``raw`` as text: as UTF-8, as its byte-order mark says, or else as Latin-1 (the last two reported)."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        problems.add(path, "is UTF-16; it was read, BIDS asks for UTF-8")
        return raw.decode("utf-16", errors="replace")
    if raw.startswith(b"\xef\xbb\xbf"):
        problems.add(path, "begins with a byte-order mark, which was left out")
        raw = raw[3:]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.add(path, f"is not UTF-8 (byte {error.start}); it was read as Latin-1")
        return raw.decode("latin-1")


def read_object(raw: bytes, path: str, problems: ProblemLog) -> Document | None:
    """Return the JSON object in ``raw``, or None where there is none; problems say what was amiss."""
    faultless = _read_faultless(raw)
    if faultless is not None:
        return faultless
    text = decode(raw, path, problems)
    try:
        if text.count("[") + text.count("{") > DEPTH and _depth(text) > DEPTH:
            problems.add(path, f"is nested deeper than {DEPTH} levels and was not read")
            return None
        found = json.loads(text)
    except RecursionError:
        problems.add(path, f"is nested deeper than {DEPTH} levels and was not read")
        return None
    except ValueError as error:
        problems.add(path, f"is not JSON: {_where(error)}")
        return None
    if not isinstance(found, dict):
        problems.add(
            path, f"holds {_TYPE_NAMES.get(type(found), 'nothing')} where an object is wanted; it was not read"
        )
        return None
    return found if _sound(found) else _repair_members(found, path, problems)


def _read_faultless(raw: bytes) -> Document | None:
    """Return the object in ``raw`` if nothing whatever is the matter with it, as quickly as can be told."""
    if orjson is None or raw.count(b"[") + raw.count(b"{") > DEPTH:
        return None
    try:
        found = orjson.loads(raw)
    except ValueError:
        return None
    return found if type(found) is dict and _sound(found) else None


def check_types(found: Document, path: str, schema: BidsSchema, problems: ProblemLog) -> None:
    """Report members whose JSON type the schema does not allow; the value is kept as it was found."""
    wanted = schema.metadata
    for name, value in found.items():
        kinds = wanted.get(name)
        if kinds is None or value is None or type(value) in kinds:
            continue
        if type(value) is float and int in kinds and value.is_integer():
            continue
        names = dict.fromkeys(_TYPE_NAMES[kind] for kind in kinds)
        problems.add(path, f"{_brief(value)} is not {' or '.join(names)}", name)


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _where(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    return "a number is too long to be read"


def _depth(text: str) -> int:
    """Return how deep brackets nest outside of strings."""
    depth = deepest = 0
    for found in _STRUCTURE.finditer(text):
        mark = found[0]
        if mark in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "]}":
            depth -= 1
    return deepest


def _sound(value: Any) -> bool:
    """Tell whether ``value`` can be stored as it is; the usual case, and quick."""
    kind = type(value)
    if kind is str:
        return _encodes(value)
    if kind is float:
        return bool(-_QUESTIONABLE < value < _QUESTIONABLE)
    if kind is int:
        return bool(-EXACT < value < EXACT)
    if kind is list:
        return _is_sound_vector(value) or all(map(_sound, value))
    if kind is dict:
        return all(map(_sound, value)) and all(map(_sound, value.values()))
    return True


def _is_sound_vector(values: list[Any]) -> bool:
    """Tell whether a list holds sound numbers alone, as long ones (slice times, gradients) nearly always do."""
    if not values or type(values[0]) not in (int, float):
        return False
    try:
        return bool(math.isfinite(sum(values)) and max(values) < EXACT and min(values) > -EXACT)
    except (TypeError, OverflowError):
        return False


def _encodes(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _repair_members(found: Document, path: str, problems: ProblemLog) -> Document:
    repaired: Document = {}
    for key, value in found.items():
        name = _repair_text(key)
        repaired[name] = value if _sound(value) else _repair(value)
        if name != key:
            problems.add(path, "the member's name is not valid Unicode", name)
        if repaired[name] != value:
            problems.add(path, _fault(value), name)
    return repaired


def _fault(value: Any) -> str:
    if isinstance(value, float):
        return f"{value} is no number in JSON; it was read as missing"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value} is too large to be exact; its digits were kept as text"
    if isinstance(value, list | dict):
        return "holds values that JSON cannot say (infinite, too large, or no Unicode); they were replaced"
    return "is not valid Unicode; what could not be read was replaced"


def _repair(value: Any) -> Any:
    if isinstance(value, str):
        return _repair_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -EXACT < value < EXACT else str(value)
    if isinstance(value, list):
        return [_repair(item) for item in value]
    if isinstance(value, dict):
        return {_repair_text(key): _repair(item) for key, item in value.items()}
    return value


def _repair_text(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", errors="replace").decode("utf-8")
