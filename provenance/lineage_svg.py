"""Lineage as a picture: one self-contained SVG that can be read aloud, followed by keyboard, and printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise

from provenance.lineage_groups import Drawn
from provenance.lineage_layout import NODE_HEIGHT, NODE_WIDTH, LaidOut, PlacedEdge, PlacedNode

_TEXT = 26
_KINDS = {
    "Task": "activity",
    "TaskBatch": "activity",
    "Agent": "agent",
    "Pipeline": "plan",
    "PipelineVersion": "plan",
    "Software": "plan",
    "Participant": "participant",
    "Cohort": "collection",
    "Split": "collection",
    "Dataset": "collection",
    "DatasetVersion": "collection",
}
CSS = """
.lineage{font:12px system-ui,sans-serif;color-scheme:light dark;
--ink:#1b1f24;--paper:#fff;--line:#6a737d;--entity:#fff8c5;--activity:#ddebff;--agent:#ffe8d1;
--plan:#e9e2ff;--participant:#dff5e1;--collection:#eceff2;--focus:#b42318}
@media (prefers-color-scheme:dark){.lineage{--ink:#e6edf3;--paper:#0d1117;--line:#8b949e;--entity:#3a3410;
--activity:#10305c;--agent:#4d2d10;--plan:#33265c;--participant:#12391c;--collection:#2a3038;--focus:#ff8a80}}
@media print{.lineage{--ink:#000;--paper:#fff;--line:#444;--entity:#fff8c5;--activity:#ddebff;--agent:#ffe8d1;
--plan:#e9e2ff;--participant:#dff5e1;--collection:#eceff2;--focus:#b42318}}
.lineage rect{stroke:var(--line);stroke-width:1}
.lineage .entity rect{fill:var(--entity)}.lineage .activity rect{fill:var(--activity)}
.lineage .agent rect{fill:var(--agent)}.lineage .plan rect{fill:var(--plan)}
.lineage .participant rect{fill:var(--participant)}.lineage .collection rect{fill:var(--collection)}
.lineage .focus rect{stroke:var(--focus);stroke-width:3}
.lineage text{fill:var(--ink)}.lineage .type{font-size:10px;opacity:.75}
.lineage path{fill:none;stroke:var(--line);stroke-width:1.2}
.lineage marker path{fill:var(--line);stroke:none}
.lineage a:focus rect,.lineage a:hover rect{stroke:var(--focus);stroke-width:2.5}
.lineage a{text-decoration:none;outline:none}
"""
"""The style of the picture; a page whose policy forbids inline styles takes it into its own sheet."""


def to_svg(
    laid: LaidOut,
    *,
    title: str = "Lineage",
    link: Callable[[Drawn], str | None] | None = None,
    styled: bool = True,
) -> str:
    """Return the drawing as SVG.

    Edges are drawn as PROV states them, from what depends to what it depends on. Every box has its whole text
    as a title; ``link`` makes it a link.

    Args:
        laid: From :func:`provenance.lineage_layout.layout`.
        title: Accessible name of the picture.
        link: Returns the address of a node's page, or None for no link.
        styled: Whether the picture carries :data:`CSS`.
    """
    count = sum(node.node.count for node in laid.nodes)
    width, height = round(laid.width), round(laid.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lineage" role="group" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        f"<desc>{count} records in {len(laid.nodes)} boxes; arrows lead from what depends to what it rests on.</desc>",
        f"<style>{CSS}</style>" if styled else "",
        '<defs><marker id="lineage-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z"/></marker></defs>',
        '<g class="edges" aria-hidden="true">',
        *(_edge(points, edges) for points, edges in _by_route(laid.edges).items()),
        "</g>",
        '<g class="nodes" role="list">',
        *(_node(node, link(node.node) if link else None) for node in laid.nodes),
        "</g>",
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _by_route(edges: Sequence[PlacedEdge]) -> dict[tuple[tuple[float, float], ...], list[PlacedEdge]]:
    routes: dict[tuple[tuple[float, float], ...], list[PlacedEdge]] = {}
    for edge in edges:
        routes.setdefault(edge.points, []).append(edge)
    return routes


def _edge(points: Sequence[tuple[float, float]], edges: Sequence[PlacedEdge]) -> str:
    way = f"M{points[0][0]:g} {points[0][1]:g}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        way += f"L{x1:g} {y1:g}" if y0 == y1 else f"C{middle:g} {y0:g} {middle:g} {y1:g} {x1:g} {y1:g}"
    said = ", ".join(edge.predicate for edge in edges)
    return f'<path d="{way}" marker-end="url(#lineage-arrow)"><title>{escape(said)}</title></path>'


def _node(placed: PlacedNode, address: str | None) -> str:
    node = placed.node
    kind = _KINDS.get(node.type, "entity") + (" focus" if node.focus else "")
    whole = f"{node.type}: {node.label}"
    x, y = round(placed.x, 1), round(placed.y, 1)
    box = (
        f"<title>{escape(whole)}</title>"
        f'<rect x="{x:g}" y="{y:g}" width="{NODE_WIDTH:g}" height="{NODE_HEIGHT:g}" rx="6"/>'
        f'<text class="type" x="{x + 10:g}" y="{y + 16:g}">{escape(node.type)}</text>'
        f'<text x="{x + 10:g}" y="{y + 33:g}">{escape(_short(node.label))}</text>'
    )
    if address is not None:
        box = f'<a href="{escape(address)}" aria-label="{escape(whole)}">{box}</a>'
    return f'<g class="{kind}" role="listitem">{box}</g>'


def _short(label: str) -> str:
    return label if len(label) <= _TEXT else label[: _TEXT - 9] + "\N{HORIZONTAL ELLIPSIS}" + label[-8:]
