"""The values of one property in one segment: a code for each record, and for each code the records that have it.

A *code* is the number of a distinct statement within the segment. Codes are in order of the statements' numbers, those
without a number last, so that a range of numbers is a range of codes. A *row* is a record's number within the segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.uint32]
Codes = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

FREQUENT: Final = 32
"""A code that more than one in so many rows have is kept as bits instead of rows."""


KINDS: Final = {"number": 1, "text": 2, "boolean": 4, "term": 8}
"""Bits of a statement's kinds; one that is mapped to a term counts as that besides."""


@dataclass(frozen=True, slots=True)
class Postings:
    """For each code the rows that have it.

    Attributes:
        size: How many rows there are in all.
        counts: How many of them have each code.
        starts: Where the rows of a code begin in ``members``; one more than there are codes.
        members: Rows by code, each code's in order; none for frequent codes.
        frequent: Codes whose rows are kept as bits, in order.
        bits: A line of packed bits for each of those.
    """

    size: int
    counts: Array
    starts: Array
    members: Array
    frequent: Array
    bits: Array

    def mask(self, codes: Codes) -> Bools:
        """Return which rows have any of some codes (in order, each once)."""
        found = np.zeros(self.size, np.bool_)
        if is_run(codes):
            found[self.members[self.starts[codes[0]] : self.starts[codes[-1] + 1]]] = True
        else:
            for code in codes:
                found[self.members[self.starts[code] : self.starts[code + 1]]] = True
        for line in np.flatnonzero(np.isin(self.frequent, codes)):
            found |= self._line(line)
        return found

    def _line(self, line: int | np.integer[Any]) -> Bools:
        return np.unpackbits(self.bits[line], count=self.size).view(np.bool_)

    def packed(self, codes: Codes) -> Array:
        """Return which rows have any of some codes, as packed bits."""
        found = np.zeros(-(-self.size // 8), np.uint8)
        for line in np.flatnonzero(np.isin(self.frequent, codes)):
            found |= self.bits[line]
        spans = [self.members[self.starts[code] : self.starts[code + 1]] for code in codes]
        members = np.concatenate(spans) if spans else self.members[:0]
        np.bitwise_or.at(found, members >> 3, (0x80 >> (members & 7)).astype(np.uint8))
        return found

    def rows(self, codes: Codes) -> Rows:
        """Return the rows that have any of some codes, in order, each once."""
        if len(codes) == 1 and self.counts[codes[0]] == self.starts[codes[0] + 1] - self.starts[codes[0]]:
            only: Rows = self.members[self.starts[codes[0]] : self.starts[codes[0] + 1]]
            return only
        return np.flatnonzero(self.mask(codes)).astype(np.uint32)

    def within(self, mask: Bools) -> npt.NDArray[np.int64]:
        """Return for each code how many of the rows in a mask have it."""
        counts = np.zeros(len(self.counts), np.int64)
        if len(self.members):
            running = np.concatenate(([0], np.cumsum(mask[self.members], dtype=np.int64)))
            counts += running[self.starts[1:]] - running[self.starts[:-1]]
        for line, code in enumerate(self.frequent):
            counts[code] = np.count_nonzero(self._line(line) & mask)
        return counts

    def total(self, codes: Codes) -> int:
        """Return how many rows have some codes at most."""
        return int(self.counts[codes].sum())

    @classmethod
    def of(cls, rows: Array, codes: Array, *, distinct: int, size: int) -> Postings:
        """Return the postings of pairs of row and code, each pair once, by row."""
        order = np.argsort(narrow(codes, distinct), kind="stable")
        members, by_code = rows[order], codes[order]
        counts = np.bincount(codes, minlength=distinct).astype(np.uint32)
        often = counts * np.uint64(FREQUENT) > size if size >= FREQUENT else np.zeros(distinct, np.bool_)
        frequent = np.flatnonzero(often)
        ends = np.cumsum(counts, dtype=np.int64)
        bits = np.zeros((len(frequent), -(-size // 8)), np.uint8)
        for line, code in enumerate(frequent):
            mask = np.zeros(size, np.bool_)
            mask[members[ends[code] - counts[code] : ends[code]]] = True
            bits[line] = np.packbits(mask)
        kept = members[~often[by_code]] if len(frequent) else members
        starts = np.concatenate(([0], np.cumsum(np.where(often, 0, counts), dtype=np.int64)))
        return cls(size, counts, starts, kept.astype(np.uint32), frequent.astype(np.int64), bits)


@dataclass(frozen=True, slots=True)
class Column:
    """One property's values for the records of one level.

    Attributes:
        keys: Key of the statement that each code stands for.
        numbers: Its number where it is of kind ``number``; the first ``len(numbers)`` codes have one.
        kinds: What kinds of value it counts as, by :data:`KINDS`.
        rows: None where every row has at most one value; else the row of each value, in order.
        codes: For each row its code plus one, 0 for none; where there are ``rows``, the code of each value.
        own: Rows by code.
        people: Of acquisitions: the participants that have one with the code; of participants the same as ``own``.
    """

    keys: Array
    numbers: Array
    kinds: Array
    rows: Array | None
    codes: Array
    own: Postings
    people: Postings

    def codes_of(self, keys: Array) -> Codes:
        """Return the codes of those of some statements that are here, in order."""
        return np.flatnonzero(np.isin(self.keys, keys))

    def numbered(self, low: float | None, high: float | None, *, low_in: bool, high_in: bool) -> Codes:
        """Return the codes whose numbers lie between two bounds; None is unbounded."""
        start = 0 if low is None else int(np.searchsorted(self.numbers, low, "left" if low_in else "right"))
        end = len(self.numbers)
        if high is not None:
            end = int(np.searchsorted(self.numbers, high, "right" if high_in else "left"))
        return np.arange(start, max(start, end))

    def having(self, codes: Codes, among: Array) -> Bools:
        """Return which of some rows have any of some codes."""
        if self.rows is not None or self.own.total(codes) < len(among):
            return self.own.mask(codes)[among]
        return self._chosen(codes)[self.codes[among]]

    def _chosen(self, codes: Codes) -> Bools:
        chosen = np.zeros(len(self.keys) + 1, np.bool_)
        chosen[codes + 1] = True
        return chosen

    def pairs(self, among: Array) -> tuple[Array, Array]:
        """Return the values of some rows (in order, each once): place in ``among``, and code."""
        if self.rows is None:
            codes = self.codes[among]
            places = np.flatnonzero(codes)
            return places, codes[places].astype(np.int64) - 1
        first = np.searchsorted(self.rows, among, "left")
        lengths = np.searchsorted(self.rows, among, "right") - first
        places = np.repeat(np.arange(len(among)), lengths)
        return places, self.codes[spread(first, lengths)].astype(np.int64)

    def values(self) -> tuple[Array, Array]:
        """Return every value by row: rows and codes."""
        if self.rows is not None:
            return self.rows, self.codes
        rows = np.flatnonzero(self.codes)
        return rows.astype(np.uint32), self.codes[rows] - np.array(1, self.codes.dtype)

    @property
    def filled(self) -> Rows:
        """The rows that have a value, in order."""
        return np.unique(self.rows) if self.rows is not None else np.flatnonzero(self.codes).astype(np.uint32)


@dataclass(frozen=True, slots=True)
class Codebook:
    """The distinct statements of a column, in any order: keys, numbers (NaN for none) and kinds."""

    keys: Array
    numbers: Array
    kinds: Array


def column_of(
    rows: Array, places: Array, book: Codebook, *, size: int, owner: Array | None = None, people: int = 0
) -> Column:
    """Return the column of pairs of row and place in a codebook, each pair once, by row.

    Args:
        rows: Row of each value.
        places: Its place in the codebook.
        book: The statements.
        size: How many rows there are.
        owner: Of acquisitions: the participant's row of each.
        people: Of acquisitions: how many participants there are.
    """
    order = np.lexsort((book.keys, book.numbers))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    codes = rank[places]
    keys, numbers, kinds = book.keys[order], book.numbers[order], book.kinds[order]
    numbers = numbers[~np.isnan(numbers)]
    own = Postings.of(rows, codes, distinct=len(keys), size=size)
    by_person = own if owner is None else _by_person(rows, codes, owner, distinct=len(keys), people=people)
    single = len(rows) < 2 or bool(np.all(rows[1:] != rows[:-1]))
    kind = np.min_scalar_type(len(keys) + 1)
    if single and size * kind.itemsize <= len(rows) * (4 + kind.itemsize):
        dense = np.zeros(size, kind)
        dense[rows] = codes + 1
        return Column(keys, numbers, kinds, None, dense, own, by_person)
    return Column(keys, numbers, kinds, rows.astype(np.uint32), codes.astype(kind), own, by_person)


def _by_person(rows: Array, codes: Array, owner: Array, *, distinct: int, people: int) -> Postings:
    """Return for each code the participants; the acquisitions of one stand together, so their rows are in order."""
    owners = owner[rows]
    pairs = np.unique(owners.astype(np.int64) * distinct + codes)
    return Postings.of(pairs // distinct, pairs % distinct, distinct=distinct, size=people)


def is_run(codes: Codes) -> bool:
    """Tell whether codes (in order, each once) follow each other without a gap."""
    return len(codes) > 0 and int(codes[-1]) - int(codes[0]) == len(codes) - 1


def spread(first: Array, lengths: Array) -> Array:
    """Return the numbers of several runs one after the other: from ``first``, as many as ``lengths``."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    runs: Array = np.arange(total) + np.repeat(first - (ends - lengths), lengths)
    return runs


def narrow(values: Array, distinct: int) -> Array:
    """Return small numbers in 16 bits where they fit: those are sorted by radix."""
    return values.astype(np.uint16) if distinct <= 0xFFFF else values
