"""What can be asked of the index: its properties, those that make good facets, and the range of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from catalog.search import index_tables, overview
from catalog.search.embedded.column import Array
from catalog.search.embedded.scope import Scope
from catalog.search.embedded.view import Part
from catalog.search.index import Extent, PropertyInfo
from catalog.search.names import Level, canonical_name
from catalog.search.projection import Statement


def properties(scope: Scope) -> list[PropertyInfo]:
    """Return every property that visible records have, participants' first, then by name."""
    return list(scope.view.remembered(("properties", scope.key), lambda: _properties(scope)))


def _properties(scope: Scope) -> list[PropertyInfo]:
    own = [
        PropertyInfo(
            name=name,
            level=level,
            kinds=tuple(sorted(kind for kind, count in kinds.items() if kind and count)),
            count=kinds[""],
            examples=_examples(scope, level, name),
        )
        for (level, name), kinds in scope.uses.items()
        if kinds[""]
    ]
    return overview.in_order((*own, *_of_datasets(scope)))


def _of_datasets(scope: Scope) -> Iterator[PropertyInfo]:
    """Yield what records have from their datasets."""

    def count(level: Level, keys: Sequence[int]) -> int:
        return sum(_in_datasets(part, level, keys) for part in scope.view.parts)

    return overview.properties_of_datasets(scope.visible, count)


def _in_datasets(part: Part, level: Level, keys: Sequence[int]) -> int:
    shape = part.segment.shape
    there = part.alive if level is Level.PARTICIPANT else part.kept[shape.owner]
    return int(np.count_nonzero(np.isin(shape.of(level).datasets, keys) & there))


def facet_properties(scope: Scope) -> list[PropertyInfo]:
    """Return the properties that divide participants into few groups; see :mod:`catalog.search.overview`."""

    def groups(info: PropertyInfo, most: int) -> int:
        key = scope.property_key(Level(info.level), info.name)
        return index_tables.count_facets(scope.dictionary.db, key, most)

    return overview.facet_properties(properties(scope), groups)


def _examples(scope: Scope, level: Level, name: str) -> tuple[str, ...]:
    """Return some values as a query may give them, of visible records only; of spellings of one value, the first."""
    prop = scope.property_key(level, name) or 0
    rows = scope.dictionary.db.execute(
        "SELECT key, facet, kind, text, number, term FROM statement WHERE property = ? ORDER BY facet, text", (prop,)
    )
    found: dict[str, str] = {}
    for key, facet, kind, text, number, term in rows:
        if facet not in found and scope.said(level, prop, np.array([key])):
            found[facet] = overview.example(Statement(name, kind, text=text, number=number, term=term))
            if len(found) == overview.EXAMPLES:
                break
    return tuple(dict.fromkeys(found.values()))


def extent(scope: Scope, name: str) -> Extent | None:
    """Return the range of a property's visible numbers, of participants first; None where it has none."""
    return scope.view.remembered(("extent", scope.key, name), lambda: _extent(scope, name))


def _extent(scope: Scope, name: str) -> Extent | None:
    for level in (Level.PARTICIPANT, Level.ACQUISITION):
        prop = scope.property_key(level, canonical_name(name, level))
        found = [numbers for numbers in _numbers(scope, level, prop) if len(numbers)]
        if found:
            every = np.concatenate(found)
            fractions = bool(np.any(every != np.round(every)))
            return Extent(level=level, low=float(every.min()), high=float(every.max()), whole=not fractions)
    return None


def _numbers(scope: Scope, level: Level, prop: int | None) -> Iterator[Array]:
    """Yield the distinct numbers that visible records have, segment by segment."""
    for part in scope.view.parts:
        column = part.segment.column(level, prop) if prop is not None else None
        if column is not None and len(column.numbers):
            codes = scope.visible_codes(part, level, column)
            yield column.numbers[codes[codes < len(column.numbers)]]
