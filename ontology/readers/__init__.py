"""Readers of vocabularies: OBO, OWL in RDF/XML and OWL/XML, Turtle with OWL or SKOS; chosen by content."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module

from ontology.errors import InvalidRequestError, UnsupportedMediaTypeError
from ontology.readers.vocabulary import Vocabulary

_MODULES = {
    "obo": "ontology.readers.obo",
    "rdf-xml": "ontology.readers.owl_rdf",
    "owl-xml": "ontology.readers.owl_xml",
    "turtle": "ontology.readers.skos",
}
FORMATS = tuple(_MODULES)
_ALIASES = {"ttl": "turtle", "skos": "turtle", "owl": "rdf-xml", "rdf": "rdf-xml", "owx": "owl-xml", "xml": "rdf-xml"}
_OBO_START = re.compile(r"\s*(?:!.*\s+)*(?:format-version|data-version|ontology|\[Term\])", re.MULTILINE)
_TURTLE_START = re.compile(r"\s*(?:#.*\s+)*(?:@prefix|@base|PREFIX\s|BASE\s|<[^>\s]*>\s|\[)", re.IGNORECASE)


def read_vocabulary(data: bytes, *, name: str, format: str | None = None) -> Vocabulary:
    """Read a vocabulary.

    Args:
        data: The whole source.
        name: What to call it if the source does not say (the file's stem).
        format: One of :data:`FORMATS`; None to tell from the content.

    Raises:
        UnsupportedMediaTypeError: The format is not one of ours, or cannot be told.
        InvalidRequestError: The source is broken; the detail gives the position.
    """
    chosen = _ALIASES.get(format, format) if format else sniff(data)
    if chosen not in _MODULES:
        raise UnsupportedMediaTypeError(
            f"{format or name!r} is not a vocabulary format that is read here",
            field="format",
            next_step=f"Give one of {', '.join(FORMATS)}.",
        )
    read: Callable[..., Vocabulary] = import_module(_MODULES[chosen]).read
    vocabulary = read(data, name=name)
    if not vocabulary.definitions:
        raise InvalidRequestError(
            f"{vocabulary.name!r} was read as {chosen} and defines no term",
            field="source",
            next_step="Check that this is the right file, or give its format.",
        )
    return vocabulary


def sniff(data: bytes) -> str | None:
    """Tell the format of a vocabulary from its first bytes; None when it is none of ours."""
    head = data[:65536].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    if head.lstrip().startswith("<") and not _TURTLE_START.match(head):
        if re.search(r"<(?:[\w.-]+:)?RDF[\s>]", head):
            return "rdf-xml"
        if re.search(r"<(?:[\w.-]+:)?Ontology[\s>]", head):
            return "owl-xml"
        return None
    if _OBO_START.match(head):
        return "obo"
    return "turtle" if _TURTLE_START.match(head) else None
