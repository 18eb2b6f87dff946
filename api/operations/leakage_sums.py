"""Leakage of several items in one answer: how many, how they are related to the training, and the way for each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from api.batch_memory import Judged
from api.catalogue import Catalogue
from api.operations.leakage import SAID
from catalog.leakage.exposure import State
from catalog.leakage.people import Relation

WORST: Final = (State.SHARED, State.UNKNOWN, State.CLEAN)

Way = Callable[[int, str], Mapping[str, Any] | None]
"""Returns the way that an item, by its place among those given, names for a relation."""


def strongest(judged: Judged) -> str | None:
    """Return how the people of an item are related to those of the training at the closest; None of what is clean."""
    return next((relation.value for relation in Relation if relation.value in judged.relations), None)


def leakage_sum(
    catalogue: Catalogue, found: Sequence[tuple[str | None, Judged]], *, looked_at: int, size: int, way: Way
) -> dict[str, Any] | None:
    """Return what was found of the leakage of several items; None where none of them uses a model.

    Each item counts once, by its closest relation, so that the kinds add up to the items that share somebody.

    Args:
        catalogue: The catalogue.
        found: Of each item that uses a model, its task if there is one, and what was found.
        looked_at: Items that were looked at.
        size: Items that there are.
        way: Finds the way of an item.
    """
    if not found:
        return None
    states = Counter(judged.state for _, judged in found)
    state = next(each for each in WORST if states[each.value])
    relations = _relations(found, way)
    models = list(dict.fromkeys(model for _, judged in found for model in judged.models))
    labels = [_label(catalogue, iri) for iri in models]
    return {
        "state": state.value,
        "reason": _sentence(states, relations, labels, looked_at=looked_at, size=size),
        "items": len(found),
        "looked_at": looked_at,
        "size": size,
        "states": dict(states),
        "decisions": dict(Counter(judged.decision for _, judged in found)),
        "relations": relations,
        "models": [{"id": iri, "label": label} for iri, label in zip(models, labels, strict=True)],
    }


def _label(catalogue: Catalogue, model: str) -> str:
    catalogue.model_memory.refresh(catalogue.repository)
    known = catalogue.model_memory.models.get(model)
    return str(known.document["label"]) if known is not None else model


def _relations(found: Sequence[tuple[str | None, Judged]], way: Way) -> list[dict[str, Any]]:
    """Return each kind of relation with its number and the way of the first item that names one, closest first."""
    closest = [strongest(judged) if judged.state == State.SHARED else None for _, judged in found]
    told = []
    for relation in Relation:
        places = [place for place, kind in enumerate(closest) if kind == relation.value]
        if not places:
            continue
        named = next((place for place in places if relation.value in found[place][1].ways), None)
        example = found[places[0] if named is None else named][0]
        told.append(
            {
                "relation": relation.value,
                "said": SAID[relation],
                "items": len(places),
                "example": example,
                "path": None if named is None else way(named, relation.value),
            }
        )
    return told


def _sentence(
    states: Mapping[str, int],
    relations: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    *,
    looked_at: int,
    size: int,
) -> str:
    """Return the sum in one sentence that names no participant."""
    models = ", ".join(labels)
    one = "" if looked_at == 1 else "s"
    of = f"{looked_at:,} item{one}" if looked_at == size else f"the {looked_at:,} item{one} looked at, of {size:,}"
    shared, unknown = states.get(State.SHARED, 0), states.get(State.UNKNOWN, 0)
    if not shared and not unknown:
        return f"nobody in {of} has to do with the training of {models}"
    if not shared:
        return f"whether {models} was trained on these people cannot be told of {unknown:,} of {of}"
    kinds = ", ".join(f"{each['items']:,} {each['said']}" for each in relations)
    doubt = f"; of {unknown:,} it cannot be told" if unknown else ""
    share = "shares" if shared == 1 else "share"
    return f"{shared:,} of {of} {share} participants with the training of {models}: {kinds}{doubt}"


def nodes_of(found: Mapping[str, Any]) -> list[str | None]:
    """Return the records on the ways that a sum names; None for whom it does not name."""
    return [node["id"] for each in found["relations"] if each["path"] for node in each["path"]["nodes"]]
