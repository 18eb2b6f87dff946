"""Picture and report of the lesions of one participant."""

from __future__ import annotations

from html import escape
from itertools import pairwise

import numpy as np
from images import stem
from numpy.typing import NDArray
from page import number, page, table_html
from PIL import Image as Picture
from scans import CONTRASTS
from segmentation import Segmentation
from slices import data_uri, grey, png

COLUMNS = 7
ZOOM = 3
MOST_ROWS = 25
# In units of the mean of grey and white matter.
WHITE = 1.7

_NAMES = {
    "lesion_ml": "Lesions, ml",
    "lesion_count": "Number of lesions",
    "largest_lesion_ml": "Largest, ml",
    "lesion_percent": "Part of the brain, %",
    "brain_ml": "Brain, ml",
}


def overlay(found: Segmentation) -> bytes:
    """Return a PNG: axial slices of the FLAIR upwards, below them the same with the lesions' probability in colour."""
    pixels = grey(found.scan.channels[CONTRASTS.index("FLAIR")], 0, WHITE)
    chosen = _heights(found)
    plain = [np.repeat(pixels[:, :, z, None], 3, axis=2) for z in chosen]
    painted = [_paint(tile, found.working[:, :, z], found.threshold) for tile, z in zip(plain, chosen, strict=True)]
    rows = [np.concatenate([np.rot90(tile) for tile in tiles], axis=1) for tiles in (plain, painted)]
    whole = Picture.fromarray(np.ascontiguousarray(np.concatenate(rows, axis=0)))
    return png(np.asarray(whole.resize((whole.width * ZOOM, whole.height * ZOOM), Picture.Resampling.BICUBIC)))


def _heights(found: Segmentation) -> list[int]:
    """Choose slices: spread over the brain, each moved to the one nearby with most lesion."""
    heights = np.flatnonzero(found.scan.brain.any(axis=(0, 1)))
    low, high = int(heights[0]), int(heights[-1])
    amount = (found.working >= found.threshold).sum(axis=(0, 1))
    edges = np.linspace(low + 0.25 * (high - low), low + 0.9 * (high - low), COLUMNS + 1).astype(int)
    return [int(a + np.argmax(amount[a : max(b, a + 1)])) for a, b in pairwise(edges)]


def _paint(tile: NDArray[np.uint8], chance: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """Colour a slice from red (just probable enough) to yellow (certain)."""
    painted = tile.copy()
    strength = (np.clip((chance - threshold) / (1 - threshold), 0, 1) * 215).astype(np.uint8)
    full, none = np.full_like(strength, 255), np.zeros_like(strength)
    lesion = chance >= threshold
    painted[lesion] = np.stack([full, strength + 40, none], axis=2)[lesion]
    return painted


def render(participant: str, found: list[tuple[Segmentation, bytes]], software: str) -> str:
    """Return the HTML report of one participant; it needs nothing beside itself."""
    footer = (
        f"{software}. Left of a picture is the participant's left. A research measure, not for diagnosis: "
        "look at the pictures before the numbers."
    )
    body = "".join(_section(segmentation, picture) for segmentation, picture in found)
    return page(f"Lesions of {participant}", body, footer)


def _section(found: Segmentation, picture: bytes) -> str:
    name = escape(stem(found.image.path))
    measures = table_html([], [[_NAMES[key], number(value, 4)] for key, value in found.measures().items()])
    return (
        f"<section><h2>{name}</h2>"
        f'<figure><img src="{data_uri(picture)}" alt="Axial slices of {name}, below them with lesions">'
        f"<figcaption>Axial slices upwards. Red to yellow: probability of a lesion from {found.threshold:g} to 1"
        f'</figcaption></figure><div class="facts">{measures}{_table(found)}</div></section>'
    )


def _table(found: Segmentation) -> str:
    if not found.lesions:
        return "<p>No lesion was found.</p>"
    shown = found.lesions[:MOST_ROWS]
    rows = [
        [str(place), f"{one.volume_ml:.3f}", ", ".join(f"{mm:.0f}" for mm in one.centre_mm), f"{one.peak:.2f}"]
        for place, one in enumerate(shown, start=1)
    ]
    table = table_html(["Lesion", "ml", "centre, mm", "highest probability"], rows)
    return f"<div>{table}<p>{len(shown)} of {len(found.lesions)} lesions, the largest first.</p></div>"
