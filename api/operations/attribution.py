"""Whose data a result is, when its task was not run on one participant: by its name, or by what it derives from.

A task on images that were named one by one, or on a whole group, is about nobody in particular, and yet what it makes
may be one person's: then the catalogue shall find it with that person.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from catalog.model import Record
from catalog.repository import Repository

_CHUNK: Final = 500
_LABEL: Final = "sub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Whose data the inputs of a task are.

    Attributes:
        participant: Whom the task itself is about; all of its results are.
        owners: Record that an input is part of, to the participant whose data it is.
        labels: Label of a participant (``sub-01``) to the participant; without labels that two of them have.
    """

    participant: str | None
    owners: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Record, repository: Repository) -> Self:
        """Return whose data the inputs of a task are."""
        about = task.document.get("participant")
        if about:
            return cls(participant=str(about))
        parts = {str(item["part_of"]) for item in task.document["inputs"] if not item.get("companion")}
        known = _get(parts, repository)
        owners = {iri: str(person) for iri, record in known.items() if (person := record.document.get("participant"))}
        people = _get(set(owners.values()), repository)
        named: dict[str, list[str]] = {}
        for iri, record in people.items():
            named.setdefault(str(record.document.get("label")), []).append(iri)
        return cls(
            participant=None,
            owners=owners,
            labels={label: listed[0] for label, listed in named.items() if len(listed) == 1},
        )

    def whose(self, entities: Mapping[str, str], sources: Collection[str]) -> str | None:
        """Return the participant whose data a result is; None when it is several people's, or nobody's.

        Args:
            entities: What the name of the result says (BIDS 1.10, entities): ``sub`` decides where it is there.
            sources: The records that the result derives from.
        """
        if self.participant is not None:
            return self.participant
        people = {self.owners[iri] for iri in sources if iri in self.owners}
        label = entities.get(_LABEL)
        if label is not None:
            named = self.labels.get(f"{_LABEL}-{label}")
            return named if named in people else None
        return people.pop() if len(people) == 1 else None


def _get(ids: Collection[str], repository: Repository) -> dict[str, Record]:
    listed, found = sorted(ids), {}
    for start in range(0, len(listed), _CHUNK):
        found.update(repository.get_many(listed[start : start + _CHUNK]))
    return found
