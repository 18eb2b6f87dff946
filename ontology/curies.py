"""Compact identifiers: IRI to CURIE and back, and the forms under which one term is known in several places.

A term has one IRI here. Other people's IRIs for the same term (``https`` for ``http``, the NCI's own form of
an NCIt code, identifiers.org) are brought to it by :func:`canonical_iri`, prefixes of cross-references
(``SNOMEDCT_US_2016_03_01``, ``UMLS_CUI``, ``MSH``) to one spelling by :func:`reference_key`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from ontology.namespaces import PREFIXES

OBO: Final = "http://purl.obolibrary.org/obo/"
BIDS_GLOSSARY: Final = "https://bids-specification.readthedocs.io/en/stable/glossary.html#objects."

NAMESPACES: Final[dict[str, str]] = {
    **PREFIXES,
    "bids-suffix": BIDS_GLOSSARY + "suffixes.",
    "bids-datatype": BIDS_GLOSSARY + "datatypes.",
    "COGAT": "https://www.cognitiveatlas.org/id/",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM/",
    "EDAM": "http://edamontology.org/",
    "EFO": "http://www.ebi.ac.uk/efo/EFO_",
    "ICD10": "http://purl.bioontology.org/ontology/ICD10/",
    "ICD10CM": "http://purl.bioontology.org/ontology/ICD10CM/",
    "ICD9CM": "http://purl.bioontology.org/ontology/ICD9CM/",
    "MESH": "http://id.nlm.nih.gov/mesh/",
    "nb": "http://neurobagel.org/vocab/",
    "nidm": "http://purl.org/nidash/nidm#",
    "oboInOwl": "http://www.geneontology.org/formats/oboInOwl#",
    "OMIM": "https://omim.org/entry/",
    "Orphanet": "http://www.orpha.net/ORDO/Orphanet_",
    "SIO": "http://semanticscience.org/resource/SIO_",
    "SNOMEDCT": "http://purl.bioontology.org/ontology/SNOMEDCT/",
    "UMLS": "http://linkedlifedata.com/resource/umls/id/",
}
"""Prefixes beside those of the OBO Foundry, whose terms all are ``<obo>PREFIX_local``."""

_BY_NAMESPACE: Final = sorted(((v, k) for k, v in NAMESPACES.items()), key=lambda pair: -len(pair[0]))
_BY_FOLDED: Final = {k.casefold(): v for k, v in NAMESPACES.items()}
_OBO_LOCAL: Final = re.compile(r"([A-Za-z][A-Za-z0-9.]*)_([A-Za-z0-9]+)")
_CURIE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*):(?!//)(\S+)")
_WORD: Final = re.compile(r"[A-Za-z0-9_.~-]+")
_SAME: Final = (
    (re.compile(r"https?://ncicb\.nci\.nih\.gov/xml/owl/EVS/Thesaurus\.owl#(C\d+)"), OBO + r"NCIT_\1"),
    (re.compile(r"https?://(?:www\.)?snomed\.info/(?:id|sct)/(\d+)"), NAMESPACES["SNOMEDCT"] + r"\1"),
    (
        re.compile(r"https?://(?:www\.)?cognitiveatlas\.org/(?:task/|concept/)?id/([a-z0-9_]+)/?"),
        NAMESPACES["COGAT"] + r"\1",
    ),
    (re.compile(r"https://(purl\.obolibrary\.org|purl\.org|www\.w3\.org|edamontology\.org)/"), r"http://\1/"),
    (re.compile(r"https?://identifiers\.org/(?:[a-z0-9.]+/)?([A-Za-z]+):(\w+)"), OBO + r"\1_\2"),
)
_PREFIX_ALIASES: Final = (
    (re.compile(r"snomed(?:ct|_ct)?(?:_us)?(?:_\d{4}_\d{2}_\d{2})?|sctid|sct"), "snomedct"),
    (re.compile(r"umls(?:_cui)?"), "umls"),
    (re.compile(r"nci|ncit|ncithesaurus"), "ncit"),
    (re.compile(r"msh|mesh"), "mesh"),
    (re.compile(r"icd-?10-?cm(?:_\d{4})?"), "icd10cm"),
    (re.compile(r"icd-?10(?:_\d{4})?"), "icd10"),
    (re.compile(r"icd-?9-?cm(?:_\d{4})?|icd-?9"), "icd9cm"),
    (re.compile(r"o?mim"), "omim"),
    (re.compile(r"orpha(?:net)?|ordo"), "orphanet"),
)


def is_iri(text: str) -> bool:
    """Tell whether ``text`` is an absolute IRI rather than a CURIE or a label."""
    return text.startswith(("http://", "https://", "urn:"))


def canonical_iri(iri: str) -> str:
    """Return the one IRI under which Sillage knows what ``iri`` names."""
    for pattern, replacement in _SAME:
        if pattern.match(iri):
            return pattern.sub(replacement, iri, count=1)
    return iri


def split_curie(text: str) -> tuple[str, str] | None:
    """Return prefix and local part of a CURIE (W3C CURIE Syntax 1.0, section 3), or None."""
    found = _CURIE.fullmatch(text)
    return (found.group(1), found.group(2)) if found else None


def expand(curie: str, declared: Mapping[str, str] | None = None) -> str | None:
    """Return the IRI of a CURIE: by ``declared`` prefixes, then by ours, else as an OBO Foundry identifier.

    An IRI is returned in its canonical form; what is neither gives None.
    """
    if is_iri(curie):
        return canonical_iri(curie)
    parts = split_curie(curie)
    if parts is None:
        return None
    prefix, local = parts
    namespace = (declared or {}).get(prefix) or NAMESPACES.get(prefix) or _BY_FOLDED.get(prefix.casefold())
    return canonical_iri(namespace + local if namespace else f"{OBO}{prefix}_{local}")


def contract(iri: str, declared: Mapping[str, str] | None = None) -> str:
    """Return the CURIE of an IRI; the IRI itself where no prefix fits.

    Args:
        iri: A term's IRI.
        declared: Prefixes that the term's own source declares, as a last resort.
    """
    if iri.startswith(OBO):
        found = _OBO_LOCAL.fullmatch(iri, len(OBO))
        if found:
            return f"{found.group(1)}:{found.group(2)}"
    for namespace, prefix in _BY_NAMESPACE:
        if iri.startswith(namespace) and len(iri) > len(namespace):
            return f"{prefix}:{iri[len(namespace) :]}"
    for prefix, namespace in (declared or {}).items():
        local = iri[len(namespace) :]
        if prefix and namespace and iri.startswith(namespace) and _WORD.fullmatch(local):
            return f"{prefix}:{local}"
    return iri


def name_key(text: str) -> str:
    """Return the form in which names are compared: case folded, white space collapsed."""
    return " ".join(text.casefold().split())


def reference_key(text: str) -> str:
    """Return the form in which identifiers are compared: one spelling per prefix, case folded."""
    folded = name_key(text)
    prefix, colon, local = folded.partition(":")
    if not colon:
        return folded
    return f"{_one_prefix(prefix)}:{local.strip()}"


@lru_cache(maxsize=4096)
def _one_prefix(prefix: str) -> str:
    for pattern, name in _PREFIX_ALIASES:
        if pattern.fullmatch(prefix):
            return name
    return prefix
