"""Cursors: where the next page of an answer begins.

Hits come by dataset IRI, label and IRI: an order that no write changes for those who stay, so that each comes
once, and the same in every backend and after every rebuild.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import NamedTuple

from catalog.search.query import Query
from ontology.errors import InvalidRequestError

MAX_PAGE = 1000


class Position(NamedTuple):
    """The place of a participant in an answer."""

    dataset: str
    label: str
    iri: str


def check_limit(limit: int) -> None:
    """Refuse a page that is too small or too large.

    Raises:
        InvalidRequestError: ``limit`` is not from 1 to 1000.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequestError(f"limit must be between 1 and {MAX_PAGE}, not {limit}", field="limit")


def cursor_after(position: Position, query: Query) -> str:
    """Return the cursor of the page that follows a position, good for this query alone."""
    body = json.dumps([query.digest[:16], *position], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).rstrip(b"=").decode()


def position_of(cursor: str, query: Query) -> Position:
    """Return the position that a cursor stands for.

    Raises:
        InvalidRequestError: It is not one of ours, or belongs to another query.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise _refused("the cursor is not one of ours") from error
    if not isinstance(parts, list) or len(parts) != 4 or not all(isinstance(part, str) for part in parts):
        raise _refused("the cursor is not one of ours")
    if parts[0] != query.digest[:16]:
        raise _refused("the cursor belongs to another query")
    return Position(*parts[1:])


def _refused(detail: str) -> InvalidRequestError:
    return InvalidRequestError(
        detail, field="cursor", next_step="Ask again without a cursor to start from the first page."
    )
