"""Derivatives that another tool made: whose data they are, by the labels that they share with their source.

A folder of preprocessed images or masks that is registered as a dataset of its own has participants of its own. Here a
steward says in one act of whom they were made. It is never done unasked: the same label may mean somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from api.operations.identity_links import (
    DATASET,
    KNOWN,
    LINKED,
    RETRACTED,
    Claim,
    labels_of,
    state,
    take_back,
    worded,
)
from catalog.cohorts.identity import Identity, links_about
from catalog.model import Record
from ontology.errors import InvalidRequestError, WithdrawnError

SAME_LABEL: Final = "the same label in the dataset that it was made of"
"""Basis of a link when none is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    """Labels of a derivative against those of its sources.

    Attributes:
        pairs: Participant of the derivative, and the one of a source with the same label.
        unmatched: Participants of the derivative with a label that no source has.
        ambiguous: Those with a label that several sources have: they may be different people.
        unused: Participants of the sources of whom the derivative has nothing.
    """

    pairs: Sequence[tuple[Record, Record]]
    unmatched: Sequence[Record]
    ambiguous: Sequence[Record]
    unused: Sequence[Record]


def link_by_label(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    *,
    sources: Sequence[str],
    basis: str = SAME_LABEL,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Say of every participant of a derivative that it is the one with the same label in the dataset it was made of.

    Who has a label that several of the sources have is left alone: it takes one source at a time to tell who it is.

    Args:
        catalogue: The catalogue.
        principal: Who says so; may write all of the datasets.
        reference: The derivative.
        sources: The datasets that it was made of.
        basis: How it is known that the labels mean the same people.
        dry_run: Only tell who would be linked.

    Returns:
        How many were ``linked`` (or would be) and ``known``; ``items`` of those that matched; who is ``unmatched``,
        ``ambiguous`` and ``unused``.

    Raises:
        InvalidRequestError: A dataset is named as its own source, or twice.
        WithdrawnError: One of the datasets was withdrawn.
    """
    said = worded(basis, "basis")
    derivative, origins = _datasets(catalogue, principal, reference, sources)
    match = _match(catalogue, principal, derivative, origins)
    items = [Claim(first=first, second=second) for first, second in match.pairs]
    if dry_run:
        _foretell(catalogue, items)
    else:
        state(catalogue, principal, items, relation=Identity.SPECIALIZATION, basis=said)
    outcomes = [item.outcome for item in items]
    return {
        "id": derivative.id,
        "type": "DerivedFrom",
        "sources": [origin.id for origin in origins],
        "dry_run": dry_run,
        **{outcome: outcomes.count(outcome) for outcome in (LINKED, KNOWN)},
        "items": [_matched(item) for item in items],
        "unmatched": _named(match.unmatched),
        "ambiguous": _named(match.ambiguous),
        "unused": _named(match.unused),
    }


def unlink_by_label(
    catalogue: Catalogue, principal: Principal, reference: str, *, sources: Sequence[str], reason: str
) -> dict[str, Any]:
    """Take back that participants of a derivative are those of some datasets, all in one act.

    Raises:
        InvalidRequestError: A dataset is named as its own source, or twice, or there is no reason.
    """
    said = worded(reason, "reason")
    derivative, origins = _datasets(catalogue, principal, reference, sources, withdrawn=True)
    own = [record.id for record in catalogue.repository.iterate("Participant", part_of=derivative.id)]
    ids = {origin.id for origin in origins}
    stated = [link.document["participants"] for link in links_about(own, catalogue.repository)]
    known = catalogue.repository.get_many({iri for pair in stated for iri in pair})
    pairs = [(known[first], known[second]) for first, second in stated]
    items = [
        Claim(first=first, second=second)
        for first, second in pairs
        if first.dataset == derivative.id and second.dataset in ids
    ]
    take_back(catalogue, principal, items, reason=said)
    outcomes = [item.outcome for item in items]
    return {
        "id": derivative.id,
        "type": "DerivedFrom",
        "sources": sorted(ids),
        RETRACTED: outcomes.count(RETRACTED),
        "items": [_matched(item) for item in items],
    }


def _datasets(
    catalogue: Catalogue, principal: Principal, reference: str, sources: Sequence[str], *, withdrawn: bool = False
) -> tuple[Record, list[Record]]:
    def found(name: str) -> Record:
        record = records.find(catalogue, principal, name, types=DATASET, permission=Permission.WRITE)
        if record.withdrawn and not withdrawn:
            raise WithdrawnError(f"the dataset {record.id} was withdrawn", field="sources")
        return record

    derivative, origins = found(reference), [found(source) for source in sources]
    ids = [derivative.id, *(origin.id for origin in origins)]
    if len(set(ids)) < len(ids):
        raise InvalidRequestError(
            "a derivative and the datasets that it was made of are different datasets, each named once", field="sources"
        )
    return derivative, origins


def _match(catalogue: Catalogue, principal: Principal, derivative: Record, origins: Sequence[Record]) -> _Match:
    own = labels_of(catalogue, principal, derivative)
    theirs = [labels_of(catalogue, principal, origin) for origin in origins]
    pairs: list[tuple[Record, Record]] = []
    unmatched: list[Record] = []
    ambiguous: list[Record] = []
    for label, record in own.items():
        found = [labels[label] for labels in theirs if label in labels]
        if len(found) == 1:
            pairs.append((record, found[0]))
        else:
            (ambiguous if found else unmatched).append(record)
    unused = [record for labels in theirs for label, record in labels.items() if label not in own]
    return _Match(pairs=pairs, unmatched=unmatched, ambiguous=ambiguous, unused=unused)


def _foretell(catalogue: Catalogue, claims: Sequence[Claim]) -> None:
    """Tell of each pair what saying so would come to."""
    own = [claim.first.id for claim in claims]
    said = {frozenset(link.document["participants"]): link.id for link in links_about(own, catalogue.repository)}
    for claim in claims:
        claim.id = said.get(frozenset((claim.first.id, claim.second.id)))
        claim.outcome = LINKED if claim.id is None else KNOWN


def _matched(claim: Claim) -> dict[str, Any]:
    """Return a pair as the wire shows it, with the label that both have."""
    return {**claim.to_json(), "label": claim.first.document.get("label")}


def _named(people: Iterable[Record]) -> list[dict[str, Any]]:
    return [{"id": record.id, "label": record.document.get("label"), "dataset": record.dataset} for record in people]
