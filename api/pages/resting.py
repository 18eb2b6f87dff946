"""What results rest on: the certificate that their task started under, and what has become of it since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations.certificates import REVOKED
from catalog.model import Record


def certificate_of(catalogue: Catalogue, task: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return how a task's pipeline stood when the task began, and whether that certificate was revoked since."""
    held = task.get("certificate")
    if not held:
        return None
    found = catalogue.repository.get_many([held["id"]]) if held.get("id") else {}
    revoked = next((record.document.get(REVOKED) for record in found.values()), None)
    was_so = held["state"] == "revoked"
    return {**held, "revoked": None if was_so else revoked, "started": bool(task.get("start_time"))}


def made_by(catalogue: Catalogue, principal: Principal, record: Record) -> dict[str, Any] | None:
    """Return the task that made a result or one of its files, with its certificate; None where none did."""
    owner = catalogue.repository.get(record.document["part_of"]) if record.type == "File" else record
    return of_tasks(catalogue, principal, [owner.document.get("task")]).get(str(owner.document.get("task")))


def of_tasks(catalogue: Catalogue, principal: Principal, tasks: Iterable[str | None]) -> dict[str, dict[str, Any]]:
    """Return what there is to say of the certificates of some tasks, by the task."""
    known = catalogue.repository.get_many({iri for iri in tasks if iri})
    found = {}
    for iri, task in known.items():
        if task.type != "Task" or not principal.may(Permission.READ, task):
            continue
        certificate = certificate_of(catalogue, task.document)
        if certificate is not None:
            found[iri] = {"task": iri, "label": task.document["label"], "certificate": certificate}
    return found
