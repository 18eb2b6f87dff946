"""Sessions in time: when recordings were made, how often and for how long a participant was seen.

Dates may be shifted into the time before 1925, as BIDS 1.11 (Units, "Date time information") asks of shared data; the
distance between two dates of one participant stays right, and only that is worked out here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, date, datetime, timedelta

from catalog.readers.bids.mapping import Values, measured
from catalog.readers.problems import ProblemLog
from catalog.readers.reading import Document

SHIFTED_BEFORE = 1925
"""Dates of earlier years are no dates of recordings, but shifted ones."""
LONGEST = 60
"""Years that no two recordings lie apart: dates that do were shifted each for itself."""
AGREE = 2.0
"""Years by which ages at two sessions, which may be whole or rounded, can differ from the time between them."""
_YEAR = "a"
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T ]?(\d{2}):?(\d{2}):?(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")
_CLOCK = re.compile(r"(\d{2}):?(\d{2}):?(\d{2})(\.\d+)?")


@dataclass(slots=True)
class _Seen:
    """What is known of one session with recordings."""

    dates: list[date] = field(default_factory=list)
    scanners: set[str] = field(default_factory=set)
    age: float | None = None


def stated_time(metadata: Mapping[str, object]) -> Document | None:
    """Return when a recording was made as its sidecar says; None where it gives no date.

    ``AcquisitionDateTime``, or ``AcquisitionDate`` with ``AcquisitionTime``, as BIDS or as DICOM writes them
    (PS3.5, 6.2: DT, DA, TM).
    """
    for name in ("AcquisitionDateTime", "AcquisitionDate"):
        given = metadata.get(name)
        if given is None or isinstance(given, bool):
            continue
        clock = metadata.get("AcquisitionTime") if name == "AcquisitionDate" else None
        moment = _moment(str(given), clock)
        if moment:
            return {"value": moment, "original": str(given), "source": name}
    return None


def add_timelines(participants: Sequence[Document], acquisitions: Sequence[Document], problems: ProblemLog) -> None:
    """Add to participants what their sessions in time tell: ``session_count`` and the two follow-ups."""
    seen: dict[str, dict[str, _Seen]] = {}
    for acquisition in acquisitions:
        session = seen.setdefault(acquisition["participant"], {}).setdefault(acquisition["session"] or "", _Seen())
        _add_dates(session, acquisition["properties"].get("acq_time", ()))
        scanner = _scanner(acquisition["metadata"])
        if scanner:
            session.scanners.add(scanner)
    for participant in participants:
        sessions = seen.get(participant["label"], {})
        _add_tables(sessions, participant)
        participant["properties"].update(_stated(participant["label"], sessions, problems))


def _add_tables(sessions: Mapping[str, _Seen], participant: Document) -> None:
    """Add dates and ages that tables give for sessions."""
    for listed in participant["sessions"]:
        session = sessions.get(listed["label"])
        if session is None:
            continue
        _add_dates(session, listed["properties"].get("acq_time", ()))
        ages = [value["value"] for value in listed["properties"].get("age", ()) if value.get("unit") == _YEAR]
        session.age = min(ages, default=None)


def _add_dates(session: _Seen, values: Iterable[Document]) -> None:
    for value in values:
        found = _date(str(value["original"]))
        if found is not None:
            session.dates.append(found)


def _stated(label: str, sessions: Mapping[str, _Seen], problems: ProblemLog) -> Values:
    found: Values = {"session_count": [measured(len(sessions), source="computed: sessions with recordings")]}
    dated = {name: min(session.dates) for name, session in sessions.items() if session.dates}
    ages = {name: session.age for name, session in sessions.items() if session.age is not None}
    fault = _fault(dated, ages)
    if fault:
        problems.add(label, f"{fault}; they were not compared", "acq_time")
    elif len(dated) > 1:
        return found | _spans(dated, sessions)
    if len(ages) > 1:
        low, high = min(ages.values()), max(ages.values())
        said = {"original": f"{low:g} to {high:g}", "source": "computed: age by session", "unit": _YEAR}
        found["follow_up"] = [{"value": round(high - low, 6), **said}]
    return found


def _fault(dated: Mapping[str, date], ages: Mapping[str, float]) -> str | None:
    """Return why the dates of a participant's sessions cannot be compared; None where they can."""
    if len(dated) < 2:
        return None
    if len({day.year < SHIFTED_BEFORE for day in dated.values()}) > 1:
        return "some dates of its sessions are shifted and others not"
    first, last = min(dated, key=dated.__getitem__), max(dated, key=dated.__getitem__)
    years = years_between(dated[first], dated[last])
    if years > LONGEST:
        return f"dates of its sessions lie more than {LONGEST} years apart, as if each were shifted for itself"
    if first in ages and last in ages and abs(ages[last] - ages[first] - years) > AGREE:
        return "dates of its sessions contradict its ages"
    return None


