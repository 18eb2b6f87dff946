"""How alike the groups of a cohort are: each property counted and summarised group by group, and compared.

A participant counts once in each property. Several numbers of one participant (one per session) are averaged;
several categories are one combined category. Who has no value is counted as missing and enters no comparison.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from catalog.cohorts.frozen_values import DATASET, Column, FrozenMember, State
from catalog.cohorts.group_statistics import association, category_differences, number_differences, summary
from catalog.search.names import Level
from catalog.search.projection import Statement, whole
from catalog.search.units import OWN_UNIT
from ontology.errors import InvalidRequestError

MAX_GROUPS: Final = 30
MAX_CATEGORIES: Final = 30
MAX_BINS: Final = 20
OTHER: Final = "(other)"
_LARGEST: Final = 1e150
"""A square of more than this is no float any more."""
IMBALANCE: Final = 0.1
"""A standardised difference above this is customarily called an imbalance (Austin 2009)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Members that are compared with the members of other groups."""

    label: str
    members: Sequence[FrozenMember]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Property:
    """One property of all groups: a number or a category for each member, None where it is missing."""

    column: Column
    is_number: bool
    groups: Sequence[Sequence[float | str | None]]
    several: int
    not_numbers: int
    units: frozenset[str]


def divide(
    members: Sequence[FrozenMember], column: Column, *, titles: Mapping[str, str]
) -> tuple[list[Group], list[FrozenMember]]:
    """Return the groups into which a property divides members, and those who have no value of it.

    Args:
        members: Who is divided.
        column: The property.
        titles: Dataset IRI to what a person calls it.

    Raises:
        InvalidRequestError: It makes more than :data:`MAX_GROUPS` groups, or only one.
    """
    found: dict[str, list[FrozenMember]] = {}
    missing: list[FrozenMember] = []
    for member in members:
        category = _category(member, column, member.values([column])[0], titles)
        if category is None:
            missing.append(member)
        else:
            found.setdefault(category, []).append(member)
    if len(found) > MAX_GROUPS:
        raise InvalidRequestError(
            f"{column.name} makes {len(found)} groups; at most {MAX_GROUPS} can be compared", field="against"
        )
    if len(found) < 2:
        raise InvalidRequestError(
            f"{column.name} makes {len(found)} group of these members; there is nothing to compare",
            field="against",
            next_step="Choose a property that divides them by `against`.",
        )
    return [Group(label=label, members=found[label]) for label in sorted(found)], missing


def compare(groups: Sequence[Group], columns: Sequence[Column], *, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the comparison of each property across groups, as it goes over the wire."""
    values = [[member.values(columns) for member in group.members] for group in groups]
    found = []
    for place, column in enumerate(columns):
        cells = [
            [(member, row[place]) for member, row in zip(group.members, rows, strict=True)]
            for group, rows in zip(groups, values, strict=True)
        ]
        read = _read(column, cells, titles)
        found.append(_numbers(read) if read.is_number else _categories(read))
    return found


def left_out(members: Iterable[FrozenMember]) -> tuple[list[FrozenMember], dict[str, int]]:
    """Return the members whose values can be read, and how many others there are by what has become of them."""
    kept: list[FrozenMember] = []
    gone = {State.WITHDRAWN.value: 0, State.ERASED.value: 0}
    for member in members:
        if member.state is State.PRESENT:
            kept.append(member)
        else:
            gone[member.state.value] += 1
    return kept, gone


def one_each(
    members: Sequence[FrozenMember], columns: Sequence[Column], *, titles: Mapping[str, str]
) -> dict[str, list[float | str | None]]:
    """Return property to one value per member: a number, a category, or None where it is missing."""
    rows = [member.values(columns) for member in members]
    found = {}
    for place, column in enumerate(columns):
        cells = [[(member, row[place]) for member, row in zip(members, rows, strict=True)]]
        found[column.name] = list(_read(column, cells, titles).groups[0])
    return found


_Cells = Sequence[Sequence[tuple[FrozenMember, list[Statement]]]]


