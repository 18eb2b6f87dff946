"""Pictures of an image for the report: slices in three planes, and a histogram as inline SVG."""

from __future__ import annotations

import numpy as np
from images import Image
from metrics import Regions
from slices import canonical, data_uri, grey, png, strip

_COLOURS = ("#3b82c4", "#6b9e3f", "#c9792b")


def montage(image: Image) -> str:
    """Return slices in three planes as a PNG data URI: one sagittal, one coronal, then axial ones upwards."""
    data, spacing = canonical(image.data, image.affine)
    low, high = (float(v) for v in np.percentile(data, [1, 99.7]))
    return data_uri(png(strip(grey(data, low, high), spacing)))


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
        f'<text x="{8 + 60 * k}" y="{height + 16}" style="fill: {colour}">{name}</text>'
        for k, (colour, name) in enumerate(zip(_COLOURS, regions.names, strict=True))
    )
    return (
        f'<svg viewBox="0 0 {width} {height + 22}" width="{width}" role="img" '
        f'aria-label="Histogram of the intensities of {", ".join(regions.names)}">{"".join(curves)}{legend}</svg>'
    )
