"""Checks DataCite metadata against the rules of kernel 4.7 without its XML schema, which is not ours to ship."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from catalog.doi import controlled
from ontology.errors import ValidationFailedError

_DOI = re.compile(r"10\.\d{4,9}(?:\.\d+)*/\S+")
_DATE = re.compile(r"-?\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?)?)?")
_ORCID = re.compile(r"https://orcid\.org/(\d{4}-\d{4}-\d{4}-\d{3}[\dX])")
_ROR = re.compile(r"https://ror\.org/0[a-z0-9]{6}\d{2}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")

Fault = tuple[str, str]
"""The property at fault and what is wrong with it."""


def require_valid(metadata: Mapping[str, Any]) -> None:
    """Refuse metadata that DataCite would refuse.

    Raises:
        ValidationFailedError: It breaks rules; ``params['problems']`` has ``{field, detail}`` for each.
    """
    faults = list(check_metadata(metadata))
    if faults:
        named = ", ".join(dict.fromkeys(field for field, _ in faults))
        raise ValidationFailedError(
            f"the DataCite metadata break {len(faults)} rules: {named}",
            field=faults[0][0],
            next_step="Complete the record (dataset_description.json, then revise), and try again.",
            params={"problems": [{"field": field, "detail": detail} for field, detail in faults]},
        )


def check_metadata(metadata: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with DataCite JSON: mandatory properties, controlled lists, forms of values."""
    yield from _mandatory(metadata)
    for number, creator in enumerate(metadata.get("creators") or []):
        yield from _check_creator(f"creators[{number}]", creator)
    for name, check in _LISTS.items():
        for number, item in enumerate(metadata.get(name) or []):
            yield from check(f"{name}[{number}]", item)
    url = metadata.get("url")
    if url and not str(url).startswith(("https://", "http://")):
        yield "url", f"{url!r} is not a web address"


def _mandatory(metadata: Mapping[str, Any]) -> Iterator[Fault]:
    if not _DOI.fullmatch(str(metadata.get("doi") or "")):
        yield "doi", f"{metadata.get('doi')!r} is not a DOI"
    if not metadata.get("creators"):
        yield "creators", "at least one creator is mandatory"
    if not any(title.get("title") for title in metadata.get("titles") or []):
        yield "titles", "a title is mandatory"
    publisher = metadata.get("publisher")
    if not (publisher.get("name") if isinstance(publisher, Mapping) else publisher):
        yield "publisher", "a publisher is mandatory"
    year = metadata.get("publicationYear")
    if not isinstance(year, int) or not 1000 <= year <= 9999:
        yield "publicationYear", f"{year!r} is not a year of four digits"
    general = (metadata.get("types") or {}).get("resourceTypeGeneral")
    if general not in controlled.RESOURCE_TYPES:
        yield "types.resourceTypeGeneral", f"{general or 'nothing'!r} is not in DataCite's list of resource types"


def _check_creator(field: str, creator: Mapping[str, Any]) -> Iterator[Fault]:
    if not creator.get("name"):
        yield f"{field}.name", "a creator needs a name"
    if creator.get("nameType") not in (None, *controlled.NAME_TYPES):
        yield f"{field}.nameType", f"{creator['nameType']!r} is not in DataCite's list of name types"
    for number, item in enumerate(creator.get("nameIdentifiers") or []):
        where = f"{field}.nameIdentifiers[{number}]"
        value = str(item.get("nameIdentifier") or "")
        if item.get("nameIdentifierScheme") == "ORCID" and not is_orcid(value):
            yield where, f"{value!r} is not an ORCID iD"
        elif item.get("nameIdentifierScheme") == "ROR" and not _ROR.fullmatch(value):
            yield where, f"{value!r} is not a ROR identifier"
        elif not item.get("nameIdentifierScheme") or not value:
            yield where, "a name identifier needs a value and a scheme"


def is_orcid(iri: str) -> bool:
    """Tell whether ``iri`` is an ORCID iD whose check digit holds (ISO 7064, MOD 11-2)."""
    found = _ORCID.fullmatch(iri)
    if found is None:
        return False
    digits = found[1].replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11] == digits[-1]


def _check_related(field: str, item: Mapping[str, Any]) -> Iterator[Fault]:
    kind, relation = item.get("relatedIdentifierType"), item.get("relationType")
    value = str(item.get("relatedIdentifier") or "")
    if kind not in controlled.IDENTIFIER_TYPES:
        yield f"{field}.relatedIdentifierType", f"{kind!r} is not in DataCite's list of identifier types"
    if relation not in controlled.RELATIONS:
        yield f"{field}.relationType", f"{relation!r} is not in DataCite's list of relations"
    if relation == "Other" and not item.get("relationTypeInformation"):
        yield f"{field}.relationTypeInformation", "the relation 'Other' must be explained"
    if item.get("resourceTypeGeneral") not in (None, *controlled.RESOURCE_TYPES):
        yield f"{field}.resourceTypeGeneral", "not in DataCite's list of resource types"
    if not value or (kind == "DOI" and not re.search(_DOI, value)) or (kind == "URL" and not _SCHEME.fullmatch(value)):
        yield f"{field}.relatedIdentifier", f"{value!r} is no {kind}"


def _check_date(field: str, item: Mapping[str, Any]) -> Iterator[Fault]:
    if item.get("dateType") not in controlled.DATE_TYPES:
        yield f"{field}.dateType", f"{item.get('dateType')!r} is not in DataCite's list of date types"
    if not all(_DATE.fullmatch(part) for part in str(item.get("date") or "").split("/")):
        yield f"{field}.date", f"{item.get('date')!r} is not a date (W3CDTF, RKMS-ISO8601)"


def _check_description(field: str, item: Mapping[str, Any]) -> Iterator[Fault]:
    if item.get("descriptionType") not in controlled.DESCRIPTION_TYPES:
        yield f"{field}.descriptionType", f"{item.get('descriptionType')!r} is not in DataCite's list"
    if not item.get("description"):
        yield f"{field}.description", "it is empty"


def _check_subject(field: str, item: Mapping[str, Any]) -> Iterator[Fault]:
    if not item.get("subject"):
        yield f"{field}.subject", "it is empty"
    if item.get("valueUri") and not _SCHEME.fullmatch(str(item["valueUri"])):
        yield f"{field}.valueUri", f"{item['valueUri']!r} is not an IRI"


def _check_rights(field: str, item: Mapping[str, Any]) -> Iterator[Fault]:
    if not item.get("rights") and not item.get("rightsUri"):
        yield f"{field}.rights", "it is empty"


_LISTS: Mapping[str, Callable[[str, Mapping[str, Any]], Iterator[Fault]]] = {
    "relatedIdentifiers": _check_related,
    "dates": _check_date,
    "descriptions": _check_description,
    "subjects": _check_subject,
    "rightsList": _check_rights,
}
