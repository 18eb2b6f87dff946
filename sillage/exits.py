"""Exit codes of the command line: one table from an answer's status or an error's class."""

from __future__ import annotations

from enum import IntEnum

from ontology.errors import SillageError


class Exit(IntEnum):
    """What the command line ends with."""

    DONE = 0
    NO = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    AWAY = 5
    FAULT = 70


_STATUS = {
    400: Exit.USAGE,
    401: Exit.NOT_FOUND,
    403: Exit.NOT_FOUND,
    404: Exit.NOT_FOUND,
    405: Exit.USAGE,
    406: Exit.USAGE,
    409: Exit.CONFLICT,
    410: Exit.NOT_FOUND,
    412: Exit.CONFLICT,
    413: Exit.USAGE,
    415: Exit.USAGE,
    422: Exit.USAGE,
    501: Exit.USAGE,
    503: Exit.AWAY,
    507: Exit.AWAY,
}


def exit_for(status: int) -> Exit:
    """Return the exit code for an HTTP status."""
    return _STATUS.get(status, Exit.FAULT if status >= 500 else Exit.USAGE)


_CODES = {
    "internal-error": Exit.FAULT,
    "invalid-request": Exit.USAGE,
    "validation-failed": Exit.USAGE,
    "ambiguous": Exit.USAGE,
    "unauthenticated": Exit.NOT_FOUND,
    "not-permitted": Exit.NOT_FOUND,
    "not-certified": Exit.NOT_FOUND,
    "leakage": Exit.NOT_FOUND,
    "not-found": Exit.NOT_FOUND,
    "withdrawn": Exit.NOT_FOUND,
    "conflict": Exit.CONFLICT,
    "requirement-failed": Exit.CONFLICT,
    "unsupported": Exit.USAGE,
    "not-acceptable": Exit.USAGE,
    "unsupported-media-type": Exit.USAGE,
    "integrity": Exit.FAULT,
    "backend-unavailable": Exit.AWAY,
    "storage-full": Exit.AWAY,
    "outcome-unknown": Exit.FAULT,
    "not-installed": Exit.USAGE,
}


def exit_for_error(error: SillageError) -> Exit:
    """Return the exit code for an error raised in this process: that of its nearest known code."""
    for cls in type(error).__mro__:
        code = cls.__dict__.get("code")
        if code in _CODES:
            return _CODES[code]
    return Exit.FAULT
