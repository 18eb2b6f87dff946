"""What a catalogue holds and how it changes: records, edges, changes, requirements, commits.

Plain values, known to every backend and to nothing else. The shapes of the documents, type by type, are in
``docs/reference/records.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One version of one record.

    Attributes:
        id: Record IRI (``urn:uuid:...``).
        type: ``Dataset``, ``Participant``, ``Acquisition``, ``Task``, ... (``docs/reference/records.md``).
        version: From 1, without gaps.
        created: When version 1 was written (UTC, RFC 3339).
        modified: When this version was written.
        sequence: Ledger entry that made this version.
        document: The JSON members of the record, without the above.
        withdrawn: True for a tombstone; ``document`` then holds what may still be said.
    """

    id: str
    type: str
    version: int
    created: str
    modified: str
    sequence: int
    document: Mapping[str, Any]
    withdrawn: bool = False

    @property
    def dataset(self) -> str | None:
        """IRI of the dataset whose grants govern this record; None when it belongs to no dataset."""
        return self.id if self.type == "Dataset" else self.document.get("dataset")


@dataclass(frozen=True, slots=True)
class Edge:
    """``source predicate target``; the predicate is a CURIE of :mod:`ontology.namespaces`."""

    source: str
    predicate: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Write a record: version 1 if new, else the next version; edges and aliases replace the earlier ones.

    A document's ``files`` (a list of ``{id, path, sha256, size, ...}``) makes each file a node of its own that
    ``get`` and lineage know: type ``File``, with an edge ``dcterms:isPartOf`` to this record.

    Attributes:
        id: Record IRI.
        type: Record type; may not change between versions.
        document: JSON members.
        edges: ``(predicate, target)`` pairs that start at this record.
        aliases: Other unique names by which ``find_alias`` finds it (``doi:10.1/x``, ``token:<sha256>``).
        action: Overrides the commit's action for this entry.
        reason: Overrides the commit's reason for this entry.
    """

    id: str
    type: str
    document: Mapping[str, Any]
    edges: Sequence[tuple[str, str]] = ()
    aliases: Sequence[str] = ()
    action: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Leave a tombstone: a new version that says only what ``document`` says; earlier versions stay."""

    id: str
    document: Mapping[str, Any] = field(default_factory=dict)
    action: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """Leave a tombstone and destroy the bodies and salts of all earlier versions; the ledger still verifies."""

    id: str
    document: Mapping[str, Any] = field(default_factory=dict)
    action: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An entry that changes no record: an access, a signature check, a failed attempt."""

    subject: str
    body: Mapping[str, Any] | None = None
    action: str | None = None
    reason: str | None = None


Change = Put | Withdraw | Erase | Note


@dataclass(frozen=True, slots=True)
class MustBeAbsent:
    """Requirement: no record has this IRI."""

    id: str


@dataclass(frozen=True, slots=True)
class MustBeAt:
    """Requirement: the record's current version is this one (``If-Match``)."""

    id: str
    version: int


Requirement = MustBeAbsent | MustBeAt


class Durability(Enum):
    """What an acknowledged commit survives."""

    FULL = "full"
    """A power cut: synchronised to the disk before it is acknowledged."""
    PROCESS = "process"
    """``kill -9`` of every process, not a power cut; for access entries and progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Requirements and changes that are applied all or none, each change one ledger entry.

    Attributes:
        principal: IRI of the caller.
        action: ``noun.verb`` for entries whose change names none.
        changes: Applied in order.
        requirements: All must hold, checked inside the transaction.
        reason: For entries whose change gives none.
        durability: See :class:`Durability`.
    """

    principal: str
    action: str
    changes: Sequence[Change]
    requirements: Sequence[Requirement] = ()
    reason: str | None = None
    durability: Durability = Durability.FULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a commit did: first and last ledger sequence, and the new version of each record written."""

    first: int
    last: int
    time: str
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing: items, the whole number, and the cursor of the next page or None."""

    items: Sequence[T]
    total: int
    next: str | None


@dataclass(frozen=True, slots=True)
class Problem:
    """What ``check`` and registration report: where it is and what is wrong with it."""

    where: str
    detail: str
