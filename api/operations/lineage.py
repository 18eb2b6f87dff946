"""Lineage and PROV: what a result rests on, what rests on it, and the same as W3C PROV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from api.operations.batch_lineage import lineage_of
from catalog.model import Edge, Record
from catalog.repository import Lineage, LineageNode
from ontology.namespaces import ACTED_ON_BEHALF_OF, ASSOCIATED_WITH, ATTRIBUTED_TO
from provenance import formats
from provenance.model import ProvDocument
from provenance.record import ProvNode, document_for

MAX_NODES = 100_000
AGENT_EDGES = (ASSOCIATED_WITH, ATTRIBUTED_TO, ACTED_ON_BEHALF_OF)


def trace(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    *,
    direction: str,
    depth: int | None = None,
    limit: int | None = 10_000,
) -> dict[str, Any]:
    """Return the lineage of a record or file as nodes and edges; what may not be read is left out."""
    lineage = readable(catalogue, principal, reference, direction=direction, depth=depth, limit=limit)
    return {
        "id": lineage.start,
        "direction": direction,
        "nodes": [
            {"id": node.id, "type": node.type, "label": node.label, "depth": node.depth} for node in lineage.nodes
        ],
        "edges": [{"from": edge.source, "to": edge.target, "relation": edge.predicate} for edge in lineage.edges],
        "truncated": lineage.truncated,
    }


def readable(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    *,
    direction: str,
    depth: int | None = None,
    limit: int | None = MAX_NODES,
) -> Lineage:
    """Return the part of a lineage that the principal may read, and put the reading on the ledger."""
    start = records.find(catalogue, principal, reference)
    if start.type == "TaskBatch":
        lineage = lineage_of(catalogue, start, direction=direction, depth=depth, limit=limit)
    else:
        lineage = catalogue.repository.lineage(start.id, direction=direction, depth=depth, limit=limit)
    records.note_access(catalogue, principal, "lineage.read", start.id, {"direction": direction})
    if principal.everywhere(Permission.READ):
        return lineage
    known = catalogue.repository.get_many([node.id for node in lineage.nodes])
    kept = [node for node in lineage.nodes if node.id in known and principal.may(Permission.READ, known[node.id])]
    ids = {node.id for node in kept}
    edges = [edge for edge in lineage.edges if edge.source in ids and edge.target in ids]
    return Lineage(lineage.start, direction, kept, edges, lineage.truncated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """What a record rests on: nodes with their documents, the edges between them, and the records by IRI."""

    nodes: Sequence[ProvNode]
    edges: Sequence[tuple[str, str, str]]
    records: Mapping[str, Record]

    def document(self) -> ProvDocument:
        """Return the same as PROV."""
        return document_for(self.nodes, self.edges)


def export(catalogue: Catalogue, principal: Principal, reference: str, *, format: str) -> bytes:
    """Return the full upstream PROV of a record in one of the formats of :mod:`provenance.formats`.

    Raises:
        NotAcceptableError: There is no such format, or it cannot say what the record rests on.
    """
    return formats.write(upstream(catalogue, principal, reference).document(), format)


def upstream(catalogue: Catalogue, principal: Principal, reference: str) -> Upstream:
    """Return everything that a record rests on, with the agents that answer for it."""
    lineage = readable(catalogue, principal, reference, direction="up")
    known = catalogue.repository.get_many([node.id for node in lineage.nodes])
    nodes, edges = _with_agents(catalogue, lineage, known)
    return Upstream(
        nodes=[_prov_node(node, known) for node in nodes],
        edges=[(edge.source, edge.predicate, edge.target) for edge in edges],
        records=known,
    )


def _with_agents(
    catalogue: Catalogue, lineage: Lineage, known: dict[str, Record]
) -> tuple[list[LineageNode], list[Edge]]:
    """Add the agents: they stand beside the lineage, not in it, since nothing is derived from them."""
    edges = list(catalogue.repository.edges_from([node.id for node in lineage.nodes], AGENT_EDGES))
    agents = catalogue.repository.get_many({edge.target for edge in edges})
    known.update(agents)
    nodes = [LineageNode(agent.id, agent.type, str(agent.document.get("label", "")), 0) for agent in agents.values()]
    reached = {node.id for node in lineage.nodes}
    return [
        *lineage.nodes,
        *[node for node in nodes if node.id not in reached],
    ], [*lineage.edges, *[edge for edge in edges if edge.target in agents]]


def _prov_node(node: LineageNode, known: dict[str, Record]) -> ProvNode:
    record = known.get(node.id)
    return ProvNode(id=node.id, type=node.type, label=node.label, document=record.document if record else {})
