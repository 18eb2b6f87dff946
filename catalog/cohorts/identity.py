"""Statements that two participant records are about one person: a record each, beside the two that it is about.

PROV has two relations for it (PROV-DM 5.5): *alternate*, where two records present one thing, and *specialization*,
where one presents more of the other. Neither can carry an attribute in PROV, and who said so, when and on what grounds
is what makes such a statement worth anything. So a statement is a record of type :data:`TYPE`, whose edges are the
arguments of the relation as PROV-JSON and PROV-XML name them. The participants' own records stay as they are: cohorts
hold them by version and digest, and what is read anew from data must not take a steward's word away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from catalog.model import Put, Record
from catalog.repository import Repository
from ontology.namespaces import SPECIALIZATION_OF

TYPE: Final = "IdentityLink"
"""Type of the record."""
LABEL: Final = "One person under two records"
_CHUNK: Final = 500


class Identity(StrEnum):
    """What is said of two records, as the predicate of PROV that it is."""

    ALTERNATE = "prov:alternateOf"
    """Both are records of one person, neither more than the other (PROV-DM 5.5.2)."""
    SPECIALIZATION = SPECIALIZATION_OF
    """The first is the second, seen through what was made of its data (PROV-DM 5.5.1)."""


ENDS: Final[Mapping[Identity, tuple[str, str]]] = {
    Identity.ALTERNATE: ("prov:alternate1", "prov:alternate2"),
    Identity.SPECIALIZATION: ("prov:specificEntity", "prov:generalEntity"),
}
"""Predicates from a statement to its first and second participant (the argument names of PROV-JSON)."""
END_PREDICATES: Final = tuple(predicate for pair in ENDS.values() for predicate in pair)
"""All of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """That two records are one person, as somebody says it.

    Attributes:
        first: One participant; of a specialization the one that was made of the other.
        second: The other.
        relation: What is said.
        basis: How it is known, in words.
        by: Agent who says so.
        time: When (UTC, RFC 3339).
    """

    first: Record
    second: Record
    relation: Identity
    basis: str
    by: str
    time: str

    @property
    def alias(self) -> str:
        """The name of this pair, whichever of the two is named first."""
        return alias_of(self.first.id, self.second.id)

    def put(self, iri: str) -> Put:
        """Return the change that writes it as the record of this IRI."""
        return Put(
            id=iri,
            type=TYPE,
            document={
                "label": LABEL,
                "relation": self.relation.value,
                "participants": [self.first.id, self.second.id],
                "datasets": sorted({str(self.first.dataset), str(self.second.dataset)}),
                "basis": self.basis,
                "stated": {"time": self.time, "by": self.by},
                "retracted": None,
            },
            edges=list(zip(ENDS[self.relation], (self.first.id, self.second.id), strict=True)),
            aliases=[self.alias],
        )


def alias_of(first: str, second: str) -> str:
    """Return the name under which the statement on two participants is found."""
    one, two = sorted((first, second))
    return f"one-person:{one}+{two}"


def retracted(link: Record, *, time: str, by: str, reason: str) -> Put:
    """Return the change that takes a statement back: it says so from now on, and connects nobody."""
    first, second = link.document["participants"]
    return Put(
        id=link.id,
        type=TYPE,
        document={**link.document, "retracted": {"time": time, "by": by, "reason": reason}},
        edges=[],
        aliases=[alias_of(first, second)],
    )


def links_about(participants: Collection[str], repository: Repository) -> Iterator[Record]:
    """Yield the statements in force on some participants, each once, oldest first."""
    listed = sorted(set(participants))
    found: dict[str, Record] = {}
    for start in range(0, len(listed), _CHUNK):
        edges = repository.edges_to(listed[start : start + _CHUNK], END_PREDICATES)
        found.update(repository.get_many({edge.source for edge in edges} - found.keys()))
    in_force = (record for record in found.values() if not record.withdrawn)
    yield from sorted(in_force, key=lambda record: (record.created, record.id))


def other_end(link: Record, participant: str) -> str:
    """Return the participant whom a statement says to be the same as one."""
    first, second = link.document["participants"]
    return str(second if participant == first else first)


def as_seen_from(link: Record, participant: str) -> str:
    """Return what the other record of a statement is to a participant: ``alternate``, ``source`` or ``derivative``."""
    document: Mapping[str, Any] = link.document
    if document["relation"] == Identity.ALTERNATE:
        return "alternate"
    return "source" if document["participants"][0] == participant else "derivative"
