"""Canonical JSON (RFC 8785), the form in which everything is hashed."""

from __future__ import annotations

from typing import Any

import rfc8785

from ontology.errors import InvalidRequestError


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as canonical JSON in UTF-8 (RFC 8785).

    Raises:
        InvalidRequestError: ``value`` holds something that JSON cannot say (NaN, an integer beyond 2**53).
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise InvalidRequestError(f"not canonical JSON: {error}") from error
