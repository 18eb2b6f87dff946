"""Find the head, the brain and its tissues in one image, by intensity and shape alone.

Simple on purpose: quick, deterministic, and good enough for whole-image measures.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Volume = NDArray[np.float32]

BINS = 256
# Shapes are found on a grid of about this spacing: finer ones cost time and change nothing.
SHAPE_MM = 2.5

# Tissues from dark to bright, by BIDS suffix.
_ORDER: Final = {
    "T1w": ("csf", "gm", "wm"),
    "FLAIR": ("csf", "wm", "gm"),
    "T2w": ("wm", "gm", "csf"),
    "PDw": ("wm", "csf", "gm"),
}
_UNKNOWN_ORDER: Final = ("dark", "middle", "bright")


def tissue_order(suffix: str) -> tuple[str, str, str]:
    """Return the names of the three classes from dark to bright in images of a BIDS suffix."""
    return _ORDER.get(suffix, _UNKNOWN_ORDER)


def otsu(values: Volume) -> float:
    """Return the threshold that best parts the values in two (Otsu 1979)."""
    low, high = float(values.min()), float(np.percentile(values, 99.8))
    counts, edges = np.histogram(values, bins=BINS, range=(low, max(high, low + 1e-6)))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    total = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    between = np.where(np.isfinite(between), between, -1)
    # Where nothing lies between dark and bright, every threshold there is as good: take the middle one.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1:][best[0] : best[-1] + 1].mean())


def head_mask(data: Volume, spacing: tuple[float, float, float]) -> Mask:
    """Return everything inside the skin: bright voxels, and what they enclose."""
    coarse, step = _coarsen(data, spacing)
    # Half of Otsu's threshold: fluid and skull count as head, and noise stays far below.
    bright = _without_specks(coarse > otsu(coarse) * 0.5)
    closed = ndimage.binary_fill_holes(_shrink(_grow(bright, 3), 3) | bright)
    return _refine(_largest(closed), step, data.shape)


def brain_mask(data: Volume, spacing: tuple[float, float, float]) -> Mask:
    """Return the brain with its fluid: the largest bright body that a thin dark shell parts from the scalp.

    An image without a scalp (skull-stripped, a phantom) comes back whole.
    """
    coarse, step = _coarsen(data, spacing)
    bright = coarse > otsu(coarse)
    core = _largest(_shrink(bright, 1))
    if core.sum() < 0.2 * bright.sum():
        core = _largest(bright)
    body = _grow(core, 1) & bright
    closed = ndimage.binary_fill_holes(_shrink(_grow(body, 3), 3) | body)
    return _refine(closed, step, data.shape)


def classify(data: Volume, mask: Mask, classes: int = 3) -> tuple[NDArray[np.int8], list[float]]:
    """Part the voxels of a mask into classes of intensity by one-dimensional k-means on the histogram.

    Returns:
        The classes (0 outside, then 1 upwards from dark to bright) and the mean of each.
    """
    values = data[mask]
    low, high = np.percentile(values, [0.5, 99.5])
    counts, edges = np.histogram(np.clip(values, low, high), bins=BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    means = np.quantile(values, (np.arange(classes) + 0.5) / classes)
    means = means + np.arange(classes) * 1e-6
    for _ in range(60):
        nearest = np.abs(centres[:, None] - means).argmin(axis=1)
        weight = np.bincount(nearest, counts, classes)
        moved = np.where(weight > 0, np.bincount(nearest, counts * centres, classes) / np.maximum(weight, 1), means)
        if np.allclose(moved, means, rtol=1e-6):
            break
        means = moved
    cuts = (means[:-1] + means[1:]) / 2
    labels = np.zeros(data.shape, dtype=np.int8)
    labels[mask] = (np.searchsorted(cuts, values) + 1).astype(np.int8)
    return labels, [
        float(values[labels[mask] == k + 1].mean()) if weight[k] else float(means[k]) for k in range(classes)
    ]


def receive_field(data: Volume, mask: Mask, *, rounds: int = 3) -> Volume:
    """Return the smooth field that multiplies the signal: a quadratic in space fitted to the logarithm.

    Classes of intensity and field are estimated in turn, on the two brighter classes (after Wells et al. 1996).
    """
    places = np.argwhere(mask)
    centre, half = places.mean(axis=0), np.maximum(np.ptp(places, axis=0) / 2, 1)
    chosen = places[:: max(1, len(places) // 20_000)]
    values = np.log(np.maximum(data[tuple(chosen.T)], 1e-6)).astype(np.float64)
    terms = _quadratic(*((chosen - centre) / half).T)
    field = np.zeros(len(chosen))
    for _ in range(rounds):
        flat = np.exp(values - field).astype(np.float32)
        labels, means = classify(flat, np.ones(flat.shape, dtype=bool))
        used = labels > 1
        left = values - np.log(np.maximum(means, 1e-6))[labels - 1]
        known, wanted = terms[used], np.clip(left[used], -0.4, 0.4)
        weights = np.linalg.lstsq(known.T @ known, known.T @ wanted, rcond=None)[0]
        weights[0] = 0  # the mean stays with the signal
        field = terms @ weights
    axes = [((np.arange(n) - c) / h).astype(np.float32) for n, c, h in zip(data.shape, centre, half, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    sums = [np.float32(w) * term for w, term in zip(weights, _products(x, y, z), strict=True)]
    whole = sum(sums[1:], np.zeros(data.shape, dtype=np.float32))
    return np.exp(np.clip(whole, -1, 1)).astype(np.float32)


def _products(x: Volume, y: Volume, z: Volume) -> list[Volume]:
    return [np.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, x * z, y * z]


def _quadratic(x: Volume, y: Volume, z: Volume) -> NDArray[np.float64]:
    return np.stack(_products(x, y, z), axis=1)


def _coarsen(data: Volume, spacing: tuple[float, float, float]) -> tuple[Volume, tuple[int, int, int]]:
    step = tuple(max(1, min(round(SHAPE_MM / mm), n // 8)) for mm, n in zip(spacing, data.shape, strict=True))
    x, y, z = step
    if step == (1, 1, 1):
        return data, (1, 1, 1)
    padded = np.pad(data, [(0, -n % s) for n, s in zip(data.shape, step, strict=True)], mode="edge")
    a, b, c = padded.shape
    blocks = padded.reshape(a // x, x, b // y, y, c // z, z)
    return blocks.mean(axis=(1, 3, 5), dtype=np.float32), (x, y, z)


def _refine(mask: Mask, step: tuple[int, int, int], shape: tuple[int, ...]) -> Mask:
    for axis, times in enumerate(step):
        if times > 1:
            mask = np.repeat(mask, times, axis=axis)
    return mask[: shape[0], : shape[1], : shape[2]]


def _without_specks(mask: Mask) -> Mask:
    """Drop bodies below one half of a percent of the whole: noise, and wrapped signal."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    keep = sizes > 0.005 * mask.sum()
    keep[0] = False
    kept: Mask = keep[labels]
    return kept


def _largest(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    found: Mask = labels == sizes.argmax()
    return found


def _grow(mask: Mask, steps: int) -> Mask:
    grown: Mask = ndimage.binary_dilation(mask, iterations=steps)
    return grown


def _shrink(mask: Mask, steps: int) -> Mask:
    # What touches the edge of the field of view goes on beyond it.
    shrunk: Mask = ndimage.binary_erosion(mask, iterations=steps, border_value=1)
    return shrunk
