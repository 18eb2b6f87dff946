"""Some documents of the index, never changed: who they are, and a column for each property.

Participants stand by dataset, label and IRI, which is the order of answers; the acquisitions of one stand together, by
label and IRI. A *row* is a place in either list.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from catalog.search.embedded.column import KINDS, Array, Bools, Column, Postings
from catalog.search.embedded.encoding import packed, unpacked
from catalog.search.embedded.segment_file import SegmentFile
from catalog.search.names import Level
from ontology.identifiers import URN

Uses = Counter[tuple[int, str]]
"""How many records of a dataset (by key) have a value of a property, by kind of value; kind '' counts them all once."""


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one level.

    Attributes:
        iris: The 16 bytes of each IRI (rows, 16).
        order: Rows by IRI.
        label_ends: Where each label ends in ``labels``.
        labels: The labels one after the other, in UTF-8.
        datasets: Key of the dataset of each; 0 for none.
    """

    iris: Array
    order: Array
    label_ends: Array
    labels: Array
    datasets: Array

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.datasets)

    def iri(self, row: int) -> str:
        """Return the IRI of a record."""
        return unpacked(self.iris[row].tobytes())

    def many(self, rows: Array) -> list[str]:
        """Return the IRIs of some records."""
        digits = self.iris[rows].tobytes().hex()
        each = (digits[start : start + 32] for start in range(0, len(digits), 32))
        return [f"{URN}{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in each]

    def label(self, row: int) -> str:
        """Return the label of a record."""
        start = int(self.label_ends[row - 1]) if row else 0
        return self.labels[start : int(self.label_ends[row])].tobytes().decode()

    def find(self, iri: str) -> int | None:
        """Return the row of a record, or None where it is not here."""
        wanted = packed(iri)
        low, high = 0, len(self.order)
        while low < high:
            middle = (low + high) // 2
            if self.iris[self.order[middle]].tobytes() < wanted:
                low = middle + 1
            else:
                high = middle
        if low < len(self.order) and self.iris[self.order[low]].tobytes() == wanted:
            return int(self.order[low])
        return None


@dataclass(frozen=True, slots=True)
class Shape:
    """Who is in a segment: participants, their acquisitions, and whose these are.

    Attributes:
        people: The participants.
        live: Which of them there are; the others are only spoken of by acquisitions.
        images: The acquisitions.
        ends: Where the acquisitions of each participant end.
        owner: Row of the participant of each acquisition.
    """

    people: Records
    live: Bools
    images: Records
    ends: Array
    owner: Array

    def of(self, level: Level) -> Records:
        """Return the records of a level."""
        return self.people if level is Level.PARTICIPANT else self.images

    def images_of(self, people: Array) -> tuple[Array, Array]:
        """Return for each of some participants where its acquisitions begin, and how many there are."""
        ends = self.ends[people].astype(np.int64)
        starts = np.where(people > 0, self.ends[np.maximum(people, 1) - 1], 0).astype(np.int64)
        return starts, ends - starts


class Segment(ABC):
    """Documents and their columns."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._columns: dict[tuple[Level, int], Column | None] = {}
        self._uses: dict[tuple[Level, int], Uses] = {}
        self._lacking: dict[int, Bools] = {}

    @property
    def size(self) -> int:
        """How many documents there are."""
        return len(self.shape.people)

    def column(self, level: Level, prop: int) -> Column | None:
        """Return the column of a property (by key), or None where nobody here has a value of it."""
        try:
            return self._columns[level, prop]
        except KeyError:
            found = self._columns[level, prop] = self._column(level, prop)
            return found

    def uses(self, level: Level, prop: int) -> Uses:
        """Return how often a property is used."""
        found = self._uses.get((level, prop))
        if found is None:
            found = self._uses[level, prop] = self._count(level, prop)
        return found

    def lacking(self, column: Column) -> Bools:
        """Return the participants of whom an acquisition has no value in a column of acquisitions."""
        found = self._lacking.get(id(column))  # columns live as long as their segment
        if found is None:
            without = np.ones(len(self.shape.images), np.bool_)
            without[column.filled] = False
            found = np.zeros(self.size, np.bool_)
            found[self.shape.owner[without]] = True
            self._lacking[id(column)] = found
        return found

    def _count(self, level: Level, prop: int) -> Uses:
        column = self.column(level, prop)
        return Counter() if column is None else count_uses(column, self.shape.of(level).datasets)

    @abstractmethod
    def ensure_whole(self) -> None:
        """See that it can still be read.

        Raises:
            IntegrityError: Its file was cut short meanwhile.
        """

    @abstractmethod
    def properties(self, level: Level) -> Collection[int]:
        """Return the keys of the properties of which somebody here has a value."""

    @abstractmethod
    def _column(self, level: Level, prop: int) -> Column | None:
        """Make or read a column."""


def count_uses(column: Column, datasets: Array, among: Array | None = None) -> Uses:
    """Return how often a column is used by all records or some (in order, each once)."""
    if among is None:
        rows, codes = column.values()
    else:
        places, codes = column.pairs(among)
        rows = among[places]
    found: Uses = Counter()
    kinds = column.kinds[codes]
    for name, bit in (("", 0xFF), *KINDS.items()):
        having = rows[(kinds & bit) != 0]
        distinct = having[np.concatenate(([True], having[1:] != having[:-1]))] if len(having) else having
        for dataset, count in zip(*np.unique(datasets[distinct], return_counts=True), strict=True):
            found[int(dataset), name] = int(count)
    return found


_RECORDS = ("iris", "order", "label_ends", "labels", "datasets")
_POSTINGS = ("counts", "starts", "members", "frequent", "bits")


def arrays_of(segment: Segment) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what a segment is written as: facts, and arrays by name."""
    shape = segment.shape
    arrays: dict[str, Array] = {"live": shape.live, "ends": shape.ends, "owner": shape.owner}
    uses: dict[str, list[Any]] = {}
    for level in Level:
        arrays |= {f"{level}/{name}": getattr(shape.of(level), name) for name in _RECORDS}
        for prop in sorted(segment.properties(level)):
            column = segment.column(level, prop)
            if column is not None:
                arrays |= _column_arrays(f"{level}/{prop}", column)
                uses[f"{level}/{prop}"] = [[*use, n] for use, n in sorted(segment.uses(level, prop).items())]
    return {"uses": uses}, arrays


def _column_arrays(name: str, column: Column) -> Mapping[str, Array]:
    arrays = {"keys": column.keys, "numbers": column.numbers, "kinds": column.kinds, "codes": column.codes}
    if column.rows is not None:
        arrays["rows"] = column.rows
    arrays |= {f"own/{part}": getattr(column.own, part) for part in _POSTINGS}
    if column.people is not column.own:
        arrays |= {f"people/{part}": getattr(column.people, part) for part in _POSTINGS}
    return {f"{name}/{part}": array for part, array in arrays.items()}


class FileSegment(Segment):
    """A segment in a file, read in place."""

    def __init__(self, file: SegmentFile) -> None:
        self.file = file
        people, images = (Records(*(file[f"{level}/{name}"] for name in _RECORDS)) for level in Level)
        super().__init__(Shape(people, file["live"].view(np.bool_), images, file["ends"], file["owner"]))

    def ensure_whole(self) -> None:
        """See that nothing was cut off its file.

        Raises:
            IntegrityError: Something was.
        """
        self.file.ensure_whole()

    def properties(self, level: Level) -> Collection[int]:
        """Return the keys of the properties of which somebody here has a value."""
        start = f"{level}/"
        return [int(name.removeprefix(start)) for name in self.file.facts["uses"] if name.startswith(start)]

    def _count(self, level: Level, prop: int) -> Uses:
        told = self.file.facts["uses"].get(f"{level}/{prop}", ())
        return Counter({(dataset, kind): count for dataset, kind, count in told})

    def _column(self, level: Level, prop: int) -> Column | None:
        name, file = f"{level}/{prop}", self.file
        keys = file.find(f"{name}/keys")
        if keys is None:
            return None
        own = self._postings(f"{name}/own", len(self.shape.of(level)))
        people = own if level is Level.PARTICIPANT else self._postings(f"{name}/people", self.size)
        rows = file.find(f"{name}/rows")
        numbers, kinds, codes = (file[f"{name}/{part}"] for part in ("numbers", "kinds", "codes"))
        return Column(keys, numbers, kinds, rows, codes, own, people)

    def _postings(self, name: str, size: int) -> Postings:
        return Postings(size, *(self.file[f"{name}/{part}"] for part in _POSTINGS))


def labels_of(texts: Collection[str]) -> tuple[Array, npt.NDArray[np.uint8]]:
    """Return the ends and bytes of labels one after the other."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64) if encoded else np.empty(0, np.int64)
    return ends, np.frombuffer(b"".join(encoded), np.uint8)
