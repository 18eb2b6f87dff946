"""What a process remembers of the tasks of batches, so that a batch is summed up without reading all of it again.

All of it follows from the ledger: before it is used, the records that were written since the last time are looked at.
Of each item it keeps a few numbers and words; whoever asks for items gets them read anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from catalog.model import Record
from catalog.repository import Repository

REFUSALS: Final = "RefusedItems"
"""Type of the records that hold items which could not become tasks."""
LOOKED_AT: Final = 10_000
"""If more records were written since the last time, the batch is read anew."""
KEPT: Final = 16
"""Batches that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one attempt of a task used; None where it could not be seen.

    Attributes:
        wall_s: Seconds from its start to its end.
        cpu_s: CPU seconds, in user mode and in the kernel.
        gpu_s: Seconds, times the GPUs that it was given.
        max_rss_bytes: The most memory that it had at a time.
        gpu_joules: Energy of its GPUs.
        cpu_joules: Energy of all processors of its machine meanwhile, whoever used them.
    """

    wall_s: float | None = None
    cpu_s: float | None = None
    gpu_s: float | None = None
    max_rss_bytes: float | None = None
    gpu_joules: float | None = None
    cpu_joules: float | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Use:
        """Return what the record of a run says of it."""
        resources, energy = record.get("resources") or {}, record.get("energy") or {}
        user, system = resources.get("user_s"), resources.get("system_s")
        return cls(
            wall_s=resources.get("wall_s"),
            cpu_s=None if user is None else user + (system or 0.0),
            gpu_s=energy.get("gpu_seconds"),
            max_rss_bytes=resources.get("max_rss_bytes"),
            gpu_joules=energy.get("gpu_joules"),
            cpu_joules=energy.get("cpu_joules"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is kept of a verdict on leakage.

    Attributes:
        state: ``clean``, ``unknown`` or ``shared``.
        decision: What followed from it.
        relations: How its people are related to those of the training, by how many.
        ways: The relations of which it names the way.
        models: The models.
    """

    state: str
    decision: str
    relations: tuple[str, ...]
    ways: frozenset[str]
    models: tuple[str, ...]

    @classmethod
    def of(cls, member: Mapping[str, Any]) -> Judged:
        """Return what is kept of the member ``leakage`` of a task or of an item that was refused."""
        return cls(
            state=member["state"],
            decision=member["decision"],
            relations=tuple(member.get("relations") or ()),
            ways=frozenset(path["relation"] for path in member.get("paths") or ()),
            models=tuple(model["id"] for model in member.get("models") or ()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What is kept of an item of a batch.

    Attributes:
        number: Its place in the order of the cohort.
        record: The task; of one that could not become a task, the record that holds it.
        state: State of the task; None of what never was one.
        reason: Why it ended as it did; of what never was a task, the field that was at fault.
        detail: The same for people.
        datasets: Whose readers may know of it.
        leakage: What was found of leakage; None where no model is used.
        uses: What each attempt of it used.
    """

    number: int
    record: str
    state: str | None
    reason: str | None
    detail: str | None
    datasets: frozenset[str]
    leakage: Judged | None
    uses: tuple[Use, ...] = ()


@dataclass(slots=True)
class _Batch:
    sequence: int = -2
    items: dict[int, Item] = field(default_factory=dict)
    earlier: dict[str, tuple[int, tuple[Use, ...]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True)
class BatchMemory:
    """The items of the batches that were asked for last."""

    _batches: OrderedDict[str, _Batch] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def items(self, batch: str, repository: Repository) -> list[Item]:
        """Return the items of a batch in the order of its cohort, as the ledger has them now."""
        with self._lock:
            kept = self._batches.setdefault(batch, _Batch())
            self._batches.move_to_end(batch)
            while len(self._batches) > KEPT:
                self._batches.popitem(last=False)
        with kept.lock:
            _refresh(kept, batch, repository)
            return [kept.items[number] for number in sorted(kept.items)]


def _refresh(kept: _Batch, batch: str, repository: Repository) -> None:
    now = repository.sequence
    if now == kept.sequence:
        return
    changed = repository.records_since(kept.sequence, limit=LOOKED_AT) if kept.sequence >= -1 else None
    if changed is None or len(changed) == LOOKED_AT:
        kept.items.clear()
        for kind in ("Task", REFUSALS):
            for record in repository.iterate(kind, part_of=batch):
                _take(kept, record, repository)
        kept.sequence = now
        return
    for record in changed:
        if record.type in ("Task", REFUSALS) and record.document.get("batch") == batch:
            _take(kept, record, repository)
    kept.sequence = max([now, *(record.sequence for record in changed)])


def _take(kept: _Batch, record: Record, repository: Repository) -> None:
    document = record.document
    if record.withdrawn:
        for number in [number for number, item in kept.items.items() if item.record == record.id]:
            del kept.items[number]
        return
    datasets = frozenset(document.get("datasets") or ())
    if record.type == REFUSALS:
        for item in document["refused"]:
            judged = Judged.of(item["leakage"]) if item.get("leakage") else None
            kept.items[item["item"]] = Item(
                number=item["item"],
                record=record.id,
                state=None,
                reason=item.get("field"),
                detail=item.get("detail"),
                datasets=datasets,
                leakage=judged,
            )
        return
    uses = _earlier(kept, record, repository)
    if document.get("record"):
        uses = (*uses, Use.of(document["record"]))
    kept.items[document["item"]] = Item(
        number=document["item"],
        record=record.id,
        state=document["state"],
        reason=document.get("reason"),
        detail=document.get("detail"),
        datasets=datasets,
        leakage=Judged.of(document["leakage"]) if document.get("leakage") else None,
        uses=uses,
    )


def _earlier(kept: _Batch, task: Record, repository: Repository) -> tuple[Use, ...]:
    """Return what attempts of a task before its present one used: a new attempt begins with an empty record."""
    attempt = int(task.document["attempt"])
    if attempt == 1:
        return ()
    known = kept.earlier.get(task.id)
    if known is None or known[0] != attempt:
        found = {
            version.document["attempt"]: Use.of(version.document["record"])
            for version in repository.versions(task.id)
            if version.document.get("record") and version.document["attempt"] < attempt
        }
        known = kept.earlier[task.id] = (attempt, tuple(found.values()))
    return known[1]
