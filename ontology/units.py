"""Units: the words that data dictionaries use, as codes of the Unified Code for Units of Measure (UCUM).

What is converted is converted exactly: factors are fractions, and only the result is rounded to a float.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

YEAR: Final = "a"
_WORDS: Final[dict[str, str]] = {
    "a": "a",
    "y": "a",
    "yr": "a",
    "yrs": "a",
    "year": "a",
    "years": "a",
    "mo": "mo",
    "month": "mo",
    "months": "mo",
    "wk": "wk",
    "week": "wk",
    "weeks": "wk",
    "d": "d",
    "day": "d",
    "days": "d",
    "h": "h",
    "hr": "h",
    "hour": "h",
    "hours": "h",
    "min": "min",
    "minute": "min",
    "minutes": "min",
    "s": "s",
    "sec": "s",
    "second": "s",
    "seconds": "s",
    "ms": "ms",
    "millisecond": "ms",
    "milliseconds": "ms",
    "kg": "kg",
    "kilogram": "kg",
    "kilograms": "kg",
    "g": "g",
    "gram": "g",
    "grams": "g",
    "mg": "mg",
    "milligram": "mg",
    "milligrams": "mg",
    "ug": "ug",
    "\u00b5g": "ug",
    "\u03bcg": "ug",
    "mcg": "ug",
    "microgram": "ug",
    "micrograms": "ug",
    "ng": "ng",
    "oz": "[oz_av]",
    "ounce": "[oz_av]",
    "ounces": "[oz_av]",
    "stone": "[stone_av]",
    "lb": "[lb_av]",
    "lbs": "[lb_av]",
    "pound": "[lb_av]",
    "pounds": "[lb_av]",
    "m": "m",
    "metre": "m",
    "metres": "m",
    "meter": "m",
    "meters": "m",
    "cm": "cm",
    "centimetre": "cm",
    "centimeter": "cm",
    "centimeters": "cm",
    "mm": "mm",
    "millimetre": "mm",
    "millimeter": "mm",
    "millimeters": "mm",
    "um": "um",
    "\u00b5m": "um",
    "\u03bcm": "um",
    "micrometer": "um",
    "nm": "nm",
    "ft": "[ft_i]",
    "foot": "[ft_i]",
    "feet": "[ft_i]",
    "in": "[in_i]",
    "inch": "[in_i]",
    "inches": "[in_i]",
    "t": "T",
    "tesla": "T",
    "millitesla": "mT",
    "gauss": "G",
    "celsius": "Cel",
    "\u00b0c": "Cel",
    "\u2103": "Cel",
    "degree celsius": "Cel",
    "degrees celsius": "Cel",
    "fahrenheit": "[degF]",
    "\u00b0f": "[degF]",
    "degrees fahrenheit": "[degF]",
    "kelvin": "K",
    "hz": "Hz",
    "hertz": "Hz",
    "khz": "kHz",
    "mhz": "MHz",
    "deg": "deg",
    "degree": "deg",
    "degrees": "deg",
    "rad": "rad",
    "percent": "%",
    "%": "%",
    "bpm": "/min",
    "beats/min": "/min",
    "mmhg": "mm[Hg]",
    "kg/m^2": "kg/m2",
    "kg/m2": "kg/m2",
    "mg/dl": "mg/dL",
    "mmol/l": "mmol/L",
    "ml": "mL",
    "l": "L",
    "gbq": "GBq",
    "mbq": "MBq",
    "megabecquerel": "MBq",
    "kbq": "kBq",
    "bq": "Bq",
    "becquerel": "Bq",
    "ci": "Ci",
    "uci": "uCi",
    "\u00b5ci": "uCi",
    "millicurie": "mCi",
    "mbq/kg": "MBq/kg",
    "gbq/umol": "GBq/umol",
    "mbq/nmol": "MBq/nmol",
    "bq/g": "Bq/g",
    "g/mol": "g/mol",
    "gy": "Gy",
    "mgy": "mGy",
    "sv": "Sv",
    "msv": "mSv",
    "mg/kg": "mg/kg",
    "s/mm^2": "s/mm2",
    "s/mm2": "s/mm2",
    "bq/ml": "Bq/mL",
    "kbq/ml": "kBq/mL",
    "mci": "mCi",
    "uv": "uV",
    "\u00b5v": "uV",
    "mv": "mV",
    "arbitrary": "[arb'U]",
    "arbitrary units": "[arb'U]",
    "a.u.": "[arb'U]",
    "au": "[arb'U]",
    "score": "{score}",
    "points": "{score}",
    "dimensionless": "1",
    "unitless": "1",
}
_EXACT: Final[dict[str, str]] = {"M": "mol/L", "mM": "mmol/L", "MHz": "MHz", "mHz": "mHz", "Mg": "Mg", "mT": "mT"}
"""Codes that differ in case alone from others, or mean something else in small letters."""

_PER_UNIT: Final[dict[str, dict[str, str]]] = {
    "time": {
        "us": "1/1000000",
        "ms": "1/1000",
        "s": "1",
        "min": "60",
        "h": "3600",
        "d": "86400",
        "wk": "604800",
        "mo": "2629800",
        "a": "31557600",
    },
    "mass": {
        "ng": "1/1000000000000",
        "ug": "1/1000000000",
        "mg": "1/1000000",
        "g": "1/1000",
        "kg": "1",
        "[oz_av]": "0.028349523125",
        "[lb_av]": "0.45359237",
        "[stone_av]": "6.35029318",
    },
    "length": {
        "nm": "1/1000000000",
        "um": "1/1000000",
        "mm": "1/1000",
        "cm": "1/100",
        "m": "1",
        "[in_i]": "0.0254",
        "[ft_i]": "0.3048",
    },
    "temperature": {"K": "1", "Cel": "1", "[degF]": "5/9"},
    "magnetic flux density": {"G": "1/10000", "mT": "1/1000", "T": "1"},
    "radioactivity": {
        "Bq": "1",
        "kBq": "1000",
        "MBq": "1000000",
        "GBq": "1000000000",
        "uCi": "37000",
        "mCi": "37000000",
        "Ci": "37000000000",
    },
    "radioactivity by volume": {"Bq/mL": "1", "kBq/mL": "1000"},
    "absorbed dose": {"mGy": "1/1000", "Gy": "1"},
    "equivalent dose": {"mSv": "1/1000", "Sv": "1"},
    "frequency": {"/min": "1/60", "mHz": "1/1000", "Hz": "1", "kHz": "1000", "MHz": "1000000"},
    "angle": {"deg": "1", "rad": "57.29577951308232"},
    "volume": {"mL": "1/1000", "L": "1"},
}
"""Kind of quantity to UCUM code to how much one is of the kind's base unit (UCUM, tables 1, 2, 4 to 8)."""

