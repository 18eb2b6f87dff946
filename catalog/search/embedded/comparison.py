"""Whether the index says what the repository says: every record projected again and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from catalog.model import Problem, Record
from catalog.repository import Repository
from catalog.search.embedded.dictionary import Dictionary
from catalog.search.embedded.segment import FileSegment
from catalog.search.embedded.view import Stored, View
from catalog.search.projection import SEARCHED, Entry, project
from ontology.errors import IntegrityError

BATCH = 1_000


def differences(view: View, dictionary: Dictionary, repository: Repository, applied: int) -> Iterator[Problem]:
    """Yield every way in which the index differs from what it would be if it were built now."""
    yield from _unreadable(view, dictionary)
    live: Counter[str] = Counter()
    after = -1
    stored = Stored(view, dictionary)
    while records := repository.records_since(after, limit=BATCH):
        after = records[-1].sequence
        covered = [record for record in records if record.type in SEARCHED and record.sequence <= applied]
        live.update(record.type for record in covered if not record.withdrawn)
        yield from _differing(covered, stored)
    if not repository.records_since(applied, limit=1):
        yield from _surplus(view, live)
    yield from _misfiled(dictionary)


def _unreadable(view: View, dictionary: Dictionary) -> Iterator[Problem]:
    for (line,) in dictionary.db.execute("PRAGMA quick_check(10)").fetchall():
        if line != "ok":
            yield Problem("search index", line)
    for part in view.parts:
        if isinstance(part.segment, FileSegment):
            try:
                part.segment.file.verify()
            except IntegrityError as error:
                yield Problem("search index", error.detail)


def _differing(records: Sequence[Record], stored: Stored) -> Iterator[Problem]:
    images = stored.holders([record.id for record in records if record.type not in ("Dataset", "Participant")])
    people = {record.id for record in records if record.type == "Participant"}
    documents = stored.load({*images.values(), *people})
    datasets = {entry.id: entry for entry, withdrawn in stored.view.datasets.values() if not withdrawn}
    for record in records:
        found: Entry | None
        if record.type == "Dataset":
            found = datasets.get(record.id)
        elif record.type == "Participant":
            found = documents[record.id].participant if record.id in documents else None
        else:
            found = documents[images[record.id]].acquisitions.get(record.id) if record.id in images else None
        if found != (None if record.withdrawn else project(record)):
            yield Problem(record.id, "the search index differs from the record")


def _surplus(view: View, live: Counter[str]) -> Iterator[Problem]:
    people = sum(int(np.count_nonzero(part.alive)) for part in view.parts)
    images = sum(int(np.count_nonzero(part.kept[part.segment.shape.owner])) for part in view.parts)
    expected = live.total() - live["Dataset"] - live["Participant"]
    for what, count, rightly in (("participants", people, live["Participant"]), ("acquisitions", images, expected)):
        if count != rightly:
            yield Problem("search index", f"it has {count} {what}, the repository {rightly}")


def _misfiled(dictionary: Dictionary) -> Iterator[Problem]:
    """Yield the statements that would not be found by what they say."""
    db = dictionary.db
    keys = [key for (key,) in db.execute("SELECT key FROM statement ORDER BY key")]
    for start in range(0, len(keys), BATCH):
        for key, statement in dictionary.statements(keys[start : start + BATCH]).items():
            forms = frozenset(form for (form,) in db.execute("SELECT folded FROM form WHERE statement = ?", (key,)))
            said = db.execute("SELECT words FROM word WHERE rowid = ?", (key,)).fetchone()
            words = frozenset(said[0].split()) if said else frozenset()
            facet = dictionary.facets([key])[key]
            if (forms, words, facet) != (statement.forms(), statement.words(), statement.facet):
                where = f"search index, property {statement.name}"
                yield Problem(where, "a value is filed under what it does not say")
