"""BIDS-Prov (BEP028, as merged into the BIDS specification): runs as activities, files, software and environments.

Written is the aggregated form, one JSON-LD file of ``Records``; its four parts are what BIDS keeps in
``prov/prov-<label>_act.json``, ``_ent.json``, ``_soft.json`` and ``_env.json``.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from ontology.canonical import canonical_json
from ontology.namespaces import PREFIXES
from provenance.record import SILLAGE, ProvNode
from provenance.runs import FileTold, Runs

PARTS = {"Activities": "act", "ProvEntities": "ent", "Software": "soft", "Environments": "env"}
"""The parts of the records, and the suffix of the file that BIDS keeps each in."""

_TYPES = {"Activities": "prov:Activity", "Software": "prov:Agent"}
_PROV = PREFIXES["prov"]
_CONTEXT: dict[str, Any] = {
    "@version": 1.1,
    "prov": _PROV,
    "xsd": PREFIXES["xsd"],
    "rdfs": PREFIXES["rdfs"],
    "sillage": SILLAGE,
    "Records": "@nest",
    "Activities": "@included",
    "ProvEntities": "@included",
    "Software": "@included",
    "Environments": "@included",
    "Id": "@id",
    "Type": "@type",
    "Label": "rdfs:label",
    "AtLocation": "prov:atLocation",
    "Command": "sillage:command",
    "Version": "sillage:version",
    "AltIdentifier": "sillage:identifier",
    "OperatingSystem": "sillage:operating_system",
    "EnvironmentVariables": {"@id": "sillage:environment_variables", "@type": "@json"},
    "Digest": {"@id": "sillage:digest", "@type": "@json"},
    "Record": {"@id": "sillage:record", "@type": "@json"},
    "StartedAtTime": {"@id": "prov:startedAtTime", "@type": "xsd:dateTime"},
    "EndedAtTime": {"@id": "prov:endedAtTime", "@type": "xsd:dateTime"},
    "GeneratedBy": {"@id": "prov:wasGeneratedBy", "@type": "@id"},
    "AssociatedWith": {"@id": "prov:wasAssociatedWith", "@type": "@id"},
    "Used": {"@id": "prov:used", "@type": "@id"},
}


def bids_prov(nodes: Sequence[ProvNode], edges: Sequence[tuple[str, str, str]]) -> bytes:
    """Return what a lineage says of runs as one BIDS-Prov document.

    Files that a run made are named as files of the dataset (``bids::path``); those of other datasets by the dataset's
    identifier (``bids:<uuid>:path``), which ``DatasetLinks`` of ``dataset_description.json`` is to explain. A run's
    whole record goes along as ``Record``.
    """
    builder = _Records(Runs(nodes, edges))
    told = {"@context": _CONTEXT, "BIDSProvVersion": "0.0.1", "Records": builder.records()}
    return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()


class _Records:
    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._parts: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in PARTS}
        made = [file for task in runs.tasks for file in runs.outputs(task)]
        self._makers = {file.id: _id(task.label, task.id) for task in runs.tasks for file in runs.outputs(task)}
        # The dataset that is told of is the one of the last run's outputs.
        self._home = next((file.dataset for file in reversed(made) if file.dataset), None)

    def records(self) -> dict[str, list[dict[str, Any]]]:
        """Return the four parts."""
        for task in self._runs.tasks:
            self._activity(task)
        return {name: list(part.values()) for name, part in self._parts.items()}

    def _add(self, part: str, entry: dict[str, Any]) -> str:
        kept = {name: value for name, value in entry.items() if value not in (None, "", [], {})}
        kept["Type"] = _TYPES.get(part, "prov:Entity")
        self._parts[part].setdefault(kept["Id"], kept)
        return str(kept["Id"])

    def _activity(self, task: ProvNode) -> None:
        document = task.document
        record: Mapping[str, Any] = document.get("record") or {}
        used = [self._file(file) for file in self._runs.inputs(task)]
        environment = self._environment(record)
        self._add(
            "Activities",
            {
                "Id": _id(task.label, task.id),
                "Label": task.label,
                # BIDS requires it; a run that took over the outputs of another ran no command.
                "Command": shlex.join(map(str, record["command"])) if record.get("command") else "n/a",
                "AssociatedWith": self._software(task),
                "Used": [*used, *([environment] if environment else [])],
                "StartedAtTime": document.get("start_time"),
                "EndedAtTime": document.get("end_time"),
                "Record": {"state": document.get("state"), "certificate": document.get("certificate"), **record},
            },
        )
        for file in self._runs.outputs(task):
            self._file(file)

    def _file(self, file: FileTold) -> str:
        home = "" if file.dataset == self._home else str(file.dataset or "").rpartition(":")[2]
        return self._add(
            "ProvEntities",
            {
                "Id": f"bids:{home}:{quote(file.path.lstrip('/'))}",
                "Label": file.path.rpartition("/")[2],
                "AtLocation": file.path,
                "GeneratedBy": self._makers.get(file.id),
                "Digest": {"sha256": file.sha256} if file.sha256 else None,
            },
        )

    def _software(self, task: ProvNode) -> list[str]:
        plan = self._runs.plan(task)
        name, version = str(task.document.get("pipeline_name")), str(task.document.get("pipeline_version"))
        found = [self._add("Software", _software(name, version, str(task.document.get("pipeline")), None))]
        for node in self._runs.software(plan) if plan else ():
            codemeta = node.document.get("codemeta") or {}
            label, semver = str(codemeta.get("name") or node.label), str(codemeta.get("version") or "")
            identifier = codemeta.get("identifier") or codemeta.get("codeRepository")
            found.append(self._add("Software", _software(label, semver, node.id, identifier)))
        return found

    def _environment(self, record: Mapping[str, Any]) -> str | None:
        said: Mapping[str, Any] = record.get("environment") or {}
        if not said:
            return None
        host: Mapping[str, Any] = record.get("host") or {}
        system = " ".join(str(host[name]) for name in ("platform", "kernel", "machine") if host.get(name))
        variables = record.get("environment_variables")
        label = str(said.get("image") or said.get("python") or said.get("kind"))
        return self._add(
            "Environments",
            {
                "Id": _id(label, sha256(canonical_json([said, host, variables])).hexdigest()),
                "Label": label,
                "OperatingSystem": system,
                "EnvironmentVariables": variables,
                "Digest": {"sha256": said.get("digest")} if said.get("digest") else None,
            },
        )


def _software(name: str, version: str, id: str, identifier: object) -> dict[str, Any]:
    other = identifier if isinstance(identifier, str) else id
    return {"Id": _id(name, id), "Label": name, "Version": version or "n/a", "AltIdentifier": other}


def _id(label: str, unique: str) -> str:
    """Return ``bids::prov#<label>-<uid>``, as BIDS wants it of all but files."""
    words = re.sub(r"[^A-Za-z0-9]+", "", label) or "run"
    return f"bids::prov#{words[:40]}-{unique.rpartition(':')[2][:36]}"
