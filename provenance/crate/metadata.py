"""``ro-crate-metadata.json`` of runs: Process Run Crate 0.5, RO-Crate 1.2.

Whatever the profile has no term for stands in a task's record, which goes along whole as a ``PropertyValue``.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ontology.canonical import canonical_json
from provenance.crate.tools import container, instrument, parameters
from provenance.record import SILLAGE, ProvNode
from provenance.runs import FileTold, Runs

METADATA_NAME = "ro-crate-metadata.json"
CONTEXT = ("https://w3id.org/ro/crate/1.2/context", "https://w3id.org/ro/terms/workflow-run/context")
_CRATE = "https://w3id.org/ro/crate/1.2"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_STATUS = {
    "COMPLETE": "http://schema.org/CompletedActionStatus",
    "EXECUTOR_ERROR": "http://schema.org/FailedActionStatus",
    "SYSTEM_ERROR": "http://schema.org/FailedActionStatus",
    "CANCELED": "http://schema.org/FailedActionStatus",
    "PREEMPTED": "http://schema.org/FailedActionStatus",
    "RUNNING": "http://schema.org/ActiveActionStatus",
    "PAUSED": "http://schema.org/ActiveActionStatus",
    "CANCELING": "http://schema.org/ActiveActionStatus",
}
_UNITS = {"_s": "SEC", "_bytes": "AD", "_joules": "JOU"}
"""UN/CEFACT common codes of what a record measures, by the end of a name."""
_AGENTS = {"person": "Person", "organisation": "Organization", "software": "SoftwareApplication"}

Entity = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrateFile:
    """Where a file's content lies: in the crate under ``name``, taken from ``source``."""

    id: str
    name: str
    source: Path | None = None


