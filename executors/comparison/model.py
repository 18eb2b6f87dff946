"""What a comparison is told and what it answers: tolerances and verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class DifferentError(Exception):
    """Two files differ in a way that ends their comparison: another shape, something that cannot be read."""

    def __init__(self, detail: str, **numbers: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.numbers = numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far a number may lie from the expected one: ``absolute + relative * abs(expected)``.

    Attributes:
        relative: Part of the expected number.
        absolute: In the number's own unit.
    """

    relative: float = 0.0
    absolute: float = 0.0

    @classmethod
    def of(cls, rule: Mapping[str, Any]) -> Tolerance:
        """Return the tolerance that a rule's members ``relative`` and ``absolute`` state."""
        return cls(relative=float(rule.get("relative", 0.0)), absolute=float(rule.get("absolute", 0.0)))

    def allows(self, found: float, expected: float) -> bool:
        """Tell whether ``found`` is near enough; NaN equals NaN, and an infinity only itself."""
        if found == expected or (math.isnan(found) and math.isnan(expected)):
            return True
        if not (math.isfinite(found) and math.isfinite(expected)):
            return False
        return abs(found - expected) <= self.absolute + self.relative * abs(expected)


def differences(found: float, expected: float) -> tuple[float, float]:
    """Return the absolute difference of two numbers, and the same as a part of the expected one."""
    if found == expected or (math.isnan(found) and math.isnan(expected)):
        return 0.0, 0.0
    if not (math.isfinite(found) and math.isfinite(expected)):
        return math.inf, math.inf
    absolute = abs(found - expected)
    return absolute, absolute / abs(expected) if expected else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of comparing one output.

    Attributes:
        kind: Kind of the comparison.
        passed: Whether it lies within what is tolerated.
        detail: One sentence for a person.
        numbers: What was found: differences, fractions, Dice; JSON values, an infinity as the text ``"Infinity"``.
    """

    kind: str
    passed: bool
    detail: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return its members as JSON."""
        return {"kind": self.kind, "passed": self.passed, "detail": self.detail, "numbers": as_json(self.numbers)}


def as_json(value: Any) -> Any:
    """Return a value with its numbers as JSON can say them (RFC 8259, section 6: neither NaN nor infinities)."""
    if isinstance(value, Mapping):
        return {str(name): as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def shown(number: float) -> str:
    """Return a number as a sentence has it."""
    return f"{number:.4g}"
