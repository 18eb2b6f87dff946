"""PROV-O (W3C Recommendation of 30 April 2013): how each kind of statement is said in RDF."""

from __future__ import annotations

from dataclasses import dataclass

from provenance import vocabulary as v
from provenance.vocabulary import PROV, RDF, RDFS, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """How a relation is said in RDF.

    Attributes:
        binary: Property from the first argument to the second.
        qualified: Property from the first argument to a node that stands for the relation (PROV-O 3.3); None
            for relations that PROV-O does not qualify.
        properties: Properties of that node for the second and later arguments.
    """

    binary: str
    qualified: str | None = None
    properties: tuple[str, ...] = ()


def _relation(kind: Kind, *properties: str) -> Mapping:
    qualified = f"{PROV}qualified{kind.type}"
    return Mapping(
        binary=PROV + kind.keyword, qualified=qualified, properties=tuple(PROV + name for name in properties)
    )


RELATIONS: dict[Kind, Mapping] = {
    v.GENERATION: _relation(v.GENERATION, "activity", "atTime"),
    v.USAGE: _relation(v.USAGE, "entity", "atTime"),
    v.COMMUNICATION: _relation(v.COMMUNICATION, "activity"),
    v.START: _relation(v.START, "entity", "hadActivity", "atTime"),
    v.END: _relation(v.END, "entity", "hadActivity", "atTime"),
    v.INVALIDATION: _relation(v.INVALIDATION, "activity", "atTime"),
    v.DERIVATION: _relation(v.DERIVATION, "entity", "hadActivity", "hadGeneration", "hadUsage"),
    v.ATTRIBUTION: _relation(v.ATTRIBUTION, "agent"),
    v.ASSOCIATION: _relation(v.ASSOCIATION, "agent", "hadPlan"),
    v.DELEGATION: _relation(v.DELEGATION, "agent", "hadActivity"),
    v.INFLUENCE: _relation(v.INFLUENCE, "influencer"),
    v.SPECIALIZATION: Mapping(binary=PROV + "specializationOf"),
    v.ALTERNATE: Mapping(binary=PROV + "alternateOf"),
    v.MEMBERSHIP: Mapping(binary=PROV + "hadMember"),
    v.MENTION: Mapping(binary=PROV + "mentionOf"),
}

SUBTYPES: dict[str, tuple[str, str]] = {
    v.REVISION: (PROV + "wasRevisionOf", PROV + "qualifiedRevision"),
    v.QUOTATION: (PROV + "wasQuotedFrom", PROV + "qualifiedQuotation"),
    v.PRIMARY_SOURCE: (PROV + "hadPrimarySource", PROV + "qualifiedPrimarySource"),
}
"""The kinds of derivation that have properties of their own: class, binary and qualified property."""

ELEMENT_TIMES = {"startTime": PROV + "startedAtTime", "endTime": PROV + "endedAtTime"}
AS_IN_BUNDLE = PROV + "asInBundle"

ATTRIBUTES: dict[str, str] = {
    v.LABEL: RDFS + "label",
    v.TYPE: RDF + "type",
    v.LOCATION: PROV + "atLocation",
    v.ROLE: PROV + "hadRole",
    v.VALUE: v.VALUE,
}
"""The attributes that PROV-DM defines, as properties."""

ELEMENT_CLASSES: dict[str, Kind] = {
    PROV + "Entity": v.ENTITY,
    PROV + "Activity": v.ACTIVITY,
    PROV + "Agent": v.AGENT,
    v.PLAN: v.ENTITY,
    v.BUNDLE: v.ENTITY,
    v.COLLECTION: v.ENTITY,
    PROV + "EmptyCollection": v.ENTITY,
    v.PERSON: v.AGENT,
    v.ORGANIZATION: v.AGENT,
    v.SOFTWARE_AGENT: v.AGENT,
}
"""Classes whose members are elements, with the kind of element; the first three are the kinds themselves."""

INVERSES: dict[str, str] = {
    PROV + "generated": PROV + "wasGeneratedBy",
    PROV + "invalidated": PROV + "wasInvalidatedBy",
    PROV + "influenced": PROV + "wasInfluencedBy",
}
INSTANTS: dict[str, Kind] = {PROV + "generatedAtTime": v.GENERATION, PROV + "invalidatedAtTime": v.INVALIDATION}
"""Short cuts of PROV-O from an entity to the time of a relation without an activity."""
