"""JSON documents, member by member; a member is named by its JSON pointer (RFC 6901)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from executors.comparison.model import DifferentError, Tolerance, differences, shown
from executors.comparison.rules import escaped

LARGEST: Final = 64_000_000
TOLD: Final = 20
"""So many members that differ are named."""
EXACT: Final = Tolerance()


@dataclass(slots=True)
class _Found:
    """What is known so far of two documents."""

    members: int = 0
    different: int = 0
    named: list[dict[str, Any]] = field(default_factory=list)
    largest_absolute: float = 0.0
    largest_relative: float = 0.0
    worst: str | None = None

    def differs(self, pointer: str, detail: str) -> None:
        self.different += 1
        if len(self.named) < TOLD:
            self.named.append({"member": pointer, "detail": detail})


def compare_documents(rule: Mapping[str, Any], found: Path, expected: Path) -> tuple[bool, str, dict[str, Any]]:
    """Compare two JSON documents: numbers within the nearest tolerance above them, everything else exactly.

    ``1`` and ``1.0`` are one number (RFC 8259, section 6); the order of an object's members says nothing.

    Raises:
        DifferentError: One is no JSON.
        OSError: One cannot be read.
    """
    known = _Found()
    tolerances = _Tolerances(rule)
    for pointer, there, wanted in _pairs(_read(found), _read(expected), "", tuple(rule.get("ignore", ()))):
        known.members += 1
        _hold(known, pointer, there, wanted, tolerances.at(pointer))
    numbers = {
        "members": known.members,
        "different": known.different,
        "largest_absolute": known.largest_absolute,
        "largest_relative": known.largest_relative,
        "at": known.worst,
        "differences": known.named,
    }
    if known.different:
        first = known.named[0]
        more = f" (and {known.different - 1} more)" if known.different > 1 else ""
        return False, f"{first['member'] or 'the document'}: {first['detail']}{more}", numbers
    most = f"; the largest difference is {shown(known.largest_relative * 100)} %" if known.worst else ""
    return True, f"{known.members} members within tolerance{most}", numbers


class _Tolerances:
    """Which tolerance holds for a member: the one given for the longest pointer above it."""

    def __init__(self, rule: Mapping[str, Any]) -> None:
        given = {pointer: Tolerance.of(tolerance) for pointer, tolerance in rule.get("members", {}).items()}
        self._given = dict(sorted(given.items(), key=lambda item: len(item[0]), reverse=True))
        self._default = Tolerance.of(rule["default"]) if "default" in rule else EXACT

    def at(self, pointer: str) -> Tolerance:
        """Return the tolerance of a member."""
        return next((tolerance for above, tolerance in self._given.items() if is_below(pointer, above)), self._default)


def is_below(pointer: str, above: str) -> bool:
    """Tell whether a pointer is another, or leads to something inside what that one points at."""
    return pointer == above or pointer.startswith(above.rstrip("/") + "/")


class _Missing:
    """Stands for what is in only one of the documents."""


MISSING: Final = _Missing()


def _pairs(found: Any, expected: Any, pointer: str, ignored: tuple[str, ...]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the leaves of both documents side by side, without descending into Python's own stack."""
    waiting = [(pointer, found, expected)]
    while waiting:
        place, there, wanted = waiting.pop()
        if any(is_below(place, above) for above in ignored):
            continue
        if isinstance(there, dict) and isinstance(wanted, dict):
            names: Iterable[Any] = sorted(there.keys() | wanted.keys(), reverse=True)
            waiting += [
                (f"{place}/{escaped(name)}", there.get(name, MISSING), wanted.get(name, MISSING)) for name in names
            ]
        elif isinstance(there, list) and isinstance(wanted, list):
            longest = range(max(len(there), len(wanted)) - 1, -1, -1)
            waiting += [(f"{place}/{number}", _item(there, number), _item(wanted, number)) for number in longest]
        else:
            yield place, there, wanted


def _item(items: list[Any], number: int) -> Any:
    return items[number] if number < len(items) else MISSING


def _hold(known: _Found, pointer: str, there: Any, wanted: Any, tolerance: Tolerance) -> None:
    if there is MISSING or wanted is MISSING:
        known.differs(pointer, "it is missing" if there is MISSING else "it is not expected")
    elif _is_number(there) and _is_number(wanted):
        absolute, relative = differences(_as_float(there), _as_float(wanted))
        if relative > known.largest_relative:
            known.largest_relative, known.worst = relative, pointer
        known.largest_absolute = max(known.largest_absolute, absolute)
        if there != wanted and not tolerance.allows(_as_float(there), _as_float(wanted)):
            known.differs(pointer, f"{shown(_as_float(there))} and not {shown(_as_float(wanted))}")
        elif there != wanted and tolerance == EXACT and not (there != there and wanted != wanted):
            # Whole numbers beyond 2**53 that are one as floating point.
            known.differs(pointer, "another whole number")
    elif type(there) is not type(wanted) or there != wanted:
        known.differs(pointer, f"{_told(there)} and not {_told(wanted)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _told(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _read(path: Path) -> Any:
    if path.stat().st_size > LARGEST:
        raise DifferentError(f"it has more than {LARGEST} bytes")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DifferentError("it is not JSON") from error
