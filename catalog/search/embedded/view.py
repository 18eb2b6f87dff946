"""What the index holds at one moment: its segments, which of their documents count, and the newest documents."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from catalog.search.documents import ParticipantDocument
from catalog.search.embedded.building import MemorySegment, StatementFacts, in_order
from catalog.search.embedded.column import Array, Bools, Rows
from catalog.search.embedded.dictionary import Dictionary
from catalog.search.embedded.encoding import EncodedDocument, EncodedRecord
from catalog.search.embedded.segment import FileSegment, Records, Segment
from catalog.search.embedded.segment_file import SegmentFile
from catalog.search.index_tables import dataset_entry
from catalog.search.names import Level
from catalog.search.projection import AcquisitionEntry, DatasetEntry, ParticipantEntry, Statement

T = TypeVar("T")

REMEMBERED: Final = 4_000
"""So much of what was worked out for a view is kept."""

QUESTIONS: Final = 8
"""The hits of so many questions are kept."""


@dataclass(frozen=True, slots=True)
class Part:
    """A segment, and which of its documents are still there. ``key`` is None for the documents in memory."""

    key: int | None
    segment: Segment
    kept: Bools
    buried: Array

    @property
    def alive(self) -> Bools:
        """Which participants there are."""
        return self.kept & self.segment.shape.live


@dataclass(frozen=True, slots=True)
class View:
    """The index at one stamp; never changed.

    Attributes:
        stamp: Grows with every write.
        parts: The segments, the newest documents last.
        fresh: Those documents, by key.
        facts: Of the statements in them.
        datasets: Key of each dataset to what is known of it, and whether it was withdrawn.
    """

    stamp: int
    parts: Sequence[Part]
    fresh: Mapping[str, EncodedDocument]
    facts: StatementFacts
    datasets: Mapping[int, tuple[DatasetEntry, bool]]
    _known: dict[Hashable, Any] = field(default_factory=dict)
    _hits: dict[Hashable, Sequence[Rows]] = field(default_factory=dict)

    def hits(self, question: Hashable, find: Callable[[], Sequence[Rows]]) -> Sequence[Rows]:
        """Return the hits of a question, segment by segment: facets, histograms and trees ask it one after another."""
        rows = self._hits.get(question)
        if rows is None:
            rows = find()
            if len(self._hits) >= QUESTIONS:
                self._hits.clear()
            self._hits[question] = rows
        return rows

    def remembered(self, what: Hashable, work_out: Callable[[], T]) -> T:
        """Return what was worked out for this view before, or work it out; a view never changes."""
        try:
            found: T = self._known[what]
        except KeyError:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[what] = work_out()
        return found

    def ensure_whole(self) -> None:
        """See that every segment can still be read.

        Raises:
            IntegrityError: The file of one was cut short meanwhile.
        """
        for part in self.parts:
            part.segment.ensure_whole()

    @property
    def iris(self) -> dict[int, str]:
        """IRI of each dataset by key."""
        return {key: entry.id for key, (entry, _) in self.datasets.items()}

    def places(self, iris: Collection[str]) -> Iterator[tuple[str, Part, int]]:
        """Yield where the documents of some keys are."""
        for iri in iris:
            for part in self.parts:
                row = part.segment.shape.people.find(iri)
                if row is not None and part.kept[row]:
                    yield iri, part, row


NO_FACTS = StatementFacts(*(np.empty(0, kind) for kind in (np.int64, np.int64, np.float64, np.uint8)))


def stamp_of(db: sqlite3.Connection) -> int:
    """Return the stamp of a snapshot."""
    return int(db.execute("SELECT value FROM meta WHERE name = 'stamp'").fetchone()[0])


def load_view(db: sqlite3.Connection, folder: Path, before: View | None) -> View:
    """Return the view of a snapshot, made out of an earlier one where there is one.

    Raises:
        FileNotFoundError: A segment was merged away meanwhile; a newer snapshot does not name it.
        IntegrityError: A segment is damaged.
    """
    stamp = stamp_of(db)
    seen = before.stamp if before is not None else -1
    rows = db.execute("SELECT key, iri, label, title, statements, withdrawn FROM dataset WHERE stamp > ?", (seen,))
    changed = {key: (dataset_entry(*facts), bool(withdrawn)) for key, *facts, withdrawn in rows}
    datasets = {**(before.datasets if before is not None else {}), **changed}
    known = {part.key: part for part in before.parts} if before is not None else {}
    parts = []
    for key, name in db.execute("SELECT key, file FROM segment ORDER BY key").fetchall():
        parts.append(_part(db, key, known.get(key), folder / name, seen))
    fresh = _fresh(db, before)
    facts = before.facts if before is not None else NO_FACTS
    if fresh:
        facts = known_facts(Dictionary(db), fresh.values(), facts)
        iris = {key: entry.id for key, (entry, _) in datasets.items()}
        parts.append(whole(MemorySegment(in_order(fresh.values(), iris), facts)))
    return View(stamp, parts, fresh, facts, datasets)


def _fresh(db: sqlite3.Connection, before: View | None) -> dict[str, EncodedDocument]:
    """Return the documents that are in no segment; those of an earlier view are not read again."""
    known, seen = (before.fresh, before.stamp) if before is not None else ({}, -1)
    rows = db.execute("SELECT iri, document FROM fresh WHERE stamp > ?", (seen,)).fetchall()
    read = {iri: EncodedDocument.from_text(text) for iri, text in rows}
    return {iri: read.get(iri) or known[iri] for (iri,) in db.execute("SELECT iri FROM fresh ORDER BY iri")}


def known_facts(
    dictionary: Dictionary, documents: Collection[EncodedDocument], before: StatementFacts
) -> StatementFacts:
    """Return what columns need to know of the statements of documents; what is known already is not looked up."""
    keys = np.unique(
        np.fromiter((k for d in documents for r in (d.participant, *d.acquisitions) for k in r.statements), np.int64)
    )
    new = dictionary.facts(np.setdiff1d(keys, before.keys, assume_unique=True))
    joined = np.concatenate((before.keys, new.keys))
    order = np.argsort(joined, kind="stable")
    order = order[np.isin(joined[order], keys)]
    return StatementFacts(
        joined[order],
        np.concatenate((before.properties, new.properties))[order],
        np.concatenate((before.numbers, new.numbers))[order],
        np.concatenate((before.kinds, new.kinds))[order],
    )


def whole(segment: Segment, key: int | None = None) -> Part:
    """Return a segment of which every document is there."""
    return Part(key, segment, np.ones(segment.size, np.bool_), np.empty(0, np.int64))


def _part(db: sqlite3.Connection, key: int, known: Part | None, path: Path, seen: int) -> Part:
    if known is None:
        known, seen = whole(FileSegment(SegmentFile(path)), key), -1
    rows = db.execute("SELECT ordinal FROM buried WHERE segment = ? AND stamp > ?", (key, seen)).fetchall()
    if not rows:
        return known
    ordinals = np.array([row for (row,) in rows], np.int64)
    kept = known.kept.copy()
    kept[ordinals] = False
    return Part(key, known.segment, kept, np.union1d(known.buried, ordinals))


class Stored:
    """The documents of a view, as :class:`catalog.search.documents.DocumentStore` asks for them."""

    def __init__(self, view: View, dictionary: Dictionary) -> None:
        self.view = view
        self.dictionary = dictionary

    def load(self, keys: Collection[str]) -> dict[str, ParticipantDocument]:
        """Return those of some documents that are there, by key."""
        encoded = {iri: self._encoded(part, row) for iri, part, row in self.view.places(keys)}
        return self.decoded(encoded)

    def everything(self) -> Iterator[dict[str, ParticipantDocument]]:
        """Yield all documents, some thousand at a time."""
        for part in self.view.parts:
            rows = np.flatnonzero(part.kept)
            for start in range(0, len(rows), 1_000):
                found = [self._encoded(part, int(row)) for row in rows[start : start + 1_000]]
                yield self.decoded({document.iri: document for document in found})

    def decoded(self, encoded: Mapping[str, EncodedDocument]) -> dict[str, ParticipantDocument]:
        """Return documents with their statements in words."""
        keys = {k for d in encoded.values() for record in (d.participant, *d.acquisitions) for k in record.statements}
        statements = self.dictionary.statements(keys)
        return {iri: self._decoded(document, statements) for iri, document in encoded.items()}

    def holders(self, acquisitions: Collection[str]) -> dict[str, str]:
        """Return, for those of some acquisitions that are there, the key of the document that holds each."""
        found: dict[str, str] = {}
        for iri in acquisitions:
            for part in self.view.parts:
                shape = part.segment.shape
                row = shape.images.find(iri)
                if row is not None and part.kept[shape.owner[row]]:
                    found[iri] = shape.people.iri(int(shape.owner[row]))
        return found

    def _encoded(self, part: Part, row: int) -> EncodedDocument:
        if part.key is None:
            return self.view.fresh[part.segment.shape.people.iri(row)]
        shape = part.segment.shape
        (first,), (number,) = shape.images_of(np.array([row]))
        rows = np.arange(first, first + number)
        images = _encoded_records(part.segment, Level.ACQUISITION, shape.images, rows)
        (participant,) = _encoded_records(part.segment, Level.PARTICIPANT, shape.people, np.array([row]))
        return EncodedDocument(participant, bool(shape.live[row]), images)

    def _decoded(self, document: EncodedDocument, statements: Mapping[int, Statement]) -> ParticipantDocument:
        def said(record: EncodedRecord) -> tuple[str, str, str | None, frozenset[Statement]]:
            entry = self.view.datasets.get(record.dataset)
            keys = (statements[key] for key in record.statements if key in statements)
            return record.iri, record.label, entry[0].id if entry else None, frozenset(keys)

        iri, label, dataset, own = said(document.participant)
        images = {}
        for record in document.acquisitions:
            image, name, of, values = said(record)
            images[image] = AcquisitionEntry(image, name, of, iri if image != iri else None, values)
        return ParticipantDocument(iri, ParticipantEntry(iri, label, dataset, own) if document.live else None, images)


def _encoded_records(segment: Segment, level: Level, records: Records, rows: Array) -> list[EncodedRecord]:
    """Return records with the keys of all that is said of them."""
    keys: list[list[int]] = [[] for _ in rows]
    for prop in segment.properties(level):
        column = segment.column(level, prop)
        if column is not None:
            for place, code in zip(*column.pairs(rows), strict=True):
                keys[place].append(int(column.keys[code]))
    return [
        EncodedRecord(records.iri(int(row)), records.label(int(row)), int(records.datasets[row]), tuple(sorted(said)))
        for row, said in zip(rows, keys, strict=True)
    ]
