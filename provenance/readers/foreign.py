"""Provenance records made by others: recognised by what they hold, read into the model, and summarised.

A ``datalad run`` record stands in a commit message between two lines (DataLad handbook, "datalad run"); BIDS has
``GeneratedBy`` in ``dataset_description.json`` (BIDS 1.10, "Derived dataset and pipeline description").
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ontology.canonical import canonical_json
from ontology.errors import InvalidRequestError
from provenance import formats
from provenance import vocabulary as v
from provenance.formats.scope import load_json
from provenance.model import Identifier, Literal, ProvDocument
from provenance.readers.nidm import NIDM_RESULTS, summarise_nidm
from provenance.record import JSON_TYPE, NAMESPACES, SILLAGE

_BEGIN, _END = "=== Do not change lines below ===", "^^^ Do not change lines above ^^^"
_SPACE = uuid.UUID("5e0f4d0c-7f0b-5b7c-9a54-2f2f1b7a1d11")
"""Name space of the identifiers made for what a record does not name: equal content, equal identifiers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A record of others.

    Attributes:
        kind: ``nidm-results``, ``datalad-run``, ``generated-by`` or ``prov``.
        document: All that it says, as PROV.
        summary: What a person asks first: software, inputs, outputs.
    """

    kind: str
    document: ProvDocument
    summary: Mapping[str, Any]


def read_foreign(data: bytes, name: str = "") -> Foreign:
    """Return what a provenance record says.

    Args:
        data: The file, or a commit message.
        name: Its name; the extension tells a PROV format where the content alone does not.

    Raises:
        InvalidRequestError: It is no provenance record that is known here.
    """
    text = data.decode("utf-8", "replace")
    if _BEGIN in text:
        return _datalad(text)
    if text.lstrip().startswith("{"):
        members = load_json(data)
        if isinstance(members, dict) and isinstance(members.get("GeneratedBy"), list):
            return _generated_by(members)
    document = formats.read(data, _format(text, name))
    if any(NIDM_RESULTS in one.values(v.TYPE) for one in _statements(document)):
        return Foreign(kind="nidm-results", document=document, summary=summarise_nidm(list(_statements(document))))
    return Foreign(kind="prov", document=document, summary=_counts(document))


def _format(text: str, name: str) -> str:
    head = text.lstrip("\ufeff \t\r\n")
    for start, format in (("document", "n"), ("<", "xml"), ("@prefix", "trig"), ("PREFIX", "trig")):
        if head.startswith(start):
            return format
    if head.startswith("{"):
        return "jsonld" if '"@context"' in head else "json"
    ending = name.rpartition(".")[2]
    known = next((one.name for one in formats.FORMATS.values() if one.extension == f".{ending}"), None)
    if known is None:
        raise InvalidRequestError(
            "this is no provenance record that is known here",
            field="FILE",
            next_step="Give PROV, NIDM-Results, a commit message of datalad run, or a dataset_description.json.",
        )
    return known


def _statements(document: ProvDocument) -> list[Any]:
    return [one for part in (document, *document.bundles.values()) for one in part.statements]


def _counts(document: ProvDocument) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for one in _statements(document):
        counts[one.kind.keyword] = counts.get(one.kind.keyword, 0) + 1
    return {"statements": counts, "bundles": len(document.bundles)}


def _made(*parts: object) -> Identifier:
    return Identifier(uuid.uuid5(_SPACE, canonical_json(list(parts)).decode()).urn)


def _datalad(text: str) -> Foreign:
    body, ended, _ = text.partition(_BEGIN)[2].partition(_END)
    try:
        record = json.loads(body)
    except ValueError as error:
        raise InvalidRequestError(f"the run record is not JSON: {error}", field="FILE") from error
    if not ended or not isinstance(record, dict) or not record.get("cmd"):
        raise InvalidRequestError("a run record is an object with cmd, and ends where it says so", field="FILE")
    document = ProvDocument(NAMESPACES)
    command = record["cmd"] if isinstance(record["cmd"], str) else json.dumps(record["cmd"])
    run = _made("datalad", record)
    document.activity(
        run, {SILLAGE + "command": command, SILLAGE + "record": Literal(canonical_json(record).decode(), JSON_TYPE)}
    )
    given = [str(one) for name in ("inputs", "extra_inputs") for one in record.get(name) or ()]
    made = [str(one) for one in record.get("outputs") or ()]
    for path in given:
        document.entity(_made(record.get("dsid"), "in", path), {v.LOCATION: path})
        document.used(run, _made(record.get("dsid"), "in", path))
    for path in made:
        document.entity(_made(record, "out", path), {v.LOCATION: path})
        document.was_generated_by(_made(record, "out", path), run)
    summary = {"command": command, "exit": record.get("exit"), "dataset": record.get("dsid")}
    return Foreign(kind="datalad-run", document=document, summary={**summary, "inputs": given, "outputs": made})


def _generated_by(described: Mapping[str, Any]) -> Foreign:
    document = ProvDocument(NAMESPACES)
    name = str(described.get("Name") or "dataset")
    dataset = _made("dataset", dict(described))
    document.entity(dataset, {v.LABEL: name})
    software = []
    for one in described["GeneratedBy"]:
        if not isinstance(one, dict) or not one.get("Name"):
            raise InvalidRequestError("each GeneratedBy has a Name", field="GeneratedBy")
        agent = _made("software", one)
        whole = Literal(canonical_json(one).decode(), JSON_TYPE)
        document.agent(
            agent, {v.LABEL: str(one["Name"]), v.TYPE: Identifier(v.SOFTWARE_AGENT), SILLAGE + "generated_by": whole}
        )
        document.was_attributed_to(dataset, agent)
        software.append({"name": one["Name"], "version": one.get("Version"), "container": one.get("Container")})
    sources = [one for one in described.get("SourceDatasets") or () if isinstance(one, dict)]
    return Foreign(
        kind="generated-by", document=document, summary={"dataset": name, "software": software, "inputs": sources}
    )
