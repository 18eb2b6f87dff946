"""Why a participant is in the answer, as a person reads it: what is said of it, then acquisition by acquisition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One value that made a condition hold.

    Attributes:
        property: What it is a value of; None where no single value is meant.
        label: The value in words; None where it is the absence of a value that counts.
        original: What the source says, where that reads differently.
        condition: The condition as CQL2 text.
        source: Where it was found.
        session: When.
        chain: From the value's term up to the one asked for.
    """

    property: str | None
    label: str | None
    original: str | None
    condition: str
    source: str | None
    session: str | None
    chain: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said of the participant, or of one of its acquisitions (with how many others fulfil the same)."""

    acquisition: Mapping[str, str] | None
    others: int = 0
    statements: list[Statement] = field(default_factory=list)


def told(explanation: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> list[Told]:
    """Return the reasons of one hit, those of one acquisition together and each said once."""
    groups: dict[str | None, Told] = {}
    for reason in explanation:
        acquisition = reason.get("acquisition")
        key = acquisition["id"] if acquisition else None
        others = max(0, (reason.get("acquisitions") or 1) - 1)
        group = groups.setdefault(key, Told(acquisition=acquisition, others=others))
        statement = _statement(reason, titles)
        if statement not in group.statements:
            group.statements.append(statement)
    return list(groups.values())


def _statement(reason: Mapping[str, Any], titles: Mapping[str, str]) -> Statement:
    value = reason.get("value")
    label = titles.get(str(value)) or reason.get("label") or (None if value is None else str(value))
    chain = reason.get("chain") or []
    return Statement(
        property=reason.get("property"),
        label=label,
        original=_differing(reason.get("original"), reason.get("unit"), [label, value]),
        condition=reason["condition"],
        source=reason.get("source"),
        session=reason.get("session"),
        chain=chain if len(chain) > 1 else [],
    )


def _differing(original: Any, unit: str | None, shown: Sequence[Any]) -> str | None:
    """Return the text of the source where it says more than what is shown."""
    if original is None:
        return None
    text = str(original)
    if any(text == str(each) or _same_number(text, each) for each in shown):
        return None
    return f"{text} {unit}" if unit else text


def _same_number(text: str, value: Any) -> bool:
    try:
        return isinstance(value, int | float) and float(text) == value
    except ValueError:
        return False
