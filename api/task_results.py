"""What a complete task leaves in the ledger; or why nothing of it can be kept, however often that is tried.

A runner delivers a final event again until it is taken. So only what passes by itself (a full disk, a store that is
away, another writer) may be an error here; all else is an end of the task, with a reason that says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from api.catalogue import Catalogue
from api.operations.derivatives import keep_outputs
from catalog.model import MustBeAt, Put, Record, Requirement
from executors.model import TaskEvent
from executors.states import EventKind, TaskState
from ontology.errors import (
    BackendUnavailableError,
    ConflictError,
    InvalidRequestError,
    OutcomeUnknownError,
    RequirementFailedError,
    SillageError,
    WithdrawnError,
)

SOURCE_WITHDRAWN = WithdrawnError.code
UNSAVED = "results-unsaved"
PASSING = (BackendUnavailableError, OutcomeUnknownError, RequirementFailedError)
"""What is tried again: a full disk is one of the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """How a task ends in the ledger.

    Attributes:
        event: Its final event; another than the runner's where its results cannot be kept.
        puts: The records of its outputs.
        outputs: The members of the task's ``outputs``.
        required: What must still hold when all this is written.
    """

    event: TaskEvent
    puts: Sequence[Put] = ()
    outputs: list[dict[str, Any]] = field(default_factory=list)
    required: Sequence[Requirement] = ()


def keep_results(catalogue: Catalogue, task: Record, event: TaskEvent) -> Results:
    """Save what a complete task has made.

    Raises:
        BackendUnavailableError: Not now; the same event may be recorded later. So are
            :class:`OutcomeUnknownError` and :class:`RequirementFailedError`.
    """
    sources = _sources(catalogue, task)
    withdrawn = _said_of_withdrawn(sources)
    if withdrawn is not None:
        return Results(event=_instead(event, EventKind.ABORT, SOURCE_WITHDRAWN, withdrawn))
    # A dataset that is withdrawn while its results are being saved is noticed by the commit itself.
    required = [MustBeAt(source.id, source.version) for source in sources]
    if not event.outputs:
        return Results(event=event, required=required)
    try:
        puts, outputs = keep_outputs(catalogue, task, event)
    except PASSING:
        raise
    except (InvalidRequestError, ConflictError) as error:
        return Results(event=_instead(event, EventKind.FAIL, "output-refused", error.detail))
    except SillageError as error:
        return Results(event=_instead(event, EventKind.ABORT, UNSAVED, _unsaved(error)))
    return Results(event=event, puts=puts, outputs=outputs, required=required)


def refuse_withdrawn(catalogue: Catalogue, task: Record) -> None:
    """Refuse to begin a task on what was withdrawn since it was submitted.

    Raises:
        WithdrawnError: One of its datasets was.
    """
    withdrawn = _said_of_withdrawn(_sources(catalogue, task))
    if withdrawn is not None:
        raise WithdrawnError(withdrawn, field="inputs")


def _sources(catalogue: Catalogue, task: Record) -> list[Record]:
    return list(catalogue.repository.get_many(task.document["datasets"]).values())


def _said_of_withdrawn(sources: Sequence[Record]) -> str | None:
    """Return what is to be said of those of some datasets that were withdrawn; None when none was."""
    gone = sorted(source.id for source in sources if source.withdrawn)
    if not gone:
        return None
    return (
        f"{', '.join(gone)} was withdrawn: nothing that was made of it is kept. "
        "Submit the run again on data that are not withdrawn."
    )


def _unsaved(error: SillageError) -> str:
    said = f"The results could not be saved: {error.detail.rstrip('.')}. Bring the data of that dataset back"
    return f"{said}, or withdraw it if they are lost for good; then retry the task, which runs it again."


def _instead(event: TaskEvent, kind: EventKind, reason: str, detail: str) -> TaskEvent:
    """Return the end of a task whose command succeeded and whose results cannot be kept; its record says so too."""
    state = TaskState.EXECUTOR_ERROR if kind is EventKind.FAIL else TaskState.SYSTEM_ERROR
    record = None if event.record is None else {**event.record, "reason": reason, "detail": detail}
    return replace(event, kind=kind, state=state, outputs=(), reason=reason, detail=detail, record=record)
