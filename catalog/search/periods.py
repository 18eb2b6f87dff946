"""Intervals of ISO 8601: ``2020-01-31/2020-06``, ``../2020``, ``P30Y/P50Y``.

Dates and times are compared as texts, which ISO 8601-1:2019 (5.2, 5.3; extended format) orders rightly as far as they
are complete: an interval becomes the two texts between which its dates lie. Durations (5.5.2) become years of 365.25
days (UCUM ``a``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

OPEN: Final = ".."
AFTER_ANY: Final = "~"
"""A character after all that a date is made of: what begins with a text lies between it and the text with this."""

_DAY: Final = "-(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|-(0[469]|11)-(0[1-9]|[12][0-9]|30)|-02-(0[1-9]|[12][0-9])"
_MINUTE: Final = "t([01][0-9]|2[0-3]):[0-5][0-9]"
_SECOND: Final = r":([0-5][0-9]|60)(\.[0-9]{1,9})?(z|[+-][0-9]{2}:?[0-9]{2})?"
DATE: Final = f"[0-9]{{4}}(-(0[1-9]|1[0-2])|({_DAY})({_MINUTE}({_SECOND})?)?)?"
"""What is a date or a time, folded; written so that other engines' regular expressions understand it too."""

_DATE: Final = re.compile(DATE)
_DURATION: Final = re.compile(
    r"p(?:(\d{1,9}(?:\.\d{1,9})?)y)?(?:(\d{1,9}(?:\.\d{1,9})?)m)?(?:(\d{1,9}(?:\.\d{1,9})?)w)?(?:(\d{1,9}(?:\.\d{1,9})?)d)?(?:t(\d{1,9}(?:\.\d{1,9})?)h)?"
)
_YEARS: Final = (Fraction(1), Fraction(1, 12), Fraction(28, 1461), Fraction(4, 1461), Fraction(1, 8766))


@dataclass(frozen=True, slots=True)
class Dates:
    """Dates and times between two folded texts, both included; None is open."""

    low: str | None
    high: str | None


@dataclass(frozen=True, slots=True)
class Durations:
    """Durations between two numbers of years, both included; None is open."""

    low: float | None
    high: float | None


def is_date(text: str) -> bool:
    """Tell whether a folded text is a date or a time: a year, a month, a day, or a time of a day."""
    return _DATE.fullmatch(text) is not None


def period_of(text: str) -> Dates | Durations:
    """Return the interval that a text states; a date alone is all of its year, month or day.

    Raises:
        ValueError: It states none; the message says why.
    """
    parts = text.strip().casefold().split("/")
    if len(parts) == 1:
        parts *= 2
    if len(parts) != 2:
        raise ValueError("an interval has one '/' between its start and its end")
    bounds = [None if part.strip() == OPEN else part.strip() for part in parts]
    if bounds == [None, None]:
        raise ValueError("an interval needs a start or an end")
    given = [bound for bound in bounds if bound is not None]
    if all(bound.startswith("p") for bound in given):
        return _durations(text, bounds)
    dates = [None if bound is None else _date(bound) for bound in bounds]
    return _dates(dates[0], dates[1])


def _dates(start: str | None, end: str | None) -> Dates:
    low = None if start is None else _beginning(start)
    high = None if end is None else end + AFTER_ANY
    if low is not None and high is not None and low > high:
        raise ValueError("the interval ends before it starts")
    return Dates(low, high)


def _date(text: str) -> str:
    """Return a bound of an interval, of which a second is the smallest part."""
    if not is_date(text):
        raise ValueError(f"{text!r} is neither a date (2020, 2020-06, 2020-06-30, 2020-06-30T12:00) nor a duration")
    bare = text.removesuffix("z")
    if re.search(r"t.*[-+.]", bare):
        raise ValueError("times are compared as they are written, to the second: leave the time zone and fractions out")
    return bare


def _beginning(date: str) -> str:
    """Return the shortest date with the same beginning: the year 2020 lies within what starts on 2020-01-01."""
    while date.endswith((":00", "t00")):
        date = date[:-3]
    while "t" not in date and date.endswith("-01"):
        date = date[:-3]
    return date


def _durations(text: str, bounds: list[str | None]) -> Durations:
    if "/" not in text:
        raise ValueError("a duration is a bound: give two, as in 'P30Y/P50Y', or '..' for an open end")
    low, high = (None if bound is None else _years(bound) for bound in bounds)
    if low is not None and high is not None and low > high:
        raise ValueError("the interval ends before it starts")
    return Durations(low, high)


def _years(text: str) -> float:
    found = _DURATION.fullmatch(text)
    numbers = found.groups() if found else ()
    if not any(numbers):
        raise ValueError(f"{text.upper()!r} is no duration (P30Y, P6M, P2W, P10D, P1Y6M)")
    given = (Fraction(number) * years for number, years in zip(numbers, _YEARS, strict=True) if number)
    return float(sum(given, Fraction()))
