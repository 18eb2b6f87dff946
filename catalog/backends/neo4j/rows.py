"""From a plan to the properties of nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from catalog.commits.batch import Head
from catalog.commits.plan import Plan

Row = dict[str, Any]
Rows = list[Row]


def record_rows(plan: Plan, head: Head, names: Mapping[int, str]) -> dict[int, Row]:
    """Return the properties of records that a plan makes or changes, by key."""
    rows: dict[int, Row] = {}
    for key, record in plan.records.items():
        rows[key] = {
            "key": key,
            "type": record.type,
            "version": record.version,
            "first": record.first,
            "sequence": record.sequence,
            "state": record.state,
            "dataset": None if record.dataset is None else names[record.dataset],
            "label": record.label,
        }
        if record.first >= head.size:
            rows[key]["created"] = plan.entries[record.first - head.size].time
    return rows


def file_rows(plan: Plan) -> dict[int, Row]:
    """Return the properties of files that a plan makes or changes, by key."""
    return {
        key: {
            "key": key,
            "owner": file.record,
            "sequence": file.sequence,
            "position": file.position,
            "sha256": file.sha256,
            "label": file.label,
        }
        for key, file in plan.files.items()
    }


def node_rows(plan: Plan, records: dict[int, Row], files: dict[int, Row], catalog: int) -> Iterator[tuple[str, Rows]]:
    """Yield labels and properties of new nodes; what they are leaves ``records`` and ``files``."""
    new: dict[str, Rows] = {"SillageNode": [], "SillageNode:SillageRecord": [], "SillageNode:SillageFile": []}
    for key, iri in plan.nodes.items():
        labels, members = "SillageNode", {"key": key}
        if key in records:
            labels, members = "SillageNode:SillageRecord", records.pop(key)
        elif key in files:
            labels, members = "SillageNode:SillageFile", files.pop(key)
        new[labels].append({**members, "catalog": catalog, "iri": iri})
    yield from new.items()


def entry_rows(plan: Plan, catalog: int) -> Rows:
    """Return the properties of new entries, their bodies among them."""
    bodies = {sequence: (salt, body) for sequence, salt, body in plan.bodies}
    rows: Rows = []
    for entry in plan.entries:
        salt, body = bodies.get(entry.sequence, (None, None))
        rows.append(
            {
                "catalog": catalog,
                "sequence": entry.sequence,
                "time": entry.time,
                "principal": entry.principal,
                "action": entry.action,
                "subject": entry.subject,
                "version": entry.version,
                "reason": entry.reason,
                "body_digest": entry.body_digest,
                "salt": salt,
                "body": body,
            }
        )
    return rows
