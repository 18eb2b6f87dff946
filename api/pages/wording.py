"""How values read on a page: times, sizes and units as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

UNITS = {"a": "years", "mo": "months", "wk": "weeks", "d": "days", "deg": "°", "Cel": "°C", "ug": "µg"}
"""Codes of units (UCUM) that people would not recognise, and what is written instead."""
_PREFIXES = ("kB", "MB", "GB", "TB")


def when(text: str | None, *, seconds: bool = False) -> str:
    """Return an ISO 8601 time to the minute or the second, in UTC; any other text as it is."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return text or ""
    shown = time.astimezone(UTC) if time.tzinfo else time
    return shown.strftime(f"%Y-%m-%d %H:%M{':%S' if seconds else ''} UTC")


def size(count: float | None) -> str:
    """Return a number of bytes as people say it (decimal prefixes, IEC 80000-13); '?' when it is not known."""
    if count is None:
        return "?"
    if count < 1000:
        return f"{count:,.0f} B"
    for prefix in _PREFIXES:
        count /= 1000
        if count < 999.5 or prefix == _PREFIXES[-1]:
            break
    return f"{count:.3g} {prefix}" if count < 999.5 else f"{count:,.0f} {prefix}"


def number(value: object) -> str:
    """Return a whole number with its thousands apart; anything else as text."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def unit(code: str | None) -> str:
    """Return a unit as people write it."""
    return UNITS.get(code or "", code or "")


def duration(seconds: float) -> str:
    """Return a duration to two units."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 10 or seconds == whole else f"{seconds:.1f} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def interval(estimate: Mapping[str, float] | None) -> str:
    """Return how long something may still take."""
    if estimate is None:
        return "not yet known"
    low, high = duration(round(estimate["low_s"])), duration(round(estimate["high_s"]))
    return low if low == high else f"{low} to {high}"


def used(resources: Mapping[str, Any]) -> str:
    """Return in one line what a task used, of what could be seen."""
    said = []
    if resources.get("wall_s") is not None:
        said.append(f"{duration(resources['wall_s'])} in all")
    if resources.get("user_s") is not None:
        said.append(f"CPU {duration(resources['user_s'] + (resources.get('system_s') or 0))}")
    if resources.get("max_rss_bytes") is not None:
        said.append(f"memory {size(resources['max_rss_bytes'])}")
    return ", ".join(said) or "not seen"


def summed(usage: Mapping[str, Any]) -> str:
    """Return in one line what all runs of a batch used together; of how many that is known where not of all."""
    runs, known = usage["attempts"], usage["known"]

    def partly(name: str) -> str:
        return f" (of {known[name]:,} of them)" if known[name] < runs else ""

    said = [f"{runs:,} run{'s' if runs != 1 else ''} in {duration(usage['elapsed_s'])}"]
    for name, text in (("wall_s", "of running"), ("cpu_s", "of CPU"), ("gpu_s", "of GPU")):
        if usage[name]:
            said.append(f"{duration(usage[name])} {text}{partly(name)}")
    if usage["max_rss_bytes"] is not None:
        said.append(f"at most {size(usage['max_rss_bytes'])} of memory at a time{partly('max_rss_bytes')}")
    if usage["gpu_joules"]:
        said.append(f"{energy(usage['gpu_joules'])} by GPUs")
    if usage["cpu_joules_at_most"]:
        said.append(f"at most {energy(usage['cpu_joules_at_most'])} by processors{partly('cpu_joules')}")
    return ", ".join(said)


def energy(joules: float) -> str:
    """Return an energy as people say it: in watt-hours, or in kilowatt-hours from one thousand on."""
    hours = joules / 3600
    return f"{hours:.3g} Wh" if hours < 999.5 else f"{hours / 1000:,.3g} kWh"


def granted(resources: Mapping[str, Any]) -> str:
    """Return in one line what a task may use."""
    cores, gpus = resources["cpu_cores"], resources["gpus"]
    said = [f"{cores} core{'s' if cores != 1 else ''}"]
    if resources["ram_gb"] is not None:
        said.append(f"{resources['ram_gb']:g} GB of memory")
    if gpus:
        said.append(f"{gpus} GPU{'s' if gpus != 1 else ''}{' if there are any' if resources['gpus_optional'] else ''}")
    return ", ".join([*said, f"{duration(resources['wall_s'])}"])


def coded(text: str) -> Markup:
    """Return text for a page in which what stands between backticks is code."""
    pieces = re.split(r"`([^`]+)`", text)
    return Markup("").join(Markup("<code>{}</code>").format(p) if at % 2 else p for at, p in enumerate(pieces))
