"""What a reader returns: documents without IRIs, and everything that could not be read or mapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ontology.columns import Column, Instrument
from ontology.crosswalk import Value

Document = dict[str, Any]
Summary = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class ReadProblem:
    """Something that was read in part or not at all: where, which column or key, and what about it."""

    path: str
    field: str | None
    detail: str

    def to_json(self) -> Document:
        """Return the problem as the wire shows it."""
        return {"path": self.path, "field": self.field, "detail": self.detail}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A dataset as it was found in one tree. Its documents are those of ``docs/reference/records.md``.

    Attributes:
        dataset: Members of ``Dataset``, without counts and IRIs.
        participants: Members of ``Participant``, without ``dataset``; ``label`` is ``sub-01``.
        acquisitions: Members of ``Acquisition``, without ``dataset``; ``participant`` is the label.
        dataset_files: Files that belong to no single acquisition, in the shape of ``files``.
        problems: What was not read, or read with a guess that is stated.
        mapped: Per property, the values that found a term, with how often each occurs.
        unmapped: Per property, the values that should have found a term and did not.
        derivatives: Derived datasets that lie inside; they are not read with the raw one.
        skipped: Per folder (or ``.bidsignore``), how many files were left out on purpose.
        files: Number of files in the tree, those left out included.
        byte_size: Their size together, as far as it is known.
    """

    dataset: Document
    participants: Sequence[Document]
    acquisitions: Sequence[Document]
    dataset_files: Sequence[Document]
    problems: Sequence[ReadProblem]
    mapped: Summary
    unmapped: Summary
    derivatives: Sequence[Document] = field(default_factory=tuple)
    skipped: Mapping[str, int] = field(default_factory=dict)
    files: int
    byte_size: int


class Terms(Protocol):
    """What a reader needs of ``ontology.crosswalk.Crosswalk``: words in, terms out."""

    def column(
        self, header: str, *, description: Mapping[str, Any] | None = None, table: Instrument | None = None
    ) -> Column:
        """Return what a column of a table states."""

    def instrument(self, name: str, description: Mapping[str, Any]) -> Instrument:
        """Return the instrument that a table is named after."""

    def value(
        self,
        prop: str,
        original: str,
        *,
        description: Mapping[str, Any] | None = None,
        unit: str | None = None,
        source: str | None = None,
        session: str | None = None,
    ) -> Value:
        """Return ``original`` as a value of ``prop``, with its term where one is known."""

    def declared_missing(self, original: str, description: Mapping[str, Any]) -> bool:
        """Tell whether a data dictionary says that a cell stands for nothing."""

    def task(self, name: str, metadata: Mapping[str, Any]) -> Value:
        """Return the task that a recording was made during."""

    def categorical(self, prop: str) -> bool:
        """Tell whether values of ``prop`` ought to have terms."""

    def is_diagnosis(self, value: Value) -> bool:
        """Tell whether a value, of whatever column, means a disease or that there is none."""

    def acquisition(self, suffix: str, datatype: str, metadata: Mapping[str, Any]) -> Mapping[str, Sequence[Value]]:
        """Return the properties of an acquisition that its suffix, datatype and sidecar state."""
