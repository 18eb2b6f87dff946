"""Applying records to the index: one batch of the ledger, inside one transaction.

Documents that changed are written again among the fresh ones; where those become many they are made a segment, and
segments of like size are merged, so that there are never many.
"""

from __future__ import annotations

import json
import math
import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from catalog.model import Record
from catalog.search.documents import Change, Changes, ParticipantDocument, assemble
from catalog.search.embedded.building import MemorySegment, MergedSegment, in_order
from catalog.search.embedded.column import Array
from catalog.search.embedded.dictionary import DictionaryWriter
from catalog.search.embedded.encoding import NO_DATASET, EncodedDocument, EncodedRecord
from catalog.search.embedded.segment import Segment, arrays_of
from catalog.search.embedded.segment_file import write_segment
from catalog.search.embedded.view import Part, Stored, View, known_facts, load_view, stamp_of
from catalog.search.names import Level
from catalog.search.projection import AcquisitionEntry, DatasetEntry, ParticipantEntry, Statement, to_row

FRESH_RECORDS: Final = 4_000
"""So many participants and acquisitions are kept outside segments."""

MERGED_AT_ONCE: Final = 4
"""So many segments of like size become one."""

SMALL: Final = 100_000
"""A segment of at most so many records is written again at once when one of them is withdrawn."""

_BURY: Final = "INSERT INTO buried (segment, ordinal, stamp) VALUES (?, ?, ?)"
_FRESH: Final = "INSERT INTO fresh (iri, document, stamp) VALUES (?, ?, ?)"


