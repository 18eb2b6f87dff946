"""Units: numbers of one property are compared in one unit (UCUM codes).

Only ``age`` has a unit that everybody assumes when none is given: BIDS 1.11 (Data summary files) counts it in
years. Animals come in weeks and infants in months; those are brought to years. Everything else is compared as
it stands, and an answer says so where units differ.
"""

from __future__ import annotations

from typing import Final

IN_YEARS: Final[dict[str, float]] = {
    "a": 1.0,
    "mo": 1 / 12,
    "wk": 7 / 365.25,
    "d": 1 / 365.25,
    "h": 1 / 8766,
}
"""UCUM time units in mean Julian years (UCUM, table 7: ``a`` is 365.25 d, ``mo`` a twelfth of it)."""

OWN_UNIT: Final[dict[str, str]] = {"age": "a"}
"""Unit in which the numbers of a property are compared."""

_FACTORS: Final[dict[str, dict[str, float]]] = {"age": IN_YEARS}


def comparable(name: str, number: float, unit: str | None) -> float:
    """Return a number in the unit in which the property is compared; as it stands where there is none."""
    factor = _FACTORS.get(name, {}).get(unit or "", 1.0)
    return number * factor


def is_comparable(name: str, unit: str) -> bool:
    """Tell whether values in this unit are brought to the property's own unit."""
    return unit in _FACTORS.get(name, {})
