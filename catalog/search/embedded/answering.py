"""Answering one question from one view: the hits, a page of them, and what explanations need."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from catalog.search.binding import Bound, BoundQuery, HasAcquisition, Opposite, Some
from catalog.search.embedded.column import Array, Bools, Codes, Column, Rows
from catalog.search.embedded.evaluation import Evaluation
from catalog.search.embedded.scope import Scope
from catalog.search.embedded.segment import Segment
from catalog.search.embedded.view import Part
from catalog.search.explanation import Described, Explainer, asks_acquisitions, describe, properties_asked
from catalog.search.index import Hit, Terms
from catalog.search.names import ANY, Level, built_in_names
from catalog.search.paging import Position
from catalog.search.projection import Statement


class Found:
    """The hits of one segment: rows of participants, in the order of answers."""

    def __init__(self, evaluation: Evaluation, rows: Rows) -> None:
        self.evaluation = evaluation
        self.part: Part = evaluation.part
        self.rows = rows
        self._numbers: dict[int, Array] = {}

    @cached_property
    def mask(self) -> Bools:
        """The hits among all rows."""
        mask = np.zeros(self.part.segment.size, np.bool_)
        mask[self.rows] = True
        return mask

    def numbers(self, column: Column) -> Array:
        """Return for each code of a column how many hits have it, or an acquisition that has it."""
        known = self._numbers.get(id(column))  # columns live as long as their segment
        if known is None:
            if column.own is column.people and column.rows is None:
                known = np.bincount(column.codes[self.rows], minlength=len(column.keys) + 1)[1:]
            else:
                known = column.people.within(self.mask)
            self._numbers[id(column)] = known
        return known

    def having(self, column: Column, codes: Codes) -> int:
        """Return how many hits have any of some codes of a column, or an acquisition that has one."""
        if len(codes) < 2 or (column.own is column.people and column.rows is None):
            return int(self.numbers(column)[codes].sum())
        return int(np.count_nonzero(column.people.mask(codes) & self.mask))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hit is."""

    at: Position
    found: Found
    row: int


