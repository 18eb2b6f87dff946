"""XML from strangers: no external entity, no entity within an entity, no network, positions in errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from xml.parsers import expat

from ontology.errors import InvalidRequestError

T = TypeVar("T")
_LONGEST_ENTITY = 1000


class _DocumentStarted(Exception):  # noqa: N818  a signal, no error
    """The document type has been read; the rest does not matter here."""


def refuse_bombs(data: bytes) -> None:
    """Read the document type declaration alone, and refuse entities that could reach out or blow up.

    Short internal entities that name no other entity are let through: OWL files use them as prefixes.

    Raises:
        InvalidRequestError: An entity is external, nested, very long or a parameter entity; or the XML is broken.
    """

    def declared(name: str, is_parameter: bool, value: str | None, *_: Any) -> None:
        if is_parameter or value is None or len(value) > _LONGEST_ENTITY or "&" in value:
            raise InvalidRequestError(
                f"line {parser.CurrentLineNumber}: the entity {name!r} is external, nested or too long",
                field="source",
                next_step="Save the ontology without entities, or in Turtle.",
                params={"line": parser.CurrentLineNumber},
            )

    def started(*_: Any) -> None:
        raise _DocumentStarted

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = declared
    parser.StartElementHandler = started
    try:
        parser.Parse(data, True)
    except _DocumentStarted:
        return
    except expat.ExpatError as error:
        raise broken(error.lineno, error.offset + 1, expat.errors.messages[error.code]) from error


def broken(line: int, column: int, what: str) -> InvalidRequestError:
    """Return the error for XML that cannot be read at a position."""
    return InvalidRequestError(
        f"line {line}, column {column}: {what}", field="source", params={"line": line, "column": column}
    )


def parse(data: bytes, read: Callable[[Any], T]) -> T:
    """Parse a document that :func:`refuse_bombs` lets through, and return what ``read`` makes of its root.

    Raises:
        InvalidRequestError: The XML is broken or holds a forbidden entity.
    """
    from lxml import etree

    refuse_bombs(data)
    parser = etree.XMLParser(resolve_entities="internal", no_network=True, load_dtd=False, huge_tree=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise broken(line, column, error.msg or "not XML") from error
    return read(root)
