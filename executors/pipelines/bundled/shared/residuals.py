"""What is left of an image when the network's healthy version is taken away, and how unusual it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SMOOTHING_VOXELS = 0.7
LEAST_VOXELS = 50


def smooth_residual(rest: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the residual smoothed inside the mask alone (normalised convolution); zero outside."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), SMOOTHING_VOXELS)
    smooth = ndimage.gaussian_filter(np.where(mask, rest, 0).astype(np.float32), SMOOTHING_VOXELS)
    return np.where(mask, smooth / np.maximum(weight, 1e-3), 0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Spread:
    """How the residuals of a tissue are spread.

    Attributes:
        centre: Their median.
        body: 1.4826 times the median absolute deviation: what most voxels do; lesions do not move it.
        tail: The 99th percentile of the absolute deviation over that of a normal law: what edges do.
    """

    centre: float
    body: float
    tail: float


def residual_spread(rest: NDArray[np.float32], region: NDArray[np.bool_]) -> Spread:
    """Return how the residuals of a region are spread; a region of a few voxels says nothing (spread one)."""
    values = rest[region]
    if values.size < LEAST_VOXELS:
        return Spread(0.0, 1.0, 1.0)
    centre = float(np.median(values))
    away = np.abs(values - centre)
    return Spread(centre, 1.4826 * float(np.median(away)), float(np.quantile(away, 0.99)) / 2.5758)


def mean_known(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean over the first axis of what is a number; what no scan tells is none."""
    known = np.isfinite(found)
    count = np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    mean: NDArray[np.float32] = (np.where(known, found, 0).sum(axis=0) / count).astype(np.float32)
    return mean


def z_scores(rest: NDArray[np.float32], tissues: NDArray[np.int8], norms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how many spreads a residual lies from what is normal in its tissue; zero outside the brain.

    A scan that is noisier than the healthy ones is judged by a spread as much wider: noise is no lesion.

    Args:
        rest: Smoothed residual.
        tissues: 1 upwards; 0 outside the brain.
        norms: Centre, body and tail (:class:`Spread`) of the healthy, one row for each tissue.
    """
    scores = np.zeros(rest.shape, dtype=np.float32)
    for tissue, (_, body, tail) in enumerate(norms.tolist(), start=1):
        region = tissues == tissue
        own = residual_spread(rest, region)
        scores[region] = (rest[region] - own.centre) / (tail * max(1.0, own.body / max(body, 1e-6)))
    return scores
