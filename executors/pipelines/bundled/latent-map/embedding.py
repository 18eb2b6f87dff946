"""Lay codes of many dimensions out in two: PCA, t-SNE and UMAP, the same twice.

PCA keeps distances and is learnt on the people of the training alone, so that others are seen from there. t-SNE and
UMAP keep neighbours and not distances; both start from the PCA, with fixed seeds and one thread.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

PERPLEXITY = 30
NEIGHBOURS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """Principal axes.

    Attributes:
        centre: Where they meet.
        directions: One axis a row.
        explained: Part of the variance along each.
    """

    centre: NDArray[np.float64]
    directions: NDArray[np.float64]
    explained: tuple[float, ...]

    def place(self, codes: NDArray[np.floating]) -> Points:
        """Return the coordinates of codes on the axes."""
        return np.asarray((codes - self.centre) @ self.directions.T, dtype=np.float32)


def principal_axes(codes: NDArray[np.floating], count: int) -> Axes:
    """Return the axes along which codes vary most; the largest part of each points upwards, so none turns round."""
    centre = codes.mean(axis=0, dtype=np.float64)
    _, singular, directions = np.linalg.svd(codes - centre, full_matrices=False)
    power = singular**2
    kept = directions[:count]
    largest = np.abs(kept).argmax(axis=1)
    kept = kept * np.where(kept[np.arange(len(kept)), largest] < 0, -1.0, 1.0)[:, None]
    # More axes than codes can have: those say nothing.
    kept = np.pad(kept, ((0, count - len(kept)), (0, 0)))
    shares = np.pad(power / max(float(power.sum()), 1e-12), (0, count))[:count]
    return Axes(centre=centre, directions=kept, explained=tuple(float(f"{share:.4g}") for share in shares))


def by_tsne(placed: Points, seed: int) -> Points:
    """Return t-SNE (van der Maaten and Hinton 2008) of points that PCA placed."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(placed) - 1) / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        method = TSNE(2, perplexity=perplexity, init=_start(placed, 1e-4), random_state=seed, n_jobs=1)
        found: Points = method.fit_transform(placed).astype(np.float32)
    return found


def by_umap(placed: Points, seed: int) -> Points:
    """Return UMAP (McInnes, Healy and Melville 2018) of points that PCA placed."""
    # Compiled code may not be kept beside a library that is read-only.
    os.environ.setdefault("NUMBA_CACHE_DIR", _cache())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts of the library that are not used here
        import umap

        start = _start(placed, 5.0)
        neighbours = min(NEIGHBOURS, len(placed) - 1)
        method = umap.UMAP(n_neighbors=neighbours, init=start, random_state=seed, n_jobs=1)
        found: Points = np.asarray(method.fit_transform(placed), dtype=np.float32)
    return found


@functools.cache
def _cache() -> str:
    """Return a folder that is there until the process ends."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _start(placed: Points, spread: float) -> Points:
    first: Points = placed[:, :2] / max(float(placed[:, 0].std()), 1e-6) * np.float32(spread)
    return np.ascontiguousarray(first, dtype=np.float32)
