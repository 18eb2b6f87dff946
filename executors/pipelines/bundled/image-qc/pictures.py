"""Pictures of an image for the report: slices in three planes, and a histogram as inline SVG."""

from __future__ import annotations

import base64
import io

import numpy as np
from brain import Volume
from images import Image
from metrics import Regions
from numpy.typing import NDArray
from PIL import Image as Picture

AXIAL_SLICES = 7
HEIGHT = 150
_COLOURS = ("#3b82c4", "#6b9e3f", "#c9792b")


def canonical(image: Image) -> tuple[Volume, tuple[float, float, float]]:
    """Return the volume turned so that its axes run right, anterior and superior, with their spacing."""
    import nibabel

    turned = nibabel.as_closest_canonical(nibabel.Nifti1Image(image.data, image.affine))
    spacing = tuple(float(mm) for mm in np.sqrt((turned.affine[:3, :3] ** 2).sum(axis=0)))
    return np.asarray(turned.dataobj, dtype=np.float32), spacing  # type: ignore[return-value]


def montage(image: Image) -> str:
    """Return slices in three planes as a PNG data URI: one sagittal, one coronal, then axial ones upwards."""
    data, (dx, dy, dz) = canonical(image)
    low, high = np.percentile(data, [1, 99.7])
    grey = np.clip((data - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    x, y, z = grey.shape
    tiles = [_tile(grey[int(x * 0.47)], dy, dz), _tile(grey[:, y // 2], dx, dz)]
    for part in np.linspace(0.22, 0.78, AXIAL_SLICES):
        tiles.append(_tile(grey[:, :, int(z * part)], dx, dy))
    strip = np.concatenate(tiles, axis=1)
    buffer = io.BytesIO()
    Picture.fromarray(strip).save(buffer, format="PNG", compress_level=6)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _tile(plane: NDArray[np.uint8], across_mm: float, up_mm: float) -> NDArray[np.uint8]:
    upright = Picture.fromarray(np.ascontiguousarray(np.flipud(plane.T)))
    width = max(1, round(HEIGHT * (plane.shape[0] * across_mm) / (plane.shape[1] * up_mm)))
    return np.asarray(upright.resize((min(width, 4 * HEIGHT), HEIGHT), Picture.Resampling.BILINEAR))


def histogram(image: Image, regions: Regions) -> str:
    """Return the intensities of the three tissues as an SVG element."""
    values = image.data[regions.brain]
    low, high = (float(v) for v in np.percentile(values, [0.2, 99.8]))
    width, height, bins = 360, 110, 72
    curves = []
    counts = [
        np.histogram(image.data[regions.labels == k + 1], bins=bins, range=(low, max(high, low + 1e-6)))[0]
        for k in range(3)
    ]
    top = max(1, *(int(c.max()) for c in counts))
    for count, colour, name in zip(counts, _COLOURS, regions.names, strict=True):
        steps = " ".join(f"{i * width / bins:.1f},{height - n / top * height:.1f}" for i, n in enumerate(count))
        curves.append(
            f'<polygon points="0,{height} {steps} {width},{height}" fill="{colour}" fill-opacity="0.5">'
            f"<title>{name}</title></polygon>"
        )
    legend = "".join(
        f'<text x="{8 + 60 * k}" y="{height + 16}" fill="{colour}">{name}</text>'
        for k, (colour, name) in enumerate(zip(_COLOURS, regions.names, strict=True))
    )
    return (
        f'<svg viewBox="0 0 {width} {height + 22}" width="{width}" role="img" '
        f'aria-label="Histogram of the intensities of {", ".join(regions.names)}">{"".join(curves)}{legend}</svg>'
    )
