"""Lineage: what a node rests on, and what rests on it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from catalog.commits.lineage import UP, Link, depths_of, lineage_node, refuse_nonsense
from catalog.commits.predicates import LAST_LINEAGE_KEY
from catalog.model import Edge
from catalog.repository import Lineage
from ontology.errors import NotFoundError

_CLOSURE = """
WITH RECURSIVE reached(key) AS (
  SELECT :start
  UNION
  SELECT e.{far} FROM reached JOIN edge AS e ON e.{near} = reached.key WHERE e.predicate <= {lineage}
)
SELECT e.source, e.predicate, e.target FROM reached CROSS JOIN edge AS e ON e.{near} = reached.key
WHERE e.predicate <= {lineage}
"""
_STEP = """
SELECT e.{far} FROM json_each(?) AS level JOIN edge AS e ON e.{near} = level.value WHERE e.predicate <= {lineage}
"""
_BETWEEN = """
SELECT e.source, e.predicate, e.target FROM json_each(:reached) AS reached JOIN edge AS e ON e.source = reached.value
WHERE e.predicate <= {lineage} AND +e.target IN (SELECT value FROM json_each(:reached))
"""
_NODES = """
SELECT n.key, n.iri, coalesce(r.type, CASE WHEN f.key IS NOT NULL THEN 'File' END), coalesce(r.label, f.label)
FROM json_each(?) AS asked JOIN node AS n ON n.key = asked.value
LEFT JOIN record AS r ON r.key = n.key LEFT JOIN file AS f ON f.key = n.key
"""


class _Direction(NamedTuple):
    near: str
    far: str

    def fill(self, query: str) -> str:
        return query.format(near=self.near, far=self.far, lineage=LAST_LINEAGE_KEY)


_UP, _DOWN = _Direction("source", "target"), _Direction("target", "source")


def lineage(
    connection: sqlite3.Connection, iri: str, *, direction: str, depth: int | None, limit: int | None
) -> Lineage:
    """Return the lineage of a node; see :meth:`catalog.repository.Repository.lineage`.

    Raises:
        NotFoundError: No such node.
        InvalidRequestError: A parameter is not one of those allowed.
    """
    refuse_nonsense(direction=direction, depth=depth, limit=limit)
    row = connection.execute("SELECT key FROM node WHERE iri = ?", (iri,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is nothing by the name of {iri}", field="id")
    way = _UP if direction == UP else _DOWN
    if depth is None and limit is None:
        links = connection.execute(way.fill(_CLOSURE), {"start": row[0]}).fetchall()
        depths, truncated = depths_of(row[0], links, upward=way is _UP), False
    else:
        depths, links, truncated = _bounded(connection, row[0], way, depth=depth, limit=limit)
    return _described(connection, iri, direction, depths, links, truncated=truncated)


def _bounded(
    connection: sqlite3.Connection, start: int, way: _Direction, *, depth: int | None, limit: int | None
) -> tuple[dict[int, int], list[Link], bool]:
    """Search level by level, and stop reading where ``depth`` or ``limit`` is reached."""
    depths = {start: 0}
    level, truncated = [start], False
    while level and not truncated:
        distance = depths[level[0]] + 1
        onward: list[int] = []
        for (far,) in connection.execute(way.fill(_STEP), (json.dumps(level),)):
            if far in depths:
                continue
            if distance - 1 == depth or len(depths) == limit:
                truncated = True
                break
            depths[far] = distance
            onward.append(far)
        level = onward
    reached = {"reached": json.dumps(list(depths))}
    return depths, connection.execute(way.fill(_BETWEEN), reached).fetchall(), truncated


def _described(
    connection: sqlite3.Connection,
    iri: str,
    direction: str,
    depths: Mapping[int, int],
    links: Iterable[Link],
    *,
    truncated: bool,
) -> Lineage:
    rows = {row[0]: row for row in connection.execute(_NODES, (json.dumps(list(depths)),))}
    curies = dict(connection.execute("SELECT key, curie FROM predicate"))
    nodes = []
    for key, depth in depths.items():
        _, name, type, label = rows[key]
        nodes.append(lineage_node(name, type, label, depth))
    edges = [Edge(rows[source][1], curies[predicate], rows[target][1]) for source, predicate, target in links]
    return Lineage(iri, direction, nodes, edges, truncated)
