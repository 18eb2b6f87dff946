"""What the readers of all formats share: prefixes in force, and JSON read without surprises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ontology.errors import InvalidRequestError
from provenance.model import ProvDocument
from provenance.statements import Statements
from provenance.values import Identifier


class Scope:
    """The prefixes in force in a document or bundle that is being read; remembers each name that it resolved."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        document = ProvDocument()
        for prefix, iri in prefixes.items():
            document.declare(prefix, iri)
        self.prefixes = document.namespaces
        self._resolver = Statements(document.namespaces)
        self._names: dict[str, Identifier] = {}

    def inner(self, prefixes: Mapping[str, str]) -> Scope:
        """Return the scope of a bundle: its own prefixes before those around it."""
        return Scope({**self.prefixes, **prefixes})

    def name(self, text: str) -> Identifier:
        """Return the identifier that a name means here.

        Raises:
            InvalidRequestError: The name cannot be resolved, or is a blank node, which names nothing outside its
                file.
        """
        found = self._names.get(text)
        if found is None:
            if text.startswith("_:"):
                raise InvalidRequestError(
                    f"{text!r} is a blank node; only relations may go without an identifier", field=text
                )
            found = self._names[text] = self._resolver.name(text)
        return found

    def declare_in(self, document: ProvDocument) -> None:
        """Take these prefixes over into a document, where they are still free."""
        taken = set(document.namespaces.values())
        for prefix, iri in self.prefixes.items():
            if prefix not in document.namespaces and iri not in taken:
                document.declare(prefix, iri)


def member_text(value: Any, where: str) -> str:
    """Return a JSON value that must be a string.

    Raises:
        InvalidRequestError: It is something else.
    """
    if not isinstance(value, str):
        raise InvalidRequestError(f"{where!r} wants a string", field=where)
    return value


def load_json(data: bytes) -> Any:
    """Return JSON from bytes in UTF-8, refusing what would be read in two ways.

    Raises:
        InvalidRequestError: Not JSON or not UTF-8, a member given twice, a number that JSON does not have, or
            nesting without end.
    """
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise InvalidRequestError("the document is not UTF-8") from error
    except RecursionError as error:
        raise InvalidRequestError("the document is nested too deeply") from error
    except ValueError as error:
        raise InvalidRequestError(f"the document is not JSON: {error}") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidRequestError(f"the member {twice!r} is given twice", field=twice)
    return found


def _no_constant(text: str) -> Any:
    raise InvalidRequestError(f"JSON has no number {text}")
