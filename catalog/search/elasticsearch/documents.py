"""Documents of the index: a participant with its acquisitions, a dataset, the stamp; and reading them back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import orjson

from catalog.search.documents import ParticipantDocument
from catalog.search.elasticsearch.encoding import MAX_NAME, clipped, filed, filed_built_in, is_long
from catalog.search.projection import (
    AcquisitionEntry,
    DatasetEntry,
    ParticipantEntry,
    Statement,
    built_in,
    from_row,
    to_row,
)

PERSON: Final = "person"
DATASET: Final = "dataset"
_MAX_ID: Final = 500


def person_id(key: str) -> str:
    """Return the document id of a participant."""
    return _id("p:", key)


def dataset_id(iri: str) -> str:
    """Return the document id of a dataset."""
    return _id("d:", iri)


def _id(prefix: str, iri: str) -> str:
    """Return an id, which may have 512 bytes."""
    if len(iri.encode()) <= _MAX_ID:
        return prefix + iri
    return f"{prefix}#{blake2b(iri.encode(), digest_size=32).hexdigest()}"


def person_document(document: ParticipantDocument) -> dict[str, Any]:
    """Return a participant with its acquisitions as Elasticsearch keeps it.

    One without a participant and without acquisitions keeps its place, with nothing in it, so that a write that
    comes late finds a newer version there.
    """
    entry = document.participant
    found: dict[str, Any] = {"kind": PERSON, "key": clipped(document.key), "live": entry is not None}
    said: list[Any] = [document.key]
    if entry is not None:
        found |= {"home": clipped(entry.dataset or ""), "label": clipped(entry.label)}
        found |= _filed(entry.id, entry.label, entry.dataset, entry.statements)
        said += [entry.label, entry.dataset, _rows(entry.statements)]
    found["said"] = _packed(said)
    images = sorted(document.acquisitions.values(), key=lambda image: image.id)
    if images:
        found["acquisitions"] = [_acquisition(image) for image in images]
    return found


def _acquisition(entry: AcquisitionEntry) -> dict[str, Any]:
    said = [entry.id, entry.label, entry.dataset, entry.participant, _rows(entry.statements)]
    found = _filed(entry.id, entry.label, entry.dataset, entry.statements)
    return {"iri": clipped(entry.id), "said": _packed(said), **found}


def _filed(iri: str, label: str, dataset: str | None, statements: Iterable[Statement]) -> dict[str, Any]:
    fields = filed(statements)
    for field, terms in filed_built_in(_own(iri, label)).items():
        fields.setdefault(field, []).extend(terms)
    return {**fields, "dataset": clipped(dataset)} if dataset else dict(fields)


def _own(iri: str, label: str) -> list[Statement]:
    return [built_in(name, id=iri, label=label) for name in ("id", "label")]


def long_names(document: ParticipantDocument) -> set[tuple[str, str]]:
    """Return level and name of the properties of which some value is filed under its digest alone."""
    found: set[tuple[str, str]] = set()
    if document.participant is not None:
        found |= {("participant", name) for name in _long(document.participant)}
    for image in document.acquisitions.values():
        found |= {("acquisition", name) for name in _long(image)}
    return found


def _long(entry: ParticipantEntry | AcquisitionEntry) -> Iterable[str]:
    found = {statement.name for statement in entry.statements if is_long(statement)}
    if len(entry.id) + len(entry.label) > MAX_NAME:
        found |= {statement.name for statement in _own(entry.id, entry.label) if is_long(statement)}
    return found


def read_person(source: Mapping[str, Any]) -> ParticipantDocument:
    """Return the participant that a document holds."""
    key, *facts = orjson.loads(source["said"])
    participant = None
    if facts:
        label, dataset, rows = facts
        participant = ParticipantEntry(key, label, dataset, _statements(rows))
    nested = source.get("acquisitions", [])
    images = [_read_acquisition(image) for image in (nested if isinstance(nested, list) else [nested])]
    return ParticipantDocument(key, participant, {image.id: image for image in images})


def _read_acquisition(source: Mapping[str, Any]) -> AcquisitionEntry:
    iri, label, dataset, participant, rows = orjson.loads(source["said"])
    return AcquisitionEntry(iri, label, dataset, participant, _statements(rows))


def dataset_document(entry: DatasetEntry | None, iri: str) -> dict[str, Any]:
    """Return a dataset as Elasticsearch keeps it; without an entry, as one that was withdrawn."""
    if entry is None:
        return _dataset(iri, [iri, False])
    return _dataset(iri, [iri, True, entry.label, entry.title, _rows(entry.statements)])


def mentioned_dataset(iri: str) -> dict[str, Any]:
    """Return a dataset that so far others only speak of."""
    return _dataset(iri, [iri, True])


def _dataset(iri: str, said: Sequence[Any]) -> dict[str, Any]:
    return {"kind": DATASET, "key": clipped(iri), "said": _packed(said)}


def read_dataset(source: Mapping[str, Any]) -> tuple[DatasetEntry, bool, bool]:
    """Return a dataset, whether it is live, and whether it says anything of itself."""
    iri, live, *facts = orjson.loads(source["said"])
    label, title, rows = facts or (None, None, ())
    return DatasetEntry(iri, label or iri, title, _statements(rows)), live, bool(facts)


def _rows(statements: Collection[Statement]) -> list[tuple[Any, ...]]:
    return [*map(_row, statements)]


@lru_cache(maxsize=100_000)
def _row(statement: Statement) -> tuple[Any, ...]:
    """Return a statement as a row without an empty end; statements repeat, so it is kept."""
    row = to_row(statement)
    while row[-1] is None:
        row.pop()
    return tuple(row)


def _statements(rows: Sequence[Sequence[Any]]) -> frozenset[Statement]:
    return frozenset(map(from_row, rows))


def _packed(said: Any) -> str:
    """Return what is said as one text, which the server neither reads nor changes."""
    return orjson.dumps(said).decode()
