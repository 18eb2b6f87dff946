"""Three middle slices of a NIfTI image as a PNG."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ontology.errors import InvalidRequestError

HEIGHT = 220


def slices_png(path: Path, *, name: str) -> bytes:
    """Return sagittal, coronal and axial middle slices side by side, in radiological display range.

    Args:
        path: The content; annexed files have no suffix of their own that could be relied on.
        name: The file's name in its dataset, whose suffix says whether it is compressed.

    Raises:
        InvalidRequestError: It is not an image that can be read.
    """
    import nibabel
    import numpy
    from PIL import Image

    try:
        loaded = nibabel.Nifti1Image.from_bytes(_plain(path, name))
        volume = numpy.asanyarray(nibabel.as_closest_canonical(loaded).dataobj, dtype=numpy.float32)
        zooms = loaded.header.get_zooms()[:3]
    except Exception as error:
        # nibabel, gzip and struct each raise their own kinds on a damaged image.
        raise InvalidRequestError(f"not an image that can be shown ({type(error).__name__})", field="id") from error
    while volume.ndim > 3:
        volume = volume[..., 0]
    if volume.ndim != 3 or 0 in volume.shape:
        raise InvalidRequestError("not an image of three dimensions", field="id")
    volume = numpy.nan_to_num(volume)
    low, high = numpy.percentile(volume, (1, 99.5))
    scaled = numpy.clip((volume - low) / max(high - low, 1e-6), 0, 1) * 255
    panels = [_panel(Image, scaled, axis, zooms) for axis in range(3)]
    sheet = Image.new("L", (sum(panel.width for panel in panels), HEIGHT))
    left = 0
    for panel in panels:
        sheet.paste(panel, (left, 0))
        left += panel.width
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def _plain(path: Path, name: str) -> bytes:
    import gzip

    data = path.read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def _panel(image: Any, volume: Any, axis: int, zooms: Any) -> Any:
    slice_ = volume.take(volume.shape[axis] // 2, axis=axis).T[::-1]
    across, up = [zooms[i] for i in range(3) if i != axis]
    height, width = slice_.shape
    ratio = (width * across) / max(height * up, 1e-6)
    return image.fromarray(slice_.astype("uint8")).resize((max(1, round(HEIGHT * ratio)), HEIGHT))
