"""The error taxonomy that every package of Sillage raises from.

No HTTP status and no exit code lives here: ``api.problems`` holds the one table for HTTP and
``sillage.exits`` the one for the command line. A test walks all subclasses and fails on an unmapped one.
"""

from __future__ import annotations

from typing import Any, ClassVar


class SillageError(Exception):
    """Base of every error that Sillage raises on purpose.

    Args:
        detail: One sentence for the person who asked; names the value at fault.
        field: The input field, property, column or option at fault, where there is one.
        next_step: What to do now; overrides the class's own advice.
        params: Machine-readable particulars (candidates, offsets, limits).
    """

    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something went wrong inside Sillage"
    retryable: ClassVar[bool] = False
    advice: ClassVar[str | None] = None

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        next_step: str | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.params = params or {}
        self._next_step = next_step

    def next_step(self) -> str | None:
        """Return what the human should do next, if there is anything to say."""
        return self._next_step or self.advice


class InvalidRequestError(SillageError):
    """The request cannot be read: malformed query, option or document."""

    code = "invalid-request"
    title = "The request cannot be understood"


class ValidationFailedError(SillageError):
    """The request can be read, and breaks a rule: ``params['problems']`` has the report."""

    code = "validation-failed"
    title = "The input breaks a rule"


class AmbiguousError(InvalidRequestError):
    """A term, label or identifier prefix means several things: ``params['candidates']`` lists them."""

    code = "ambiguous"
    title = "Several things answer to that name"


class UnauthenticatedError(SillageError):
    """No principal, or a token that is unknown, expired or revoked."""

    code = "unauthenticated"
    title = "Who is asking is not known"
    advice = "Send a token: `--token` or SILLAGE_TOKEN on the command line, `Authorization: Bearer` over HTTP."


class NotPermittedError(SillageError):
    """The principal may see the thing but not do this to it."""

    code = "not-permitted"
    title = "Not permitted"
    advice = "Ask an administrator for the role that allows this (`sillage grant`)."


class NotCertifiedError(NotPermittedError):
    """The pipeline has no certificate in force, and the catalogue's policy asks for one: ``params['standing']``."""

    code = "not-certified"
    title = "The pipeline is not certified"


class LeakageError(NotPermittedError):
    """The task would use a model on people of its training, and the policy refuses that: ``params['leakage']``."""

    code = "leakage"
    title = "The model was trained on these people"
    advice = "Use other people, such as the part of a split that was kept for testing; `sillage model check` names who."


class NotFoundError(SillageError):
    """Absent, or not to be seen by this principal; the two are never told apart."""

    code = "not-found"
    title = "Not found"


class WithdrawnError(SillageError):
    """Data of a tombstoned record was asked for; its metadata is still served (FAIR A2)."""

    code = "withdrawn"
    title = "The data were withdrawn"


class ConflictError(SillageError):
    """It exists already, or its state does not allow this."""

    code = "conflict"
    title = "In conflict with what is there"


class RequirementFailedError(ConflictError):
    """A requirement of a commit does not hold (somebody else wrote first); safe to read again and retry."""

    code = "requirement-failed"
    title = "The record has changed meanwhile"
    retryable = True
    advice = "Read the record again and repeat the change on its present version."


class UnsupportedError(SillageError):
    """A capability that this backend or runner does not declare."""

    code = "unsupported"
    title = "Not supported here"


class NotAcceptableError(SillageError):
    """None of the media types asked for can be given."""

    code = "not-acceptable"
    title = "No such representation"


class UnsupportedMediaTypeError(SillageError):
    """The body came in a format that is not read here."""

    code = "unsupported-media-type"
    title = "That format is not read here"


class IntegrityError(SillageError):
    """Stored data contradict each other or their checksum."""

    code = "integrity"
    title = "Stored data contradict each other"
    advice = "Run `sillage check`, and restore from a backup if it confirms the damage."


class BackendUnavailableError(SillageError):
    """A service, disk or lock that is needed is away; nothing was written."""

    code = "backend-unavailable"
    title = "A service that is needed is away"
    retryable = True


class OutcomeUnknownError(SillageError):
    """The connection broke while committing: the write may or may not have happened."""

    code = "outcome-unknown"
    title = "It is not known whether the write happened"
    advice = "Read the record before trying again."


class StorageFullError(BackendUnavailableError):
    """The disk or a quota is full; the transaction was rolled back."""

    code = "storage-full"
    title = "The storage is full"
    advice = "Free space on the disk of the catalogue, then repeat the command; nothing was half-written."


class NotInstalledError(SillageError):
    """An optional library is missing; the detail names the extra that brings it."""

    code = "not-installed"
    title = "An optional part is not installed"
