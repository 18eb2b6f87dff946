"""Whether a document can be true: the cheap part of PROV-CONSTRAINTS (W3C Recommendation of 30 April 2013).

Checked are keys (section 6.1), typing and impossibility (6.3, 6.4), and the order of events where their times
are given (6.2). What needs inference over unknown times is left to full validators.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from provenance import vocabulary as v
from provenance.model import ProvDocument
from provenance.statements import Statement, Statements
from provenance.vocabulary import Kind


@dataclass(frozen=True, slots=True)
class Problem:
    """What cannot be true: the identifier that it is about, and why."""

    where: str
    detail: str


_TYPES: dict[Kind, tuple[Kind | None, ...]] = {
    v.GENERATION: (v.ENTITY, v.ACTIVITY),
    v.USAGE: (v.ACTIVITY, v.ENTITY),
    v.COMMUNICATION: (v.ACTIVITY, v.ACTIVITY),
    v.START: (v.ACTIVITY, v.ENTITY, v.ACTIVITY),
    v.END: (v.ACTIVITY, v.ENTITY, v.ACTIVITY),
    v.INVALIDATION: (v.ENTITY, v.ACTIVITY),
    v.DERIVATION: (v.ENTITY, v.ENTITY, v.ACTIVITY),
    v.ATTRIBUTION: (v.ENTITY, v.AGENT),
    v.ASSOCIATION: (v.ACTIVITY, v.AGENT, v.ENTITY),
    v.DELEGATION: (v.AGENT, v.AGENT, v.ACTIVITY),
    v.ALTERNATE: (v.ENTITY, v.ENTITY),
    v.SPECIALIZATION: (v.ENTITY, v.ENTITY),
    v.MEMBERSHIP: (v.ENTITY, v.ENTITY),
    v.MENTION: (v.ENTITY, v.ENTITY, v.ENTITY),
}
"""What each argument must be (constraint 50, typing); agents may be entities or activities too."""


def problems(document: ProvDocument) -> list[Problem]:
    """Return what cannot be true in a document and in each of its bundles, which stand alone (section 7.2)."""
    found = list(_problems(document))
    for bundle in document.bundles.values():
        found += [Problem(f"{bundle.id} {one.where}", one.detail) for one in _problems(bundle)]
    return found


def _problems(container: Statements) -> Iterator[Problem]:
    statements = list(dict.fromkeys(container.statements))
    yield from _contradictions(statements)
    yield from _typing(statements)
    yield from _loops(statements)
    yield from _order(statements)


def _contradictions(statements: Iterable[Statement]) -> Iterator[Problem]:
    """Yield identifiers that stand for several things (constraints 22 to 25, keys)."""
    seen: dict[tuple[Kind, str], Statement] = {}
    relations: dict[str, Kind] = {}
    for one in statements:
        if one.id is None:
            continue
        if (one.kind, one.id) in seen:
            yield Problem(one.id, f"two contradicting {one.kind.keyword} statements have this identifier")
        seen[one.kind, one.id] = one
        if not one.kind.element:
            other = relations.setdefault(one.id, one.kind)
            if other is not one.kind:
                yield Problem(one.id, f"both a {other.keyword} and a {one.kind.keyword}")


def _typing(statements: Iterable[Statement]) -> Iterator[Problem]:
    """Yield things that are both entity and activity, or object and relation (constraints 54 and 55)."""
    used_as: dict[str, set[Kind]] = {}
    relations: set[str] = set()
    for one in statements:
        if one.kind.element:
            used_as.setdefault(str(one.id), set()).add(one.kind)
        elif one.id is not None:
            relations.add(one.id)
        for given, kind in zip(one.arguments, _TYPES.get(one.kind, ()), strict=False):
            if given is not None and kind is not None:
                used_as.setdefault(given, set()).add(kind)
    for id, kinds in used_as.items():
        if v.ENTITY in kinds and v.ACTIVITY in kinds:
            yield Problem(id, "both an entity and an activity")
        if id in relations:
            yield Problem(id, "both a relation and something that it relates")


def _loops(statements: Iterable[Statement]) -> Iterator[Problem]:
    """Yield what specializes itself or rests on itself (constraints 51 to 53)."""
    for one in statements:
        if one.kind is v.SPECIALIZATION and one.arguments[0] == one.arguments[1]:
            yield Problem(str(one.arguments[0]), "a specialization of itself")
        if one.kind is v.DERIVATION and one.arguments[0] == one.arguments[1]:
            yield Problem(str(one.arguments[0]), "derived from itself")


@dataclass(frozen=True, slots=True)
class _Life:
    """When an entity came about and passed away, as far as it is said."""

    generated: tuple[datetime, ...]
    invalidated: tuple[datetime, ...]


def _order(statements: list[Statement]) -> Iterator[Problem]:
    """Yield events whose times are in an impossible order (constraints 30 to 38)."""
    runs: dict[str, tuple[datetime | None, datetime | None]] = {}
    for one in statements:
        if one.kind is v.ACTIVITY:
            start, end = _moment(one.arguments[0]), _moment(one.arguments[1])
            runs[str(one.id)] = (start, end)
            if start and end and end < start:
                yield Problem(str(one.id), "ended before it started")
    lives = _lives(statements)
    for one in statements:
        if one.kind not in (v.GENERATION, v.USAGE, v.INVALIDATION):
            continue
        time = _moment(one.arguments[2])
        entity = one.argument("entity")
        start, end = runs.get(one.argument("activity") or "", (None, None))
        if time and ((start and time < start) or (end and time > end and one.kind is not v.INVALIDATION)):
            yield Problem(str(entity), f"{one.kind.keyword} at {one.arguments[2]}, when the activity did not run")
        if entity is not None and time and one.kind is not v.GENERATION:
            yield from _outside_life(entity, one, time, lives[entity])


def _lives(statements: Iterable[Statement]) -> dict[str, _Life]:
    generated: dict[str, list[datetime]] = {}
    invalidated: dict[str, list[datetime]] = {}
    for one in statements:
        if one.kind in (v.GENERATION, v.INVALIDATION, v.USAGE) and (entity := one.argument("entity")):
            target = {v.GENERATION: generated, v.INVALIDATION: invalidated}.get(one.kind, {})
            time = _moment(one.arguments[2])
            generated.setdefault(entity, [])
            target.setdefault(entity, []).extend([time] if time else [])
    return {id: _Life(tuple(times), tuple(invalidated.get(id, ()))) for id, times in generated.items()}


def _outside_life(entity: str, one: Statement, time: datetime, life: _Life) -> Iterator[Problem]:
    if any(time < born for born in life.generated):
        yield Problem(entity, f"{one.kind.keyword} at {one.arguments[2]}, before it was generated")
    if one.kind is v.USAGE and any(time > gone for gone in life.invalidated):
        yield Problem(entity, f"used at {one.arguments[2]}, after it was invalidated")


def _moment(time: str | None) -> datetime | None:
    """Return a time that can be compared; None if there is none, or it says no zone."""
    if time is None or not (time.endswith("Z") or time[-6:-5] in ("+", "-")):
        return None
    try:
        return datetime.fromisoformat(time).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
