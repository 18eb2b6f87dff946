"""What a reference that a person types may mean."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ontology.errors import AmbiguousError, InvalidRequestError, NotFoundError
from ontology.identifiers import URN, sha256_of

CANDIDATES = 10
"""So many things that an ambiguous reference may mean are told."""
_PREFIX = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")


def content_meant(reference: str) -> str | None:
    """Return the SHA-256 that a reference is, if it is one."""
    try:
        return sha256_of(reference)
    except (InvalidRequestError, ValueError):
        return None


def names_meant(reference: str) -> tuple[str, str] | None:
    """Return the first name, and the one after the last, that a reference is a prefix of, if it can be one."""
    prefix = reference.lower().removeprefix(URN)
    return (URN + prefix, URN + prefix + "g") if _PREFIX.fullmatch(prefix) else None


def the_one(reference: str, candidates: Sequence[str]) -> str:
    """Return the only candidate.

    Raises:
        NotFoundError: There is none.
        AmbiguousError: There are several.
    """
    if not candidates:
        raise NotFoundError(f"nothing answers to {reference!r}", field="id")
    if len(candidates) > 1:
        raise AmbiguousError(
            f"{reference!r} means several things",
            field="id",
            next_step="Give more of the identifier: " + ", ".join(candidates[:3]) + " ...",
            params={"candidates": list(candidates)},
        )
    return candidates[0]
