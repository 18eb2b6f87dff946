"""What is known of the inputs that a task opened, and how it is said in the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STRACE = "strace"
DECLARED = "declared-mounts"
NONE = "none"

_WATCHED = (
    "Every file that the task's processes opened or executed was seen; an input is opened when one of them succeeded "
    "in that, whatever path led there. Opening is not reading, and what io_uring(7) opens cannot be seen."
)
_PARTLY = "What was seen of the task is not all of it: an input that is not listed as opened may have been."
_CONFINED = (
    "Only the declared inputs, the environment and the pipeline's own files were readable: the sandbox mounted "
    "nothing else. Which of them were opened was not observed."
)
_UNCONFINED = (
    "The task ran without a sandbox and could read whatever the service's user can; which files it opened was "
    "not observed."
)
_OUTSIDE = " It ran without a sandbox: what else it could read, and read, is not said here."
_NOT_BEGUN = "The task did not begin: nothing was opened."
_NOTHING = "The task was given no input, so there was none to be opened."


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsObserved:
    """The member ``inputs_observed`` of a run's record.

    Attributes:
        mechanism: ``strace`` (seen), ``declared-mounts`` (only what was mounted could be read) or ``none``.
        complete: Whether nothing that was opened can be missing from ``opened``.
        opened: Ids of the inputs that were opened; one id may stand for several paths with the same content.
        not_opened: Ids of those that were given and not seen to be opened; empty when nothing was observed.
        statement: One or two sentences for a reader.
        reason: Why it is not observed, or not completely.
        within: For inputs that are folders, which files in them were opened, relative to the folder.
        unlisted: Folders of which more files were opened than are listed.
    """

    mechanism: str
    complete: bool
    statement: str
    opened: Sequence[str] = ()
    not_opened: Sequence[str] = ()
    reason: str | None = None
    within: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unlisted: Sequence[str] = ()

    def document(self) -> dict[str, Any]:
        """Return it as JSON members; those that say nothing are left out."""
        found: dict[str, Any] = {
            "mechanism": self.mechanism,
            "complete": self.complete,
            "opened": list(self.opened),
            "not_opened": list(self.not_opened),
            "statement": self.statement,
        }
        if self.reason is not None:
            found["reason"] = self.reason
        if self.within:
            found["within"] = {name: list(paths) for name, paths in self.within.items()}
        if self.unlisted:
            found["unlisted"] = list(self.unlisted)
        return found


def unobserved(*, confined: bool, reason: str | None = None) -> InputsObserved:
    """Return what is known where nothing was watched."""
    return InputsObserved(
        mechanism=DECLARED if confined else NONE,
        complete=False,
        statement=_CONFINED if confined else _UNCONFINED,
        reason=reason,
    )


def not_begun(given: Sequence[str]) -> InputsObserved:
    """Return what is known of a task whose command never ran."""
    return InputsObserved(mechanism=NONE, complete=True, not_opened=given, statement=_NOT_BEGUN)


def nothing_given(*, confined: bool) -> InputsObserved:
    """Return what is known of a task without inputs, which nobody needs to watch."""
    if not confined:
        return unobserved(confined=False)
    return InputsObserved(mechanism=DECLARED, complete=True, statement=_NOTHING)


def observed(
    *,
    opened: Sequence[str],
    not_opened: Sequence[str],
    confined: bool,
    reason: str | None,
    within: Mapping[str, Sequence[str]],
    unlisted: Sequence[str],
) -> InputsObserved:
    """Return what was seen; ``reason`` says what may be missing, None when nothing is."""
    return InputsObserved(
        mechanism=STRACE,
        complete=reason is None,
        opened=opened,
        not_opened=not_opened,
        statement=(_WATCHED if reason is None else _PARTLY) + ("" if confined else _OUTSIDE),
        reason=reason,
        within=within,
        unlisted=unlisted,
    )
