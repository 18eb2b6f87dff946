"""Picture and report of the lesions of one participant."""

from __future__ import annotations

import base64
import io
from html import escape
from itertools import pairwise

import numpy as np
from images import stem
from numpy.typing import NDArray
from PIL import Image as Picture
from scans import CONTRASTS
from segmentation import Segmentation

COLUMNS = 7
ZOOM = 3
MOST_ROWS = 25

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
img { width: 100%; background: #000; }
figure { margin: 0 0 1rem; }
figcaption { font-size: 0.85em; opacity: 0.75; }
table { border-collapse: collapse; margin: 0 0 1rem; }
caption { text-align: left; font-weight: 600; padding: 0.3rem 0; }
th, td { padding: 0.1rem 1.5rem 0.1rem 0; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child { text-align: left; font-weight: normal; }
"""
_NAMES = {
    "lesion_ml": "Lesions, ml",
    "lesion_count": "Number of lesions",
    "largest_lesion_ml": "Largest, ml",
    "lesion_percent": "Part of the brain, %",
    "brain_ml": "Brain, ml",
}


def overlay(found: Segmentation) -> bytes:
    """Return a PNG: axial slices of the FLAIR upwards, below them the same with the lesions' probability in colour."""
    volume = found.scan.channels[CONTRASTS.index("FLAIR")]
    chosen = _heights(found)
    grey = (np.clip(volume / 1.7, 0, 1) * 255).astype(np.uint8)
    plain = [np.repeat(grey[:, :, z, None], 3, axis=2) for z in chosen]
    painted = [_paint(tile, found.working[:, :, z], found.threshold) for tile, z in zip(plain, chosen, strict=True)]
    rows = [np.concatenate([np.rot90(tile) for tile in tiles], axis=1) for tiles in (plain, painted)]
    whole = Picture.fromarray(np.ascontiguousarray(np.concatenate(rows, axis=0)))
    large = whole.resize((whole.width * ZOOM, whole.height * ZOOM), Picture.Resampling.BICUBIC)
    buffer = io.BytesIO()
    large.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


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
    body = "".join(_section(segmentation, picture) for segmentation, picture in found)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Lesions of {escape(participant)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Lesions of {escape(participant)}</h1>{body}"
        f"<footer><p>{escape(software)}. Left of a picture is the participant's left. A research measure, "
        "not for diagnosis: look at the pictures before the numbers.</p></footer>"
        "</main></body></html>\n"
    )


def _section(found: Segmentation, picture: bytes) -> str:
    name = escape(stem(found.image.path))
    data = base64.b64encode(picture).decode("ascii")
    measures = "".join(
        f'<tr><th scope="row">{_NAMES[key]}</th><td>{value:g}</td></tr>' for key, value in found.measures().items()
    )
    return (
        f"<section><h2>{name}</h2>"
        f'<figure><img src="data:image/png;base64,{data}" alt="Axial slices of {name}, below them with lesions">'
        f"<figcaption>Axial slices upwards. Red to yellow: probability of a lesion from {found.threshold:g} to 1"
        f"</figcaption></figure><table><tbody>{measures}</tbody></table>{_table(found)}</section>"
    )


def _table(found: Segmentation) -> str:
    if not found.lesions:
        return "<p>No lesion was found.</p>"
    rows = "".join(
        f'<tr><th scope="row">{number}</th><td>{lesion.volume_ml:.3f}</td>'
        f"<td>{', '.join(f'{mm:.0f}' for mm in lesion.centre_mm)}</td><td>{lesion.peak:.2f}</td></tr>"
        for number, lesion in enumerate(found.lesions[:MOST_ROWS], start=1)
    )
    shown = min(MOST_ROWS, len(found.lesions))
    return (
        f"<table><caption>The largest {shown} of {len(found.lesions)}</caption>"
        '<thead><tr><th scope="col">Lesion</th><th scope="col">ml</th><th scope="col">centre, mm</th>'
        f'<th scope="col">highest probability</th></tr></thead><tbody>{rows}</tbody></table>'
    )
