"""What ran, as entities of a crate: the tool with its software, its parameters, and its container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ontology.canonical import canonical_json
from provenance.record import SILLAGE, ProvNode

_CODEMETA = ("author", "codeRepository", "description", "license", "programmingLanguage", "url")
"""Members of CodeMeta that are schema.org's, and so terms of RO-Crate."""
_DOCKER = {"@id": "https://w3id.org/ro/terms/workflow-run#DockerImage"}
_SIF = {"@id": "https://w3id.org/ro/terms/workflow-run#SIFImage"}
_TYPES = {"File": "File", "Flag": "Boolean", "Number": "Float", "String": "Text"}

Entity = dict[str, Any]


def instrument(task: Mapping[str, Any], plan: ProvNode | None, software: Sequence[ProvNode]) -> list[Entity]:
    """Return the tool, then what it consists of and takes. The tool is named even where it may not be told."""
    if plan is None or not plan.document:
        name, version = str(task.get("pipeline_name")), str(task.get("pipeline_version"))
        return [_application(str(task.get("pipeline")), name, version)]
    document = plan.document
    descriptor: Mapping[str, Any] = document.get("descriptor") or {}
    name = str(document.get("name") or plan.label)
    version = str(document.get("semver") or document.get("tool_version") or "")
    tool = _application(plan.id, name, version)
    tool |= {"description": document["description"]} if document.get("description") else {}
    tool |= {"url": descriptor["url"]} if descriptor.get("url") else {}
    formal = list(_formal(plan.id, descriptor))
    entities = [tool, *formal]
    tool |= {"input": [{"@id": one["@id"]} for one in formal]} if formal else {}
    packages = [_software(node) for node in software]
    tool |= {"softwareRequirements": [{"@id": one["@id"]} for one in packages]} if packages else {}
    digests = {name: document[name] for name in ("descriptor_digest", "files_digest") if document.get(name)}
    digests |= {"descriptor": canonical_json(descriptor).decode()} if descriptor else {}
    said = [
        {
            "@id": f"{plan.id}#{name}",
            "@type": "PropertyValue",
            "name": name,
            "propertyID": SILLAGE + name,
            "value": value,
        }
        for name, value in digests.items()
    ]
    tool |= {"additionalProperty": [{"@id": one["@id"]} for one in said]} if said else {}
    return [*entities, *packages, *said]


def _application(id: str, name: str, version: str) -> Entity:
    return {"@id": id, "@type": "SoftwareApplication", "name": name, "softwareVersion": version}


def _software(node: ProvNode) -> Entity:
    codemeta: Mapping[str, Any] = node.document.get("codemeta") or {}
    entity: Entity = {
        "@id": node.id,
        "@type": "SoftwareSourceCode",
        "name": str(codemeta.get("name") or node.label),
        "version": str(codemeta.get("version") or node.document.get("semver") or ""),
    }
    for member in _CODEMETA:
        value = codemeta.get(member)
        if isinstance(value, str):
            entity[member] = value
        elif value:
            # RO-Crate wants a flat graph: what is nested goes along as text.
            entity[member] = canonical_json(value).decode()
    return entity


def _formal(plan: str, descriptor: Mapping[str, Any]) -> Iterator[Entity]:
    for given in descriptor.get("inputs") or ():
        entity: Entity = {
            "@id": f"{plan}#{quote(str(given['id']), safe='')}",
            "@type": "FormalParameter",
            "name": str(given["id"]),
            "additionalType": _TYPES.get(str(given.get("type")), "Text"),
            "valueRequired": not given.get("optional", False),
        }
        entity |= {"description": str(given["description"])} if given.get("description") else {}
        if isinstance(given.get("default-value"), str | int | float | bool):
            entity["defaultValue"] = given["default-value"]
        yield entity


def parameters(here: str, given: Mapping[str, Any], tool: str, plan: ProvNode | None) -> Iterator[Entity]:
    """Return the values that a run was given, each an example of its formal parameter."""
    descriptor: Mapping[str, Any] = (plan.document.get("descriptor") or {}) if plan else {}
    known = {str(one["id"]) for one in descriptor.get("inputs") or ()}
    for name, value in given.items():
        plain = value if isinstance(value, str | int | float | bool) else canonical_json(value).decode()
        local = quote(name, safe="")
        entity: Entity = {"@id": f"{here}/{local}", "@type": "PropertyValue", "name": name, "value": plain}
        if name in known:
            entity["exampleOfWork"] = {"@id": f"{tool}#{local}"}
        yield entity


def container(environment: Mapping[str, Any]) -> Entity | None:
    """Return the container image of an environment, or None where there was none."""
    image = environment.get("image")
    if not image:
        return None
    name, _, digest = str(image).partition("@sha256:")
    head, slash, rest = name.partition("/")
    registry = head if slash and ("." in head or ":" in head or head == "localhost") else ""
    repository = rest if registry else name
    path, colon, tag = repository.rpartition(":")
    entity: Entity = {
        "@id": str(image) if "://" in str(image) else f"#image/{quote(str(image), safe='')}",
        "@type": "ContainerImage",
        "additionalType": _SIF if name.endswith(".sif") else _DOCKER,
        "name": path if colon else repository,
    }
    entity |= {"registry": registry} if registry else {}
    entity |= {"tag": tag} if colon else {}
    sha256 = digest or str(environment.get("digest") or "").removeprefix("sha256:")
    return entity | ({"sha256": sha256} if sha256 else {})
