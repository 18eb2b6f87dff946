"""Facets, whatever the backend: what can be one, and how its values are named, ordered and cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from catalog.search.explanation import label_of
from catalog.search.in_use import InUse, check_property
from catalog.search.index import FacetValue, Terms
from catalog.search.names import OF_DATASET, Level, built_in_names, canonical_name
from catalog.search.projection import DatasetEntry, Statement, of_dataset
from ontology.curies import contract
from ontology.errors import InvalidRequestError

K = TypeVar("K")

FACET_VALUES: Final = 200
"""At most so many values of one facet are given."""


@dataclass(frozen=True, slots=True)
class FacetCount:
    """A value, represented by one of its statements, and the number of hits that have it."""

    statement: Statement
    count: int


def facet_property(asked: str, in_use: InUse) -> tuple[Level, str]:
    """Return whose property a facet is, participants' first, and its canonical name.

    Raises:
        InvalidRequestError: The property is not known, or divides nobody.
    """
    level, name = _property(asked, in_use)
    if name in ("id", "label"):
        raise InvalidRequestError(f"{name!r} is different for everyone and no facet", field=name)
    return level, name


def _property(asked: str, in_use: InUse) -> tuple[Level, str]:
    for level in Level:
        name = canonical_name(asked, level)
        if name in built_in_names(level) or name in in_use.names(level):
            return level, name
    name = canonical_name(asked, Level.PARTICIPANT)
    try:
        check_property(name, Level.PARTICIPANT, in_use)
    except InvalidRequestError:
        check_property(canonical_name(asked, Level.ACQUISITION), Level.ACQUISITION, in_use)
    return Level.PARTICIPANT, name


def is_of_datasets(level: Level, name: str) -> bool:
    """Tell whether records have a property from their dataset."""
    return name in OF_DATASET and name in built_in_names(level)


def cut_notices(name: str, values: int) -> tuple[str, ...]:
    """Return what to say where a facet has more values than are shown."""
    if values <= FACET_VALUES:
        return ()
    return (f"{name} has {values} values; the {FACET_VALUES} most frequent are shown",)


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


def _value(counted: FacetCount, terms: Terms) -> FacetValue:
    statement = counted.statement
    value = contract(statement.term) if statement.term else statement.value
    label = label_of(statement, terms) or str(value)
    return FacetValue(value="" if value is None else value, label=label, count=counted.count)
