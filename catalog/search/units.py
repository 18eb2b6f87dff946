"""Units: numbers of one property are compared in one unit (UCUM codes).

A property that everybody measures has a unit of its own, to which its values are brought where their source says in
what they are. A value without a unit counts as being in it: BIDS 1.11 (Data summary files) counts ages in years.
Everything else is compared as it stands, and an answer says so where units differ.
"""

from __future__ import annotations

from typing import Final

from ontology.crosswalk_tables import OWN_UNITS
from ontology.units import convert, convertible

OWN_UNIT: Final = OWN_UNITS
"""Unit in which the numbers of a property are compared."""


def comparable(name: str, number: float, unit: str | None) -> float:
    """Return a number in the unit in which the property is compared; as it stands where there is none."""
    own = OWN_UNIT.get(name)
    if own is None or not unit or unit == own:
        return number
    brought = convert(number, unit, own)
    return number if brought is None else brought


def is_comparable(name: str, unit: str) -> bool:
    """Tell whether values in this unit are brought to the property's own unit."""
    own = OWN_UNIT.get(name)
    return own is not None and convertible(unit, own)
