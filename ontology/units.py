"""Units: the words that data dictionaries use, as codes of the Unified Code for Units of Measure (UCUM)."""

from __future__ import annotations

import re
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
    "in": "[in_i]",
    "inch": "[in_i]",
    "inches": "[in_i]",
    "t": "T",
    "tesla": "T",
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
    "mbq": "MBq",
    "kbq": "kBq",
    "bq": "Bq",
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
_EXACT: Final[dict[str, str]] = {"M": "mol/L", "mM": "mmol/L", "MHz": "MHz", "mHz": "mHz", "Mg": "Mg"}
_YEARS: Final[dict[str, float]] = {"a": 1.0, "mo": 1 / 12, "wk": 7 / 365.25, "d": 1 / 365.25}


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


def in_years(amount: float, unit: str) -> float | None:
    """Return a time given in years, months, weeks or days (UCUM codes) in years; None for other units."""
    factor = _YEARS.get(unit)
    return None if factor is None else amount * factor
