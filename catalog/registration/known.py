"""What the catalogue says about a dataset before it is revised."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.model import Edge, Record
from catalog.repository import Repository
from ontology.errors import NotFoundError
from ontology.namespaces import GENERATED_BY

Key = tuple[str, str]


def acquisition_key(document: Mapping[str, Any]) -> Key:
    """Return what an acquisition is known by from one version of the data to the next: folder and label."""
    files, label = document["files"], document["label"]
    # A recording may be a folder of files: what counts is where the recording lies, not its first file.
    return (files[0]["path"].partition(f"/{label}")[0] if files else ""), label


def _no_edges(ids: Collection[str]) -> Sequence[Edge]:
    return ()


@dataclass(slots=True, kw_only=True)
class Known:
    """Records of a dataset as they are.

    Attributes:
        dataset: The Dataset; None when it is to be registered.
        current: Its newest DatasetVersion.
        versions: How many versions there are.
        participants: Those not withdrawn, by label.
        acquisitions: Those not withdrawn, by :func:`acquisition_key`.
        generated: IRIs of acquisitions that a task wrote; only tasks revise them.
        edges_from: Present edges of given records.
    """

    dataset: Record | None = None
    current: Record | None = None
    versions: int = 0
    participants: dict[str, Record] = field(default_factory=dict)
    acquisitions: dict[Key, Record] = field(default_factory=dict)
    generated: frozenset[str] = frozenset()
    edges_from: Callable[[Collection[str]], Sequence[Edge]] = _no_edges

    @classmethod
    def nothing(cls) -> Known:
        """Return what is known of a dataset that is not in the catalogue."""
        return cls()

    @classmethod
    def of(cls, repository: Repository, dataset: str) -> Known:
        """Return what is known of a dataset.

        Raises:
            NotFoundError: There is no such dataset, or it was withdrawn.
        """
        record = repository.get(dataset)
        if record.type != "Dataset" or record.withdrawn:
            raise NotFoundError(f"there is no dataset {dataset} that could be revised", field="dataset")
        current = record.document.get("current")
        acquisitions = list(repository.iterate("Acquisition", part_of=dataset))
        made = repository.edges_from([a.id for a in acquisitions], [GENERATED_BY]) if acquisitions else ()
        return cls(
            dataset=record,
            current=repository.get(current) if current else None,
            versions=repository.list_records("DatasetVersion", part_of=dataset, limit=1).total,
            participants={p.document["label"]: p for p in repository.iterate("Participant", part_of=dataset)},
            acquisitions={acquisition_key(a.document): a for a in acquisitions},
            generated=frozenset(edge.source for edge in made),
            edges_from=repository.edges_from,
        )
