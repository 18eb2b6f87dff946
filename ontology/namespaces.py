"""Namespaces: the prefixes that Sillage writes and reads, and the predicates that its edges use."""

from __future__ import annotations

PREFIXES: dict[str, str] = {
    "bids": "https://bids-specification.readthedocs.io/schema/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcterms": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "owl": "http://www.w3.org/2002/07/owl#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "http://schema.org/",
    "sillage": "urn:sillage:vocabulary:",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "wfprov": "http://purl.org/wf4ever/wfprov#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}

USED = "prov:used"
GENERATED_BY = "prov:wasGeneratedBy"
DERIVED_FROM = "prov:wasDerivedFrom"
INFORMED_BY = "prov:wasInformedBy"
ASSOCIATED_WITH = "prov:wasAssociatedWith"
ATTRIBUTED_TO = "prov:wasAttributedTo"
ACTED_ON_BEHALF_OF = "prov:actedOnBehalfOf"
INFLUENCED_BY = "prov:wasInfluencedBy"
HAD_PLAN = "prov:hadPlan"
HAD_MEMBER = "prov:hadMember"
SPECIALIZATION_OF = "prov:specializationOf"
PART_OF = "dcterms:isPartOf"
PART_OF_RUN = "wfprov:wasPartOfWorkflowRun"
CONFORMS_TO = "dcterms:conformsTo"
IDENTIFIES = "dcterms:subject"

LINEAGE: frozenset[str] = frozenset(
    {USED, GENERATED_BY, DERIVED_FROM, INFORMED_BY, HAD_PLAN, HAD_MEMBER, SPECIALIZATION_OF, PART_OF}
)
"""Edges along which a result rests on something: source depends on target, and never the other way round."""
