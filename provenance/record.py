"""From catalogue records and edges to a PROV document, and nothing lost on the way.

What each type of record becomes is one table; a task's record of its run is carried whole, as JSON, beside
the attributes that are taken out of it. ``docs/reference/records.md`` describes the records.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ontology.canonical import canonical_json
from ontology.errors import InvalidRequestError
from ontology.namespaces import (
    ACTED_ON_BEHALF_OF,
    ASSOCIATED_WITH,
    ATTRIBUTED_TO,
    DERIVED_FROM,
    GENERATED_BY,
    HAD_MEMBER,
    HAD_PLAN,
    INFLUENCED_BY,
    INFORMED_BY,
    PREFIXES,
    SPECIALIZATION_OF,
    USED,
)
from provenance import vocabulary as v
from provenance.collector import paused_collector
from provenance.model import ProvDocument
from provenance.statements import Pair, Statement, ordered_pairs
from provenance.values import Identifier, Literal, normal_time, value_of
from provenance.vocabulary import Kind

REVISION_OF = "prov:wasRevisionOf"
NAMESPACES: dict[str, str] = {
    "uuid": "urn:uuid:",
    "ni": "ni:///sha-256;",
    "sillage": PREFIXES["sillage"],
    "dcat": PREFIXES["dcat"],
    "dcterms": PREFIXES["dcterms"],
    "foaf": PREFIXES["foaf"],
    "rdf": PREFIXES["rdf"],
    "schema": PREFIXES["schema"],
}
"""Prefixes of the documents made here."""

SILLAGE = PREFIXES["sillage"]
SHA256 = SILLAGE + "sha256"
JSON_TYPE = PREFIXES["rdf"] + "JSON"
"""Datatype of JSON carried as a literal (JSON-LD 1.1, section 10.2)."""

Edge = tuple[str, str, str]
"""``(source, predicate CURIE, target)``, in PROV direction: effect to cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvNode:
    """A record or file as it goes into a PROV document.

    Attributes:
        id: IRI.
        type: Record type, or ``File``.
        label: What a person reads.
        document: The record's JSON members; empty when they may not be told.
    """

    id: str
    type: str
    label: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)


class _Identifiers(dict[str, Identifier]):
    """Each IRI checked once, however many edges lead to it."""

    def __missing__(self, iri: str) -> Identifier:
        found = self[iri] = Identifier(iri)
        return found


_KINDS: dict[str, Kind] = {"Task": v.ACTIVITY, "TaskBatch": v.ACTIVITY, "Agent": v.AGENT}
_CLASSES: dict[str, str] = {
    "Catalog": PREFIXES["dcat"] + "Catalog",
    "Cohort": v.COLLECTION,
    "Dataset": PREFIXES["dcat"] + "Dataset",
    "PipelineVersion": v.PLAN,
    "Software": PREFIXES["schema"] + "SoftwareSourceCode",
    "Split": v.COLLECTION,
}
_AGENT_CLASSES = {"person": v.PERSON, "organisation": v.ORGANIZATION, "software": v.SOFTWARE_AGENT}
_MEMBERS: dict[str, str] = {
    "attempt": SILLAGE + "attempt",
    "bids_version": SILLAGE + "bids_version",
    "commit": SILLAGE + "commit",
    "count": SILLAGE + "count",
    "dataset_type": SILLAGE + "dataset_type",
    "datatype": SILLAGE + "datatype",
    "description": PREFIXES["dcterms"] + "description",
    "descriptor_digest": SILLAGE + "descriptor_digest",
    "digest": SILLAGE + "digest",
    "doi": PREFIXES["dcterms"] + "identifier",
    "exit_code": SILLAGE + "exit_code",
    "license": PREFIXES["dcterms"] + "license",
    "media_type": PREFIXES["dcat"] + "mediaType",
    "orcid": SILLAGE + "orcid",
    "path": v.LOCATION,
    "query": SILLAGE + "query",
    "reason": SILLAGE + "reason",
    "reused": SILLAGE + "reused",
    "ror": SILLAGE + "ror",
    "role": SILLAGE + "role",
    "runner": SILLAGE + "runner",
    "semver": PREFIXES["schema"] + "softwareVersion",
    "sequence": SILLAGE + "sequence",
    "sha256": SHA256,
    "size": PREFIXES["dcat"] + "byteSize",
    "state": SILLAGE + "state",
    "suffix": SILLAGE + "suffix",
    "title": PREFIXES["dcterms"] + "title",
    "tree": SILLAGE + "tree",
}
"""Members of documents that are attributes as they stand."""
_ATTRIBUTES = {name: Identifier(iri) for name, iri in _MEMBERS.items()}
_WHOLE = {
    name: Identifier(SILLAGE + name)
    for name in ("certificate", "codemeta", "descriptor", "environment", "parameters", "record")
}
"""Members that are carried whole, as JSON."""


