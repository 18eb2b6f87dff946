"""Names on the wire: Python's snake_case against the spelling of the standard that a member comes from.

Records and Python use snake_case; exports (DCAT, PROV, DataCite, BIDS) use the standard's own spelling. This
is the one table between them, and the one statement of which relation of one standard answers to which of
another, with what is lost on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

NAMES: Final[dict[str, str]] = {
    # DCAT 3 with the DCMI terms and SPDX
    "access_rights": "dcterms:accessRights",
    "access_url": "dcat:accessURL",
    "byte_size": "dcat:byteSize",
    "checksum": "spdx:checksum",
    "conforms_to": "dcterms:conformsTo",
    "contact_point": "dcat:contactPoint",
    "contributor": "dcterms:contributor",
    "creator": "dcterms:creator",
    "data_service": "dcat:DataService",
    "dataset_series": "dcat:DatasetSeries",
    "description": "dcterms:description",
    "distribution": "dcat:distribution",
    "download_url": "dcat:downloadURL",
    "has_version": "dcat:hasVersion",
    "identifier": "dcterms:identifier",
    "in_series": "dcat:inSeries",
    "is_part_of": "dcterms:isPartOf",
    "is_version_of": "dcat:isVersionOf",
    "issued": "dcterms:issued",
    "keyword": "dcat:keyword",
    "landing_page": "dcat:landingPage",
    "language": "dcterms:language",
    "license": "dcterms:license",
    "media_type": "dcat:mediaType",
    "modified": "dcterms:modified",
    "previous_version": "dcat:previousVersion",
    "publisher": "dcterms:publisher",
    "title": "dcterms:title",
    "version": "dcat:version",
    # PROV-DM, PROV-O
    "acted_on_behalf_of": "prov:actedOnBehalfOf",
    "alternate_of": "prov:alternateOf",
    "at_location": "prov:atLocation",
    "at_time": "prov:atTime",
    "ended_at_time": "prov:endedAtTime",
    "generated_at_time": "prov:generatedAtTime",
    "had_member": "prov:hadMember",
    "had_plan": "prov:hadPlan",
    "had_primary_source": "prov:hadPrimarySource",
    "had_role": "prov:hadRole",
    "invalidated_at_time": "prov:invalidatedAtTime",
    "specialization_of": "prov:specializationOf",
    "started_at_time": "prov:startedAtTime",
    "used": "prov:used",
    "was_associated_with": "prov:wasAssociatedWith",
    "was_attributed_to": "prov:wasAttributedTo",
    "was_derived_from": "prov:wasDerivedFrom",
    "was_ended_by": "prov:wasEndedBy",
    "was_generated_by": "prov:wasGeneratedBy",
    "was_influenced_by": "prov:wasInfluencedBy",
    "was_informed_by": "prov:wasInformedBy",
    "was_invalidated_by": "prov:wasInvalidatedBy",
    "was_quoted_from": "prov:wasQuotedFrom",
    "was_revision_of": "prov:wasRevisionOf",
    "was_started_by": "prov:wasStartedBy",
    # DataCite 4.7
    "affiliation": "datacite:affiliation",
    "alternate_identifier": "datacite:alternateIdentifier",
    "funding_reference": "datacite:fundingReference",
    "name_identifier": "datacite:nameIdentifier",
    "publication_year": "datacite:publicationYear",
    "related_identifier": "datacite:relatedIdentifier",
    "related_item": "datacite:relatedItem",
    "resource_type": "datacite:resourceType",
    "resource_type_general": "datacite:resourceTypeGeneral",
    "rights_list": "datacite:rightsList",
    # BIDS 1.11
    "acknowledgements": "bids:Acknowledgements",
    "authors": "bids:Authors",
    "bids_version": "bids:BIDSVersion",
    "dataset_doi": "bids:DatasetDOI",
    "dataset_links": "bids:DatasetLinks",
    "dataset_type": "bids:DatasetType",
    "ethics_approvals": "bids:EthicsApprovals",
    "funding": "bids:Funding",
    "generated_by": "bids:GeneratedBy",
    "hed_version": "bids:HEDVersion",
    "how_to_acknowledge": "bids:HowToAcknowledge",
    "name": "bids:Name",
    "references_and_links": "bids:ReferencesAndLinks",
    "source_datasets": "bids:SourceDatasets",
}
"""Python name to CURIE; the part behind the prefix is the standard's own spelling."""


def to_wire(name: str) -> str:
    """Return the standard's spelling of a Python name; a name that no standard has is returned as it is."""
    return NAMES[name].partition(":")[2] if name in NAMES else name


def from_wire(spelling: str) -> str:
    """Return the Python name of a standard's spelling, with or without its prefix; others as they are."""
    return _by_spelling().get(spelling, spelling)


@cache
def _by_spelling() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, curie in NAMES.items():
        found[curie] = name
        found.setdefault(curie.partition(":")[2], name)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondence:
    """One relation as three standards know it; a standard that has no such relation gives None.

    Attributes:
        prov: PROV-O property.
        datacite: DataCite 4.7 ``relationType``.
        bids: Member of ``dataset_description.json`` (BIDS 1.11).
        lost: What of the PROV statement the others cannot say.
    """

    prov: str
    datacite: str | None
    bids: str | None
    lost: str


RELATIONS: Final[tuple[Correspondence, ...]] = (
    Correspondence(
        prov="prov:wasDerivedFrom",
        datacite="IsDerivedFrom",
        bids="SourceDatasets",
        lost="DataCite and BIDS relate whole datasets, not files; neither names the activity in between.",
    ),
    Correspondence(
        prov="prov:wasRevisionOf",
        datacite="IsNewVersionOf",
        bids=None,
        lost="BIDS tells versions in CHANGES, in prose.",
    ),
    Correspondence(
        prov="prov:specializationOf",
        datacite="IsVersionOf",
        bids=None,
        lost="DataCite means a version of one work; PROV any more specific view of one thing.",
    ),
    Correspondence(
        prov="prov:wasGeneratedBy",
        datacite="IsCompiledBy",
        bids="GeneratedBy",
        lost="BIDS names the software, not the run: no start, no end, no inputs, no agent. DataCite names a resource.",
    ),
    Correspondence(
        prov="prov:hadMember",
        datacite="HasPart",
        bids=None,
        lost="DataCite relates what has an identifier of its own; a file seldom does.",
    ),
    Correspondence(
        prov="prov:wasAttributedTo",
        datacite=None,
        bids="Authors",
        lost="DataCite says it with creators and contributors instead of a relation; BIDS has names without roles.",
    ),
    Correspondence(
        prov="prov:hadPrimarySource",
        datacite="IsDerivedFrom",
        bids="SourceDatasets",
        lost="Neither tells a primary source from any other.",
    ),
    Correspondence(
        prov="prov:wasQuotedFrom",
        datacite="References",
        bids="ReferencesAndLinks",
        lost="Neither says what part was taken over.",
    ),
    Correspondence(
        prov="prov:alternateOf",
        datacite="IsVariantFormOf",
        bids=None,
        lost="DataCite's variant has other content or packaging; PROV's alternate is the same thing seen otherwise.",
    ),
)
"""Which relation answers to which, and what is lost."""


def to_datacite(predicate: str) -> str | None:
    """Return the DataCite ``relationType`` (4.7, appendix 1) for a PROV predicate; None where there is none."""
    return next((r.datacite for r in RELATIONS if r.prov == predicate), None)


def to_bids(predicate: str) -> str | None:
    """Return the BIDS member for a PROV predicate; None where there is none."""
    return next((r.bids for r in RELATIONS if r.prov == predicate), None)
