"""The terms of PROV-JSONLD, made from the PROV-O table: no copy of the context is kept, and none is fetched."""

from __future__ import annotations

import re
from typing import Any

from ontology.namespaces import PREFIXES
from provenance import vocabulary as v
from provenance.formats.prov_o import ATTRIBUTES, RELATIONS
from provenance.vocabulary import PROV, RDF, RDFS, TIMES, XSD, Kind

URLS = frozenset({"https://openprovenance.org/prov-jsonld/context.jsonld"})
"""Addresses under which the submission's context is known."""

_EXTENSION = "https://openprovenance.org/ns/provext#"
GENERAL_DELIMITER = re.compile(r"[:/?#\[\]@]")
"""Characters after which JSON-LD 1.1 lets a plain prefix end (section 4.1.5)."""

PLAIN_TERMS: dict[str, str] = {
    v.ROLE: "role",
    v.TYPE: "type",
    v.LABEL: "label",
    v.LOCATION: "location",
    v.VALUE: "value",
}
"""The attributes of PROV-DM and their short terms."""
ID_TERMS: frozenset[str] = frozenset({v.ROLE, v.TYPE, v.LOCATION})
"""Attributes whose plain values are names."""


def _short(iri: str) -> str:
    for prefix, namespace in (("prov", PROV), ("rdf", RDF), ("rdfs", RDFS)):
        if iri.startswith(namespace):
            return f"{prefix}:{iri.removeprefix(namespace)}"
    return iri


def _reference(property_: str) -> dict[str, str]:
    return {"@id": _short(property_), "@type": "@id"}


def _qualified(kind: Kind) -> dict[str, Any]:
    """Return the term of a relation that PROV-O qualifies: the first argument points at the node."""
    mapping = RELATIONS[kind]
    scoped: dict[str, Any] = {
        kind.arguments[0]: {"@reverse": _short(str(mapping.qualified)), "@type": "@id"},
    }
    for name, property_ in zip(kind.arguments[1:], mapping.properties, strict=True):
        if name in TIMES:
            scoped[name] = {"@id": _short(property_), "@type": "xsd:dateTime"}
        else:
            scoped[name] = _reference(property_)
    return {"@id": f"prov:{kind.type}", "@context": scoped}


def _extended(kind: Kind, namespace: str, properties: tuple[str, ...]) -> dict[str, Any]:
    """Return the term of a relation that PROV-O does not qualify."""
    scoped: dict[str, Any] = {kind.arguments[0]: {"@reverse": f"{namespace}qualified{kind.type}", "@type": "@id"}}
    for name, property_ in zip(kind.arguments[1:], properties, strict=True):
        scoped[name] = {"@id": namespace + property_, "@type": "@id"}
    return {"@id": namespace + kind.type, "@context": scoped}


def _context() -> dict[str, Any]:
    times = {
        name: {"@id": f"prov:{property_}", "@type": "xsd:dateTime"}
        for name, property_ in (("startTime", "startedAtTime"), ("endTime", "endedAtTime"))
    }
    context: dict[str, Any] = {
        "@version": 1.1,
        "prov": PROV,
        "provext": _EXTENSION,
        "xsd": XSD,
        "rdfs": RDFS,
        "rdf": RDF,
        "entity": _reference(PROV + "entity"),
        "activity": _reference(PROV + "activity"),
        "agent": _reference(PROV + "agent"),
        "Entity": {"@id": "prov:Entity", "@context": {"value": {"@id": "prov:value"}}},
        "Activity": {"@id": "prov:Activity", "@context": times},
        "Agent": {"@id": "prov:Agent", "@context": {}},
        "Specialization": _extended(v.SPECIALIZATION, "provext:", ("generalEntity",)),
        "Alternate": _extended(v.ALTERNATE, "provext:", ("alternate",)),
        "Membership": _extended(v.MEMBERSHIP, "provext:", ("member",)),
        "Mention": _extended(v.MENTION, PREFIXES["sillage"], ("generalEntity", "bundle")),
    }
    for name in (v.ROLE, v.TYPE, v.LOCATION):
        context[PLAIN_TERMS[name]] = _reference(ATTRIBUTES[name])
    context["label"] = {"@id": "rdfs:label"}
    for kind, mapping in RELATIONS.items():
        if mapping.qualified is not None:
            context[kind.type] = _qualified(kind)
    return context


CONTEXT: dict[str, Any] = _context()
TERMS: frozenset[str] = frozenset(
    [term for term in CONTEXT if not term.startswith("@")]
    + [name for kind in v.KINDS for name in kind.arguments]
    + ["value", "Bundle"]
)
"""Words that mean something in a document under this context, and so cannot be prefixes."""