class _RecordTypes(dict[str, Identifier]):
    def __missing__(self, name: str) -> Identifier:
        found = self[name] = Identifier(SILLAGE + name)
        return found


_TYPES = _RecordTypes()
_TYPE, _LABEL = Identifier(v.TYPE), Identifier(v.LABEL)
_COMMAND = Identifier(SILLAGE + "command")
_OPENED = Identifier(SILLAGE + "opened")
_PART_OF = Identifier(PREFIXES["dcterms"] + "isPartOf")


def _pair(kind: Kind, *pairs: Pair) -> tuple[Kind, tuple[None, ...], tuple[Pair, ...]]:
    return kind, (None,) * (len(kind.arguments) - 2), pairs


_PAIRS: dict[str, tuple[Kind, tuple[None, ...], tuple[Pair, ...]]] = {
    USED: _pair(v.USAGE),
    GENERATED_BY: _pair(v.GENERATION),
    DERIVED_FROM: _pair(v.DERIVATION),
    REVISION_OF: _pair(v.DERIVATION, (_TYPE, Identifier(v.REVISION))),
    INFORMED_BY: _pair(v.COMMUNICATION),
    ATTRIBUTED_TO: _pair(v.ATTRIBUTION),
    ACTED_ON_BEHALF_OF: _pair(v.DELEGATION),
    INFLUENCED_BY: _pair(v.INFLUENCE),
    HAD_MEMBER: _pair(v.MEMBERSHIP),
    SPECIALIZATION_OF: _pair(v.SPECIALIZATION),
    "prov:alternateOf": _pair(v.ALTERNATE),
}
"""The relation that an edge is, with the rest of its arguments and its attributes."""


def document_for(nodes: Sequence[ProvNode], edges: Sequence[Edge]) -> ProvDocument:
    """Return what nodes and edges say, as PROV.

    Edges to things that are not among the nodes are stated all the same; edges that PROV has no relation for
    (``dcterms:isPartOf``) are attributes of their source. A plan and the agents of a task become associations
    with that plan. The files of a derived record are stated as generated by its task.

    Raises:
        InvalidRequestError: A node's id is no IRI, or an edge's predicate has a prefix that is not ours.
    """
    with paused_collector():
        return _document_for(nodes, edges)


def _document_for(nodes: Sequence[ProvNode], edges: Sequence[Edge]) -> ProvDocument:
    document = ProvDocument(NAMESPACES)
    iris = _Identifiers()
    distinct = dict.fromkeys(edges)
    attributes = _edge_attributes(distinct, iris)
    for node in {node.id: node for node in nodes}.values():
        document.add(_element(iris[node.id], node, attributes.get(node.id, ())))
    _state_outputs(document, nodes, edges, iris)
    add = document.add
    seen = _openings(nodes)
    for source, predicate, target in distinct:
        found = _PAIRS.get(predicate)
        if found is not None:
            kind, rest, pairs = found
            if predicate == USED:
                pairs = (*pairs, *seen.get((source, target), ()))
            add(Statement.of_checked(kind, None, (iris[source], iris[target], *rest), pairs))
    _state_associations(document, distinct, iris)
    return document


