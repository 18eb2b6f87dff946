"""Slices of a volume in three planes as one picture, grey or coloured."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

Volume = NDArray[np.float32]
Pixels = NDArray[np.uint8]

AXIAL_SLICES = 7
HEIGHT = 150
# Where the axial slices lie, as parts of the height: the neck and the vertex tell little.
LOWEST, HIGHEST = 0.22, 0.78

# Dark to bright and readable without colour vision: eight colours of viridis (van der Walt and Smith, CC0).
_RAMP = ((68, 1, 84), (70, 50, 127), (54, 92, 141), (39, 127, 142), (31, 161, 135), (74, 194, 109), (159, 218, 58),
         (253, 231, 37))  # fmt: skip


def canonical(data: NDArray[np.generic], affine: NDArray[np.float64]) -> tuple[Volume, tuple[float, float, float]]:
    """Return a volume turned so that its axes run right, anterior and superior, with their spacing."""
    turned = nibabel.as_closest_canonical(nibabel.Nifti1Image(np.asarray(data, dtype=np.float32), affine))
    x, y, z = (float(mm) for mm in np.sqrt((turned.affine[:3, :3] ** 2).sum(axis=0)))
    return np.asarray(turned.dataobj, dtype=np.float32), (x, y, z)


def grey(volume: Volume, low: float, high: float) -> Pixels:
    """Return intensities as grey values, black at ``low`` and white at ``high``."""
    return np.clip((volume - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)


def coloured(volume: Volume, low: float, high: float) -> Pixels:
    """Return values as colours, violet at ``low`` and yellow at ``high``; zero is black."""
    places = np.clip((volume - low) / max(high - low, 1e-12), 0, 1) * (len(_RAMP) - 1)
    channels = [np.interp(places, range(len(_RAMP)), [colour[k] for colour in _RAMP]) for k in range(3)]
    return np.where((volume != 0)[..., None], np.stack(channels, axis=-1), 0).astype(np.uint8)


def ramp_css() -> str:
    """Return the colours of :func:`coloured` as a CSS gradient."""
    return f"linear-gradient(to right, {', '.join('rgb' + str(colour) for colour in _RAMP)})"


def strip(pixels: Pixels, spacing: tuple[float, float, float], *, smooth: bool = True) -> Pixels:
    """Return slices side by side: one sagittal, one coronal, then axial ones upwards.

    Args:
        pixels: Grey (three axes) or coloured (three axes and RGB), axes right, anterior, superior.
        spacing: Millimetres between voxels.
        smooth: Interpolate between pixels; false shows each voxel as it is.
    """
    dx, dy, dz = spacing
    x, y, z = pixels.shape[:3]
    tiles = []
    if z > 1:
        tiles = [_tile(pixels[int(x * 0.47)], dy, dz, smooth), _tile(pixels[:, y // 2], dx, dz, smooth)]
    heights = dict.fromkeys(int(z * part) for part in np.linspace(LOWEST, HIGHEST, AXIAL_SLICES))
    tiles += [_tile(pixels[:, :, height], dx, dy, smooth) for height in heights]
    return np.concatenate(tiles, axis=1)


def _tile(plane: Pixels, across_mm: float, up_mm: float, smooth: bool) -> Pixels:
    upright = Picture.fromarray(np.ascontiguousarray(np.flip(plane.swapaxes(0, 1), axis=0)))
    width = max(1, round(HEIGHT * (plane.shape[0] * across_mm) / (plane.shape[1] * up_mm)))
    kind = Picture.Resampling.BILINEAR if smooth else Picture.Resampling.NEAREST
    return np.asarray(upright.resize((min(width, 4 * HEIGHT), HEIGHT), kind))


def stack(strips: Sequence[Pixels]) -> Pixels:
    """Return strips below each other, all coloured, narrower ones on black."""
    wide = max(strip.shape[1] for strip in strips)
    rows = []
    for row in strips:
        colours = row if row.ndim == 3 else np.repeat(row[..., None], 3, axis=2)
        rows.append(np.pad(colours, ((0, 0), (0, wide - row.shape[1]), (0, 0))))
    return np.concatenate(rows, axis=0)


def png(pixels: Pixels) -> bytes:
    """Return pixels as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Picture.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def data_uri(picture: bytes) -> str:
    """Return a PNG file as an address that holds all of it."""
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