def _spans(dated: Mapping[str, date], sessions: Mapping[str, _Seen]) -> Values:
    """Return the time between the first and the last session, and the longest between two on one scanner."""
    found: Values = {"follow_up": [_span(sorted(dated.values()))]}
    on_scanner: dict[str, list[date]] = {}
    for name, day in dated.items():
        for scanner in sessions[name].scanners:
            on_scanner.setdefault(scanner, []).append(day)
    spans = [_span(sorted(days), scanner) for scanner, days in sorted(on_scanner.items()) if len(days) > 1]
    if spans:
        found["follow_up_same_scanner"] = [max(spans, key=lambda span: float(span["value"]))]
    return found


def _span(days: Sequence[date], scanner: str = "") -> Document:
    """Return the time from the first to the last of some days, with the days as an ISO 8601 interval."""
    on = f" on {scanner}" if scanner else ""
    said = {"original": f"{days[0]}/{days[-1]}{on}", "source": "computed: acq_time", "unit": _YEAR}
    return {"value": years_between(days[0], days[-1]), **said}


def years_between(first: date, last: date) -> float:
    """Return years by the calendar: from one day to the same day of the next year it is 1, leap year or not."""
    if last.year == MAXYEAR:  # no calendar has the anniversary that would come
        return round((last - first) / timedelta(days=365.25), 6)
    years = last.year - first.year
    if _anniversary(first, years) > last:
        years -= 1
    past, coming = _anniversary(first, years), _anniversary(first, years + 1)
    return round(years + (last - past) / (coming - past), 6)


def _anniversary(day: date, years: int) -> date:
    """Return the day so many years later; of 29 February, the 28th where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def _scanner(metadata: Mapping[str, object]) -> str | None:
    """Return what tells one scanner from another: its serial number, else its station at its institution.

    Two scanners of one model at one institution are not the same, so that a model alone tells nothing.
    """
    serial = metadata.get("DeviceSerialNumber")
    if isinstance(serial, str | int) and str(serial).strip():
        return f"{metadata.get('Manufacturer') or 'device'} {serial}"
    station = metadata.get("StationName")
    if isinstance(station, str) and station.strip():
        return f"{station} at {metadata.get('InstitutionName') or 'an unnamed institution'}"
    return None


def _date(text: str) -> date | None:
    found = _DAY.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, zone = found.groups()
    try:
        if zone and hour:
            moment = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second}{zone}")
            return moment.astimezone(UTC).date()
        return date(int(year), int(month), int(day))
    except (ValueError, OverflowError):
        return None


def _moment(text: str, clock: object) -> str | None:
    """Return an ISO 8601 time of what a sidecar holds; the day alone where it gives no time of day."""
    day = _date(text)
    if day is None:
        return None
    found = _DAY.fullmatch(text.strip())
    if found is not None and found.group(4):
        zone = found.group(7) or ""
        return f"{found.group(1)}-{found.group(2)}-{found.group(3)}T{':'.join(found.group(4, 5, 6))}{zone}"
    time = _CLOCK.fullmatch(f"{clock:013.6f}" if isinstance(clock, float) else str(clock or "").strip())
    if time is None or timedelta(hours=int(time[1])) >= timedelta(days=1) or int(time[2]) > 59 or int(time[3]) > 60:
        return day.isoformat()
    return f"{day}T{time[1]}:{time[2]}:{time[3]}"
