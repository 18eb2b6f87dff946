"""Records that are one person: said, shown, and taken back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from api.dependencies import Caller, Open
from api.operations import derived_datasets, identity_links
from api.operations.derived_datasets import SAME_LABEL
from api.schemas import Answer, Body, Listing

router = APIRouter(prefix="/api/v1", tags=["identity"])

Reference = Annotated[str, Field(min_length=1, max_length=500)]
Grounds = Annotated[str, Field(min_length=3, max_length=500)]
Pairs = Annotated[
    list[tuple[Reference, Reference]],
    Field(min_length=1, max_length=10_000, description="Two participants each: by id, or as `DATASET/LABEL`."),
]


class LinkParticipants(Body):
    """Say of pairs of participants that each is one person."""

    pairs: Pairs
    basis: Grounds = Field(description="How it is known. Name nobody in it.")


class UnlinkParticipants(Body):
    """Take back of pairs of participants that each is one person."""

    pairs: Pairs
    reason: Grounds


class DerivedFrom(Body):
    """Say whom the participants of a derivative are, by the labels that they share with its sources."""

    sources: list[Reference] = Field(min_length=1, max_length=100, description="Datasets that it was made of.")
    basis: Grounds = Field(default=SAME_LABEL, description="How it is known that the labels mean the same people.")
    dry_run: bool = Field(default=False, description="Only tell who would be linked.")


class NotDerivedFrom(Body):
    """Take back whom the participants of a derivative are."""

    sources: list[Reference] = Field(min_length=1, max_length=100, description="Datasets that it was not made of.")
    reason: Grounds


class Outcomes(Answer):
    """What became of each pair, in the order asked: `linked`, `retracted`, `known` (it was so) or `refused`."""

    known: int
    items: list[dict[str, Any]]


@router.post("/identity-links", response_model=Outcomes)
def link(body: LinkParticipants, catalogue: Open, principal: Caller) -> Any:
    """Say of pairs of participants that each is one person; needs `dataset.write` on both datasets of a pair."""
    return identity_links.link(catalogue, principal, body.pairs, basis=body.basis)


@router.post("/identity-links/retract", response_model=Outcomes)
def retract(body: UnlinkParticipants, catalogue: Open, principal: Caller) -> Any:
    """Take back of pairs of participants that each is one person; the ledger keeps that it was said."""
    return identity_links.retract(catalogue, principal, body.pairs, reason=body.reason)


@router.get("/participants/{id}/identity-links", response_model=Listing)
def show(id: str, catalogue: Open, principal: Caller) -> Any:
    """List with whom a participant is said to be one person, as far as the caller may read both."""
    return identity_links.links(catalogue, principal, id)


@router.post("/datasets/{id}/derived-from", response_model=Answer)
def derived_from(id: str, body: DerivedFrom, catalogue: Open, principal: Caller) -> Any:
    """Link every participant of a derivative to the one with the same label in a dataset that it was made of."""
    return derived_datasets.link_by_label(
        catalogue, principal, id, sources=body.sources, basis=body.basis, dry_run=body.dry_run
    )


@router.post("/datasets/{id}/derived-from/retract", response_model=Answer)
def not_derived_from(id: str, body: NotDerivedFrom, catalogue: Open, principal: Caller) -> Any:
    """Take back, for all participants of a derivative, that they are those of some datasets."""
    return derived_datasets.unlink_by_label(catalogue, principal, id, sources=body.sources, reason=body.reason)
