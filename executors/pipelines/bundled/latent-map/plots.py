"""Scatter plots as inline SVG, small enough for thousands of points."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

EDGE, MARGIN = 300, 12
# Readable without colour vision (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")


def scatter(title: str, points: NDArray[np.float32], kinds: NDArray[np.int64], names: Sequence[str]) -> str:
    """Return points coloured by kind, with a legend; the rarest kind is drawn last, on top."""
    placed = _fitted(points)
    drawn = []
    order = sorted(range(len(names)), key=lambda kind: -int(np.count_nonzero(kinds == kind)))
    for kind in order:
        # One path a kind: a line without length and with round ends is a dot.
        dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in placed[kinds == kind])
        drawn.append(
            f'<path d="{dots}" stroke="{COLOURS[kind]}" stroke-width="4" stroke-linecap="round" stroke-opacity="0.6"/>'
        )
    return _figure(title, "".join(drawn) + _legend(names))


def labelled(title: str, points: NDArray[np.float32], kinds: NDArray[np.int64], names: Sequence[str],
             labels: Sequence[str]) -> str:  # fmt: skip
    """Return one circle for each scan, with its name to read when pointed at, and beside it while they are few."""
    placed = _fitted(points)
    drawn = []
    for (x, y), kind, label in zip(placed, kinds.tolist(), labels, strict=True):
        drawn.append(
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="5" fill="{COLOURS[kind]}" fill-opacity="0.75">'
            f"<title>{escape(label)}</title></circle>"
        )
        if len(labels) <= 20:
            side, step = ("end", -8) if x > EDGE * 0.6 else ("start", 8)
            drawn.append(
                f'<text x="{x + step:.0f}" y="{y + 3:.0f}" text-anchor="{side}" style="font-size: 9px">'
                f"{escape(label)}</text>"
            )
    return _figure(title, "".join(drawn) + _legend(names))


def _fitted(points: NDArray[np.float32]) -> NDArray[np.float64]:
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (EDGE - 2 * MARGIN) / np.maximum(high - low, 1e-9)
    placed = (points - low) * scale + MARGIN
    return np.stack([placed[:, 0], EDGE - placed[:, 1]], axis=1)


def _legend(names: Sequence[str]) -> str:
    return "".join(
        f'<text x="{MARGIN + 95 * k}" y="{EDGE + 18}" style="fill: {COLOURS[k]}">{escape(name)}</text>'
        for k, name in enumerate(names)
    )


def _figure(title: str, inner: str) -> str:
    return (
        f'<figure><svg viewBox="0 0 {EDGE} {EDGE + 24}" width="{EDGE}" role="img" aria-label="{escape(title)}">'
        f'<rect width="{EDGE}" height="{EDGE}" fill="none" stroke="currentColor" stroke-opacity="0.3"/>{inner}</svg>'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )
