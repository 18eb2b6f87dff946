"""Lineage in Cypher.

``(start)-[:RESTS_ON*0..]->(n)`` with nothing asked of the paths but their ends is planned as one breadth-first search
that enters each node once (``VarLengthExpand(Pruning,BFS,All)``): 10,000 derivations in a row and a hundred paths to
each node cost the same. What takes time is to carry the answer over the wire, so it comes as a few long lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from catalog.backends.neo4j.connection import View
from catalog.commits.lineage import UP, Link, depths_of, lineage_node, refuse_nonsense
from catalog.model import Edge
from catalog.repository import Lineage
from ontology.errors import NotFoundError

_START = """
MATCH (s:SillageNode {catalog: $catalog, iri: $iri}) USING INDEX s:SillageNode(catalog, iri)
"""
_TYPE = "coalesce(n.type, CASE WHEN n:SillageFile THEN 'File' ELSE '' END)"
_TOLD = f"collect(n.key), collect(n.iri), collect({_TYPE}), collect(coalesce(n.label, ''))"
_REACHED = f"{_START} MATCH WALK WITH DISTINCT n RETURN {_TOLD}"
_LINKS = f"""
{_START} MATCH WALK WITH DISTINCT n MATCH STEP RETURN e.predicate, collect(n.key), collect(m.key)
"""
_NEAREST = f"""
{_START} MATCH p = WALK WITH n, min(length(p)) AS depth ORDER BY depth, n.key LIMIT $limit
RETURN {_TOLD}, collect(depth)
"""
_BETWEEN = """
UNWIND $keys AS key
MATCH (n:SillageNode {catalog: $catalog, key: key}) USING INDEX n:SillageNode(catalog, key)
MATCH (n)-[e:RESTS_ON]->(m) RETURN e.predicate, collect(n.key), collect(m.key)
"""
_MOST = 1 << 31
_DEEPEST = 1 << 14

Told = tuple[str, str, str]
"""Name, type and label of a node; empty where there is none."""


def lineage(view: View, iri: str, *, direction: str, depth: int | None, limit: int | None) -> Lineage:
    """Return the lineage of a node; see :meth:`catalog.repository.Repository.lineage`.

    Raises:
        NotFoundError: No such node.
        InvalidRequestError: A parameter is not one of those allowed.
    """
    refuse_nonsense(direction=direction, depth=depth, limit=limit)
    upward = direction == UP
    if depth is None and limit is None:
        told = _told(_first(view, _fill(_REACHED, upward), iri))
        links = _links(view.rows(_fill(_LINKS, upward), iri=iri), turned=not upward)
        start = next(key for key, (name, _, _) in told.items() if name == iri)
        numbered = {curie: number for number, curie in enumerate({curie for _, curie, _ in links})}
        plain: list[Link] = [(source, numbered[curie], target) for source, curie, target in links]
        depths, truncated = depths_of(start, plain, upward=upward), False
    else:
        depths, told, truncated = _bounded(view, iri, upward, depth=depth, limit=limit)
        found = _links(view.rows(_BETWEEN, keys=list(depths)), turned=False)
        links = [link for link in found if link[2] in depths]
    nodes = [lineage_node(*told[key], depth=distance) for key, distance in depths.items()]
    edges = [Edge(told[source][0], curie, told[target][0]) for source, curie, target in links]
    return Lineage(iri, direction, nodes, edges, truncated)


def _bounded(
    view: View, iri: str, upward: bool, *, depth: int | None, limit: int | None
) -> tuple[dict[int, int], dict[int, Told], bool]:
    """Search no deeper than is needed to know whether anything was cut.

    The bound of a walk is no parameter in Cypher, so it is one of few: the depth asked for and one more, or, where
    only their number is limited, twice as deep each time until there are enough.
    """
    most = _MOST if limit is None else limit + 1
    deepest = None if depth is None or depth >= _DEEPEST else depth + 1
    bound = 1 if deepest is None else deepest
    while True:
        walk = _fill(_NEAREST, upward, bound=None if bound > _DEEPEST else bound)
        row = _first(view, walk, iri, limit=most)
        told, distances = _told(row), dict(zip(row[0], row[4], strict=True))
        if bound == deepest or bound > _DEEPEST or len(distances) == most or max(row[4]) < bound:
            break
        bound *= 2
    kept = {key: at for key, at in distances.items() if depth is None or at <= depth}
    if limit is not None:
        kept = dict(list(kept.items())[:limit])
    return kept, told, len(kept) < len(distances)


def _fill(query: str, upward: bool, *, bound: int | None = None) -> str:
    reach = f"[:RESTS_ON*0..{'' if bound is None else bound}]"
    if upward:
        return query.replace("WALK", f"(s)-{reach}->(n)").replace("STEP", "(n)-[e:RESTS_ON]->(m)")
    return query.replace("WALK", f"(s)<-{reach}-(n)").replace("STEP", "(n)<-[e:RESTS_ON]-(m)")


def _first(view: View, query: str, iri: str, **parameters: object) -> tuple[Any, ...]:
    row = view.row(query, iri=iri, **parameters)
    if row is None or not row[0]:
        raise NotFoundError(f"there is nothing by the name of {iri}", field="id")
    return row


def _told(row: tuple[Any, ...]) -> dict[int, Told]:
    return {key: told for key, *told in zip(*row[:4], strict=True)}  # type: ignore[misc]


def _links(rows: Iterable[tuple[Any, ...]], *, turned: bool) -> list[tuple[int, str, int]]:
    """Return source, predicate and target of each edge."""
    found = []
    for curie, near, far in rows:
        sources, targets = (far, near) if turned else (near, far)
        found += [(source, curie, target) for source, target in zip(sources, targets, strict=True)]
    return found
