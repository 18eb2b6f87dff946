"""PROV documents as bytes and back: one registry of formats.

``write`` and ``read`` are each other's inverse for every format, within the limits that
``docs/reference/conformance.md`` lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ontology.errors import InvalidRequestError, NotAcceptableError
from provenance.collector import paused_collector
from provenance.formats import jsonld, provjson, provn, provxml, turtle
from provenance.model import ProvDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A way to write PROV.

    Attributes:
        name: What a person types.
        title: The standard's name.
        media_types: The media type that is served, then others that mean the same.
        extension: File name extension, with the dot.
        supports_bundles: Whether bundles can be said.
    """

    name: str
    title: str
    media_types: tuple[str, ...]
    extension: str
    writer: Callable[[ProvDocument], bytes]
    reader: Callable[[bytes], ProvDocument]
    supports_bundles: bool = True

    @property
    def media_type(self) -> str:
        """The media type that is served."""
        return self.media_types[0]


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format(
            name="json",
            title="PROV-JSON",
            media_types=("application/json", "application/prov+json"),
            extension=".provjson",
            writer=provjson.write,
            reader=provjson.read,
        ),
        Format(
            name="n",
            title="PROV-N",
            media_types=("text/provenance-notation",),
            extension=".provn",
            writer=provn.write,
            reader=provn.read,
        ),
        Format(
            name="turtle",
            title="PROV-O in Turtle",
            media_types=("text/turtle", "application/x-turtle"),
            extension=".ttl",
            writer=turtle.write_turtle,
            reader=turtle.read,
            supports_bundles=False,
        ),
        Format(
            name="trig",
            title="PROV-O in TriG",
            media_types=("application/trig", "application/x-trig"),
            extension=".trig",
            writer=turtle.write_trig,
            reader=turtle.read,
        ),
        Format(
            name="jsonld",
            title="PROV-JSONLD",
            media_types=("application/ld+json",),
            extension=".jsonld",
            writer=jsonld.write,
            reader=jsonld.read,
        ),
        Format(
            name="xml",
            title="PROV-XML",
            media_types=("application/provenance+xml", "application/xml", "text/xml"),
            extension=".provx",
            writer=provxml.write,
            reader=provxml.read,
        ),
    )
}
"""The formats by name."""

_ALIASES = {
    "provjson": "json",
    "prov-json": "json",
    "provn": "n",
    "prov-n": "n",
    "provx": "xml",
    "prov-xml": "xml",
    "ttl": "turtle",
    "json-ld": "jsonld",
}


def find_format(name: str) -> Format:
    """Return a format by its name, an alias, a media type (parameters ignored) or a file extension.

    Raises:
        NotAcceptableError: PROV is not written in such a format here; ``params['formats']`` lists those that are.
    """
    key = name.partition(";")[0].strip().lower()
    key = _ALIASES.get(key.removeprefix("."), key)
    for one in FORMATS.values():
        if key in (one.name, one.extension, *one.media_types):
            return one
    raise NotAcceptableError(
        f"PROV is not written as {name!r} here",
        field="format",
        next_step=f"Ask for one of: {', '.join(FORMATS)}.",
        params={"formats": list(FORMATS)},
    )


def write(document: ProvDocument, format: str) -> bytes:
    """Return a document in a format.

    Raises:
        NotAcceptableError: No such format, or the format cannot say what the document does.
    """
    writer = find_format(format).writer
    with paused_collector():
        return writer(document)


def read(data: bytes, format: str) -> ProvDocument:
    """Return the document that ``data`` says.

    Raises:
        NotAcceptableError: No such format.
        InvalidRequestError: The data are not in that format, or say what PROV-DM does not allow.
    """
    if not isinstance(data, bytes):
        raise InvalidRequestError("a PROV document is read from bytes")
    reader = find_format(format).reader
    with paused_collector():
        return reader(data)
