"""Documents as the index keeps them: who, where, and the keys of what is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ontology.identifiers import URN, is_record_iri

NO_DATASET: Final = 0
"""Key that stands for a record of no dataset."""


@dataclass(frozen=True, slots=True)
class EncodedRecord:
    """A participant or acquisition: its IRI, label, dataset and statements by key."""

    iri: str
    label: str
    dataset: int
    statements: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EncodedDocument:
    """A participant with its acquisitions, these by label and IRI; ``live``: somebody answers to the IRI."""

    participant: EncodedRecord
    live: bool
    acquisitions: Sequence[EncodedRecord]

    @property
    def iri(self) -> str:
        """The document's key."""
        return self.participant.iri

    def to_text(self) -> str:
        """Return the document as JSON."""
        records = [[r.iri, r.label, r.dataset, r.statements] for r in (self.participant, *self.acquisitions)]
        return json.dumps([self.live, records], separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> EncodedDocument:
        """Return the document that :meth:`to_text` wrote."""
        live, rows = json.loads(text)
        records = [EncodedRecord(iri, label, dataset, tuple(keys)) for iri, label, dataset, keys in rows]
        return cls(records[0], bool(live), records[1:])


def packed(iri: str) -> bytes:
    """Return the 16 bytes of a record's IRI, which sort as the IRI does.

    Raises:
        ValueError: It is not the IRI of a record.
    """
    if not is_record_iri(iri):
        raise ValueError(f"{iri!r} is not the IRI of a record")
    return bytes.fromhex(iri[len(URN) :].replace("-", ""))


def unpacked(raw: bytes) -> str:
    """Return the IRI that 16 bytes stand for."""
    digits = raw.hex()
    return f"{URN}{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
