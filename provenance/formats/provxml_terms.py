"""The elements of PROV-XML that say a kind of statement and a type at once (PROV-XML, section 3)."""

from __future__ import annotations

from provenance import vocabulary as v
from provenance.vocabulary import BY_KEYWORD, Kind

EMPTY_COLLECTION = v.PROV + "EmptyCollection"

_SPECIAL: dict[str, tuple[Kind, str]] = {
    "person": (v.AGENT, v.PERSON),
    "organization": (v.AGENT, v.ORGANIZATION),
    "softwareAgent": (v.AGENT, v.SOFTWARE_AGENT),
    "bundle": (v.ENTITY, v.BUNDLE),
    "collection": (v.ENTITY, v.COLLECTION),
    "emptyCollection": (v.ENTITY, EMPTY_COLLECTION),
    "plan": (v.ENTITY, v.PLAN),
    "wasRevisionOf": (v.DERIVATION, v.REVISION),
    "wasQuotedFrom": (v.DERIVATION, v.QUOTATION),
    "hadPrimarySource": (v.DERIVATION, v.PRIMARY_SOURCE),
}

ELEMENT_OF: dict[tuple[Kind, str], str] = {said: element for element, said in _SPECIAL.items()}
"""The special element for a kind and one of its types."""

ELEMENTS: dict[str, tuple[Kind, str | None]] = {
    **{keyword: (kind, None) for keyword, kind in BY_KEYWORD.items()},
    **_SPECIAL,
}
"""What each element states: a kind of statement, and the type that comes with it."""