def _openings(nodes: Iterable[ProvNode]) -> dict[tuple[str, str], tuple[Pair, ...]]:
    """Return for each task and input what was seen: whether the one opened the other. Nothing where it is not known.

    Every input that a task was given is stated as used by it, opened or not: what a task could have read counts when
    data are withdrawn.
    """
    found: dict[tuple[str, str], tuple[Pair, ...]] = {}
    for node in nodes:
        record = node.document.get("record") if node.type == "Task" else None
        seen = record.get("inputs_observed") if isinstance(record, Mapping) else None
        if isinstance(seen, Mapping) and seen.get("mechanism") == "strace":
            found |= {(node.id, name): ((_OPENED, value_of(True)),) for name in seen.get("opened") or ()}
            if seen.get("complete"):
                found |= {(node.id, name): ((_OPENED, value_of(False)),) for name in seen.get("not_opened") or ()}
    return found


def _edge_attributes(edges: Iterable[Edge], iris: _Identifiers) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = {}
    for source, predicate, target in edges:
        if predicate in _PAIRS or predicate in (ASSOCIATED_WITH, HAD_PLAN):
            continue
        prefix, _, local = predicate.partition(":")
        if prefix not in PREFIXES or prefix == "prov":
            raise InvalidRequestError(f"{predicate!r} is not a predicate that can be told in PROV", field=predicate)
        found.setdefault(source, []).append((iris[PREFIXES[prefix] + local], iris[target]))
    return found


def _element(id: Identifier, node: ProvNode, more: Iterable[Pair]) -> Statement:
    """Return the statement of a node: what type of thing it is, and all that its document says of it."""
    kind = _KINDS.get(node.type, v.ENTITY)
    members = node.document
    pairs: list[Pair] = [(_TYPE, _TYPES[node.type]), *more]
    special = _AGENT_CLASSES.get(str(members.get("kind"))) if kind is v.AGENT else _CLASSES.get(node.type)
    if special:
        pairs.append((_TYPE, Identifier(special)))
    if node.label:
        pairs.append((_LABEL, Literal(node.label)))
    for name, value in members.items():
        attribute = _ATTRIBUTES.get(name)
        if attribute is not None and isinstance(value, str | int | float) and value != "":
            pairs.append((attribute, value_of(value)))
        elif name in _WHOLE and isinstance(value, Mapping) and value:
            pairs.append((_WHOLE[name], Literal(canonical_json(value).decode(), JSON_TYPE)))
            if name == "record" and value.get("command"):
                pairs.append((_COMMAND, Literal(shlex.join(map(str, value["command"])))))
    times: tuple[str | None, ...] = ()
    if kind is v.ACTIVITY:
        start, end = members.get("start_time"), members.get("end_time")
        times = (normal_time(start) if start else None, normal_time(end) if end else None)
    return Statement.of_checked(kind, id, times, ordered_pairs(pairs))


def _state_outputs(
    document: ProvDocument, nodes: Sequence[ProvNode], edges: Sequence[Edge], iris: _Identifiers
) -> None:
    """State the files of derived records: they stand beside the lineage, but carry the digests that count."""
    makers = {source: target for source, predicate, target in edges if predicate == GENERATED_BY}
    for node in nodes:
        task = makers.get(node.id)
        if task is None:
            continue
        for file in node.document.get("files") or ():
            label = str(file.get("path", "")).rpartition("/")[2]
            told = ProvNode(id=file["id"], type="File", label=label, document=file)
            document.add(_element(iris[file["id"]], told, [(_PART_OF, iris[node.id])]))
            document.was_generated_by(iris[file["id"]], iris[task])


def _state_associations(document: ProvDocument, edges: Iterable[Edge], iris: _Identifiers) -> None:
    plans: dict[str, list[Identifier]] = {}
    agents: dict[str, list[Identifier]] = {}
    for source, predicate, target in edges:
        if predicate == HAD_PLAN:
            plans.setdefault(source, []).append(iris[target])
        elif predicate == ASSOCIATED_WITH:
            agents.setdefault(source, []).append(iris[target])
    nobody: list[Identifier | None] = [None]
    for task in dict.fromkeys([*plans, *agents]):
        for plan in plans.get(task) or nobody:
            for agent in agents.get(task) or nobody:
                document.add(Statement.of_checked(v.ASSOCIATION, None, (iris[task], agent, plan), ()))