class Writer:
    """Writes to one index within one transaction."""

    def __init__(self, db: sqlite3.Connection, folder: Path, view: View | None, *, fresh_records: int) -> None:
        self.db = db
        self.folder = folder
        self.view = load_view(db, folder, view)
        self.dictionary = DictionaryWriter(db)
        self._fresh_records = fresh_records
        self._stamp = self.view.stamp
        self._datasets = {entry.id: key for key, (entry, _) in self.view.datasets.items()}

    def apply(self, records: Iterable[Record]) -> View:
        """Bring the index to what these records now say; return the view of that."""
        changes = assemble(records, Stored(self.view, self.dictionary))
        self._stamp = stamp_of(self.db) + 1
        self.db.execute("UPDATE meta SET value = ? WHERE name = 'stamp'", (str(self._stamp),))
        for iri, entry in changes.datasets.items():
            self._put_dataset(iri, entry)
        self._bury(changes)
        after = [self._encoded(change.after) for change in changes.documents.values() if not change.after.empty]
        self.db.executemany(_FRESH, [(document.iri, document.to_text(), self._stamp) for document in after])
        self.view = load_view(self.db, self.folder, self.view)
        self._forget(changes)
        if sum(1 + len(document.acquisitions) for document in self.view.fresh.values()) > self._fresh_records:
            self._settle()
        self.scrub(SMALL)
        return self.view

    def scrub(self, most: int | None = None) -> None:
        """Write segments again that hold what was withdrawn: those of at most so many records, or all."""
        condition = "withdrawn" if most is None else f"withdrawn AND records <= {most}"
        keys = {key for (key,) in self.db.execute(f"SELECT key FROM segment WHERE {condition}")}  # noqa: S608
        for part in [part for part in self.view.parts if part.key in keys]:
            self.merge([part])

    def _put_dataset(self, iri: str, entry: DatasetEntry | None) -> None:
        facts = ("[]", None, None, 1) if entry is None else (_rows(entry), entry.label, entry.title, 0)
        self.db.execute(
            "UPDATE dataset SET statements = ?, label = ?, title = ?, withdrawn = ?, stamp = ? WHERE key = ?",
            (*facts, self._stamp, self._dataset(iri)),
        )

    def _dataset(self, iri: str | None) -> int:
        if iri is None:
            return NO_DATASET
        if iri not in self._datasets:
            key = self.db.execute("INSERT INTO dataset (iri, stamp) VALUES (?, ?)", (iri, self._stamp)).lastrowid
            self._datasets[iri] = key or 0
        return self._datasets[iri]

    def _bury(self, changes: Changes) -> None:
        for iri, part, row in self.view.places(changes.documents):
            if part.key is None:
                self.db.execute("DELETE FROM fresh WHERE iri = ?", (iri,))
                continue
            self.db.execute(_BURY, (part.key, row, self._stamp))
            if _lost(changes.documents[iri]):
                self.db.execute("UPDATE segment SET withdrawn = 1 WHERE key = ?", (part.key,))

    def _encoded(self, document: ParticipantDocument) -> EncodedDocument:
        images = sorted(document.acquisitions.values(), key=lambda image: (image.label, image.id))
        who = document.participant
        participant = EncodedRecord(document.key, "", NO_DATASET, ()) if who is None else self._record(who)
        return EncodedDocument(participant, who is not None, [self._record(image) for image in images])

    def _record(self, entry: ParticipantEntry | AcquisitionEntry) -> EncodedRecord:
        level = Level.PARTICIPANT if isinstance(entry, ParticipantEntry) else Level.ACQUISITION
        keys = self.dictionary.keys(level, entry.statements)
        return EncodedRecord(entry.id, entry.label, self._dataset(entry.dataset), keys)

    def _forget(self, changes: Changes) -> None:
        """Remove from the dictionary what nobody says any more."""
        if all(change.before.empty for change in changes.documents.values()):
            return
        gone: dict[Level, set[int]] = {}
        for level, pick in ((Level.PARTICIPANT, _of_participant), (Level.ACQUISITION, _of_acquisitions)):
            before = {s for change in changes.documents.values() for s in pick(change.before)}
            after = {s for change in changes.documents.values() for s in pick(change.after)}
            gone[level] = set(self.dictionary.keys(level, before - after))
        for level, keys in gone.items():
            self.dictionary.forget(self._unused(level, np.array(sorted(keys), np.int64)))

    def _unused(self, level: Level, keys: Array) -> list[int]:
        """Return those of some statements that no record has."""
        if not len(keys):
            return []
        used = np.zeros(len(keys), np.bool_)
        facts = self.dictionary.facts(keys)
        for prop in np.unique(facts.properties):
            for part in self.view.parts:
                column = part.segment.column(level, int(prop))
                if column is None:
                    continue
                for code in column.codes_of(keys):
                    rows = column.own.rows(np.array([code]))
                    holders = rows if level is Level.PARTICIPANT else part.segment.shape.owner[rows]
                    used[np.searchsorted(keys, column.keys[code])] |= bool(part.kept[holders].any())
        return [int(key) for key in keys[~used]]

    def _settle(self) -> None:
        """Make the fresh documents a segment, and merge segments of like size."""
        documents = in_order(self.view.fresh.values(), self.view.iris)
        self._write(MemorySegment(documents, known_facts(self.dictionary, documents, self.view.facts)))
        self.db.execute("DELETE FROM fresh")
        self.view = load_view(self.db, self.folder, self.view)
        while parts := to_merge([part for part in self.view.parts if part.key is not None]):
            self.merge(parts)

    def merge(self, parts: Sequence[Part]) -> None:
        """Make one segment of several, without what was buried in them."""
        self._write(MergedSegment([(part.segment, part.kept) for part in parts], self.view.iris))
        keys = [(part.key,) for part in parts]
        self.db.executemany("DELETE FROM segment WHERE key = ?", keys)
        self.db.executemany("DELETE FROM buried WHERE segment = ?", keys)
        self.view = load_view(self.db, self.folder, self.view)

    def _write(self, segment: Segment) -> None:
        if not segment.size:
            return
        name = f"{uuid.uuid4().hex}.segment"
        facts, arrays = arrays_of(segment)
        write_segment(self.folder / name, facts=facts, arrays=arrays)
        records = segment.size + len(segment.shape.images)
        self.db.execute("INSERT INTO segment (file, records) VALUES (?, ?)", (name, records))


def to_merge(parts: Sequence[Part]) -> list[Part]:
    """Return segments that should become one: four of like size, or one of which half is buried."""
    tiers: dict[int, list[Part]] = {}
    for part in parts:
        kept = part.segment.size - len(part.buried)
        if len(part.buried) > kept:
            return [part]
        tiers.setdefault(int(math.log(max(kept, 1), MERGED_AT_ONCE)), []).append(part)
    return next((found for _, found in sorted(tiers.items()) if len(found) >= MERGED_AT_ONCE), [])


def _lost(change: Change) -> bool:
    """Tell whether a record of a document is not there any more."""
    gone = change.before.participant is not None and change.after.participant is None
    return gone or bool(change.before.acquisitions.keys() - change.after.acquisitions.keys())


def _of_participant(document: ParticipantDocument) -> Iterable[Statement]:
    return document.participant.statements if document.participant is not None else ()


def _of_acquisitions(document: ParticipantDocument) -> Iterable[Statement]:
    return (statement for image in document.acquisitions.values() for statement in image.statements)


def _rows(entry: DatasetEntry) -> str:
    return json.dumps([to_row(statement) for statement in sorted(entry.statements, key=repr)])