def run_crate_metadata(
    *,
    subject: str,
    title: str,
    made: str,
    nodes: Sequence[ProvNode],
    edges: Sequence[tuple[str, str, str]],
    files: Sequence[CrateFile] = (),
    texts: Mapping[str, tuple[str, str]] | None = None,
) -> bytes:
    """Return the metadata of a crate of all runs among ``nodes``.

    Args:
        subject: IRI of the task or result that was asked for.
        title: What a person reads.
        made: When the crate is made.
        nodes: The lineage, with the documents that may be told.
        edges: Its edges.
        files: The files whose content goes along.
        texts: Other files in the crate: name and media type by path.
    """
    graph = _Graph({file.id: file for file in files})
    runs = Runs(nodes, edges)
    actions = [_action(graph, runs, task) for task in runs.tasks]
    for path, (name, media) in (texts or {}).items():
        graph.part({"@id": path, "@type": "File", "name": name, "encodingFormat": media})
    licenses = sorted({str(n.document["license"]) for n in nodes if n.type == "Dataset" and n.document.get("license")})
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": title,
        "description": f"How {subject} came to be: {len(actions)} run(s), what they were given and what they made.",
        "datePublished": made,
        "license": "; ".join(licenses) or "The data keep the conditions of the datasets that they come from.",
        "identifier": subject,
        "conformsTo": {"@id": _PROFILE},
        "hasPart": [{"@id": part} for part in graph.parts],
        "mentions": [{"@id": action} for action in actions],
    }
    descriptor = {
        "@id": METADATA_NAME,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": _CRATE},
    }
    profile = {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    told = {"@context": list(CONTEXT), "@graph": [descriptor, root, profile, *graph.entities.values()]}
    return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()


class _Graph:
    """The entities of the crate by identifier, each once."""

    def __init__(self, contents: Mapping[str, CrateFile]) -> None:
        self.entities: dict[str, Entity] = {}
        self.parts: list[str] = []
        self._contents = contents

    def add(self, entity: Entity) -> Entity:
        """Add an entity, unless one of its identifier is there; return the reference to it."""
        self.entities.setdefault(entity["@id"], entity)
        return {"@id": entity["@id"]}

    def part(self, entity: Entity) -> Entity:
        """Add a file of the crate."""
        if entity["@id"] not in self.parts:
            self.parts.append(entity["@id"])
        return self.add(entity)

    def file(self, file: FileTold) -> Entity:
        """Add a file: data of the crate where its content goes along, described by its identifier otherwise."""
        here = self._contents.get(file.id)
        entity: Entity = {
            "@id": quote(here.name) if here else file.id,
            "@type": "File",
            "name": file.path.rpartition("/")[2],
            "alternateName": file.path,
            "encodingFormat": file.media_type or "application/octet-stream",
        }
        entity |= {"sha256": file.sha256} if file.sha256 else {}
        entity |= {"contentSize": str(file.size)} if file.size is not None else {}
        entity |= {"identifier": file.id} if here else {}
        return self.part(entity) if here else self.add(entity)

    def value(self, id: str, name: str, value: object, **more: Any) -> Entity:
        """Add a PropertyValue; what is no plain value is written as JSON."""
        plain = value if isinstance(value, str | int | float | bool) else canonical_json(value).decode()
        return self.add({"@id": id, "@type": "PropertyValue", "name": name, "value": plain, **more})


def _action(graph: _Graph, runs: Runs, task: ProvNode) -> str:
    document = task.document
    record: Mapping[str, Any] = document.get("record") or {}
    here = f"#{task.id.rpartition(':')[2]}"
    plan = runs.plan(task)
    entity: Entity = {"@id": task.id, "@type": "CreateAction", "name": task.label or str(document.get("name"))}
    if record.get("command"):
        entity["description"] = shlex.join(map(str, record["command"]))
    tool = instrument(document, plan, runs.software(plan) if plan else ())
    for part in tool:
        graph.add(part)
    entity["instrument"] = {"@id": tool[0]["@id"]}
    entity["agent"] = [graph.add(_agent(agent)) for agent in runs.agents(task)]
    given = record.get("parameters") or document.get("parameters") or {}
    values = [graph.add(part) for part in parameters(here, given, tool[0]["@id"], plan)]
    entity["object"] = [graph.file(file) for file in runs.inputs(task)] + values
    entity["result"] = [graph.file(file) for file in runs.outputs(task)]
    for name, member in (("startTime", "start_time"), ("endTime", "end_time")):
        if document.get(member):
            entity[name] = document[member]
    state = str(document.get("state"))
    status = _STATUS.get(state, "http://schema.org/PotentialActionStatus")
    entity["actionStatus"] = {"@id": status}
    if status.endswith("FailedActionStatus"):
        entity["error"] = (
            ": ".join(str(part) for part in (document.get("reason"), document.get("detail")) if part) or state
        )
    _circumstances(graph, entity, here, record, document)
    graph.add(entity)
    return task.id


def _agent(node: ProvNode) -> Entity:
    orcid = node.document.get("orcid")
    identifier = {"identifier": f"https://orcid.org/{orcid}"} if orcid else {}
    kind = _AGENTS.get(str(node.document.get("kind")), "Person")
    return {"@id": node.id, "@type": kind, "name": node.label or node.id, **identifier}


def _circumstances(
    graph: _Graph, entity: Entity, here: str, record: Mapping[str, Any], document: Mapping[str, Any]
) -> None:
    """State where a run ran, what it used, and the record that says all of it."""
    variables = record.get("environment_variables") or {}
    entity["environment"] = [graph.value(f"{here}/env/{quote(k, safe='')}", k, v) for k, v in variables.items()]
    used = {**(record.get("resources") or {}), **dict(_numbers(record.get("energy") or {}))}
    entity["resourceUsage"] = [
        graph.value(f"{here}/use/{name}", name, value, propertyID=SILLAGE + name, **_unit(name))
        for name, value in used.items()
        if value is not None
    ]
    image = container(record.get("environment") or {})
    if image is not None:
        entity["containerImage"] = graph.add(image)
    whole = {"record": record, "certificate": document.get("certificate"), "reused": document.get("reused")}
    entity["additionalProperty"] = [
        graph.value(f"{here}/{name}", name, value, propertyID=SILLAGE + name) for name, value in whole.items() if value
    ]
    for name in [name for name, value in entity.items() if value == []]:
        del entity[name]


def _numbers(said: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return ((name, value) for name, value in said.items() if isinstance(value, int | float))


def _unit(name: str) -> dict[str, str]:
    return next(({"unitCode": code} for end, code in _UNITS.items() if name.endswith(end)), {})
