"""From rows, as backends read them, to pages of ledger entries."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.model import Page
from ontology.errors import InvalidRequestError
from provenance.ledger.entry import Entry, Members

_MAX_PAGE = 10_000


def entry_of(row: Members) -> Entry:
    """Return an entry from its members."""
    sequence, time, principal, action, subject, version, reason, body_digest = row
    return Entry(
        sequence=sequence,
        time=time,
        principal=principal,
        action=action,
        subject=subject,
        version=version,
        reason=reason,
        body_digest=body_digest,
    )


def refuse_limit(limit: int) -> None:
    """Check the length of a page.

    Raises:
        InvalidRequestError: It is out of bounds.
    """
    if not 1 <= limit <= _MAX_PAGE:
        raise InvalidRequestError(f"limit is {limit}, not between 1 and {_MAX_PAGE}", field="limit")


def verbs_of(action: str) -> tuple[str, str]:
    """Return the first action, and the one after the last, that ``noun.*`` means."""
    noun = action[:-1]
    return noun, noun[:-1] + "/"


def page_of(entries: Sequence[Entry], *, total: int, limit: int) -> Page[Entry]:
    """Return a page from one entry more than it may hold."""
    page = entries[:limit]
    return Page(items=page, total=total, next=str(page[-1].sequence) if len(entries) > limit else None)
