"""Heads drawn by a few formulae, with a truth that is known: what reference cases of the bundled pipelines are made of.

Nobody was imaged for them. A head is an ellipsoid of scalp around a dark skull, a folded ribbon of grey matter
around white matter with fluid in the middle; people differ in size, shape and folds, scans in field and noise.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float64]

FLUID, GREY, WHITE, SCALP = 1, 2, 3, 4
# Signal of nothing, fluid, grey matter, white matter, scalp and lesion.
SIGNALS = {
    "T1w": (0.0, 220.0, 520.0, 760.0, 600.0, 480.0),
    "FLAIR": (0.0, 120.0, 560.0, 440.0, 480.0, 820.0),
}
LESION = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whose head it is.

    Attributes:
        seed: What makes this person different from others.
        edge: Voxels along each axis.
        mm: Spacing of the voxels.
        lesions: Number of bright blobs in the white matter.
    """

    seed: int
    edge: int = 38
    mm: float = 5.5
    lesions: int = 0


def anatomy(person: Person) -> NDArray[np.int8]:
    """Return what each voxel of a person is: 0 air and skull, then fluid, grey, white, scalp, lesion."""
    dice = np.random.default_rng(person.seed)
    half = (np.arange(person.edge) - (person.edge - 1) / 2) * person.mm
    x, y, z = np.meshgrid(half, half, half, indexing="ij", sparse=True)
    a, b, c = dice.uniform(0.96, 1.04, 3)
    away = np.sqrt((x / (60 * a)) ** 2 + (y / (68 * b)) ** 2 + (z / (58 * c)) ** 2)
    phase = dice.uniform(0, 2 * np.pi, 3)
    folds = np.sin(x / 9 + phase[0]) * np.sin(y / 10 + phase[1]) * np.sin(z / 9 + phase[2])
    middle = np.sqrt((np.abs(x) - 14) ** 2 / 9**2 + (y / 26) ** 2 + (z / 12) ** 2)
    found = np.zeros((person.edge,) * 3, dtype=np.int8)
    found[away < 1.30] = SCALP
    found[away < 1.20] = 0
    found[away < 1.0] = FLUID
    found[away < 0.96] = GREY
    found[away < 0.78 + 0.06 * folds] = WHITE
    found[middle < 1] = FLUID
    for _ in range(person.lesions):
        white = np.argwhere((found == WHITE) & (away < 0.62) & (middle > 1.4))
        centre = (white[dice.integers(len(white))] - (person.edge - 1) / 2) * person.mm
        radius = dice.uniform(1.3, 1.9) * person.mm
        blob = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 < radius**2
        found[blob & (found == WHITE)] = LESION
    return found


def scan(
    person: Person, suffix: str, *, noise: float = 14.0, ghost: float = 0.0, field: float = 0.15
) -> NDArray[np.int16]:
    """Return a magnitude image of a person as a scanner stores it.

    Args:
        person: Who is scanned.
        suffix: The contrast, of :data:`SIGNALS`.
        noise: Standard deviation of both parts of the complex noise.
        ghost: Part of the signal that comes again half a field of view away, along the second axis.
        field: How much the receive field falls from one side to the other.
    """
    dice = np.random.default_rng([person.seed, sum(suffix.encode())])
    kinds = anatomy(person)
    signal = np.array(SIGNALS[suffix])[kinds]
    ramp = np.linspace(-1, 1, person.edge)
    signal = signal * np.exp(-field * (ramp[:, None, None] + ramp[None, None, :] ** 2))
    # What the eye takes for anatomy is partial volume: a light blur of the sharp formulae.
    for axis in range(3):
        signal = (np.roll(signal, 1, axis) + 4 * signal + np.roll(signal, -1, axis)) / 6
    if ghost:
        signal = signal + ghost * np.roll(signal, person.edge // 2, axis=1)
    real, other = dice.normal(0, noise, (2, *signal.shape))
    return np.round(np.hypot(signal + real, other)).astype(np.int16)


def save(path: Path, data: NDArray[np.generic], *, mm: float) -> None:
    """Write an image as ``.nii.gz`` without a date: the same voxels, the same bytes."""
    half = (np.array(data.shape[:3]) - 1) / 2 * mm
    affine = np.diag([mm, mm, mm, 1.0])
    affine[:3, 3] = -half
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=9, mtime=0))


# Signal at time zero and T2 in seconds of what :func:`anatomy` tells apart.
DENSITIES = (0.0, 1000.0, 850.0, 700.0, 600.0, 800.0)
T2 = (1.0, 1.8, 0.095, 0.072, 0.045, 0.12)


def decay(person: Person, time: float, *, noise: float = 8.0) -> NDArray[np.int16]:
    """Return the magnitude of one spin echo of a person.

    Args:
        person: Who is scanned.
        time: Echo time in seconds.
        noise: Standard deviation of both parts of the complex noise.
    """
    dice = np.random.default_rng([person.seed, round(time * 1e6)])
    kinds = anatomy(person)
    signal = np.array(DENSITIES)[kinds] * np.exp(-time / np.array(T2)[kinds])
    real, other = dice.normal(0, noise, (2, *signal.shape))
    return np.round(np.hypot(signal + real, other)).astype(np.int16)
