"""The JSON-LD context of our records (JSON-LD 1.1): what every member means, as an IRI.

A record with this context is RDF: ``id`` and ``type`` name it, members that hold IRIs become links, values keep
number, unit and term. Members that no standard has are in our own namespace; whatever the context does not
name is in it too, by ``@vocab``, so that nothing of a record is lost.
"""

from __future__ import annotations

from typing import Any, Final

from ontology.curies import NAMESPACES
from ontology.namespaces import PREFIXES
from ontology.wire import NAMES

DATACITE: Final = "http://datacite.org/schema/kernel-4/"
"""Namespace of the DataCite names; the kernel itself has no RDF form of its own."""

_LINKS: Final[dict[str, str]] = {
    "agent": "prov:agent",
    "conforms_to": NAMES["conforms_to"],
    "current": "dcat:hasCurrentVersion",
    "dataset": NAMES["is_part_of"],
    "participant": "prov:wasDerivedFrom",
    "part_of": NAMES["is_part_of"],
    "pipeline": "prov:specializationOf",
    "replaced_by": "dcterms:isReplacedBy",
    "subject": "dcterms:subject",
    "term": "schema:valueReference",
}
_TEXTS: Final[dict[str, str]] = {
    "label": "rdfs:label",
    "title": NAMES["title"],
    "description": NAMES["description"],
    "keywords": NAMES["keyword"],
    "license": NAMES["license"],
    "access_rights": NAMES["access_rights"],
    "bids_version": NAMES["bids_version"],
    "dataset_type": NAMES["dataset_type"],
    "source_datasets": NAMES["source_datasets"],
    "generated_by": NAMES["generated_by"],
    "doi": "schema:identifier",
    "name": "schema:name",
    "semver": "schema:softwareVersion",
    "version": NAMES["version"],
    "path": "schema:contentUrl",
    "size": NAMES["byte_size"],
    "media_type": NAMES["media_type"],
    "sha256": "spdx:checksumValue",
    "suffix": "sillage:suffix",
    "datatype": "sillage:datatype",
    "value": "schema:value",
    "original": "sillage:original",
    "unit": "schema:unitCode",
    "source": "sillage:source",
    "session": "sillage:session",
    "count": "sillage:count",
    "query": "sillage:query",
}
_TIMES: Final[dict[str, str]] = {
    "created": "dcterms:created",
    "modified": NAMES["modified"],
    "issued": NAMES["issued"],
    "expires": "dcterms:valid",
    "started": NAMES["started_at_time"],
    "ended": NAMES["ended_at_time"],
}
_TYPES: Final[dict[str, str]] = {
    "Agent": "prov:Agent",
    "Catalog": "dcat:Catalog",
    "Cohort": "prov:Collection",
    "Dataset": "dcat:Dataset",
    "DatasetVersion": "dcat:Dataset",
    "Entity": "prov:Entity",
    "File": "prov:Entity",
    "PipelineVersion": "prov:Plan",
    "Software": "schema:SoftwareApplication",
    "Split": "prov:Collection",
    "Task": "prov:Activity",
    "Vocabulary": "skos:ConceptScheme",
}


def record_context() -> dict[str, Any]:
    """Return the context, ready to stand under ``@context`` of a record."""
    prefixes = {**PREFIXES, "datacite": DATACITE, **{p: NAMESPACES[p] for p in ("nidm", "bids-suffix")}}
    context: dict[str, Any] = {
        "@version": 1.1,
        "@vocab": PREFIXES["sillage"],
        "id": "@id",
        "type": "@type",
        **{prefix: {"@id": namespace, "@prefix": True} for prefix, namespace in sorted(prefixes.items())},
    }
    context |= {name: {"@id": curie, "@type": "@id"} for name, curie in _LINKS.items()}
    context |= {name: {"@id": curie} for name, curie in _TEXTS.items()}
    context |= {name: {"@id": curie, "@type": "xsd:dateTime"} for name, curie in _TIMES.items()}
    context |= _TYPES
    context["files"] = {"@id": NAMES["distribution"]}
    context["members"] = {"@id": NAMES["had_member"]}
    context["properties"] = {"@id": "sillage:properties", "@context": {"@vocab": PREFIXES["sillage"] + "property:"}}
    context["metadata"] = {"@id": "sillage:metadata", "@type": "@json"}
    context["descriptor"] = {"@id": "sillage:descriptor", "@type": "@json"}
    return context
