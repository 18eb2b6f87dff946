"""Predicates by number: an edge holds a small integer, not the text of its predicate."""

from __future__ import annotations

import sqlite3

from catalog.commits.predicates import PREDICATES
from ontology.errors import IntegrityError


class Predicates:
    """The numbers of predicates, read anew only when one is not known: a number once given never changes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._keys: dict[str, int] = {}

    def find(self, curie: str) -> int | None:
        """Return the number of a predicate, None if the store does not have it.

        Raises:
            IntegrityError: The table does not hold what every store does.
        """
        key = self._keys.get(curie)
        if key is None:
            self._keys = read(self._connection)
            key = self._keys.get(curie)
        return key

    def next(self) -> int:
        """Return the first number that is free."""
        return max(self._keys.values(), default=0) + 1


def read(connection: sqlite3.Connection) -> dict[str, int]:
    """Return all predicates of a store with their numbers.

    Raises:
        IntegrityError: Those that every store has are not all there.
    """
    keys = dict(connection.execute("SELECT curie, key FROM predicate"))
    if any(keys.get(curie) != key for key, curie in enumerate(PREDICATES, 1)):
        raise IntegrityError("the table of predicates is damaged")
    return keys
