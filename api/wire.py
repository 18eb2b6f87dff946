"""Records as they go over the wire: the document beside ``id``, ``type``, ``version`` and times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api.access import Permission, Principal
from catalog.model import Page, Record
from provenance.ledger.entry import Entry

_LOCAL = ("data_path",)


def record_body(record: Record, principal: Principal) -> dict[str, Any]:
    """Return the wire form of a record; where the data lie is told only to those who may write them."""
    document = dict(record.document)
    if not principal.may(Permission.WRITE, record):
        for member in _LOCAL:
            document.pop(member, None)
    body: dict[str, Any] = {
        "id": record.id,
        "type": record.type,
        "version": record.version,
        "created": record.created,
        "modified": record.modified,
        **document,
    }
    if record.withdrawn:
        body["withdrawn"] = True
    return body


def summary_body(record: Record) -> dict[str, Any]:
    """Return what a listing shows of a record: enough to choose by, without members that can be long."""
    short = {
        key: value
        for key, value in record.document.items()
        if isinstance(value, str | int | float | bool) and key not in _LOCAL
    }
    return {
        "id": record.id,
        "type": record.type,
        "version": record.version,
        "created": record.created,
        **short,
        **(record.document.get("counts") or {}),
    }


def page_body(page: Page[Record], present: Callable[[Record], Mapping[str, Any]]) -> dict[str, Any]:
    """Return the wire form of a listing: ``{items, total, next}``."""
    return {"items": [present(item) for item in page.items], "total": page.total, "next": page.next}


def entry_body(entry: Entry) -> dict[str, Any]:
    """Return the wire form of a ledger entry."""
    members = {name: getattr(entry, name) for name in Entry.__slots__}
    return {key: value for key, value in members.items() if value is not None}
