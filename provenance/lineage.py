"""Lineage: what rests on what, followed, folded, laid out and drawn.

One door to the modules that do it: :mod:`provenance.lineage_graph` (reach, cycles),
:mod:`provenance.lineage_groups` (folding), :mod:`provenance.lineage_layout` and :mod:`provenance.lineage_svg`.
"""

from __future__ import annotations

from provenance.lineage_graph import Edge, Reach, reach, would_close_cycle
from provenance.lineage_groups import Drawable, Drawn, fold, levels
from provenance.lineage_layout import LaidOut, PlacedEdge, PlacedNode, layout
from provenance.lineage_svg import CSS, to_svg

__all__ = [
    "CSS",
    "Drawable",
    "Drawn",
    "Edge",
    "LaidOut",
    "PlacedEdge",
    "PlacedNode",
    "Reach",
    "fold",
    "layout",
    "levels",
    "reach",
    "to_svg",
    "would_close_cycle",
]