_ZERO: Final[dict[str, str]] = {"Cel": "273.15", "[degF]": "45967/180"}
"""Where scales that do not begin at zero begin, in the base unit."""

_KIND: Final = {code: kind for kind, codes in _PER_UNIT.items() for code in codes}


def ucum(unit: str) -> str | None:
    """Return the UCUM code of a unit as people write it.

    What is not known becomes an annotation in braces, which UCUM (section 2.1, paragraph 6) takes as the unity
    with a remark; an empty text gives None.
    """
    text = unit.strip()
    if not text:
        return None
    known = _EXACT.get(text) or _WORDS.get(" ".join(text.casefold().split()))
    return known or "{" + re.sub(r"[^\x21-\x7a|~]+", "_", text) + "}"


def convertible(unit: str, wanted: str) -> bool:
    """Tell whether amounts in one unit can be said in another (UCUM codes)."""
    return unit == wanted or (unit in _KIND and _KIND[unit] == _KIND.get(wanted))


def convert(amount: float, unit: str, wanted: str) -> float | None:
    """Return an amount in another unit (UCUM codes); None where the two measure different things.

    A month is a twelfth of a year, and a year has 365.25 days (UCUM, table 7: mean Julian).
    """
    if unit == wanted:
        return amount
    if not convertible(unit, wanted):
        return None
    factor, shift = _conversion(unit, wanted)
    try:
        return float(Fraction(amount) * factor + shift)
    except OverflowError:
        return None


@lru_cache(maxsize=1024)
def _conversion(unit: str, wanted: str) -> tuple[Fraction, Fraction]:
    """Return factor and summand that bring one unit to another."""
    codes = _PER_UNIT[_KIND[unit]]
    factor = Fraction(codes[unit]) / Fraction(codes[wanted])
    shift = Fraction(_ZERO.get(unit, "0")) - Fraction(_ZERO.get(wanted, "0"))
    return factor, shift / Fraction(codes[wanted])
