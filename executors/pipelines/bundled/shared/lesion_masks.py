"""Read lesion masks, tell which belongs to which scan, and bring them onto another grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from images import Image, UnreadableImageError, load_image, stem
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
# Challenges count lesions as bodies that touch by face, edge or corner (Kuijf et al. 2019).
TOUCHING = np.ones((3, 3, 3), dtype=bool)
_SCAN_ENTITIES = ("sub", "ses", "run")


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionMask:
    """A binary mask with its place in the world.

    Attributes:
        data: True in lesions.
        image: As read: affine, spacing, path.
    """

    data: Mask
    image: Image

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        return abs(float(np.linalg.det(self.image.affine[:3, :3]))) / 1000


def load_mask(path: Path) -> LesionMask:
    """Read a binary mask: zero, and one other value; an empty one is as good as any.

    Raises:
        UnreadableImageError: It cannot be read, has several volumes or values that are no number, or is no mask.
    """
    image = load_image(path, constant=True)
    if image.volumes != 1 or image.not_finite:
        raise UnreadableImageError(f"{path.name}: a mask is one volume of numbers.")
    values = np.unique(image.data)
    if len(values) > 2 or values[0] < 0 or (len(values) == 2 and values[0] != 0):
        raise UnreadableImageError(
            f"{path.name}: no mask: it has {len(values)} values from {values[0]:g} to {values[-1]:g}; "
            "a mask has zero and one other."
        )
    return LesionMask(data=image.data > 0, image=image)


def scan_name(path: Path) -> str:
    """Return what the files of one scan have in common: participant, session and run (``sub-01_ses-2``).

    A name that is not one of BIDS stands for itself, without its suffix.
    """
    parts = stem(path).split("_")
    found = [part for part in parts if part.partition("-")[0] in _SCAN_ENTITIES]
    return "_".join(found) if found and parts[0].startswith("sub-") else "_".join(parts[:-1]) or stem(path)


def by_scan(paths: Iterable[Path]) -> dict[str, Path]:
    """Return paths by the scan they belong to.

    Raises:
        UnreadableImageError: Two belong to one scan.
    """
    found: dict[str, Path] = {}
    for path in paths:
        name = scan_name(path)
        if name in found:
            raise UnreadableImageError(
                f"{path.name}: {found[name].name} is of the scan {name} too; give one of them, or, when they are of "
                "two datasets with the same labels, one dataset at a time."
            )
        found[name] = path
    return found


def onto_grid(mask: LesionMask, affine: NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    """Return a mask on another grid: voxels of which lesions fill at least one half."""
    to_mask = np.linalg.inv(mask.image.affine) @ affine
    steps = np.sqrt((to_mask[:3, :3] ** 2).sum(axis=1))
    # A box as large as the new voxel, in voxels of the mask, gives the part that is filled.
    size = tuple(max(1, round(float(step))) for step in steps)
    filled = ndimage.uniform_filter(mask.data.astype(np.float32), size, mode="constant")
    found = ndimage.affine_transform(filled, to_mask[:3, :3], to_mask[:3, 3], output_shape=shape, order=1)
    on_grid: Mask = found >= 0.5 - 1e-4
    return on_grid
