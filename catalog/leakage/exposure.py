"""What a model has seen: everybody whom it, or a model that it began from, was trained on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from catalog.leakage.people import CHUNK, Circle, Relation, Ties, ties_of
from catalog.model import Record
from catalog.repository import Repository
from ontology.namespaces import DERIVED_FROM

KNOWN = "known"
"""``training_data`` of a Model of which everybody whom it was trained on is known."""


class State(StrEnum):
    """What is known of leakage, the worst last."""

    CLEAN = "clean"
    UNKNOWN = "unknown"
    SHARED = "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Somebody whom a model is used on and who has to do with its training.

    Attributes:
        participant: Whom it is used on.
        relation: How he or she is related to ``trained_on``.
        trained_on: Whom a model was trained on.
        chain: The models between: first the one that was trained on ``trained_on``, last the one that is used.
    """

    participant: str
    relation: Relation
    trained_on: str
    chain: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a model has seen, itself and through the models that it began from.

    Attributes:
        model: The model.
        through: Participant to the nearest model that was trained on him or her.
        next: Each model that is behind it to the one that began from it, towards ``model``.
        unknown: The models, itself or behind it, of which it is not known whom all they were trained on.
        circle: All these people.
    """

    model: str
    through: Mapping[str, str]
    next: Mapping[str, str]
    unknown: tuple[str, ...]
    circle: Circle

    def chain(self, model: str) -> tuple[str, ...]:
        """Return the models from one that is behind it to the model itself."""
        way = [model]
        while way[-1] != self.model:
            way.append(self.next[way[-1]])
        return tuple(way)

    def findings(
        self,
        participants: Iterable[str],
        ties: Mapping[str, Ties],
        twins: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> list[Finding]:
        """Return who of some participants has to do with the training, the strongest relation of each.

        Args:
            participants: The participants.
            ties: What connects each to others.
            twins: Those of them who have a scan of the same bytes as some in the training, each with these.
        """
        found = []
        for iri in participants:
            related = self.circle.related(iri, ties[iri], twins.get(iri, ()))
            if related is not None:
                relation, other = related
                chain = self.chain(self.through[other])
                found.append(Finding(participant=iri, relation=relation, trained_on=other, chain=chain))
        return sorted(found, key=lambda each: (_ORDER[each.relation], len(each.chain), each.participant))


_ORDER = {relation: at for at, relation in enumerate(Relation)}


def exposure_of(model: str, models: Mapping[str, Record], repository: Repository) -> Exposure:
    """Return what a model has seen.

    Args:
        model: Its IRI.
        models: All Model records by IRI.
        repository: Whence edges and participants come.
    """
    behind = _behind(model, models)
    seen = _trained_on(list(behind), models, repository)
    through: dict[str, str] = {}
    for each in behind:
        for iri in seen.get(each, ()):
            through.setdefault(iri, each)
    return Exposure(
        model=model,
        through=through,
        next={iri: onward for iri, onward in behind.items() if onward is not None},
        unknown=tuple(iri for iri in behind if iri not in models or models[iri].document["training_data"] != KNOWN),
        circle=Circle(ties_of(list(through), repository)),
    )


def _behind(model: str, models: Mapping[str, Record]) -> dict[str, str | None]:
    """Return a model and all that it began from, at any depth, the nearest first; each to its successor."""
    found: dict[str, str | None] = {model: None}
    queue = [model]
    for iri in queue:
        for ancestor in models[iri].document["ancestors"] if iri in models else ():
            if ancestor not in found:
                found[ancestor] = iri
                queue.append(ancestor)
    return found


def _trained_on(ids: Sequence[str], models: Collection[str], repository: Repository) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for start in range(0, len(ids), CHUNK):
        for edge in repository.edges_from(ids[start : start + CHUNK], [DERIVED_FROM]):
            if edge.target not in models:
                found.setdefault(edge.source, []).append(edge.target)
    return found
