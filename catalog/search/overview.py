"""What can be asked of an index, whatever its backend: which properties come first, and their examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from catalog.search.conditions import literal_text
from catalog.search.index import PropertyInfo
from catalog.search.names import DATASET_PROPERTIES, Level, well_known
from catalog.search.projection import DatasetEntry, Statement, of_dataset
from ontology.curies import contract

EXAMPLES: Final = 5
"""At most so many values are given as examples of a property."""

MAX_EXAMPLE: Final = 60
"""Of a text so many characters are given as an example."""

MAX_GROUPS: Final = 30
"""A property that divides people into more groups is no good facet."""

MAX_NUMBERS: Final = 12
"""As :data:`MAX_GROUPS`, of a well-known property that has numbers."""

K = TypeVar("K")


def example(statement: Statement) -> str:
    """Return a value as a query may give it."""
    value = contract(statement.term) if statement.term else statement.value
    return literal_text(value[:MAX_EXAMPLE] if isinstance(value, str) else "" if value is None else value)


def in_order(properties: Iterable[PropertyInfo]) -> list[PropertyInfo]:
    """Return properties, participants' first, then by name."""
    return sorted(properties, key=lambda info: (info.level != Level.PARTICIPANT, info.name))


def facet_properties(
    properties: Iterable[PropertyInfo], groups: Callable[[PropertyInfo, int], int]
) -> list[PropertyInfo]:
    """Return the properties that divide participants into few groups: well-known ones first, then the most complete.

    Numbers divide people into ranges rather than groups, so they are left out but for well-known ones of few values.

    Args:
        properties: Those that can be asked about.
        groups: Into how many groups any records, whether they may be seen or not, fall by a property; need not count
            further than it is told.
    """
    found = [info for info in properties if _is_facet(info, groups)]
    return sorted(found, key=lambda i: (not _is_known(i), i.level != Level.PARTICIPANT, -i.count, i.name))


def _is_facet(info: PropertyInfo, groups: Callable[[PropertyInfo, int], int]) -> bool:
    most = MAX_GROUPS
    if "number" in info.kinds:
        most = MAX_NUMBERS if _is_known(info) else 0
    return most > 0 and 1 < groups(info, most + 1) <= most


def _is_known(info: PropertyInfo) -> bool:
    return info.name in well_known(Level(info.level))


def properties_of_datasets(
    datasets: Mapping[K, DatasetEntry], count: Callable[[Level, Sequence[K]], int]
) -> Iterator[PropertyInfo]:
    """Yield what records have from their datasets, where any says it: of participants, if it is said of them.

    Args:
        datasets: Those that may be seen, by a key of the backend's own.
        count: How many records of a level belong to some of them.
    """
    for name, levels in DATASET_PROPERTIES.items():
        said = {key: of_dataset(name, entry) for key, entry in datasets.items()}
        keys = [key for key, statements in said.items() if statements]
        if name == "dataset" or not keys:
            continue
        level = Level.PARTICIPANT if Level.PARTICIPANT in levels else Level.ACQUISITION
        records = count(level, keys)
        if not records:
            continue
        found = [statement for statements in said.values() for statement in statements]
        yield PropertyInfo(
            name=name,
            level=level,
            kinds=tuple(sorted({s.kind for s in found} | ({"term"} if any(s.term for s in found) else set()))),
            count=records,
            examples=tuple(sorted({example(statement) for statement in found})[:EXAMPLES]),
        )
