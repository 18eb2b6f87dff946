"""Picture and report of the anomalies of one participant."""

from __future__ import annotations

from html import escape

import numpy as np
from detection import Finding
from images import stem
from numpy.typing import NDArray
from page import number, page, table_html
from PIL import Image as Picture
from scans import CONTRASTS
from slices import data_uri, png

COLUMNS = 7
ZOOM = 3
_TISSUE_NAMES = {"wm": "white matter", "gm": "grey matter", "csf": "fluid", "brain": "whole brain"}


def overlay(finding: Finding) -> bytes:
    """Return a PNG: axial slices upwards, below them the same with what is abnormal in colour."""
    channel = CONTRASTS.index(finding.contrast)
    volume, scores = finding.scan.channels[channel], finding.scores
    heights = np.flatnonzero(finding.scan.brain.any(axis=(0, 1)))
    low, high = int(heights[0]), int(heights[-1])
    chosen = [int(low + (high - low) * part) for part in np.linspace(0.3, 0.82, COLUMNS)]
    grey = (np.clip(volume / 1.7, 0, 1) * 255).astype(np.uint8)
    plain = [np.repeat(grey[:, :, z, None], 3, axis=2) for z in chosen]
    painted = [_paint(p, scores[:, :, z], finding.threshold) for p, z in zip(plain, chosen, strict=True)]
    rows = [np.concatenate([np.rot90(tile) for tile in tiles], axis=1) for tiles in (plain, painted)]
    whole = Picture.fromarray(np.ascontiguousarray(np.concatenate(rows, axis=0)))
    large = whole.resize((whole.width * ZOOM, whole.height * ZOOM), Picture.Resampling.BICUBIC)
    return png(np.asarray(large))


def _paint(tile: NDArray[np.uint8], scores: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """Colour a slice: red to yellow where it is brighter than expected, blue to cyan where darker."""
    painted = tile.copy()
    strength = (np.clip((np.abs(scores) - threshold) / (2 * threshold), 0, 1) * 200).astype(np.uint8)
    full, none = np.full_like(strength, 255), np.zeros_like(strength)
    hot, cold = scores > threshold, scores < -threshold
    painted[hot] = np.stack([full, strength + 40, none], axis=2)[hot]
    painted[cold] = np.stack([none, strength + 55, full], axis=2)[cold]
    return painted


def render(participant: str, findings: list[tuple[Finding, bytes]], software: str) -> str:
    """Return the HTML report of one participant; it needs nothing beside itself."""
    footer = (
        f"{software}. Left of a picture is the participant's left. A research measure: "
        "it tells where a brain differs from the healthy ones of the model, not why."
    )
    body = "".join(_section(finding, picture) for finding, picture in findings)
    return page(f"Anomalies of {participant}", body, footer)


def _section(finding: Finding, picture: bytes) -> str:
    told = finding.told()
    name = escape(stem(finding.image.path))
    shares = {**told["tissues"], "brain": told["brain"]}
    sides = {"brighter_voxels": "brighter voxels", "darker_voxels": "darker voxels"} if _has_sides(finding) else {}
    rows = [
        [text, number(shares[key]["abnormal_percent"]), number(shares[key]["abnormal_ml"])]
        + [str(shares[key][side]) for side in sides]
        for key, text in _TISSUE_NAMES.items()
    ]
    spread = f"{finding.threshold:g} spreads of healthy {'residuals' if sides else 'distances'}"
    colours = "brighter than expected; blue to cyan: darker" if sides else "farther from normal than healthy brains are"
    return (
        f"<section><h2>{name}</h2>"
        f'<figure><img src="{data_uri(picture)}" alt="Axial slices of {name}, below them with anomalies">'
        f"<figcaption>Axial slices upwards. Red to yellow: {colours} (beyond {spread})</figcaption></figure>"
        f"{table_html(['Tissue', 'abnormal, %', 'ml', *sides.values()], rows)}</section>"
    )


def _has_sides(finding: Finding) -> bool:
    """Whether brighter and darker are told apart: a distance has no sign."""
    return finding.form == "denoising"
