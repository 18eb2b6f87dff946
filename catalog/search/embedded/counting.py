"""Facets: how many hits have each value of a property, or an acquisition that has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from catalog.search.embedded.answering import Answering, Found
from catalog.search.embedded.column import Array, Codes, Column, spread
from catalog.search.facets import (
    FACET_VALUES,
    FacetCount,
    cut_notices,
    facet_property,
    facet_values,
    is_of_datasets,
    said_by_datasets,
)
from catalog.search.index import FacetValue
from catalog.search.names import Level
from catalog.search.projection import Statement


class Counting:
    """Counts the hits of one question."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.scope = answering.scope
        self.notices: list[str] = []

    def facet(self, asked: str) -> tuple[FacetValue, ...]:
        """Return the values of a property with the number of hits that have each.

        Raises:
            InvalidRequestError: The property is not known, or divides nobody.
        """
        level, name = facet_property(asked, self.scope.in_use())
        counts = self._of_datasets(level, name) if is_of_datasets(level, name) else self._of_values(level, name)
        return facet_values(counts, self.answering.terms)

    def _of_datasets(self, level: Level, name: str) -> list[FacetCount]:
        """Count, for each thing that records have from their dataset, the hits that have it."""
        said = said_by_datasets(name, self.scope.visible)
        keys = {facet: found for facet, (_, found) in said.items()}
        numbers = Counter[str]()
        for found in self.answering.found:
            numbers.update(_in_datasets(found, level, keys))
        counts = [FacetCount(said[facet][0], count) for facet, count in numbers.items() if count]
        self.notices += cut_notices(name, len(counts))
        return counts

    def _of_values(self, level: Level, name: str) -> list[FacetCount]:
        """Count, for each distinct value, the hits that have it or have an acquisition that has it."""
        prop = self.scope.property_key(level, name)
        counts: Counter[str] = Counter()
        present: dict[str, set[int]] = {}
        for found in self.answering.found:
            column = found.part.segment.column(level, prop) if prop is not None else None
            if column is not None and len(found.rows):
                self._count(found, level, column, counts, present)
        most = [facet for facet, _ in counts.most_common(FACET_VALUES)]
        self.notices += cut_notices(name, len(counts))
        if len(counts) > FACET_VALUES:
            fewest = counts[most[-1]]  # of those that are as frequent as the last, the names decide
            most = [facet for facet, count in counts.items() if count >= fewest]
        statements = self.scope.dictionary.statements({key for facet in most for key in present[facet]})
        shown = {
            facet: min((statements[key] for key in present[facet] if key in statements), key=_spelled, default=None)
            for facet in most
        }
        return [FacetCount(said, counts[facet]) for facet, said in shown.items() if said is not None]

    def _count(
        self, found: Found, level: Level, column: Column, counts: Counter[str], present: dict[str, set[int]]
    ) -> None:
        """Add what one segment has: per facet the distinct hits, and the statements that they have."""
        numbers, together = self._by_code(found, level, column)
        facets = self._facets(column)
        groups: dict[str, list[int]] = {}
        for code in np.flatnonzero(numbers).tolist():
            groups.setdefault(facets[code], []).append(code)
        for facet, same in groups.items():
            counts[facet] += int(numbers[same[0]]) if len(same) == 1 else together(np.array(same))
            present.setdefault(facet, set()).update(int(column.keys[code]) for code in same)

    def _facets(self, column: Column) -> list[str]:
        """Return the facet of each code; of a statement that is gone nobody has any more, whatever it is."""

        def look_up() -> list[str]:
            found = self.scope.dictionary.facets(column.keys.tolist())
            return [found.get(key, "") for key in column.keys.tolist()]

        return self.scope.view.remembered(("facets", id(column)), look_up)

    def _by_code(self, found: Found, level: Level, column: Column) -> tuple[Array, Callable[[Codes], int]]:
        """Return how many hits have each code, and how to count those that have any of several."""
        if level is Level.PARTICIPANT or self.scope.everything:
            return found.numbers(column), lambda codes: found.having(column, codes)
        starts, lengths = found.part.segment.shape.images_of(found.rows)
        images = found.evaluation.seen_images(spread(starts, lengths))
        places, codes = column.pairs(images)
        owners = found.part.segment.shape.owner[images[places]]
        distinct = len(column.keys)
        pairs = np.unique(owners.astype(np.int64) * distinct + codes)
        numbers = np.bincount(pairs % distinct, minlength=distinct)
        return numbers, lambda codes: len(np.unique(pairs[np.isin(pairs % distinct, codes)] // distinct))


def _in_datasets(found: Found, level: Level, facets: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return for each facet how many of the hits are, or have an acquisition, in one of some datasets."""
    shape = found.part.segment.shape
    if level is Level.PARTICIPANT:
        counts = np.bincount(shape.people.datasets[found.rows], minlength=1)
        return {facet: int(counts[[key for key in keys if key < len(counts)]].sum()) for facet, keys in facets.items()}
    starts, lengths = shape.images_of(found.rows)
    owners, datasets = np.repeat(found.rows, lengths), shape.images.datasets[spread(starts, lengths)]
    return {facet: len(np.unique(owners[np.isin(datasets, keys)])) for facet, keys in facets.items()}


def _spelled(statement: Statement) -> str:
    """Return by what spellings of one value are ordered; the first stands for them."""
    return f"{statement.text or ''} {statement.label or ''}"
