"""Lineage as a graph: what is reached from a node, and whether an edge would close a cycle.

Pure functions over ``(source, predicate, target)``; the source depends on the target. Stores answer the same
questions in their own query languages and are tested against these.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ontology.errors import InvalidRequestError
from ontology.namespaces import LINEAGE

Edge = tuple[str, str, str]
"""``(source, predicate CURIE, target)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a traversal found.

    Attributes:
        depths: Every node reached, the start included, with its least distance; nearest first.
        edges: All edges between nodes reached, in the order given.
        truncated: Whether depth or limit cut it short.
    """

    depths: Mapping[str, int]
    edges: tuple[Edge, ...]
    truncated: bool


def reach(
    edges: Iterable[Edge],
    start: str,
    *,
    direction: str,
    depth: int | None = None,
    limit: int | None = None,
    predicates: Collection[str] = LINEAGE,
) -> Reach:
    """Return what ``start`` rests on (``up``) or what rests on it (``down``); each node once, however many paths.

    Raises:
        InvalidRequestError: ``direction`` is neither ``up`` nor ``down``, or ``depth`` is negative.
    """
    if direction not in ("up", "down"):
        raise InvalidRequestError(f"{direction!r} is neither up nor down", field="direction")
    if depth is not None and depth < 0:
        raise InvalidRequestError("a depth is not negative", field="depth")
    followed = [edge for edge in edges if edge[1] in predicates]
    neighbours: dict[str, list[str]] = {}
    for source, _, target in followed:
        here, there = (source, target) if direction == "up" else (target, source)
        neighbours.setdefault(here, []).append(there)
    depths, truncated = _breadth_first(neighbours, start, depth, limit)
    return Reach(
        depths=depths,
        edges=tuple(edge for edge in followed if edge[0] in depths and edge[2] in depths),
        truncated=truncated,
    )


def _breadth_first(
    neighbours: Mapping[str, list[str]], start: str, depth: int | None, limit: int | None
) -> tuple[dict[str, int], bool]:
    depths = {start: 0}
    queue = deque([start])
    truncated = False
    while queue:
        node = queue.popleft()
        for other in neighbours.get(node, ()):
            if other in depths:
                continue
            if (depth is not None and depths[node] >= depth) or (limit is not None and len(depths) >= limit):
                truncated = True
                continue
            depths[other] = depths[node] + 1
            queue.append(other)
    return depths, truncated


def would_close_cycle(edges: Iterable[Edge], new: Iterable[Edge]) -> list[str] | None:
    """Return a cycle that the ``new`` edges would close, as the nodes along it; None if they would not.

    Only lineage edges count: nothing may rest on itself, at whatever distance.
    """
    added = [edge for edge in new if edge[1] in LINEAGE]
    towards: dict[str, list[str]] = {}
    for source, predicate, target in [*edges, *added]:
        if predicate in LINEAGE:
            towards.setdefault(source, []).append(target)
    for source, _, target in added:
        path = _path(towards, target, source)
        if path is not None:
            return [source, *path]
    return None


def _path(towards: Mapping[str, list[str]], start: str, goal: str) -> list[str] | None:
    """Return a shortest path from ``start`` to ``goal``, both ends included."""
    came: dict[str, str | None] = {start: None}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        if node == goal:
            path: list[str] = []
            step: str | None = node
            while step is not None:
                path.append(step)
                step = came[step]
            return path[::-1]
        for other in towards.get(node, ()):
            if other not in came:
                came[other] = node
                queue.append(other)
    return None
