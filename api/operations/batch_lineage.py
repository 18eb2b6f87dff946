"""The lineage of a batch: it rests on its plan and its cohort, and its tasks rest on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from api.catalogue import Catalogue
from catalog.model import Edge, Record
from catalog.repository import Lineage, LineageNode
from ontology.namespaces import HAD_PLAN, INFLUENCED_BY, LINEAGE, PART_OF_RUN

PAGE: Final = 1000


@dataclass(slots=True)
class _Found:
    """Nodes and edges as they are found, each once."""

    limit: int | None
    nodes: dict[str, LineageNode] = field(default_factory=dict)
    edges: dict[Edge, None] = field(default_factory=dict)
    truncated: bool = False

    def add(self, node: LineageNode) -> bool:
        """Add a node, unless it is there or there is no room; tell whether it is new."""
        if node.id in self.nodes:
            return False
        if self.limit is not None and len(self.nodes) >= self.limit:
            self.truncated = True
            return False
        self.nodes[node.id] = node
        return True

    def lineage(self, start: str, direction: str) -> Lineage:
        """Return what was found, with the edges between what was found."""
        kept = [edge for edge in self.edges if edge.source in self.nodes and edge.target in self.nodes]
        return Lineage(start, direction, list(self.nodes.values()), kept, self.truncated)


def lineage_of(
    catalogue: Catalogue, batch: Record, *, direction: str, depth: int | None = None, limit: int | None = None
) -> Lineage:
    """Return the lineage of a batch; see :meth:`catalog.repository.Repository.lineage`.

    What the repository follows are links of results. A batch makes none: it is what its tasks are part of.

    Args:
        catalogue: The catalogue.
        batch: The batch.
        direction: ``up``: pipeline version, cohort, certificate, and what these rest on. ``down``: its tasks, and
            what rests on them.
        depth: At most so many steps.
        limit: At most so many nodes.
    """
    found = _Found(limit)
    found.add(_node(batch, 0))
    if depth == 0:
        found.truncated = True
    elif direction == "up":
        _up(catalogue, batch, found, depth)
    else:
        _down(catalogue, batch, found, depth)
    return found.lineage(batch.id, direction)


def roots_of(batch: Record) -> list[Edge]:
    """Return the edges from a batch to what it was told to do: pipeline version, cohort, certificate."""
    document = batch.document
    edges = [Edge(batch.id, HAD_PLAN, document["pipeline"]), Edge(batch.id, INFLUENCED_BY, document["cohort"])]
    certificate = document.get("certificate") or {}
    if certificate.get("state") == "certified":
        edges.append(Edge(batch.id, INFLUENCED_BY, certificate["id"]))
    return edges


def _node(record: Record, depth: int) -> LineageNode:
    label = record.document.get("label") or record.document.get("path") or ""
    return LineageNode(record.id, record.type, str(label), depth)


def _up(catalogue: Catalogue, batch: Record, found: _Found, depth: int | None) -> None:
    rest = None if depth is None else depth - 1
    for edge in roots_of(batch):
        found.edges[edge] = None
        behind = catalogue.repository.lineage(edge.target, direction="up", depth=rest, limit=found.limit)
        found.truncated |= behind.truncated
        for node in behind.nodes:
            found.add(LineageNode(node.id, node.type, node.label, node.depth + 1))
        found.edges.update(dict.fromkeys(behind.edges))


def _down(catalogue: Catalogue, batch: Record, found: _Found, depth: int | None) -> None:
    frontier: list[str] = []
    cursor = None
    while not found.truncated:
        page = catalogue.repository.list_records("Task", part_of=batch.id, cursor=cursor, limit=PAGE)
        for task in page.items:
            if found.add(_node(task, 1)):
                found.edges[Edge(task.id, PART_OF_RUN, batch.id)] = None
                frontier.append(task.id)
        cursor = page.next
        if cursor is None:
            break
    reached = 1
    while frontier and not found.truncated:
        edges = [edge for ids in _pieces(frontier) for edge in catalogue.repository.edges_to(ids, LINEAGE)]
        found.edges.update(dict.fromkeys(edges))
        new = list(dict.fromkeys(edge.source for edge in edges if edge.source not in found.nodes))
        if depth is not None and reached >= depth:
            found.truncated = bool(new)
            return
        reached += 1
        known = catalogue.repository.get_many(new)
        frontier = [iri for iri in new if iri in known and found.add(_node(known[iri], reached))]


def _pieces(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + PAGE] for start in range(0, len(ids), PAGE))
