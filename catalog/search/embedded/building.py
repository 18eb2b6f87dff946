"""Segments made of documents, and of other segments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from catalog.search.embedded.column import Array, Bools, Codebook, Column, column_of, spread
from catalog.search.embedded.encoding import EncodedDocument, EncodedRecord, packed
from catalog.search.embedded.segment import Records, Segment, Shape, labels_of
from catalog.search.names import Level


@dataclass(frozen=True, slots=True)
class StatementFacts:
    """What columns need to know of statements: by key (in order) property, number (NaN for none) and kinds."""

    keys: Array
    properties: Array
    numbers: Array
    kinds: Array


class MemorySegment(Segment):
    """Documents in memory; a column is made when it is first asked for.

    Args:
        documents: In the order of answers (:func:`in_order`).
        facts: Of every statement in them.
    """

    def __init__(self, documents: Sequence[EncodedDocument], facts: StatementFacts) -> None:
        images = [image for document in documents for image in document.acquisitions]
        numbers = np.array([len(document.acquisitions) for document in documents], np.int64)
        super().__init__(
            Shape(
                people=_records([document.participant for document in documents]),
                live=np.array([document.live for document in documents], np.bool_),
                images=_records(images),
                ends=np.cumsum(numbers),
                owner=np.repeat(np.arange(len(documents), dtype=np.uint32), numbers),
            )
        )
        self._facts = facts
        people = [document.participant for document in documents]
        self._values = {Level.PARTICIPANT: _grouped(people, facts), Level.ACQUISITION: _grouped(images, facts)}

    def ensure_whole(self) -> None:
        """See that it can still be read, as memory always can."""

    def properties(self, level: Level) -> Collection[int]:
        """Return the keys of the properties of which somebody here has a value."""
        return self._values[level].keys()

    def _column(self, level: Level, prop: int) -> Column | None:
        if prop not in self._values[level]:
            return None
        rows, keys = self._values[level][prop]
        distinct, places = np.unique(keys, return_inverse=True)
        at = np.searchsorted(self._facts.keys, distinct)
        book = Codebook(distinct, self._facts.numbers[at], self._facts.kinds[at])
        return _column(rows, places, book, self.shape, level)


class MergedSegment(Segment):
    """What is left of several segments, as one.

    Args:
        parts: Each segment with those of its documents that are still there.
        datasets: IRI of each dataset, by key.
    """

    def __init__(self, parts: Sequence[tuple[Segment, Bools]], datasets: Mapping[int, str]) -> None:
        self._parts = [(segment, np.flatnonzero(kept)) for segment, kept in parts]
        order = self._order(datasets)
        self._moved: list[dict[Level, Array]] = []
        start = 0
        for _, kept in self._parts:
            places = np.empty(len(kept), np.int64)
            places[:] = order[start : start + len(kept)]
            self._moved.append({Level.PARTICIPANT: places})
            start += len(kept)
        super().__init__(self._merged(len(order)))

    def ensure_whole(self) -> None:
        """See that what it is made of can still be read.

        Raises:
            IntegrityError: A file was cut short meanwhile.
        """
        for segment, _ in self._parts:
            segment.ensure_whole()

    def _order(self, datasets: Mapping[int, str]) -> Array:
        """Return the new row of each document that is kept, in the order of the parts."""
        positions = []
        for segment, kept in self._parts:
            people = segment.shape.people
            positions += [
                (datasets.get(int(people.datasets[row]), ""), people.label(row), people.iris[row].tobytes())
                for row in kept.tolist()
            ]
        rank = np.empty(len(positions), np.int64)
        rank[sorted(range(len(positions)), key=positions.__getitem__)] = np.arange(len(positions))
        return rank

    def _merged(self, size: int) -> Shape:
        lengths = np.zeros(size, np.int64)
        for (segment, kept), moved in zip(self._parts, self._moved, strict=True):
            lengths[moved[Level.PARTICIPANT]] = segment.shape.images_of(kept)[1]
        ends = np.cumsum(lengths)
        kept_images = []
        for (segment, kept), moved in zip(self._parts, self._moved, strict=True):
            first, number = segment.shape.images_of(kept)
            kept_images.append(spread(first, number))
            moved[Level.ACQUISITION] = spread((ends - lengths)[moved[Level.PARTICIPANT]], number)
        live = np.zeros(size, np.bool_)
        for (segment, kept), moved in zip(self._parts, self._moved, strict=True):
            live[moved[Level.PARTICIPANT]] = segment.shape.live[kept]
        self._kept = [
            {Level.PARTICIPANT: kept, Level.ACQUISITION: images}
            for (_, kept), images in zip(self._parts, kept_images, strict=True)
        ]
        return Shape(
            people=self._records(Level.PARTICIPANT),
            live=live,
            images=self._records(Level.ACQUISITION),
            ends=ends,
            owner=np.repeat(np.arange(size, dtype=np.uint32), lengths),
        )

    def _records(self, level: Level) -> Records:
        size = sum(len(kept[level]) for kept in self._kept)
        iris, datasets = np.empty((size, 16), np.uint8), np.empty(size, np.uint32)
        lengths = np.empty(size, np.int64)
        spans = []
        for (segment, _), kept, moved in zip(self._parts, self._kept, self._moved, strict=True):
            records, rows = segment.shape.of(level), kept[level]
            iris[moved[level]] = records.iris[rows]
            datasets[moved[level]] = records.datasets[rows]
            starts = np.where(rows > 0, records.label_ends[np.maximum(rows, 1) - 1] if len(rows) else 0, 0)
            lengths[moved[level]] = records.label_ends[rows] - starts
            spans.append(starts)
        ends = np.cumsum(lengths)
        labels = np.empty(int(ends[-1]) if size else 0, np.uint8)
        for (segment, _), moved, starts in zip(self._parts, self._moved, spans, strict=True):
            into = moved[level]
            labels[spread((ends - lengths)[into], lengths[into])] = segment.shape.of(level).labels[
                spread(starts, lengths[into])
            ]
        return Records(iris, _by_iri(iris), ends, labels, datasets)

    def properties(self, level: Level) -> Collection[int]:
        """Return the keys of the properties of which somebody here may have a value."""
        return {prop for segment, _ in self._parts for prop in segment.properties(level)}

    def _column(self, level: Level, prop: int) -> Column | None:
        found = []
        for (segment, _), kept, moved in zip(self._parts, self._kept, self._moved, strict=True):
            column = segment.column(level, prop)
            if column is not None:
                places, codes = column.pairs(kept[level])
                if len(places):
                    found.append((column, moved[level][places], codes))
        if not found:
            return None
        book, renamed = _one_codebook([(column, codes) for column, _, codes in found])
        rows, places = np.concatenate([rows for _, rows, _ in found]), np.concatenate(renamed)
        order = np.argsort(rows, kind="stable")
        return _column(rows[order], places[order], book, self.shape, level)


def in_order(documents: Iterable[EncodedDocument], datasets: Mapping[int, str]) -> list[EncodedDocument]:
    """Return documents in the order of answers: by dataset's IRI, label and IRI."""
    return sorted(documents, key=lambda d: (datasets.get(d.participant.dataset, ""), d.participant.label, d.iri))


