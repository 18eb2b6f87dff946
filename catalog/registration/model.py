"""What registration takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.model import Commit
from catalog.readers.reading import ReadProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionInfo:
    """Which version of the data was read, and where it lies.

    Attributes:
        name: Release tag; None to number it after the versions that are there.
        commit: Git commit, where there is one.
        tree: Name of its git tree (equal for equal content), where there is one.
        datalad_id: Identifier of the DataLad dataset, where it is one.
        source: Digest that names the folder that was copied, so that it is not registered twice.
        data_path: Where the data lie; never shown to others than contributors.
        ontology: Digest of the term index by which values were mapped.
    """

    name: str | None = None
    commit: str | None = None
    tree: str | None = None
    datalad_id: str | None = None
    data_path: str | None = None
    source: str | None = None
    ontology: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much a version of a dataset holds."""

    participants: int
    acquisitions: int
    files: int
    bytes: int

    def to_json(self) -> dict[str, int]:
        """Return the counts as records hold them."""
        return {
            "participants": self.participants,
            "acquisitions": self.acquisitions,
            "files": self.files,
            "bytes": self.bytes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a registration would write.

    Attributes:
        commit: To be given to the repository; it has no changes when :attr:`unchanged`.
        dataset: IRI of the Dataset.
        version: IRI of the DatasetVersion that is current afterwards.
        counts: What that version holds.
        problems: What the reader noted.
        added: How many participants and acquisitions are new.
        revised: How many of them get another version.
        withdrawn: How many are gone from the data.
    """

    commit: Commit
    dataset: str
    version: str
    counts: Counts
    problems: Sequence[ReadProblem]
    added: int = 0
    revised: int = 0
    withdrawn: int = 0

    @property
    def unchanged(self) -> bool:
        """True when the catalogue says all of it already, and there is nothing to commit."""
        return not self.commit.changes
