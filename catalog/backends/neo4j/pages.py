"""Reading a whole catalogue without keeping writers out for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from catalog.backends.neo4j.connection import Database, View

T = TypeVar("T")
PAGE = 500
"""Rows of a page."""


class Pages:
    """Reads pages of a catalogue, each as one state of the store."""

    def __init__(self, database: Database, catalog: int) -> None:
        self._database = database
        self._catalog = catalog

    def rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of one query."""
        return self._database.read(self._catalog, lambda view: view.rows(query, **parameters))

    def whole(self, ask: Callable[[View], T]) -> T:
        """Return what several queries find in one state."""
        return self._database.read(self._catalog, ask, snapshot=True)

    def walk(self, query: str, *, start: int = -1, **parameters: object) -> Iterator[list[tuple[Any, ...]]]:
        """Yield pages of a query of ``$limit`` rows, whose first column is greater than ``$after`` and sorted."""
        after = start
        while rows := self.rows(query, after=after, limit=PAGE, **parameters):
            yield rows
            after = rows[-1][0]
