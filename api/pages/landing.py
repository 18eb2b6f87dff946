"""Landing pages of DOIs: for people, and for machines by negotiation, with signposts between the two."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from api.access import Permission
from api.dependencies import Open, Visitor
from api.identity import ANONYMOUS
from api.media import choose
from api.operations import identifiers
from api.pages.rendering import page
from catalog.doi.contract import DRAFT
from catalog.doi.xml import datacite_xml
from ontology.errors import NotAcceptableError, UnauthenticatedError

router = APIRouter()
HTML, JSONLD = "text/html", "application/ld+json"
DATACITE_JSON = "application/vnd.datacite.datacite+json"
DATACITE_XML = "application/vnd.datacite.datacite+xml"
BY_NAME = {"html": HTML, "jsonld": JSONLD, "datacite-json": DATACITE_JSON, "datacite-xml": DATACITE_XML}
SCHEMA_TYPES = {"Dataset": "Dataset", "Collection": "Collection", "Workflow": "SoftwareSourceCode"}


@router.get("/doi/{doi:path}")
def landing(
    request: Request,
    doi: str,
    catalogue: Open,
    principal: Visitor,
    format: str | None = None,
    accept: Annotated[str, Header()] = "*/*",
) -> Response:
    """Show what a DOI stands for: to everybody once it is published, and before to those who may read the record."""
    identifier, subject = identifiers.by_doi(catalogue, doi)
    if identifier.document["state"] == DRAFT:
        if principal.agent == ANONYMOUS:
            raise UnauthenticatedError("this DOI is not published yet")
        principal.require(Permission.READ, subject)
    media = BY_NAME.get(format or "") or (choose(accept, list(BY_NAME.values())) if format is None else None)
    metadata = identifier.document["metadata"]
    if media is None:
        raise NotAcceptableError(
            "no such representation of a DOI", field="Accept", next_step=f"Choose one of: {', '.join(BY_NAME)}."
        )
    links = _signposts(request, identifier.document["doi"], metadata)
    headers = {"Link": ", ".join(_link(link) for link in links), "Vary": "Accept"}
    if media == DATACITE_JSON:
        return Response(json.dumps(metadata), media_type=media, headers=headers)
    if media == DATACITE_XML:
        return Response(datacite_xml(metadata), media_type=media, headers=headers)
    document = schema_org(metadata, url=str(request.url.replace(query="")))
    if media == JSONLD:
        return Response(json.dumps(document), media_type=media, headers=headers)
    response = page(
        request,
        "landing.html",
        principal,
        **_shown(metadata),
        doi=identifier.document["doi"],
        state=identifier.document["state"],
        resolvable=identifier.document["resolvable"],
        test_prefix=identifier.document["doi"].startswith("10.5072/"),
        withdrawn=subject.withdrawn,
        subject=subject.id,
        # "</" would end the script element.
        jsonld=json.dumps(document).replace("<", "\\u003c"),
        signposts=links,
    )
    response.headers.update(headers)
    return response


def schema_org(metadata: dict[str, Any], *, url: str) -> dict[str, Any]:
    """Return schema.org JSON-LD for DataCite metadata."""
    kind = metadata["types"]["resourceTypeGeneral"]
    document: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": SCHEMA_TYPES.get(kind, "CreativeWork"),
        "@id": f"https://doi.org/{metadata['doi']}",
        "identifier": {"@type": "PropertyValue", "propertyID": "doi", "value": metadata["doi"]},
        "name": metadata["titles"][0]["title"],
        "url": url,
        "creator": [_creator(creator) for creator in metadata["creators"]],
        "publisher": {"@type": "Organization", "name": _publisher(metadata)},
        "datePublished": str(metadata["publicationYear"]),
        "description": "\n\n".join(_descriptions(metadata)) or metadata["titles"][0]["title"],
        "license": [right.get("rightsUri") or right.get("rights") for right in metadata.get("rightsList", [])],
        "keywords": [subject["subject"] for subject in metadata.get("subjects", [])],
        "isBasedOn": [
            relation["relatedIdentifier"]
            for relation in metadata.get("relatedIdentifiers", [])
            if relation["relationType"] == "IsDerivedFrom"
        ],
    }
    return {key: value for key, value in document.items() if value not in ([], None, "")}


def _creator(creator: dict[str, Any]) -> dict[str, Any]:
    named = {"@type": "Organization" if creator.get("nameType") == "Organizational" else "Person"}
    named["name"] = creator["name"]
    identifiers_ = creator.get("nameIdentifiers") or []
    if identifiers_:
        named["@id"] = identifiers_[0]["nameIdentifier"]
    return named


def _publisher(metadata: dict[str, Any]) -> str:
    publisher = metadata["publisher"]
    return str(publisher["name"] if isinstance(publisher, dict) else publisher)


def _descriptions(metadata: dict[str, Any]) -> list[str]:
    return [item["description"] for item in metadata.get("descriptions", [])]


def _shown(metadata: dict[str, Any]) -> dict[str, Any]:
    creators = [creator["name"] for creator in metadata["creators"]]
    title, year = metadata["titles"][0]["title"], metadata["publicationYear"]
    kind = metadata["types"].get("resourceType") or metadata["types"]["resourceTypeGeneral"]
    citation = f"{'; '.join(creators)} ({year}): {title}. {_publisher(metadata)}. {kind}. doi:{metadata['doi']}"
    return {
        "title": title,
        "kind": kind,
        "creators": creators,
        "publisher": _publisher(metadata),
        "year": year,
        "rights": [right.get("rights") for right in metadata.get("rightsList", [])],
        "sizes": metadata.get("sizes", []),
        "related": metadata.get("relatedIdentifiers", []),
        "descriptions": _descriptions(metadata),
        "citation": citation,
    }


def _signposts(request: Request, doi: str, metadata: dict[str, Any]) -> list[dict[str, str]]:
    """Return FAIR Signposting links: how to cite, who made it, and the same in other formats."""
    base = f"{str(request.base_url).rstrip('/')}/doi/{doi}"
    links = [{"rel": "cite-as", "href": f"https://doi.org/{doi}"}]
    for creator in metadata["creators"]:
        links += [{"rel": "author", "href": i["nameIdentifier"]} for i in creator.get("nameIdentifiers") or []]
    for name in ("jsonld", "datacite-json", "datacite-xml"):
        links.append({"rel": "describedby", "href": f"{base}?format={name}", "type": BY_NAME[name]})
    for right in metadata.get("rightsList", []):
        if right.get("rightsUri"):
            links.append({"rel": "license", "href": right["rightsUri"]})
    return links


def _link(link: dict[str, str]) -> str:
    kind = f'; type="{link["type"]}"' if link.get("type") else ""
    return f'<{link["href"]}>; rel="{link["rel"]}"{kind}'
