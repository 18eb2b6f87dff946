"""A batch summed up: leakage, what it used, and why items failed. Nobody is told of an item that they may not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from api.access import Permission, Principal
from api.batch_memory import Item, Use
from api.catalogue import Catalogue
from api.operations.leakage_sums import leakage_sum
from catalog.model import Record
from executors.states import TaskState

FAILED: Final = (TaskState.EXECUTOR_ERROR.value, TaskState.SYSTEM_ERROR.value, TaskState.PREEMPTED.value, None)
"""States of items that failed; None is that of one that never became a task."""
REFUSED: Final = "REFUSED"
DETAILS: Final = 5
"""Different texts that are told of one reason."""


def seen(catalogue: Catalogue, principal: Principal, batch: str) -> list[Item]:
    """Return the items of a batch that somebody may read, in the order of the cohort."""
    allowed = principal.datasets(Permission.READ)
    items = catalogue.batch_memory.items(batch, catalogue.repository)
    return items if allowed is None else [item for item in items if item.datasets <= allowed]


def sums(catalogue: Catalogue, principal: Principal, batch: Record) -> dict[str, Any]:
    """Return the members ``leakage``, ``usage`` and ``failures`` of a batch."""
    items = seen(catalogue, principal, batch.id)
    return {
        "leakage": _leakage(catalogue, batch, items),
        "usage": usage(items, batch.document),
        "failures": failures(items),
    }


def _leakage(catalogue: Catalogue, batch: Record, items: Sequence[Item]) -> dict[str, Any] | None:
    judged = [(item, item.leakage) for item in items if item.leakage is not None]

    def way(place: int, relation: str) -> Mapping[str, Any] | None:
        return way_of(catalogue, judged[place][0], relation)

    document = batch.document
    told = [(item.record if item.state is not None else None, found) for item, found in judged]
    size = len(items) + max(0, document["size"] - document["position"])
    found = leakage_sum(catalogue, told, looked_at=len(items), size=size, way=way)
    return found and {**found, "policy": catalogue.settings.leakage}


def way_of(catalogue: Catalogue, item: Item, relation: str) -> Mapping[str, Any] | None:
    """Return the way from the training to an item, as the item names it."""
    record = catalogue.repository.get(item.record)
    members = [record.document] if item.state is not None else record.document["refused"]
    found = next((each for each in members if each["item"] == item.number), {})
    paths = (found.get("leakage") or {}).get("paths") or ()
    return next((path for path in paths if path["relation"] == relation), None)


def usage(items: Iterable[Item], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what all attempts of all items used together; a sum leaves out what was not seen, and says of how many.

    Args:
        items: The items.
        document: The batch, with its times.
    """
    uses = [use for item in items for use in item.uses]
    return {
        "attempts": len(uses),
        "elapsed_s": _elapsed(document),
        "wall_s": _sum(uses, "wall_s"),
        "cpu_s": _sum(uses, "cpu_s"),
        "gpu_s": _sum(uses, "gpu_s"),
        "max_rss_bytes": max((use.max_rss_bytes for use in uses if use.max_rss_bytes is not None), default=None),
        "gpu_joules": _sum(uses, "gpu_joules"),
        # Each counts what its whole machine took meanwhile, and several ran at once.
        "cpu_joules_at_most": _sum(uses, "cpu_joules"),
        "known": {name: sum(1 for use in uses if getattr(use, name) is not None) for name in Use.__slots__},
    }


def _sum(uses: Iterable[Use], name: str) -> float | None:
    known = [float(value) for use in uses if (value := getattr(use, name)) is not None]
    return round(sum(known), 3) if known else None


def _elapsed(document: Mapping[str, Any]) -> float:
    begun = datetime.fromisoformat(document["creation_time"])
    end = document.get("end_time")
    return round(max(0.0, ((datetime.fromisoformat(end) if end else datetime.now(UTC)) - begun).total_seconds()), 3)


def failures(items: Iterable[Item]) -> list[dict[str, Any]]:
    """Return why items failed, each reason once with its number, those of most items first."""
    groups: dict[tuple[str, str | None], list[Item]] = {}
    for item in items:
        if item.state in FAILED:
            groups.setdefault((item.state or REFUSED, item.reason), []).append(item)
    found = []
    for (state, reason), members in groups.items():
        details = Counter(item.detail for item in members if item.detail)
        found.append(
            {
                "state": state,
                "reason": reason,
                "count": len(members),
                "details": [{"detail": text, "count": number} for text, number in details.most_common(DETAILS)],
                "more_details": max(0, len(details) - DETAILS),
                "example": members[0].record if state != REFUSED else None,
            }
        )
    return sorted(found, key=lambda group: (-group["count"], group["state"], group["reason"] or ""))
