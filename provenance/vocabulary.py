"""The PROV vocabulary as one table: every kind of statement, its arguments and its spellings.

The table follows PROV-DM section 5. All formats are written and read from it, so that no format can know a
kind of statement that another does not.
"""

from __future__ import annotations

from dataclasses import dataclass

PROV = "http://www.w3.org/ns/prov#"
XSD = "http://www.w3.org/2001/XMLSchema#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"

BUILT_IN: dict[str, str] = {"prov": PROV, "xsd": XSD}
"""Prefixes that every PROV format takes as declared (PROV-N 3.7.1); no document may bind them otherwise."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Kind:
    """A kind of statement.

    Attributes:
        type: The PROV-O class, e.g. ``Generation``.
        keyword: The PROV-N keyword and PROV-JSON section, e.g. ``wasGeneratedBy``.
        arguments: Names of the formal arguments in PROV-N order, spelled as in PROV-DM.
        required: How many leading arguments must be given.
        element: True for entity, activity and agent, which must have an identifier.
        described: Whether it takes an identifier and attributes (PROV-DM gives four kinds neither).
    """

    type: str
    keyword: str
    arguments: tuple[str, ...]
    required: int = 1
    element: bool = False
    described: bool = True

    def __repr__(self) -> str:
        return f"<{self.keyword}>"


TIMES = frozenset({"time", "startTime", "endTime"})
"""The formal arguments that are times; all others are identifiers."""

ENTITY = Kind(type="Entity", keyword="entity", arguments=(), required=0, element=True)
ACTIVITY = Kind(type="Activity", keyword="activity", arguments=("startTime", "endTime"), required=0, element=True)
AGENT = Kind(type="Agent", keyword="agent", arguments=(), required=0, element=True)
GENERATION = Kind(type="Generation", keyword="wasGeneratedBy", arguments=("entity", "activity", "time"))
USAGE = Kind(type="Usage", keyword="used", arguments=("activity", "entity", "time"))
COMMUNICATION = Kind(type="Communication", keyword="wasInformedBy", arguments=("informed", "informant"), required=2)
START = Kind(type="Start", keyword="wasStartedBy", arguments=("activity", "trigger", "starter", "time"))
END = Kind(type="End", keyword="wasEndedBy", arguments=("activity", "trigger", "ender", "time"))
INVALIDATION = Kind(type="Invalidation", keyword="wasInvalidatedBy", arguments=("entity", "activity", "time"))
DERIVATION = Kind(
    type="Derivation",
    keyword="wasDerivedFrom",
    arguments=("generatedEntity", "usedEntity", "activity", "generation", "usage"),
    required=2,
)
ATTRIBUTION = Kind(type="Attribution", keyword="wasAttributedTo", arguments=("entity", "agent"), required=2)
ASSOCIATION = Kind(type="Association", keyword="wasAssociatedWith", arguments=("activity", "agent", "plan"))
DELEGATION = Kind(
    type="Delegation", keyword="actedOnBehalfOf", arguments=("delegate", "responsible", "activity"), required=2
)
INFLUENCE = Kind(type="Influence", keyword="wasInfluencedBy", arguments=("influencee", "influencer"), required=2)
ALTERNATE = Kind(
    type="Alternate",
    keyword="alternateOf",
    arguments=("alternate1", "alternate2"),
    required=2,
    described=False,
)
SPECIALIZATION = Kind(
    type="Specialization",
    keyword="specializationOf",
    arguments=("specificEntity", "generalEntity"),
    required=2,
    described=False,
)
MEMBERSHIP = Kind(
    type="Membership", keyword="hadMember", arguments=("collection", "entity"), required=2, described=False
)
MENTION = Kind(
    type="Mention",
    keyword="mentionOf",
    arguments=("specificEntity", "generalEntity", "bundle"),
    required=3,
    described=False,
)

KINDS: tuple[Kind, ...] = (
    ENTITY,
    ACTIVITY,
    AGENT,
    GENERATION,
    USAGE,
    COMMUNICATION,
    START,
    END,
    INVALIDATION,
    DERIVATION,
    ATTRIBUTION,
    ASSOCIATION,
    DELEGATION,
    INFLUENCE,
    SPECIALIZATION,
    ALTERNATE,
    MEMBERSHIP,
    MENTION,
)
"""All kinds, in the order in which writers group them."""

BY_KEYWORD: dict[str, Kind] = {kind.keyword: kind for kind in KINDS}
BY_TYPE: dict[str, Kind] = {kind.type: kind for kind in KINDS}

LABEL, LOCATION, ROLE, TYPE, VALUE = (PROV + name for name in ("label", "location", "role", "type", "value"))
RESERVED: frozenset[str] = frozenset({LABEL, LOCATION, ROLE, TYPE, VALUE})
"""The attributes that PROV-DM defines (section 5.7.2); no other attribute may be in the PROV namespace."""

PLAN = PROV + "Plan"
BUNDLE = PROV + "Bundle"
COLLECTION = PROV + "Collection"
PERSON = PROV + "Person"
ORGANIZATION = PROV + "Organization"
SOFTWARE_AGENT = PROV + "SoftwareAgent"
REVISION = PROV + "Revision"
QUOTATION = PROV + "Quotation"
PRIMARY_SOURCE = PROV + "PrimarySource"

XSD_STRING = XSD + "string"
XSD_BOOLEAN = XSD + "boolean"
XSD_INT = XSD + "int"
XSD_LONG = XSD + "long"
XSD_INTEGER = XSD + "integer"
XSD_DOUBLE = XSD + "double"
XSD_DATETIME = XSD + "dateTime"
XSD_ANYURI = XSD + "anyURI"
LANGUAGE_STRING = PROV + "InternationalizedString"
NAME_TYPES: frozenset[str] = frozenset({XSD + "QName", PROV + "QUALIFIED_NAME"})
"""Datatypes whose values are names; such a value is an identifier in the model, never a literal."""
