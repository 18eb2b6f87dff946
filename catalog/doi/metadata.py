"""Describes a record of the catalogue in DataCite's terms (Metadata Schema 4.7, as DataCite JSON)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.doi.controlled import SCHEMA
from catalog.doi.validate import require_valid
from ontology.errors import InvalidRequestError
from ontology.identifiers import normalise_doi
from ontology.licences import spdx_licence

_TYPES: Mapping[str, tuple[str, str]] = {
    "Cohort": ("Collection", "Cohort of participants"),
    "Dataset": ("Dataset", "Imaging dataset"),
    "DatasetVersion": ("Dataset", "Imaging dataset"),
    "Model": ("Model", "Model"),
    "Pipeline": ("Workflow", "Pipeline"),
    "PipelineVersion": ("Workflow", "Pipeline"),
    "Software": ("Software", "Software"),
}
_REGISTERED = frozenset({"Dataset", "DatasetVersion"})
"""Made before they came here, so the catalogue's date is that of submission and not of creation."""

_OBO = re.compile(r"http://purl\.obolibrary\.org/obo/([A-Za-z]+)_[0-9]+")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNITS = ("kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Another resource and what this one is to it (property 12).

    Attributes:
        identifier: A DOI, URL, URN, ...
        kind: Type of the identifier, from the controlled list.
        relation: Relation of this resource to that one, from the controlled list.
        resource_type: General type of the other resource, where it is known.
        information: What the relation ``Other`` means.
    """

    identifier: str
    kind: str
    relation: str
    resource_type: str | None = None
    information: str | None = None


def datacite_metadata(
    subject: Mapping[str, Any],
    *,
    doi: str,
    publisher: str,
    url: str | None,
    year: int,
    related: Sequence[Related],
) -> dict[str, Any]:
    """Return the metadata of a record as DataCite JSON, kernel 4.7.

    Args:
        subject: The record: ``id``, ``type``, ``created``, ``modified`` and its own members.
        doi: The DOI that it gets.
        publisher: Who answers for the publication.
        url: Its landing page; None while there is no public address.
        year: Publication year.
        related: What it rests on and belongs to.

    Raises:
        ValidationFailedError: Mandatory properties are missing or values break a rule; ``params['problems']``
            names each.
    """
    cleaned = _clean(subject)
    metadata: dict[str, Any] = {
        "doi": doi,
        "schemaVersion": SCHEMA,
        "publisher": {"name": _clean(publisher).strip()},
        "publicationYear": year,
        "url": url,
        "dates": _dates(cleaned, year),
        "relatedIdentifiers": _related(cleaned, related),
        **_description_of(cleaned),
    }
    require_valid(metadata)
    return {name: value for name, value in metadata.items() if value not in (None, [], "")}


def _description_of(subject: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the record says of itself."""
    return {
        "creators": [_creator(creator) for creator in subject.get("creators") or []],
        "titles": _titles(subject),
        "types": _types(subject),
        "subjects": [_keyword(word) for word in subject.get("keywords") or [] if word],
        "language": subject.get("language"),
        "alternateIdentifiers": _alternates(subject),
        "sizes": _sizes(subject),
        "formats": _formats(subject),
        "version": _version(subject),
        "rightsList": _rights(subject.get("license")),
        "descriptions": _descriptions(subject),
    }


def _clean(value: Any) -> Any:
    """Return a value without the characters that XML 1.0 cannot carry (section 2.2)."""
    if isinstance(value, str):
        return _NOT_XML.sub("", value)
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _types(subject: Mapping[str, Any]) -> dict[str, str]:
    kind = str(subject.get("type") or "")
    general, words = _TYPES.get(kind, ("", kind))
    if kind in _REGISTERED and subject.get("dataset_type") == "derivative":
        words = "Derived imaging dataset"
    return {"resourceTypeGeneral": general, "resourceType": words}


def _titles(subject: Mapping[str, Any]) -> list[dict[str, str]]:
    title = str(subject.get("title") or subject.get("label") or "").strip()
    return [{"title": title}] if title else []


def _creator(creator: Any) -> dict[str, Any]:
    """Return a creator (property 2); a personal name is split only where its comma says how."""
    given = creator if isinstance(creator, Mapping) else {"name": creator}
    name = " ".join(str(given.get("name") or "").split())
    made: dict[str, Any] = {"name": name}
    identifiers = []
    if given.get("orcid"):
        made["nameType"] = "Personal"
        identifiers.append(_identifier("https://orcid.org", "ORCID", str(given["orcid"])))
    if given.get("ror"):
        made["nameType"] = "Organizational"
        identifiers.append(_identifier("https://ror.org", "ROR", str(given["ror"])))
    if given.get("kind") == "organisation":
        made["nameType"] = "Organizational"
    family, comma, first = (part.strip() for part in name.partition(","))
    if comma and family and first and "," not in first and made.get("nameType") != "Organizational":
        made |= {"nameType": "Personal", "givenName": first, "familyName": family}
    if identifiers:
        made["nameIdentifiers"] = identifiers
    if given.get("affiliation"):
        made["affiliation"] = [{"name": str(given["affiliation"])}]
    return made


def _identifier(scheme_uri: str, scheme: str, value: str) -> dict[str, str]:
    last = value.rstrip("/").rpartition("/")[2].rpartition(":")[2]
    return {"nameIdentifier": f"{scheme_uri}/{last}", "nameIdentifierScheme": scheme, "schemeUri": scheme_uri}


def _keyword(word: Any) -> dict[str, str]:
    """Return a subject (property 6), with the IRI of its term where there is one."""
    if not isinstance(word, Mapping):
        return {"subject": str(word)}
    term = word.get("term")
    made = {"subject": str(word.get("label") or word.get("original") or word.get("value") or term or "")}
    if term:
        made["valueUri"] = str(term)
        obo = _OBO.fullmatch(str(term))
        if obo is not None:
            made["subjectScheme"] = obo[1].upper()
            made["schemeUri"] = f"http://purl.obolibrary.org/obo/{obo[1].lower()}.owl"
    return made


def _dates(subject: Mapping[str, Any], year: int) -> list[dict[str, str]]:
    dates = [{"date": f"{year:04d}", "dateType": "Issued"}]
    made, changed = subject.get("created"), subject.get("modified")
    if made:
        kind = "Submitted" if subject.get("type") in _REGISTERED else "Created"
        dates.append({"date": str(made)[:10], "dateType": kind})
    if changed and str(changed)[:10] != str(made)[:10]:
        dates.append({"date": str(changed)[:10], "dateType": "Updated"})
    return dates


def _alternates(subject: Mapping[str, Any]) -> list[dict[str, str]]:
    found = [("URN", subject.get("id")), ("SHA-256", subject.get("digest")), ("Git commit", subject.get("commit"))]
    return [{"alternateIdentifier": str(value), "alternateIdentifierType": kind} for kind, value in found if value]


def _related(subject: Mapping[str, Any], related: Iterable[Related]) -> list[dict[str, str]]:
    """Return related identifiers (property 12): those given, and the DOI under which others published it."""
    listed = list(related)
    elsewhere = _doi_elsewhere(subject)
    if elsewhere is not None:
        listed.append(Related(identifier=elsewhere, kind="DOI", relation="IsVariantFormOf"))
    made: list[dict[str, str]] = []
    for one in listed:
        item = {
            "relatedIdentifier": one.identifier,
            "relatedIdentifierType": one.kind,
            "relationType": one.relation,
        }
        if one.resource_type:
            item["resourceTypeGeneral"] = one.resource_type
        if one.information:
            item["relationTypeInformation"] = one.information
        if item not in made:
            made.append(item)
    return made


def _doi_elsewhere(subject: Mapping[str, Any]) -> str | None:
    """Return the DOI that a dataset's description claims; texts such as ``TBD`` stand there too."""
    if subject.get("type") not in _REGISTERED or not subject.get("doi"):
        return None
    try:
        return normalise_doi(str(subject["doi"]))
    except InvalidRequestError:
        return None


def _sizes(subject: Mapping[str, Any]) -> list[str]:
    counts = subject.get("counts")
    counted = counts if isinstance(counts, Mapping) else subject
    sizes = []
    if _is_count(counted.get("bytes")):
        sizes.append(_readable(counted["bytes"]))
    sizes += [
        f"{counted[name]} {name}" for name in ("participants", "acquisitions", "files") if _is_count(counted.get(name))
    ]
    if subject.get("type") == "Cohort" and _is_count(subject.get("count")):
        sizes.append(f"{subject['count']} participants")
    return sizes


def _how_selected(subject: Mapping[str, Any]) -> str:
    """Return in words how the members of a cohort were chosen."""
    if subject.get("combination"):
        combination = subject["combination"]
        return f"The {combination['op']} of the frozen cohorts {', '.join(combination['cohorts'])}"
    if subject.get("part"):
        part = subject["part"]
        return f"Part {part['name']!r} of the split {part['split']} of the frozen cohort {part['of']}"
    return f"Selected by the CQL2 query: {subject['query']}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _readable(size: int) -> str:
    if size < 1000:
        return f"{size} bytes"
    value = float(size)
    for unit in _UNITS:
        value /= 1000
        if value < 999.95 or unit == _UNITS[-1]:
            break
    return f"{value:.1f} {unit}"


def _formats(subject: Mapping[str, Any]) -> list[str]:
    formats = [str(item) for item in subject.get("formats") or []]
    if subject.get("bids_version"):
        formats.insert(0, f"BIDS {subject['bids_version']}")
    files = subject.get("files")
    if isinstance(files, list):
        formats += sorted({str(f["media_type"]) for f in files if isinstance(f, Mapping) and f.get("media_type")})
    return list(dict.fromkeys(formats))


def _version(subject: Mapping[str, Any]) -> str | None:
    """Return the version of the thing itself (property 15), which is not that of its record."""
    member = {"DatasetVersion": "name", "Cohort": "version"}.get(str(subject.get("type")), "semver")
    value = subject.get(member)
    return str(value) if value else None


def _rights(licence: Any) -> list[dict[str, str]]:
    """Return the rights (property 16): the text as found, and its SPDX licence where that is beyond doubt."""
    text = " ".join(str(licence or "").split())
    if not text:
        return []
    found = spdx_licence(text)
    if found is None:
        return [{"rights": text}]
    return [
        {
            "rights": text,
            "rightsUri": found.url,
            "rightsIdentifier": found.spdx,
            "rightsIdentifierScheme": "SPDX",
            "schemeUri": "https://spdx.org/licenses/",
        }
    ]


def _descriptions(subject: Mapping[str, Any]) -> list[dict[str, str]]:
    descriptor = subject.get("descriptor")
    text = subject.get("description") or (descriptor.get("description") if isinstance(descriptor, Mapping) else None)
    made = [{"description": str(text).strip(), "descriptionType": "Abstract"}] if text and str(text).strip() else []
    if subject.get("type") == "Cohort" and subject.get("query"):
        made.append({"description": _how_selected(subject), "descriptionType": "Methods"})
    environment = subject.get("environment")
    if isinstance(environment, Mapping) and environment.get("digest"):
        words = f"Environment ({environment.get('kind', 'unknown')}): {environment['digest']}"
        made.append({"description": words, "descriptionType": "TechnicalInfo"})
    return made
