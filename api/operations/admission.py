"""Admission of tasks at their start: what was allowed when it was submitted may have been revoked since.

A task can wait for hours. Its pipeline's standing, and whether it would use a model on people of its training, are
looked at again when it is handed to the runner and when the runner takes it up; under the policy ``refuse`` it then
ends without having run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from api.catalogue import Catalogue
from api.operations import leakage
from api.operations.certificates import admit, warning
from catalog.model import Record
from executors.model import TaskEvent
from executors.states import EventKind, TaskState
from ontology.errors import LeakageError, NotCertifiedError

CERTIFICATION: Final = "certification"
"""Member of a task that runs a reference case: such a one needs no certificate, it is there to get one."""
REFUSED: Final = "refused_start"
"""Member of a task that was refused after its runner had taken it up: why."""
REFUSED_BY: Final = "refused_by"
"""Member of such a task: the reason that it ends with."""
NOT_CERTIFIED: Final = "not-certified"
"""Reason of a task that was not let start for want of a certificate."""


def refuse_at_start(catalogue: Catalogue, task: Record) -> None:
    """Refuse to hand a task to its runner when its pipeline may not run any more.

    Raises:
        NotCertifiedError: The policy is ``refuse``, and the pipeline is not certified now.
        LeakageError: The policy is ``refuse``, and it would use a model on people of its training.
    """
    if task.document.get(CERTIFICATION) is None:
        admit(catalogue, catalogue.repository.get(task.document["pipeline"]), "start")
        leakage.at_start(catalogue, task)


def at_start(catalogue: Catalogue, task: Record, event: TaskEvent) -> dict[str, Any]:
    """Return the members of a task that change when its runner takes it up: the certificate in force, or a refusal."""
    document = task.document
    if event.kind is not EventKind.INITIALIZE or document.get(CERTIFICATION) is not None:
        return {}
    version = catalogue.repository.get(document["pipeline"])
    try:
        found = admit(catalogue, version, "start")
    except NotCertifiedError as error:
        return {"certificate": error.params["standing"], REFUSED: error.detail, REFUSED_BY: NOT_CERTIFIED}
    changed: dict[str, Any] = {"certificate": found.to_json(), REFUSED: None}
    try:
        changed |= leakage.at_start(catalogue, task)
    except LeakageError as error:
        changed |= {"leakage": error.params["leakage"], REFUSED: error.detail, REFUSED_BY: leakage.REASON}
    warned, remarks = warning(catalogue, version, found), changed.get("remarks") or document.get("remarks") or []
    if warned is not None and warned not in remarks:
        changed["remarks"] = [*remarks, warned]
    return changed


def fitted(task: Record, event: TaskEvent) -> TaskEvent:
    """Return an event as the ledger takes it.

    The record of a run names the certificate that was in force when it started, and what was found of leakage; the end
    of a task that was not let start is no cancellation by a person.
    """
    if event.record is None:
        return event
    known = {name: task.document[name] for name in ("certificate", "leakage") if name in task.document}
    record = {**event.record, "plan": {**event.record.get("plan", {}), **known}}
    refused = task.document.get(REFUSED)
    if not refused or event.kind is not EventKind.STOP:
        return replace(event, record=record)
    reason = task.document.get(REFUSED_BY) or NOT_CERTIFIED
    record |= {"reason": reason, "detail": refused}
    return replace(
        event,
        kind=EventKind.ABORT,
        state=TaskState.SYSTEM_ERROR,
        reason=reason,
        detail=refused,
        record=record,
    )
