"""Saying that two participant records are one person, and taking it back.

Whoever may write both datasets may say so. Each pair is its own statement: what becomes of one says nothing of the
next. Participants are named in request bodies alone, and the grounds stand in the statement, which can be erased, and
never in the ledger's entry, which cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from catalog.cohorts.identity import (
    TYPE,
    Identity,
    Statement,
    alias_of,
    as_seen_from,
    links_about,
    other_end,
    retracted,
)
from catalog.model import Commit, MustBeAt, Put, Record, Requirement
from executors.model import utc_now
from ontology.errors import ConflictError, InvalidRequestError, NotFoundError, SillageError, WithdrawnError
from ontology.identifiers import is_record_iri, new_iri

PARTICIPANT: Final = frozenset({"Participant"})
DATASET: Final = frozenset({"Dataset"})
LINKED, KNOWN, RETRACTED, REFUSED = "linked", "known", "retracted", "refused"
"""What became of a pair; ``known`` is what was so already."""
_AT_ONCE: Final = 500
_ATTEMPTS: Final = 5


def link(catalogue: Catalogue, principal: Principal, pairs: Sequence[tuple[str, str]], *, basis: str) -> dict[str, Any]:
    """Say of each of some pairs of participants that they are one person.

    Args:
        catalogue: The catalogue.
        principal: Who says so.
        pairs: Two participants each: by id, or as ``DATASET/LABEL``.
        basis: How it is known.

    Returns:
        What became of each pair, in their order, and how many were ``linked``, ``known`` and ``refused``.

    Raises:
        InvalidRequestError: The basis is empty.
    """
    said = worded(basis, "basis")
    items = _People(catalogue, principal, withdrawn=False).pairs(pairs)
    state(catalogue, principal, _claims(items), relation=Identity.ALTERNATE, basis=said)
    return _answer(items, LINKED)


def retract(
    catalogue: Catalogue, principal: Principal, pairs: Sequence[tuple[str, str]], *, reason: str
) -> dict[str, Any]:
    """Take back that some pairs of participants are one person; the ledger keeps that it was said.

    Returns:
        What became of each pair, in their order, and how many were ``retracted``, ``known`` and ``refused``. A pair
        of which nothing is said is ``known``: it is as it should be.

    Raises:
        InvalidRequestError: The reason is empty.
    """
    said = worded(reason, "reason")
    items = _People(catalogue, principal, withdrawn=True).pairs(pairs)
    take_back(catalogue, principal, _claims(items), reason=said)
    return _answer(items, RETRACTED)


def links(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return with whom a participant is said to be one person, as far as the caller may read both records."""
    participant = records.find(catalogue, principal, reference, types=PARTICIPANT)
    items = same_as(catalogue, principal, participant.id)
    return {"items": items, "total": len(items), "next": None}


def same_as(catalogue: Catalogue, principal: Principal, participant: str) -> list[dict[str, Any]]:
    """Return the statements on a participant that the caller may read, and put on the ledger whom that tells of."""
    found = [each for each in links_about([participant], catalogue.repository) if principal.may(Permission.READ, each)]
    others = catalogue.repository.get_many({other_end(each, participant) for each in found})
    body = {"shown": len(found)}
    records.note_access(catalogue, principal, "identity.list", participant, body)
    return [_shown(each, participant, others[other_end(each, participant)]) for each in found]


def worded(text: str, field: str) -> str:
    """Return why something is said, without space around it.

    Raises:
        InvalidRequestError: It says nothing.
    """
    if len(text.strip()) < 3:
        raise InvalidRequestError(
            "it has to be said how this is known, in a few words",
            field=field,
            next_step="For example: the study's list of identifiers, version of 3 May.",
        )
    return text.strip()


