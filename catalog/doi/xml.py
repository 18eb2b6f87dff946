"""Writes DataCite metadata as XML of kernel 4.7: the same input always gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lxml import etree

from catalog.doi.controlled import SCHEMA

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_LOCATION = f"{SCHEMA} https://schema.datacite.org/meta/kernel-4.7/metadata.xsd"

Attributes = Iterable[tuple[str, str]]
"""Pairs of XML attribute and JSON member, in the order in which they are written."""


def datacite_xml(metadata: Mapping[str, Any]) -> bytes:
    """Return DataCite JSON as an XML document in UTF-8 (Metadata Schema 4.7, XML)."""
    root = etree.Element(f"{{{SCHEMA}}}resource", nsmap={None: SCHEMA, "xsi": _XSI})
    root.set(f"{{{_XSI}}}schemaLocation", _LOCATION)
    _add(root, "identifier", metadata["doi"], {"identifierType": "DOI"})
    _add_creators(root, metadata["creators"])
    _add_list(root, "titles", "title", metadata["titles"], "title", [("titleType", "titleType")])
    _add_publisher(root, metadata["publisher"])
    _add(root, "publicationYear", str(metadata["publicationYear"]))
    types = metadata["types"]
    _add(root, "resourceType", types.get("resourceType"), {"resourceTypeGeneral": types["resourceTypeGeneral"]})
    for outer, inner, member, attributes in _LISTS:
        _add_list(root, outer, inner, metadata.get(outer), member, attributes)
    for outer, inner in (("sizes", "size"), ("formats", "format")):
        _add_list(root, outer, inner, [{"text": text} for text in metadata.get(outer) or []], "text", [])
    for name in ("language", "version"):
        if metadata.get(name):
            _add(root, name, str(metadata[name]))
    etree.indent(root)
    document: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return document + b"\n"


_LISTS: tuple[tuple[str, str, str, Attributes], ...] = (
    (
        "subjects",
        "subject",
        "subject",
        (("subjectScheme", "subjectScheme"), ("schemeURI", "schemeUri"), ("valueURI", "valueUri")),
    ),
    ("dates", "date", "date", (("dateType", "dateType"), ("dateInformation", "dateInformation"))),
    (
        "alternateIdentifiers",
        "alternateIdentifier",
        "alternateIdentifier",
        (("alternateIdentifierType", "alternateIdentifierType"),),
    ),
    (
        "relatedIdentifiers",
        "relatedIdentifier",
        "relatedIdentifier",
        (
            ("relatedIdentifierType", "relatedIdentifierType"),
            ("relationType", "relationType"),
            ("relationTypeInformation", "relationTypeInformation"),
            ("resourceTypeGeneral", "resourceTypeGeneral"),
        ),
    ),
    (
        "rightsList",
        "rights",
        "rights",
        (
            ("rightsURI", "rightsUri"),
            ("rightsIdentifier", "rightsIdentifier"),
            ("rightsIdentifierScheme", "rightsIdentifierScheme"),
            ("schemeURI", "schemeUri"),
        ),
    ),
    ("descriptions", "description", "description", (("descriptionType", "descriptionType"),)),
)


def _add_creators(root: Any, creators: Iterable[Mapping[str, Any]]) -> None:
    outer = _add(root, "creators")
    for creator in creators:
        inner = _add(outer, "creator")
        _add(inner, "creatorName", creator["name"], _picked(creator, [("nameType", "nameType")]))
        for name in ("givenName", "familyName"):
            if creator.get(name):
                _add(inner, name, creator[name])
        for item in creator.get("nameIdentifiers") or []:
            pairs = [("nameIdentifierScheme", "nameIdentifierScheme"), ("schemeURI", "schemeUri")]
            _add(inner, "nameIdentifier", item["nameIdentifier"], _picked(item, pairs))
        for item in creator.get("affiliation") or []:
            _add(inner, "affiliation", item["name"])


def _add_publisher(root: Any, publisher: Any) -> None:
    given = publisher if isinstance(publisher, Mapping) else {"name": publisher}
    pairs = [
        ("publisherIdentifier", "publisherIdentifier"),
        ("publisherIdentifierScheme", "publisherIdentifierScheme"),
        ("schemeURI", "schemeUri"),
    ]
    _add(root, "publisher", given["name"], _picked(given, pairs))


def _add_list(
    root: Any, outer: str, inner: str, items: Iterable[Mapping[str, Any]] | None, member: str, attributes: Attributes
) -> None:
    if not items:
        return
    parent = _add(root, outer)
    for item in items:
        _add(parent, inner, item.get(member), _picked(item, attributes))


def _picked(item: Mapping[str, Any], attributes: Attributes) -> dict[str, str]:
    return {name: str(item[member]) for name, member in attributes if item.get(member)}


def _add(parent: Any, name: str, text: str | None = None, attributes: Mapping[str, str] | None = None) -> Any:
    element = etree.SubElement(parent, f"{{{SCHEMA}}}{name}", dict(attributes or {}))
    element.text = text
    return element
