"""The template brain, and how a participant's own head is made from it.

Voxels come from the MNI ICBM 152 maps that the ``nilearn`` package carries: the T1-weighted average and the
probabilities of grey and white matter (Fonov et al. 2009). Skull and scalp, which the template lacks, are
shells around the brain; faces are absent, as in any data that may be shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ontology.errors import NotInstalledError

Volume = NDArray[np.float32]

# Field of view in millimetres of the template's space: the head with a hand's breadth of air.
_LOW = np.array([-100.0, -138.0, -100.0])
_HIGH = np.array([101.0, 111.0, 107.0])

_TEMPLATE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
_TEMPLATE_ORIGIN = np.array([-98.0, -134.0, -72.0])


@dataclass(frozen=True, slots=True)
class Map:
    """A volume on a regular grid along the template's axes: where its first voxel is, and how large they are."""

    data: Volume
    origin: NDArray[np.float64]
    mm: float

    def at(self, points: Volume, *, outside: float = 0.0) -> Volume:
        """Return the values at points given in millimetres, by linear interpolation."""
        index = (points - self.origin.reshape(3, 1, 1, 1).astype(np.float32)) / np.float32(self.mm)
        return ndimage.map_coordinates(self.data, index, order=1, cval=outside, prefilter=False)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The maps that every participant is made from.

    Attributes:
        t1: The T1-weighted average, white matter near one.
        grey: Probability of grey matter.
        white: Probability of white matter.
        brain: One inside the brain.
        depth: Millimetres outside the (convex) brain; zero inside.
        ventricle: Millimetres from the lateral ventricles.
    """

    t1: Map
    grey: Map
    white: Map
    brain: Map
    depth: Map
    ventricle: Map


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """A participant's own head on the scanner's grid; fields as in :class:`Template`, and ``lesion`` (0 to 1)."""

    t1: Volume
    grey: Volume
    white: Volume
    brain: Volume
    depth: Volume
    lesion: Volume
    affine: NDArray[np.float64]


@cache
def load_template() -> Template:
    """Load the maps and derive distances from them.

    Raises:
        NotInstalledError: The ``nilearn`` package is missing, or no longer carries the maps.
    """
    t1, grey, white = (_halve(_read(name)) for name in ("t1", "gm", "wm"))
    origin = _TEMPLATE_ORIGIN + 0.5
    brain = (t1 > 0.05).astype(np.float32)
    coarse = _halve(np.pad(brain, 24)) > 0.5
    solid = ndimage.binary_closing(coarse, ndimage.generate_binary_structure(3, 2), iterations=8)
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(~solid, sampling=4.0).astype(np.float32), 1.5)
    fluid = brain * np.clip(1 - grey - white, 0, 1)
    ventricle = ndimage.distance_transform_edt(~_lateral_ventricles(fluid, origin), sampling=2.0)
    return Template(
        t1=Map(t1, origin, 2.0),
        grey=Map(grey, origin, 2.0),
        white=Map(white, origin, 2.0),
        brain=Map(brain, origin, 2.0),
        depth=Map(depth, origin - 48 + 1, 4.0),
        ventricle=Map(ventricle.astype(np.float32), origin, 2.0),
    )


def _read(name: str) -> Volume:
    found = find_spec("nilearn")
    folder = Path(found.submodule_search_locations[0]) if found and found.submodule_search_locations else None
    path = folder / "datasets" / "data" / _TEMPLATE.format(name) if folder else None
    if path is None or not path.is_file():
        raise NotInstalledError(
            "The synthetic study needs the MNI152 maps of the package nilearn, which is not installed.",
            next_step='Install the demo extra: pip install "sillage[demo]".',
        )
    return np.asarray(nibabel.load(path).dataobj, dtype=np.float32) / np.float32(255)


def _halve(volume: Volume) -> Volume:
    x, y, z = (n // 2 for n in volume.shape)
    blocks = volume[: 2 * x, : 2 * y, : 2 * z].reshape(x, 2, y, 2, z, 2)
    halved: Volume = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
    return halved


def _lateral_ventricles(fluid: Volume, origin: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the fluid in the box of the template that holds the bodies, horns and atria of both ventricles."""
    low, high = np.array([-36.0, -52.0, -2.0]), np.array([36.0, 36.0, 32.0])
    first, last = ((bound - origin) // 2 for bound in (low, high))
    box = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    found = np.zeros(fluid.shape, dtype=bool)
    found[box] = ndimage.binary_opening(fluid[box] > 0.5)
    return found


def hats(size: int, knots: int) -> NDArray[np.float32]:
    """Return the weights (size by knots) of cubic B-splines spread evenly over ``size`` samples."""
    place = np.linspace(1.0, knots - 2.0, size, dtype=np.float32)[:, None]
    away = np.abs(place - np.arange(knots, dtype=np.float32))
    near = 2 / 3 - away**2 + away**3 / 2
    far = np.clip(2 - away, 0, None) ** 3 / 6
    return np.where(away < 1, near, far).astype(np.float32)


def smooth_field(dice: np.random.Generator, shape: tuple[int, ...], knots: int, *, parts: int = 1) -> Volume:
    """Return ``parts`` random smooth volumes of about unit variance, stacked first."""
    control = dice.standard_normal((parts, knots, knots, knots), dtype=np.float32) * np.float32(1.75)
    x, y, z = (hats(size, knots) for size in shape)
    field: Volume = np.einsum("pabc,ia,jb,kc->pijk", control, x, y, z, optimize=True).astype(np.float32)
    return field


def grow_head(dice: np.random.Generator, lesion: Map | None, *, voxel_mm: float, atrophy: float) -> Anatomy:
    """Deform the template into one participant's head.

    Args:
        dice: The participant's own generator.
        lesion: Lesions in the template's space; they are deformed with it.
        voxel_mm: Edge of the scanner's voxels.
        atrophy: Part of the cortex that has given way to fluid, 0 to 1.
    """
    template = load_template()
    shape = tuple(int(n) for n in (_HIGH - _LOW) // voxel_mm)
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = _LOW + voxel_mm / 2
    points = _deformed_points(dice, shape, affine)
    grey = template.grey.at(points)
    return Anatomy(
        t1=template.t1.at(points),
        grey=grey * np.float32(1 - atrophy),
        white=template.white.at(points),
        brain=template.brain.at(points),
        depth=template.depth.at(points, outside=60.0),
        lesion=lesion.at(points) if lesion else np.zeros(shape, dtype=np.float32),
        affine=affine,
    )


def _deformed_points(dice: np.random.Generator, shape: tuple[int, ...], affine: NDArray[np.float64]) -> Volume:
    """Return where in the template each voxel lies: a small turn, shift and scaling, then a smooth bending."""
    turn = np.deg2rad(dice.normal(0, 3.0, 3))
    shear = np.array([[0, -turn[2], turn[1]], [turn[2], 0, -turn[0]], [-turn[1], turn[0], 0]])
    linear = (np.eye(3) + shear) @ np.diag(1 / dice.normal(1.0, 0.035, 3))
    shift = dice.normal(0, 2.0, 3)
    axes = [affine[a, 3] + affine[a, a] * np.arange(n) for a, n in enumerate(shape)]
    points = np.float32(2.2) * smooth_field(dice, shape, 8, parts=3)
    for to in range(3):
        for by, axis in enumerate(axes):
            steps = (linear[to, by] * axis).astype(np.float32)
            points[to] += steps.reshape([-1 if a == by else 1 for a in range(3)])
        points[to] += np.float32(shift[to])
    return points
