"""Synthetic demyelinating lesions, drawn in the template's space.

Lesions of multiple sclerosis gather round the ventricles and stand upright to them (Dawson's fingers), with a
few beside the cortex (Filippi et al. 2019, Brain 142:1858); sizes follow roughly a log-normal law.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sillage.demo.study.anatomy import Map, Volume, load_template

_REACH_MM = 7.0


def draw_lesions(dice: np.random.Generator, count: int) -> Map | None:
    """Draw ``count`` lesions; None when there are none.

    Returns:
        A map that is one in the heart of a lesion and falls to zero at its edge.
    """
    if count == 0:
        return None
    template = load_template()
    white = template.white
    burden = np.zeros(white.data.shape, dtype=np.float32)
    for centre in _places(dice, count):
        _draw_one(burden, dice, centre)
    return Map(burden * np.clip(white.data * 1.6, 0, 1), white.origin, white.mm)


def _places(dice: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Draw voxels of white matter, most of them close to the ventricles."""
    template = load_template()
    white = template.white.data
    near = np.exp(-template.ventricle.data / np.float32(_REACH_MM))
    chance = np.where(white > 0.6, near + np.float32(0.004), 0).astype(np.float64).ravel()
    # Brain stem and cerebellum, the lowest slices, are left alone: the field of view often ends there.
    chance.reshape(white.shape)[:, :, :28] = 0
    chosen = dice.choice(chance.size, size=count, replace=False, p=chance / chance.sum())
    return np.stack(np.unravel_index(chosen, white.shape), axis=1)


def _draw_one(burden: Volume, dice: np.random.Generator, centre: NDArray[np.int64]) -> None:
    radius = float(np.clip(dice.lognormal(np.log(4.2), 0.35), 2.5, 9.0))
    # Across (left to right) and upright lesions are long: veins leave the ventricle that way.
    radii = radius * np.array([dice.uniform(0.9, 1.5), dice.uniform(0.7, 1.1), dice.uniform(0.8, 1.2)])
    strength = dice.uniform(0.75, 1.0)
    reach = int(np.ceil(radii.max() / 2)) + 1
    low = np.maximum(centre - reach, 0)
    high = np.minimum(centre + reach + 1, burden.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    axes = [2.0 * (np.arange(a, b) - c) / r for a, b, c, r in zip(low, high, centre, radii, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    away = np.sqrt(x**2 + y**2 + z**2)
    bump = strength * np.clip((1.25 - away) / 0.5, 0, 1)
    burden[box] = np.maximum(burden[box], bump.astype(np.float32))
