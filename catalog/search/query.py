"""A cohort query: parsed once from CQL2 text or JSON, then translated by each search backend.

OGC CQL2 (21-065r2), with functions of our own; the language is described in ``docs/reference/query-language.md``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from catalog.search import cql2_text
from catalog.search.conditions import (
    EVERYTHING,
    And,
    Between,
    Comparison,
    Condition,
    Count,
    Has,
    In,
    IsNull,
    Like,
    Matches,
    Not,
    Or,
    Scalar,
    Under,
    Within,
    json_of,
    text_of,
)
from catalog.search.reading import read_condition
from ontology.errors import InvalidRequestError

__all__ = [
    "And",
    "Between",
    "Comparison",
    "Condition",
    "Count",
    "Has",
    "In",
    "IsNull",
    "Like",
    "Matches",
    "Not",
    "Or",
    "Query",
    "Scalar",
    "Under",
    "Within",
    "parse",
    "parse_json",
]


@dataclass(frozen=True, slots=True)
class Query:
    """A condition on participants, in canonical form: equal queries have equal text."""

    root: Condition = EVERYTHING

    @property
    def text(self) -> str:
        """The query as CQL2 text; parsing it gives this query again."""
        return text_of(self.root)

    @property
    def json(self) -> Any:
        """The query as CQL2 JSON; parsing it gives this query again."""
        return json_of(self.root)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def parse(text: str) -> Query:
    """Return the query that a CQL2 text states.

    Raises:
        InvalidRequestError: The text is malformed (``params['offset']`` says where), too long, too deep, or uses
            something that is not supported.
    """
    if not isinstance(text, str):
        raise InvalidRequestError("a query is a text", field="query")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise cql2_text.malformed(
            "half of a surrogate pair is no character", text[: error.start], error.start
        ) from error
    return Query(read_condition(cql2_text.to_json(text)))


def parse_json(value: Any) -> Query:
    """Return the query that a CQL2 JSON value (parsed JSON, not its text) states.

    Raises:
        InvalidRequestError: It is malformed, too large, or uses something that is not supported.
    """
    return Query(read_condition(value))
