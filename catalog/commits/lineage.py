"""What every backend does alike to answer a lineage: refuse nonsense, measure distances, describe nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from catalog.repository import LineageNode
from ontology.errors import InvalidRequestError
from ontology.identifiers import last_part

UP, DOWN = "up", "down"
EXTERNAL = "External"
"""Type of a node that edges name and no record describes."""

Link = tuple[int, int, int]
"""Source, predicate and target, by their keys."""


def refuse_nonsense(*, direction: str, depth: int | None, limit: int | None) -> None:
    """Check the parameters of a lineage.

    Raises:
        InvalidRequestError: One is not among those allowed.
    """
    if direction not in (UP, DOWN):
        raise InvalidRequestError(f"direction is {direction!r}, neither 'up' nor 'down'", field="direction")
    if depth is not None and depth < 0:
        raise InvalidRequestError(f"depth is {depth}, and cannot be negative", field="depth")
    if limit is not None and limit < 1:
        raise InvalidRequestError(f"limit is {limit}, and cannot be less than 1", field="limit")


def depths_of(start: int, links: Iterable[Link], *, upward: bool) -> dict[int, int]:
    """Return the least distance of each node from ``start``, in the order in which breadth-first search meets them."""
    onward: defaultdict[int, list[int]] = defaultdict(list)
    near, far = (0, 2) if upward else (2, 0)
    for link in links:
        onward[link[near]].append(link[far])
    depths = {start: 0}
    queue = [start]
    for key in queue:
        depth = depths[key] + 1
        for reached in onward.get(key, ()):
            if reached not in depths:
                depths[reached] = depth
                queue.append(reached)
    return depths


def lineage_node(iri: str, type: str | None, label: str | None, depth: int) -> LineageNode:
    """Return a node as it is told: one that nothing describes is called by the last part of its name."""
    return LineageNode(iri, type or EXTERNAL, label or last_part(iri), depth)
