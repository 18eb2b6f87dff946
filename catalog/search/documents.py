"""A participant with its acquisitions as one document, for engines that keep them so.

An engine that holds whole participants must write one again when any of its acquisitions changes. What changes is
worked out here, from the records of one batch of the ledger and the documents that the engine already has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from catalog.model import Record
from catalog.search.projection import (
    SEARCHED,
    AcquisitionEntry,
    DatasetEntry,
    ParticipantEntry,
    project,
)


@dataclass(frozen=True, slots=True)
class ParticipantDocument:
    """A participant with its nested acquisitions.

    Attributes:
        key: IRI of the participant; of an acquisition that belongs to nobody, its own.
        participant: None where nobody answers to the key: withdrawn, or so far only spoken of by acquisitions.
        acquisitions: By IRI, in no order.
    """

    key: str
    participant: ParticipantEntry | None = None
    acquisitions: Mapping[str, AcquisitionEntry] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to keep."""
        return self.participant is None and not self.acquisitions


class DocumentStore(Protocol):
    """What an engine says of the documents that it has."""

    def load(self, keys: Collection[str]) -> Mapping[str, ParticipantDocument]:
        """Return those of some documents that are there, by key."""

    def holders(self, acquisitions: Collection[str]) -> Mapping[str, str]:
        """Return, for those of some acquisitions that are there, the key of the document that holds each."""


@dataclass(frozen=True, slots=True)
class Change:
    """A document as it was and as it is now; ``after`` is empty where it is to be removed."""

    before: ParticipantDocument
    after: ParticipantDocument


@dataclass(frozen=True, slots=True)
class Changes:
    """What one batch changes: documents by key, and datasets by IRI (None: withdrawn)."""

    documents: Mapping[str, Change]
    datasets: Mapping[str, DatasetEntry | None]


def assemble(records: Iterable[Record], stored: DocumentStore) -> Changes:
    """Return what the records of one batch change; no record comes twice in a batch."""
    people: dict[str, ParticipantEntry | None] = {}
    images: dict[str, AcquisitionEntry | None] = {}
    datasets: dict[str, DatasetEntry | None] = {}
    for record in records:
        if record.type not in SEARCHED:
            continue
        entry = None if record.withdrawn else project(record)
        if record.type == "Dataset":
            datasets[record.id] = entry if isinstance(entry, DatasetEntry) else None
        elif record.type == "Participant":
            people[record.id] = entry if isinstance(entry, ParticipantEntry) else None
        else:
            images[record.id] = entry if isinstance(entry, AcquisitionEntry) else None
    return Changes(_documents(people, images, stored), datasets)


def _documents(
    people: Mapping[str, ParticipantEntry | None],
    images: Mapping[str, AcquisitionEntry | None],
    stored: DocumentStore,
) -> dict[str, Change]:
    were_in = stored.holders(images.keys())
    are_in = {iri: entry.participant or iri for iri, entry in images.items() if entry is not None}
    keys = {*people, *were_in.values(), *are_in.values()}
    before = stored.load(keys)
    participants = {key: before[key].participant if key in before else None for key in keys} | dict(people)
    nested = {key: dict(before[key].acquisitions) if key in before else {} for key in keys}
    for iri, key in were_in.items():
        nested[key].pop(iri, None)
    for iri, key in are_in.items():
        entry = images[iri]
        if entry is not None:
            nested[key][iri] = entry
    return {
        key: Change(before.get(key, ParticipantDocument(key)), ParticipantDocument(key, participants[key], nested[key]))
        for key in sorted(keys)
    }
