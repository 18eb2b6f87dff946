"""Software that pipelines run, described by CodeMeta 3.0: from what its author says, else from the descriptor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.access import Principal
from api.catalogue import Catalogue
from api.operations.pipeline_versions import one_version
from catalog.model import Put
from executors.pipelines.descriptor import PipelineDescriptor
from executors.pipelines.extension import PinnedEnvironment
from ontology.errors import NotFoundError, ValidationFailedError
from ontology.identifiers import new_iri

CONTEXT = "https://w3id.org/codemeta/3.0"
FILE = "codemeta.json"


def described_software(
    catalogue: Catalogue, parsed: PipelineDescriptor, pinned: PinnedEnvironment, files: Mapping[str, bytes]
) -> tuple[str, list[Put]]:
    """Return the record of the software that a pipeline version runs, and the change that writes it if it is new.

    Raises:
        ValidationFailedError: Its description is not one.
    """
    description = codemeta(parsed, pinned, files)
    alias = f"software:{description['name']}@{description['version']}"
    known = catalogue.repository.find_alias(alias)
    if known is not None:
        return known, []
    document = {
        "label": f"{description['name']} {description['version']}",
        "name": description["name"],
        "semver": description["version"],
        "codemeta": description,
    }
    put = Put(id=new_iri(), type="Software", document=document, aliases=[alias])
    return put.id, [put]


def show_codemeta(catalogue: Catalogue, principal: Principal, reference: str, version: str) -> dict[str, Any]:
    """Return the description of the software that a version of a pipeline runs (CodeMeta 3.0).

    Raises:
        NotFoundError: There is no such version, or it was registered before software was described.
    """
    record = one_version(catalogue, principal, reference, version)
    if not record.document.get("software"):
        raise NotFoundError(f"the software of {record.document['label']} is not described", field="version")
    return dict(catalogue.repository.get(record.document["software"]).document["codemeta"])


def codemeta(parsed: PipelineDescriptor, pinned: PinnedEnvironment, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the description of a pipeline's software (CodeMeta 3.0, ``SoftwareSourceCode``).

    What its author says goes first: ``codemeta.json`` among the pipeline's files, then ``custom.sillage.codemeta``,
    then what the descriptor tells.

    Raises:
        ValidationFailedError: ``codemeta.json`` is not a JSON object, or its name or version is no text.
    """
    block = parsed.document.get("custom", {}).get("sillage", {}).get("codemeta", {})
    said = {**dict(_from_descriptor(parsed, pinned)), **block, **_from_file(files)}
    for name in ("name", "version"):
        if not isinstance(said[name], str) or not said[name]:
            raise ValidationFailedError(f"{name} must be a text", field=f"{FILE}#/{name}")
    return {"@context": CONTEXT, "@type": "SoftwareSourceCode", **said}


def _from_file(files: Mapping[str, bytes]) -> dict[str, Any]:
    if FILE not in files:
        return {}
    try:
        said = json.loads(files[FILE])
    except (ValueError, RecursionError) as error:
        raise ValidationFailedError(f"{FILE} is not JSON: {error}", field="files") from error
    if not isinstance(said, dict):
        raise ValidationFailedError(f"{FILE} is not a JSON object", field="files")
    return said


def _from_descriptor(parsed: PipelineDescriptor, pinned: PinnedEnvironment) -> Iterator[tuple[str, Any]]:
    document = parsed.document
    yield "name", parsed.name
    yield "version", parsed.version
    yield "description", parsed.description
    if document.get("author"):
        yield "author", [{"name": document["author"]}]
    for member, term in (("url", "url"), ("descriptor-url", "codeRepository"), ("help-url", "softwareHelp")):
        if document.get(member):
            yield term, document[member]
    doi = document.get("tool-doi") or document.get("doi")
    if doi:
        yield "identifier", f"https://doi.org/{str(doi).removeprefix('https://doi.org/')}"
    tags = document.get("tags") or {}
    words = sorted({str(word) for said in tags.values() for word in (said if isinstance(said, list) else [said])})
    if words:
        yield "keywords", words
    if pinned.kind == "container":
        yield "runtimePlatform", pinned.image
    elif pinned.lock:
        yield "softwareRequirements", list(pinned.lock)
