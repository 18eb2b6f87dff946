"""Facets: how the values of a property are named, ordered and cut."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from catalog.search.explanation import label_of
from catalog.search.index import FacetValue, Terms
from catalog.search.projection import Statement
from ontology.curies import contract

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


def _value(counted: FacetCount, terms: Terms) -> FacetValue:
    statement = counted.statement
    value = contract(statement.term) if statement.term else statement.value
    label = label_of(statement, terms) or str(value)
    return FacetValue(value="" if value is None else value, label=label, count=counted.count)
