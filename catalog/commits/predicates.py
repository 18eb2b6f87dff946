"""Predicates by number, so that a plan compares small integers and tells lineage from the rest at a glance."""

from __future__ import annotations

from typing import Protocol

from ontology import namespaces

PREDICATES: tuple[str, ...] = (
    *sorted(namespaces.LINEAGE),
    namespaces.ASSOCIATED_WITH,
    namespaces.ATTRIBUTED_TO,
    namespaces.ACTED_ON_BEHALF_OF,
    namespaces.INFLUENCED_BY,
    namespaces.CONFORMS_TO,
    namespaces.IDENTIFIES,
)
"""Known to every store from the start, numbered from 1 (a change is a new format); others get the next numbers."""

LAST_LINEAGE_KEY = len(namespaces.LINEAGE)
"""Predicates of lineage have the numbers from 1 to this one, so that a query need only compare."""
PART_OF_KEY = PREDICATES.index(namespaces.PART_OF) + 1


class Numbering(Protocol):
    """The numbers of a store's predicates; a number once given never changes."""

    def find(self, curie: str) -> int | None:
        """Return the number of a predicate, None if it has none yet."""

    def next(self) -> int:
        """Return the first number that is free."""
