"""Which records of one segment fulfil a bound query: columns looked up, rarest condition first.

A condition is answered in one of two ways: *rows* finds all records that fulfil it, from the postings; *holds* looks at
given records alone, in the columns. Of a conjunction the rarest part is found and the others are looked up, and of a
condition on acquisitions only those of the participants that are left are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from catalog.search.binding import (
    All,
    AnyPart,
    Bound,
    CountAcquisitions,
    HasAcquisition,
    Opposite,
    Some,
)
from catalog.search.embedded.column import FREQUENT, Array, Bools, Codes, Column, Rows, spread
from catalog.search.embedded.labels import labelled
from catalog.search.embedded.scope import Scope
from catalog.search.embedded.together import Judgement, judge
from catalog.search.embedded.view import Part
from catalog.search.names import ANY, OF_DATASET, Level, built_in_names
from catalog.search.projection import built_in
from catalog.search.value_tests import Equal, NumberRange, Present, Word

FEW: Final = 64
"""Of fewer participants than one in so many, the acquisitions are looked at."""

MANY: Final = 64
"""Of more values than these the bits are not joined."""

Chosen = Sequence[tuple[Column, Codes]]
"""Columns, and the codes in them, by which a condition holds."""


class Evaluation:
    """One segment, as one caller sees it."""

    def __init__(self, part: Part, scope: Scope) -> None:
        self.part = part
        self.scope = scope
        self.shape = part.segment.shape
        # By identity, and with what they are of: otherwise a condition that comes later could have the same one.
        self._chosen: dict[int, tuple[Some, Chosen]] = {}
        self._estimates: dict[int, tuple[Bound, int]] = {}

    def hits(self, root: Bound) -> Rows:
        """Return the participants that are there, may be seen and fulfil a query, in order."""
        rows = self.rows(root, Level.PARTICIPANT)
        if len(self.part.buried) or not self.shape.live.all():
            rows = rows[self.part.alive[rows]]
        return rows if self.scope.everything else rows[self.scope.sees(self.shape.people.datasets[rows])]

    def seen_images(self, images: Array) -> Array:
        """Return those of some acquisitions that may be seen."""
        if self.scope.everything:
            return images
        return images[self.scope.sees(self.shape.images.datasets[images])]

    # -- all records that fulfil a condition

    def rows(self, bound: Bound, level: Level) -> Rows:
        """Return the records of a level that fulfil a condition, in order, whether or not they may be seen."""
        match bound:
            case All(parts=()):
                return np.arange(self._size(level), dtype=np.uint32)
            case All(parts=parts):
                return self._all_rows(self._rarest_first(parts, level), level)
            case AnyPart(parts=parts):
                mask = np.zeros(self._size(level), np.bool_)
                for part in parts:
                    mask[self.rows(part, level)] = True
                return _rows(mask)
            case Opposite(part=part):
                mask = np.ones(self._size(level), np.bool_)
                mask[self.rows(part, level)] = False
                return _rows(mask)
            case HasAcquisition() | CountAcquisitions():
                return self._owners(bound)
            case Some():
                return self._some_rows(bound)

    def _all_rows(self, parts: Sequence[Bound], level: Level) -> Rows:
        """Return the records that fulfil several conditions, rarest first; frequent values are joined as bits."""
        joined: list[Array] = []
        rest = list(parts)
        if self._joins_bits(parts, level):
            for part in parts:
                frequent = self._frequent(part, level)
                if frequent is not None:
                    joined.append(frequent[0].own.packed(frequent[1]))
                    rest.remove(part)
            bits = np.bitwise_and.reduce(joined)
            left = _rows(np.unpackbits(bits, count=self._size(level)).view(np.bool_))
        else:
            left = self.rows(rest.pop(0), level)
        for part in rest:
            left = left[self.holds(part, level, left)]
        return left

    def _joins_bits(self, parts: Sequence[Bound], level: Level) -> bool:
        """Tell whether the rarest of several conditions and another one are on frequent values."""
        frequent = [self._frequent(part, level) is not None for part in parts]
        return len(parts) > 1 and frequent[0] and sum(frequent) > 1

    def _frequent(self, bound: Bound, level: Level) -> tuple[Column, Codes] | None:
        """Return column and codes of a condition on one value that many records fulfil."""
        if not isinstance(bound, Some) or self._is_built_in(bound) or len(self.chosen(bound)) != 1:
            return None
        column, codes = self.chosen(bound)[0]
        few = int(column.own.counts[codes].sum()) * FREQUENT < self._size(level)
        return None if few or len(codes) > MANY else (column, codes)

    def _some_rows(self, bound: Some) -> Rows:
        size = self._size(bound.level)
        if self._is_built_in(bound):
            return _rows(self._built_in(bound, np.arange(size)))
        chosen = self.chosen(bound)
        if len(chosen) == 1:
            return chosen[0][0].own.rows(chosen[0][1])
        mask = np.zeros(size, np.bool_)
        for column, codes in chosen:
            mask |= column.own.mask(codes)
        return _rows(mask)

    def _owners(self, bound: HasAcquisition | CountAcquisitions) -> Rows:
        """Return the participants with an acquisition that fulfils a condition, or with so many."""
        if isinstance(bound, HasAcquisition):
            if self._is_in_postings(bound):
                return _rows(self._people(bound))
            return _distinct(self.shape.owner[self.seen_images(self.rows(bound.part, Level.ACQUISITION))])
        counts = np.bincount(self._image_owners(bound.part), minlength=self.part.segment.size)
        return _rows(compared(counts, bound))

    def _is_in_postings(self, bound: HasAcquisition | CountAcquisitions) -> bool:
        """Tell whether the postings say which participants have such an acquisition: one that may be seen."""
        part = bound.part
        has_one = isinstance(bound, HasAcquisition) and self.scope.everything
        return has_one and isinstance(part, Some) and not self._is_built_in(part)

    def _people(self, bound: HasAcquisition | CountAcquisitions) -> Bools:
        """Return, from the postings, which participants have an acquisition of which one value is so."""
        mask = np.zeros(self.part.segment.size, np.bool_)
        for column, codes in self.chosen(bound.part) if isinstance(bound.part, Some) else ():
            mask |= column.people.mask(codes)
        return mask

    def _judgement(self, bound: HasAcquisition | CountAcquisitions) -> Judgement | None:
        """Return what the postings say of several conditions on one acquisition, where that many may have one."""
        part = bound.part
        if not (self.scope.everything and isinstance(bound, HasAcquisition) and isinstance(part, All)):
            return None
        each = [self._frequent(some, Level.ACQUISITION) for some in part.parts]
        conditions = [found for found in each if found is not None]
        return judge(conditions, self.part.segment) if 1 < len(conditions) == len(each) else None

    def _image_owners(self, part: Bound) -> Array:
        found: Array = self.shape.owner[self.seen_images(self.rows(part, Level.ACQUISITION))]
        return found

    # -- which of some records fulfil it

    def holds(self, bound: Bound, level: Level, among: Array) -> Bools:
        """Tell which of some records (in order, each once) fulfil a condition."""
        match bound:
            case All(parts=parts):
                left = np.arange(len(among))
                for part in self._rarest_first(parts, level):
                    left = left[self.holds(part, level, among[left])]
                return _at(left, len(among))
            case AnyPart(parts=parts):
                found = np.zeros(len(among), np.bool_)
                for part in parts:
                    rest = np.flatnonzero(~found)
                    found[rest] = self.holds(part, level, among[rest])
                return found
            case Opposite(part=part):
                return ~self.holds(part, level, among)
            case HasAcquisition() | CountAcquisitions():
                return self._own(bound, among)
            case Some() if self._is_built_in(bound):
                return self._built_in(bound, among)
            case Some():
                found = np.zeros(len(among), np.bool_)
                for column, codes in self.chosen(bound):
                    found |= column.having(codes, among)
                return found

    def _own(self, bound: HasAcquisition | CountAcquisitions, among: Array) -> Bools:
        """Tell which of some participants have such acquisitions, by looking at these or at all that are such."""
        if self._is_in_postings(bound):
            return self._people(bound)[among]
        if len(among) * FEW > self.part.segment.size and (judgement := self._judgement(bound)) is not None:
            holding = judgement.sure[among]
            left = np.flatnonzero(judgement.open[among])
            holding[left] = self._looked_at(bound, among[left])
            return holding
        if self.estimate(bound.part, Level.ACQUISITION) < int(self.shape.images_of(among)[1].sum()):
            mask = np.zeros(self.part.segment.size, np.bool_)
            mask[self._owners(bound)] = True
            found: Bools = mask[among]
            return found
        return self._looked_at(bound, among)

    def _looked_at(self, bound: HasAcquisition | CountAcquisitions, among: Array) -> Bools:
        """Tell which of some participants have such acquisitions, by looking at all of theirs."""
        starts, numbers = self.shape.images_of(among)
        images = spread(starts, numbers)
        places = np.repeat(np.arange(len(among)), numbers)
        if not self.scope.everything:
            seen = self.scope.sees(self.shape.images.datasets[images])
            images, places = images[seen], places[seen]
        holding = places[self.holds(bound.part, Level.ACQUISITION, images)]
        counts = np.bincount(holding, minlength=len(among))
        return counts > 0 if isinstance(bound, HasAcquisition) else compared(counts, bound)

    # -- leaves

    def chosen(self, bound: Some) -> Chosen:
        """Return columns and codes by which a condition on one value holds."""
        if id(bound) not in self._chosen:
            self._chosen[id(bound)] = bound, [(column, codes) for column, codes in self._choose(bound) if len(codes)]
        return self._chosen[id(bound)][1]

    def _choose(self, bound: Some) -> Chosen:
        segment = self.part.segment
        if bound.property == ANY and isinstance(bound.test, Word):
            keys = self.scope.holding_keys(bound.level, bound.test)
            columns = ((segment.column(bound.level, prop), found) for prop, found in keys.items())
            return [(column, column.codes_of(found)) for column, found in columns if column is not None]
        prop = self.scope.property_key(bound.level, bound.property)
        column = segment.column(bound.level, prop) if prop is not None else None
        if prop is None or column is None:
            return []
        test = bound.test
        if isinstance(test, NumberRange):
            codes = column.numbered(test.low, test.high, low_in=test.low_included, high_in=test.high_included)
            return [(column, codes)]
        return [(column, column.codes_of(self.scope.passing_keys(prop, test)))]

    def _is_built_in(self, bound: Some) -> bool:
        return bound.property in built_in_names(bound.level)

    def _built_in(self, bound: Some, among: Array) -> Bools:
        records = self.shape.of(bound.level)
        if bound.property in OF_DATASET:
            passing: Bools = self.scope.passing(bound.property, bound.test)[records.datasets[among]]
            return passing
        if isinstance(bound.test, Present):
            return np.ones(len(among), np.bool_)
        if isinstance(bound.test, Equal):
            candidates = labelled(records, among, bound.property, bound.test.forms)
        else:
            candidates = np.arange(len(among))
        found = np.zeros(len(among), np.bool_)
        for place in candidates:
            row = int(among[place])
            said = built_in(bound.property, id=records.iri(row), label=records.label(row))
            found[place] = bound.test.passes(said)
        return found

    # -- how many to expect

    def estimate(self, bound: Bound, level: Level) -> int:
        """Return about how many records of a level fulfil a condition; rather too many than too few."""
        if id(bound) not in self._estimates:
            self._estimates[id(bound)] = bound, self._estimate(bound, level)
        return self._estimates[id(bound)][1]

    def _estimate(self, bound: Bound, level: Level) -> int:
        size = self._size(level)
        match bound:
            case All(parts=parts):
                return min((self.estimate(part, level) for part in parts), default=size)
            case AnyPart(parts=parts):
                return min(size, sum(self.estimate(part, level) for part in parts))
            case Opposite(part=part):
                return max(0, size - self.estimate(part, level))
            case HasAcquisition(part=part):
                return min(size, self.estimate(part, Level.ACQUISITION))
            case CountAcquisitions():
                return size
            case Some() if self._is_built_in(bound):
                return size if bound.property in OF_DATASET else 2 * size
            case Some():
                return min(size, sum(column.own.total(codes) for column, codes in self.chosen(bound)))

    def _rarest_first(self, parts: Sequence[Bound], level: Level) -> list[Bound]:
        return sorted(parts, key=lambda part: self.estimate(part, level))

    def _size(self, level: Level) -> int:
        return len(self.shape.of(level))


def compared(counts: Array, bound: CountAcquisitions) -> Bools:
    """Tell which numbers of acquisitions are such as a condition asks for."""
    operators: dict[str, Callable[[Array, int], Bools]] = {
        "=": np.equal,
        "<>": np.not_equal,
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
    }
    return operators[bound.op](counts, bound.n)


def _rows(mask: Bools) -> Rows:
    return np.flatnonzero(mask).astype(np.uint32)


def _at(places: Array, size: int) -> Bools:
    mask = np.zeros(size, np.bool_)
    mask[places] = True
    return mask


def _distinct(rows: Rows) -> Rows:
    """Return rows that are in order, each once."""
    return rows[np.concatenate(([True], rows[1:] != rows[:-1]))] if len(rows) else rows
