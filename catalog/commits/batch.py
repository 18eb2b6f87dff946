"""Planning a batch of commits: those that are refused leave no trace, the others go on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from catalog.commits.plan import Plan
from catalog.commits.predicates import Numbering
from catalog.commits.prepared import PreparedCommit
from catalog.commits.snapshot import Snapshot, Stored
from catalog.model import Committed
from ontology.errors import IntegrityError, SillageError
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.keys import SigningKey
from provenance.ledger.merkle import Frontier

Outcome = Committed | SillageError
"""What a commit of a batch did, or why it was refused."""


class Head(NamedTuple):
    """Where the ledger ends, and the first key that is free."""

    size: int
    time: str
    peaks: bytes
    next_key: int


class NextHead(NamedTuple):
    """The head after a plan, with the roots of the blocks of leaves that it completed."""

    size: int
    time: str
    peaks: bytes
    note: str
    blocks: Sequence[bytes]


class Planned(NamedTuple):
    """A batch that was planned: an outcome for each commit, and the plan unless it changes nothing."""

    outcomes: list[Outcome]
    plan: Plan | None
    snapshot: Snapshot


def plan_batch(stored: Stored, predicates: Numbering, head: Head, batch: Sequence[PreparedCommit]) -> Planned:
    """Plan a batch; a commit that fails half-way spoils the plan, which is then made without it."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    snapshot = Snapshot(stored, batch, next_key=head.next_key)
    refused: dict[int, SillageError] = {}
    while True:
        plan = Plan(stored, snapshot, predicates, size=head.size, time=max(now, head.time))
        outcomes: list[Outcome] = []
        for place, commit in enumerate(batch):
            if place in refused:
                outcomes.append(refused[place])
                continue
            try:
                plan.admit(commit)
            except SillageError as error:
                outcomes.append(error)
                continue
            try:
                outcomes.append(plan.apply(commit))
            except SillageError as error:
                refused[place] = error
                break
        else:
            return Planned(outcomes, plan if plan.entries else None, snapshot)


def next_head(head: Head, plan: Plan, key: SigningKey) -> NextHead:
    """Return the head after a plan, signed.

    Raises:
        IntegrityError: The stored head contradicts itself.
    """
    try:
        frontier = Frontier.from_bytes(head.size, head.peaks)
    except ValueError as error:
        raise IntegrityError(f"the head of the ledger is damaged: {error}") from error
    leaves: Iterable[bytes] = (entry.leaf_hash() for entry in plan.entries)
    completed = frontier.extend(leaves)
    note = Checkpoint(origin=key.name, size=frontier.size, root=frontier.root()).sign(key)
    return NextHead(frontier.size, plan.entries[-1].time, frontier.peak_bytes(), note, completed)