def _read(column: Column, cells: _Cells, titles: Mapping[str, str]) -> _Property:
    """Return one value for each member: numbers where most who have a value have one."""
    everybody = [statements for group in cells for _, statements in group if statements]
    numeric = sum(any(s.kind == "number" and s.term is None for s in statements) for statements in everybody)
    is_number = column.name != DATASET and numeric * 2 > len(everybody)
    groups: list[list[float | str | None]] = [
        [
            _number(statements) if is_number else _category(member, column, statements, titles)
            for member, statements in group
        ]
        for group in cells
    ]
    numbers = [s for statements in everybody for s in statements if s.kind == "number"]
    return _Property(
        column=column,
        is_number=is_number,
        groups=groups,
        several=sum(len({(s.value, s.term) for s in statements}) > 1 for statements in everybody),
        not_numbers=sum(_number(statements) is None for statements in everybody) if is_number else 0,
        units=frozenset(s.unit for s in numbers if s.unit) if is_number else frozenset(),
    )


def _number(statements: Sequence[Statement]) -> float | None:
    numbers = [s.number for s in statements if s.number is not None and s.kind == "number" and abs(s.number) < _LARGEST]
    return statistics.fmean(numbers) if numbers else None


def _category(
    member: FrozenMember, column: Column, statements: Sequence[Statement], titles: Mapping[str, str]
) -> str | None:
    if column.name == DATASET and column.level is Level.PARTICIPANT:
        return titles.get(member.dataset, member.dataset)
    shown = sorted({str(s.label or s.value) for s in statements})
    return " + ".join(shown) or None


def _numbers(read: _Property) -> dict[str, Any]:
    known = [[value for value in group if isinstance(value, float)] for group in read.groups]
    unit = OWN_UNIT.get(read.column.name) or (next(iter(read.units)) if len(read.units) == 1 else None)
    differences = number_differences(known)
    return {
        **_head(read, "number", differences),
        "unit": unit,
        "units": sorted(read.units),
        "not_numbers": read.not_numbers,
        "groups": [
            {"count": len(group), "missing": len(group) - len(numbers), **summary(numbers)}
            for group, numbers in zip(read.groups, known, strict=True)
        ],
        "bins": _bins(known),
    }


def _categories(read: _Property) -> dict[str, Any]:
    counted = [Counter(value for value in group if isinstance(value, str)) for group in read.groups]
    everything: Counter[str] = sum(counted, Counter())
    names = sorted(everything, key=lambda name: (-everything[name], name))
    kept, rest = names[:MAX_CATEGORIES], names[MAX_CATEGORIES:]
    table = [
        [group[name] for name in kept] + ([sum(group[name] for name in rest)] if rest else []) for group in counted
    ]
    return {
        **_head(read, "category", category_differences(table)),
        "categories": [*kept, *([OTHER] if rest else [])],
        "groups": [
            {"count": len(group), "missing": len(group) - sum(row), "counts": row}
            for group, row in zip(read.groups, table, strict=True)
        ],
        "association": association(table),
    }


def _head(read: _Property, kind: str, differences: list[dict[str, Any]]) -> dict[str, Any]:
    told = [d for d in differences if d["smd"] is not None]
    largest = max(told, key=lambda d: abs(d["smd"]), default=None)
    return {
        "name": read.column.name,
        "level": read.column.level.value,
        "kind": kind,
        "several": read.several,
        "largest_difference": largest,
        "balanced": None if largest is None or len(told) < len(differences) else abs(largest["smd"]) <= IMBALANCE,
        "differences": differences,
    }


def _bins(groups: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Return a histogram of all groups over the same bins; the last bin includes its upper end."""
    numbers = [number for group in groups for number in group]
    if not numbers:
        return []
    low, high = min(numbers), max(numbers)
    width = _width(high - low, len(numbers))
    start = math.floor(low / width) * width
    places = int((high - start) / width + 1e-9) + 1
    counts = [[0] * len(groups) for _ in range(places)]
    for at, group in enumerate(groups):
        for number in group:
            counts[min(places - 1, int((number - start) / width + 1e-9))][at] += 1
    edges = [whole(float(f"{start + n * width:.12g}")) for n in range(places + 1)]
    return [{"low": edges[n], "high": edges[n + 1], "counts": row} for n, row in enumerate(counts)]


def _width(span: float, count: int) -> float:
    """Return a round width (1, 2 or 5 times a power of ten) that makes about as many bins as Sturges' rule says."""
    if span <= 0:
        return 1.0
    wanted = span / min(MAX_BINS / 2, math.log2(count) + 1)
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= wanted * 0.999)