class Answering:
    """One bound query against one view."""

    def __init__(self, scope: Scope, bound: BoundQuery, terms: Terms) -> None:
        self.scope = scope
        self.bound = bound
        self.terms = terms
        evaluations = [Evaluation(part, scope) for part in scope.view.parts]
        rows = scope.view.hits((scope.key, bound), lambda: [each.hits(bound.root) for each in evaluations])
        self.found = [Found(evaluation, hits) for evaluation, hits in zip(evaluations, rows, strict=True)]
        self.count = sum(len(found.rows) for found in self.found)

    def members(self) -> list[str]:
        """Return the IRIs of all hits, sorted."""
        return sorted(iri for found in self.found for iri in found.part.segment.shape.people.many(found.rows))

    def count_also(self, root: Bound) -> int:
        """Return how many of the hits fulfil another condition as well."""
        return sum(self._count_also(found, root) for found in self.found)

    def _count_also(self, found: Found, root: Bound) -> int:
        """Count in one segment; a condition on one value is counted from the postings, as facets are."""
        if isinstance(root, Opposite):
            return len(found.rows) - self._count_also(found, root.part)
        leaf = root.part if isinstance(root, HasAcquisition) and self.scope.everything else root
        if isinstance(leaf, Some) and leaf.property not in built_in_names(leaf.level):
            chosen = found.evaluation.chosen(leaf)
            if len(chosen) < 2:
                return sum(found.having(column, codes) for column, codes in chosen)
        return int(np.count_nonzero(found.evaluation.holds(root, Level.PARTICIPANT, found.rows)))

    def page(self, after: Position | None, limit: int) -> list[Place]:
        """Return the hits that follow a position."""
        each = [self._following(found, after, limit) for found in self.found]
        return list(islice(heapq.merge(*each, key=lambda place: place.at), limit))

    def _following(self, found: Found, after: Position | None, limit: int) -> list[Place]:
        first = 0
        last = len(found.rows)
        while after is not None and first < last:
            middle = (first + last) // 2
            if self._position(found.part.segment, int(found.rows[middle])) <= after:
                first = middle + 1
            else:
                last = middle
        rows = found.rows[first : first + limit]
        return [Place(self._position(found.part.segment, int(row)), found, int(row)) for row in rows]

    def _position(self, segment: Segment, row: int) -> Position:
        people = segment.shape.people
        entry = self.scope.visible.get(int(people.datasets[row]))
        return Position(entry.id if entry is not None else "", people.label(row), people.iri(row))

    def hits(self, page: Sequence[Place], *, explain: bool) -> list[Hit]:
        """Return the hits of a page, each with its explanation when asked."""
        if not explain:
            return [Hit(id=p.at.iri, label=p.at.label, dataset=p.at.dataset or None) for p in page]
        explainer = Explainer(self.bound.root, self.terms)
        return [
            Hit(
                id=place.at.iri,
                label=place.at.label,
                dataset=place.at.dataset or None,
                explanation=explainer.explain(described) or (),
            )
            for place, described in zip(page, self.described(page), strict=True)
        ]

    def described(self, page: Sequence[Place]) -> list[Described]:
        """Return the participants of a page with the statements that the query asks about."""
        names = properties_asked(self.bound.root)
        images: list[Sequence[int]] = [()] * len(page)
        if asks_acquisitions(self.bound.root):
            images = [self._images(place) for place in page]
        keys: set[int] = set()
        people = [self._keys(p.found.part.segment, Level.PARTICIPANT, [p.row], names, keys) for p in page]
        nested = [
            self._keys(p.found.part.segment, Level.ACQUISITION, rows, names, keys)
            for p, rows in zip(page, images, strict=True)
        ]
        statements = self.scope.dictionary.statements(keys)
        return [
            self._describe(place, statements, own[0], list(zip(rows, each, strict=True)))
            for place, own, rows, each in zip(page, people, images, nested, strict=True)
        ]

    def _images(self, place: Place) -> Sequence[int]:
        shape = place.found.part.segment.shape
        (first,), (number,) = shape.images_of(np.array([place.row]))
        seen = place.found.evaluation.seen_images(np.arange(first, first + number))
        return [int(row) for row in seen]

    def _keys(
        self, segment: Segment, level: Level, rows: Sequence[int], names: Iterable[str], every: set[int]
    ) -> list[list[int]]:
        """Return for each of some rows the keys of its statements of some properties; add them to ``every``."""
        found: list[list[int]] = [[] for _ in rows]
        if ANY in names:
            props: Iterable[int | None] = segment.properties(level)
        else:
            props = [self.scope.property_key(level, name) for name in names]
        among: Array = np.array(rows, np.int64)
        for prop in props:
            column = segment.column(level, prop) if prop is not None and rows else None
            if column is not None:
                for place, code in zip(*column.pairs(among), strict=True):
                    found[place].append(int(column.keys[code]))
        every.update(key for keys in found for key in keys)
        return found

    def _describe(
        self,
        place: Place,
        statements: dict[int, Statement],
        own: Sequence[int],
        images: Sequence[tuple[int, Sequence[int]]],
    ) -> Described:
        shape = place.found.part.segment.shape
        visible = self.scope.visible
        return describe(
            place.at.iri,
            place.at.label,
            _there(statements, own),
            level=Level.PARTICIPANT,
            dataset=visible.get(int(shape.people.datasets[place.row])),
            acquisitions=[
                describe(
                    shape.images.iri(row),
                    shape.images.label(row),
                    _there(statements, keys),
                    level=Level.ACQUISITION,
                    dataset=visible.get(int(shape.images.datasets[row])),
                )
                for row, keys in images
            ],
        )


def _there(statements: Mapping[int, Statement], keys: Iterable[int]) -> Iterator[Statement]:
    """Yield those of some statements that are there, by key."""
    return (statements[key] for key in keys if key in statements)