def _one_codebook(parts: Sequence[tuple[Column, Array]]) -> tuple[Codebook, list[Array]]:
    """Return one codebook of the statements that are used in several columns, and the codes as places in it."""
    used = [column.keys[np.unique(codes)] for column, codes in parts]
    keys = np.unique(np.concatenate(used))
    numbers, kinds = np.full(len(keys), np.nan), np.zeros(len(keys), np.uint8)
    renamed = []
    for column, codes in parts:
        places = np.searchsorted(keys, column.keys)
        here = (places < len(keys)) & (keys[np.minimum(places, len(keys) - 1)] == column.keys)
        kinds[places[here]] = column.kinds[here]
        numbered = here[: len(column.numbers)]
        numbers[places[: len(column.numbers)][numbered]] = column.numbers[numbered]
        renamed.append(places[codes])
    return Codebook(keys, numbers, kinds), renamed


def _column(rows: Array, places: Array, book: Codebook, shape: Shape, level: Level) -> Column:
    if level is Level.PARTICIPANT:
        return column_of(rows, places, book, size=len(shape.people))
    return column_of(rows, places, book, size=len(shape.images), owner=shape.owner, people=len(shape.people))


def _records(records: Sequence[EncodedRecord]) -> Records:
    iris = np.frombuffer(b"".join(packed(record.iri) for record in records), np.uint8).reshape(-1, 16)
    ends, labels = labels_of([record.label for record in records])
    datasets = np.array([record.dataset for record in records], np.uint32)
    return Records(iris, _by_iri(iris), ends, labels, datasets)


def _by_iri(iris: Array) -> Array:
    halves = np.ascontiguousarray(iris).view(">u8")
    return np.lexsort((halves[:, 1], halves[:, 0])).astype(np.uint32) if len(iris) else np.empty(0, np.uint32)


def _grouped(records: Sequence[EncodedRecord], facts: StatementFacts) -> dict[int, tuple[Array, Array]]:
    """Return rows and statements of the values of each property, by row."""
    numbers = np.array([len(record.statements) for record in records], np.int64)
    rows = np.repeat(np.arange(len(records), dtype=np.uint32), numbers)
    keys = np.fromiter((key for record in records for key in record.statements), np.int64, len(rows))
    if not len(keys):
        return {}
    properties = facts.properties[np.searchsorted(facts.keys, keys)]
    order = np.argsort(properties, kind="stable")
    distinct, starts = np.unique(properties[order], return_index=True)
    parts = zip(np.split(rows[order], starts[1:]), np.split(keys[order], starts[1:]), strict=True)
    return {int(prop): part for prop, part in zip(distinct, parts, strict=True)}
