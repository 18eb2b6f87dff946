"""Bring the contrasts of one participant onto one grid, in comparable intensities.

Trainer and detector both use it: a model is only as good as the likeness of what it saw and what it sees.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from brain import Mask, Volume, brain_mask, classify, receive_field
from images import Image, load_image, stem
from numpy.typing import NDArray
from scipy import ndimage

CONTRASTS = ("T1w", "FLAIR")
TISSUES = ("csf", "gm", "wm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One participant at one session, on a grid along the axes of the T1w image.

    Attributes:
        name: What the files have in common (``sub-01``, ``sub-01_ses-2``).
        channels: One volume per contrast of :data:`CONTRASTS`, one in the mean of the brain's matter;
            zero where the contrast was not acquired.
        present: Which contrasts were acquired.
        brain: The brain with its fluid.
        tissues: 1 fluid, 2 grey matter, 3 white matter; 0 outside the brain.
        affine: Of this grid.
        images: The images as read, by contrast.
    """

    name: str
    channels: Volume
    present: tuple[bool, ...]
    brain: Mask
    tissues: NDArray[np.int8]
    affine: NDArray[np.float64]
    images: dict[str, Image]


def pair(t1w: Iterable[Path], flair: Iterable[Path]) -> list[tuple[str, dict[str, Path]]]:
    """Put together the files of the same participant, session and run: same folder, same name but for the suffix."""
    groups: dict[tuple[Path, str], dict[str, Path]] = {}
    for contrast, paths in zip(CONTRASTS, (t1w, flair), strict=True):
        for path in paths:
            name = stem(path).removesuffix(f"_{contrast}")
            groups.setdefault((path.parent, name), {})[contrast] = path
    return [(name, found) for (_, name), found in sorted(groups.items())]


def load_scan(name: str, paths: dict[str, Path], *, voxel_mm: float) -> Scan:
    """Read a participant's contrasts and make them comparable.

    Args:
        name: What to call it.
        paths: The images by contrast; the T1w is needed.
        voxel_mm: Spacing of the grid.

    Raises:
        UnreadableImageError: An image cannot be read.
    """
    images = {contrast: load_image(path) for contrast, path in paths.items()}
    t1w, affine = _regrid(images["T1w"], voxel_mm)
    spacing = (voxel_mm, voxel_mm, voxel_mm)
    brain = brain_mask(t1w, spacing)
    flat = t1w / receive_field(t1w, brain)
    # A light smoothing keeps single noisy voxels from changing tissue.
    tissues, _ = classify(ndimage.gaussian_filter(flat, 0.5), brain)
    channels = np.zeros((len(CONTRASTS), *t1w.shape), dtype=np.float32)
    channels[0] = _scaled(flat, brain, tissues)
    if "FLAIR" in images:
        flair = _resample(images["FLAIR"], affine, t1w.shape)
        channels[1] = _scaled(flair / receive_field(flair, brain), brain, tissues)
    return Scan(
        name=name,
        channels=channels,
        present=tuple(contrast in images for contrast in CONTRASTS),
        brain=brain,
        tissues=tissues,
        affine=affine,
        images=images,
    )


def _scaled(volume: Volume, brain: Mask, tissues: NDArray[np.int8]) -> Volume:
    """Divide by the median of grey and white matter, and blank what is outside the brain."""
    matter = volume[tissues >= 2]
    middle = float(np.median(matter)) if matter.size else float(np.median(volume[brain]))
    return np.where(brain, np.clip(volume / np.float32(max(middle, 1e-6)), 0, 3), 0).astype(np.float32)


def _regrid(image: Image, voxel_mm: float) -> tuple[Volume, NDArray[np.float64]]:
    """Return the image on a grid of cubic voxels along its own axes, turned to run right, anterior, superior."""
    turned = nibabel.as_closest_canonical(nibabel.Nifti1Image(image.data, image.affine))
    affine = np.asarray(turned.affine, dtype=np.float64)
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if np.allclose(spacing, voxel_mm, atol=0.01):
        return np.ascontiguousarray(turned.dataobj, dtype=np.float32), affine
    shape = tuple(max(8, int(np.ceil(n * mm / voxel_mm))) for n, mm in zip(turned.shape, spacing, strict=True))
    scale = voxel_mm / spacing
    target = affine.copy()
    target[:3, :3] = affine[:3, :3] * scale
    target[:3, 3] = affine[:3, 3] + affine[:3, :3] @ ((scale - 1) / 2)
    return _resample(image, target, shape), target


def _resample(image: Image, affine: NDArray[np.float64], shape: tuple[int, ...]) -> Volume:
    """Return an image's values on another grid; what is finer than the grid is averaged first."""
    to_image = np.linalg.inv(image.affine) @ affine
    steps = np.sqrt((to_image[:3, :3] ** 2).sum(axis=1))
    blurred = ndimage.gaussian_filter(image.data, np.where(steps > 1.2, steps * 0.4, 0))
    matrix, offset = to_image[:3, :3], to_image[:3, 3]
    if np.allclose(matrix, np.diag(np.diag(matrix)), atol=1e-6):
        matrix = np.diag(matrix)  # the quick way of scipy, for axes that agree
    found: Volume = ndimage.affine_transform(blurred, matrix, offset, output_shape=shape, order=1, prefilter=False)
    return found


def back_to(image: Image, volume: Volume, affine: NDArray[np.float64]) -> Volume:
    """Return a volume of the working grid on the grid of an image."""
    to_grid = np.linalg.inv(affine) @ image.affine
    found: Volume = ndimage.affine_transform(
        volume, to_grid[:3, :3], to_grid[:3, 3], output_shape=image.data.shape, order=1, prefilter=False
    )
    return found