@dataclass(slots=True, kw_only=True)
class Claim:
    """A pair of which something is to be said, and what became of it."""

    first: Record
    second: Record
    outcome: str = REFUSED
    id: str | None = None

    @property
    def alias(self) -> str:
        """The name under which the statement on this pair is found."""
        return alias_of(self.first.id, self.second.id)

    def to_json(self) -> dict[str, Any]:
        """Return it as the wire shows it."""
        return {"participants": [self.first.id, self.second.id], "outcome": self.outcome, "id": self.id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A pair of which nothing can be said, as it was asked for, and why."""

    asked: tuple[str, str]
    problem: SillageError
    outcome: str = REFUSED

    def to_json(self) -> dict[str, Any]:
        """Return it as the wire shows it."""
        problem = {
            "code": self.problem.code,
            "detail": self.problem.detail,
            "next_step": self.problem.next_step(),
        }
        return {"participants": list(self.asked), "outcome": self.outcome, "id": None, "problem": problem}


def state(
    catalogue: Catalogue, principal: Principal, claims: Sequence[Claim], *, relation: Identity, basis: str
) -> None:
    """Write of each pair that they are one person; each claim then says what became of it."""

    def change(claim: Claim, known: Record | None) -> tuple[Put | None, str]:
        if known is not None and not known.document["retracted"]:
            return None, KNOWN
        said = Statement(
            first=claim.first,
            second=claim.second,
            relation=relation,
            basis=basis,
            by=principal.agent,
            time=utc_now(),
        )
        return said.put(known.id if known is not None else new_iri()), LINKED

    _write(catalogue, principal, claims, action="identity.link", change=change)


def take_back(catalogue: Catalogue, principal: Principal, claims: Sequence[Claim], *, reason: str) -> None:
    """Take back of each pair what is said of it; each claim then says what became of it."""

    def change(claim: Claim, known: Record | None) -> tuple[Put | None, str]:
        if known is None or known.document["retracted"]:
            return None, KNOWN
        return retracted(known, time=utc_now(), by=principal.agent, reason=reason), RETRACTED

    _write(catalogue, principal, claims, action="identity.retract", change=change)


def _write(
    catalogue: Catalogue, principal: Principal, claims: Sequence[Claim], *, action: str, change: _Change
) -> None:
    for start in range(0, len(claims), _AT_ONCE):
        chunk = claims[start : start + _AT_ONCE]
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _write_some(catalogue, principal, chunk, action=action, change=change)
            except ConflictError:
                # Somebody else spoke of one of these pairs at this moment: see what is said of it now.
                if attempt == _ATTEMPTS:
                    raise
            else:
                break


def _write_some(
    catalogue: Catalogue, principal: Principal, claims: Sequence[Claim], *, action: str, change: _Change
) -> None:
    """Write the changes of some pairs in one commit; a pair that stands there twice is changed once."""
    known = _known(catalogue, claims)
    changes: dict[str, Put] = {}
    needed: list[Requirement] = []
    for claim in claims:
        before = known.get(claim.alias)
        put, claim.outcome = change(claim, before) if claim.alias not in changes else (None, KNOWN)
        if put is not None:
            changes[claim.alias] = put
            needed += [MustBeAt(before.id, before.version)] if before is not None else []
        stands = changes.get(claim.alias) or before
        claim.id = stands.id if stands is not None else None
    if changes:
        catalogue.repository.commit(
            Commit(principal=principal.agent, action=action, changes=list(changes.values()), requirements=needed)
        )


def _known(catalogue: Catalogue, claims: Iterable[Claim]) -> Mapping[str, Record]:
    """Return what was ever said of some pairs, by the alias of the pair."""
    repository = catalogue.repository
    found = {claim.alias: iri for claim in claims if (iri := repository.find_alias(claim.alias)) is not None}
    stored = repository.get_many(set(found.values()))
    return {alias: stored[iri] for alias, iri in found.items()}


def _claims(items: Iterable[Claim | Refusal]) -> list[Claim]:
    return [item for item in items if isinstance(item, Claim)]


def _answer(items: Sequence[Claim | Refusal], done: str) -> dict[str, Any]:
    outcomes = [item.outcome for item in items]
    counts = {outcome: outcomes.count(outcome) for outcome in (done, KNOWN, REFUSED)}
    return {"type": f"{TYPE}s", **counts, "items": [item.to_json() for item in items]}


def _shown(link: Record, participant: str, other: Record) -> dict[str, Any]:
    return {
        "id": link.id,
        "as": as_seen_from(link, participant),
        "relation": link.document["relation"],
        "participant": other.id,
        "label": other.document.get("label"),
        "dataset": other.dataset,
        "withdrawn": other.withdrawn,
        "basis": link.document["basis"],
        "stated": link.document["stated"],
    }


_Change = Callable[[Claim, Record | None], tuple[Put | None, str]]


class _People:
    """Participants whose datasets the caller may write, by what he or she calls them.

    Args:
        catalogue: The catalogue.
        principal: Who asks.
        withdrawn: Whether a participant that was withdrawn may be named.
    """

    def __init__(self, catalogue: Catalogue, principal: Principal, *, withdrawn: bool) -> None:
        self._catalogue, self._principal, self._withdrawn = catalogue, principal, withdrawn
        self._by_id: dict[str, Record] = {}
        self._labels: dict[str, dict[str, Record]] = {}

    def pairs(self, asked: Sequence[tuple[str, str]]) -> list[Claim | Refusal]:
        """Return of each pair the two records, or why they cannot be had."""
        named = {reference for pair in asked for reference in pair if is_record_iri(reference)}
        self._by_id = dict(self._catalogue.repository.get_many(named))
        found: list[Claim | Refusal] = []
        for pair in asked:
            try:
                found.append(self._claim(*pair))
            except SillageError as problem:
                found.append(Refusal(asked=pair, problem=problem))
        return found

    def _claim(self, one: str, two: str) -> Claim:
        first, second = self._one(one), self._one(two)
        if first.id == second.id:
            raise InvalidRequestError("both are the same record", field="pairs")
        return Claim(first=first, second=second)

    def _one(self, reference: str) -> Record:
        record = self._by_id[reference] if reference in self._by_id else self._sought(reference)
        if record.type not in PARTICIPANT:
            raise NotFoundError(f"there is no participant {reference}", field="pairs")
        self._principal.require(Permission.WRITE, record)
        if record.withdrawn and not self._withdrawn:
            raise WithdrawnError(f"{record.id} was withdrawn", field="pairs")
        return record

    def _sought(self, reference: str) -> Record:
        dataset, slash, label = reference.rpartition("/")
        if not slash:
            return records.find(self._catalogue, self._principal, reference, types=PARTICIPANT)
        if dataset not in self._labels:
            found = records.find(self._catalogue, self._principal, dataset, types=DATASET)
            self._labels[dataset] = labels_of(self._catalogue, self._principal, found)
        if label not in self._labels[dataset]:
            raise NotFoundError(f"there is no participant {label} in {dataset}", field="pairs")
        return self._labels[dataset][label]


def labels_of(catalogue: Catalogue, principal: Principal, dataset: Record) -> dict[str, Record]:
    """Return the participants of a dataset by label, and put the reading on the ledger."""
    found = catalogue.repository.iterate("Participant", part_of=dataset.id)
    labels = {str(record.document.get("label")): record for record in found}
    records.note_access(catalogue, principal, "participant.list", dataset.id, {"shown": len(labels)})
    return labels
