"""A layered drawing of lineage: causes to the left, effects to the right, always the same for the same graph.

The method is that of Sugiyama, Tagawa and Toda (1981): levels by longest path, order within a level by
barycentres, edges over several levels led through the gaps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from provenance.lineage_graph import Edge
from provenance.lineage_groups import Drawable, Drawn, fold, levels

NODE_WIDTH = 190.0
NODE_HEIGHT = 44.0
_LANE_HEIGHT = 12.0
_GAP_X = 90.0
_GAP_Y = 14.0
_MARGIN = 16.0
_SWEEPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedNode:
    """A box: its node, level, and the corner with the smallest coordinates."""

    node: Drawn
    level: int
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedEdge:
    """An edge and the points that it is drawn through, from effect to cause."""

    source: str
    predicate: str
    target: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidOut:
    """A whole drawing."""

    width: float
    height: float
    nodes: tuple[PlacedNode, ...]
    edges: tuple[PlacedEdge, ...]


_Slot = tuple[str, int]
"""A place in a level: a node (edge number -1), or the lane of an edge that passes through."""


def layout(
    nodes: Sequence[Drawable],
    edges: Sequence[Edge],
    *,
    largest_group: int = 8,
    focus: Collection[str] = (),
) -> LaidOut:
    """Return where to draw nodes and edges.

    Args:
        nodes: What to draw.
        edges: ``(source, predicate, target)``; those that lead outside ``nodes`` are left out.
        largest_group: Larger groups of nodes that stand alike are drawn as one box.
        focus: IRIs of what the picture is about; never folded into a group.
    """
    drawn, folded = fold(nodes, edges, largest=largest_group, focus=focus)
    level = levels([node.id for node in drawn], folded)
    pairs = list(dict.fromkeys((source, target) for source, _, target in folded))
    columns, lanes = _columns(drawn, pairs, level)
    neighbours = _neighbours(pairs, lanes)
    _order(columns, neighbours)
    middles = _middles(columns, neighbours)
    placed = tuple(
        PlacedNode(node=node, level=level[node.id], x=_x(level[node.id]), y=middles[node.id, -1] - NODE_HEIGHT / 2)
        for node in drawn
    )
    routes = {pair: _route(pair, lanes[pair], level, middles) for pair in pairs}
    return LaidOut(
        width=_x(len(columns) - 1) + NODE_WIDTH + _MARGIN if columns else 2 * _MARGIN,
        height=max((node.y + NODE_HEIGHT for node in placed), default=_MARGIN) + _MARGIN,
        nodes=placed,
        edges=tuple(
            PlacedEdge(source=source, predicate=predicate, target=target, points=routes[source, target])
            for source, predicate, target in folded
        ),
    )


def _x(level: int) -> float:
    return _MARGIN + level * (NODE_WIDTH + _GAP_X)


def _columns(
    drawn: Sequence[Drawn], pairs: Sequence[tuple[str, str]], level: Mapping[str, int]
) -> tuple[list[list[_Slot]], dict[tuple[str, str], list[_Slot]]]:
    """Return the slots of each level, and for each pair the lanes that it passes through, effect to cause."""
    columns: list[list[_Slot]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for node in drawn:
        columns[level[node.id]].append((node.id, -1))
    lanes: dict[tuple[str, str], list[_Slot]] = {}
    for number, (source, target) in enumerate(pairs):
        passed = range(level[source] - 1, level[target], -1)
        lanes[source, target] = [(f"lane {between}", number) for between in passed]
        for between, slot in zip(passed, lanes[source, target], strict=True):
            columns[between].append(slot)
    return columns, lanes


def _neighbours(
    pairs: Sequence[tuple[str, str]], lanes: Mapping[tuple[str, str], list[_Slot]]
) -> dict[_Slot, list[_Slot]]:
    found: dict[_Slot, list[_Slot]] = {}
    for source, target in pairs:
        way: list[_Slot] = [(source, -1), *lanes[source, target], (target, -1)]
        for one, other in pairwise(way):
            found.setdefault(one, []).append(other)
            found.setdefault(other, []).append(one)
    return found


def _order(columns: list[list[_Slot]], neighbours: Mapping[_Slot, list[_Slot]]) -> None:
    """Sort each level by the mean place of its neighbours, back and forth, so that fewer edges cross."""
    place = {slot: index / max(len(column), 1) for column in columns for index, slot in enumerate(column)}
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            column.sort(key=lambda slot: _mean([place[other] for other in neighbours.get(slot, ())], place[slot]))
            for index, slot in enumerate(column):
                place[slot] = index / len(column)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _middles(columns: Sequence[Sequence[_Slot]], neighbours: Mapping[_Slot, list[_Slot]]) -> dict[_Slot, float]:
    """Return the height of each slot's middle: near its neighbours, in order, and without overlap."""
    middles: dict[_Slot, float] = {}
    for column in columns:
        height = _MARGIN
        for slot in column:
            middles[slot] = height + _height(slot) / 2
            height += _height(slot) + _GAP_Y
    for sweep in range(2 * _SWEEPS):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            _settle(column, neighbours, middles)
    top = min((middles[slot] - _height(slot) / 2 for column in columns for slot in column), default=_MARGIN)
    return {slot: middle - top + _MARGIN for slot, middle in middles.items()}


def _settle(column: Sequence[_Slot], neighbours: Mapping[_Slot, list[_Slot]], middles: dict[_Slot, float]) -> None:
    wanted = [_mean([middles[other] for other in neighbours.get(slot, ())], middles[slot]) for slot in column]
    placed: list[float] = []
    for index, slot in enumerate(column):
        least = placed[-1] + (_height(column[index - 1]) + _height(slot)) / 2 + _GAP_Y if placed else wanted[index]
        placed.append(max(wanted[index], least))
    shift = _mean([want - got for want, got in zip(wanted, placed, strict=True)], 0.0)
    for slot, middle in zip(column, placed, strict=True):
        middles[slot] = middle + shift


def _height(slot: _Slot) -> float:
    return NODE_HEIGHT if slot[1] < 0 else _LANE_HEIGHT


def _route(
    pair: tuple[str, str],
    lanes: Sequence[_Slot],
    level: Mapping[str, int],
    middles: Mapping[_Slot, float],
) -> tuple[tuple[float, float], ...]:
    source, target = pair
    points = [(_x(level[source]), middles[source, -1])]
    for offset, lane in enumerate(lanes, start=1):
        x = _x(level[source] - offset)
        points += [(x + NODE_WIDTH, middles[lane]), (x, middles[lane])]
    points.append((_x(level[target]) + NODE_WIDTH, middles[target, -1]))
    return tuple((round(x, 1), round(y, 1)) for x, y in points)
