"""Facets: how the values of a property are named, ordered and cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from catalog.search.conditions import literal_text
from catalog.search.explanation import label_of
from catalog.search.index import FacetValue, PropertyInfo, Terms
from catalog.search.names import DATASET_PROPERTIES, Level
from catalog.search.projection import DatasetEntry, Statement, of_dataset
from ontology.curies import contract

EXAMPLES: Final = 5
"""At most so many values are given as examples of a property."""
MAX_EXAMPLE: Final = 60

K = TypeVar("K")

FACET_VALUES: Final = 200
"""At most so many values of one facet are given."""


@dataclass(frozen=True, slots=True)
class FacetCount:
    """A value, represented by one of its statements, and the number of hits that have it."""

    statement: Statement
    count: int


def facet_values(counts: Iterable[FacetCount], terms: Terms) -> tuple[FacetValue, ...]:
    """Return the most frequent values, each as a literal that asks for it; ties by label."""
    values = [_value(counted, terms) for counted in counts]
    values.sort(key=lambda value: (-value.count, value.label, str(value.value)))
    return tuple(values[:FACET_VALUES])


def said_by_datasets(name: str, datasets: Mapping[K, DatasetEntry]) -> dict[str, tuple[Statement, list[K]]]:
    """Return, for each distinct value that datasets have of a property, one that stands for it, and who has it.

    Spellings of one value count together; the first by alphabet stands for them, whatever the datasets' order.
    """
    found: dict[str, tuple[Statement, list[K]]] = {}
    for key, entry in datasets.items():
        for statement in of_dataset(name, entry):
            shown, keys = found.get(statement.facet, (statement, []))
            if keys[-1:] != [key]:
                keys.append(key)
            found[statement.facet] = (min(shown, statement, key=_spelled), keys)
    return found


def _spelled(statement: Statement) -> tuple[str, str]:
    return f"{statement.text or ''} {statement.label or ''}", repr(statement)


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
            examples=tuple(sorted({_literal(statement) for statement in found})[:EXAMPLES]),
        )


def _literal(statement: Statement) -> str:
    """Return a value as a query may give it."""
    value = contract(statement.term) if statement.term else statement.value
    return literal_text(value[:MAX_EXAMPLE] if isinstance(value, str) else value or "")


def _value(counted: FacetCount, terms: Terms) -> FacetValue:
    statement = counted.statement
    value = contract(statement.term) if statement.term else statement.value
    label = label_of(statement, terms) or str(value)
    return FacetValue(value="" if value is None else value, label=label, count=counted.count)
