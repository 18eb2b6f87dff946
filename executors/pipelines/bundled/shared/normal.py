"""Where the latent codes of healthy people lie, place by place: what a siamese network is judged by.

Places are cells of a lattice in the box around the brain, so that the same cell is about the same anatomy in
everybody. Of each cell the mean and the spread of the codes are known; how the dimensions of a code vary together
is pooled over all cells, because a cell alone has seen too few people to tell (Friedman 1989, regularised
discriminant analysis).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

CELLS = 16
# A cell's own spread counts as much as the pooled one when it has seen as many patches.
PRIOR = 50
# A cell with fewer patches than this takes what its nearest neighbour knows.
LEAST_PATCHES = 8
# Part of the mean variance that is added to every dimension, so that none without variance rules.
RIDGE = 0.01

Codes = NDArray[np.float32]
Cells = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The box around a brain.

    Attributes:
        centre: In voxels.
        half: Half its edges, in voxels.
    """

    centre: NDArray[np.float64]
    half: NDArray[np.float64]

    @classmethod
    def around(cls, brain: NDArray[np.bool_]) -> Box:
        """Return the box that holds all but the outermost half percent of a brain along each axis."""
        low, high = np.quantile(np.argwhere(brain), [0.005, 0.995], axis=0)
        return cls(centre=(low + high) / 2, half=np.maximum((high - low) / 2, 1))

    def places(self, corners: NDArray[np.int64], patch: int) -> NDArray[np.float64]:
        """Return where the centres of patches lie, each axis from -1 to 1."""
        return (corners + (patch - 1) / 2 - self.centre) / self.half

    def corners(self, places: NDArray[np.float64], patch: int) -> NDArray[np.int64]:
        """Return the first voxels of the patches that lie at places; the inverse of :meth:`places`."""
        return np.rint(places * self.half + self.centre - (patch - 1) / 2).astype(np.int64)


def cells_of(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of the cell that each place lies in."""
    steps = np.clip(((places + 1) / 2 * CELLS).astype(np.int64), 0, CELLS - 1)
    return (steps[:, 0] * CELLS + steps[:, 1]) * CELLS + steps[:, 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """The codes of healthy people.

    Attributes:
        means: Mean code of each cell.
        scales: How much more (above one) or less the codes of a cell vary than those of all.
        precision: Inverse of the pooled covariance within cells.
    """

    means: Codes
    scales: NDArray[np.float32]
    precision: Codes

    @classmethod
    def learn(cls, read: Callable[[], Iterable[tuple[Cells, Codes]]]) -> Normal:
        """Learn from healthy scans; what they give is read twice, one scan at a time.

        Args:
            read: Gives for every scan the cells of its patches and their codes.
        """
        count = np.zeros(CELLS**3)
        sums: NDArray[np.float64] | None = None
        for cells, codes in read():
            count += np.bincount(cells, minlength=CELLS**3)
            sums = np.zeros((CELLS**3, codes.shape[1])) if sums is None else sums
            np.add.at(sums, cells, codes)
        if sums is None:
            raise ValueError("there is no scan to learn from")
        means = sums / np.maximum(count, 1)[:, None]
        within = np.zeros((sums.shape[1],) * 2)
        for cells, codes in read():
            away = codes - means[cells]
            within += away.T @ away
        pooled = within / max(1.0, count.sum() - np.count_nonzero(count))
        pooled += np.eye(len(pooled)) * (RIDGE * np.trace(pooled) / len(pooled) + 1e-12)
        precision = np.linalg.inv(pooled)
        squares = np.zeros(CELLS**3)
        for cells, codes in read():
            squares += np.bincount(cells, _squares(codes - means[cells], precision), minlength=CELLS**3)
        scales = (squares / len(pooled) + PRIOR) / (count + PRIOR)
        nearest = _nearest(count >= LEAST_PATCHES)
        return cls(
            means=means[nearest].astype(np.float32),
            scales=scales[nearest].astype(np.float32),
            precision=precision.astype(np.float32),
        )

    @classmethod
    def read(cls, archive: Mapping[str, NDArray[np.float32]], prefix: str) -> Normal:
        """Read what :meth:`arrays` gave.

        Raises:
            KeyError: An array is missing.
            ValueError: The arrays do not fit together.
        """
        found = cls(**{name: archive[prefix + name] for name in ("means", "scales", "precision")})
        wide = found.means.shape[1]
        if found.means.shape[0] != CELLS**3 or found.scales.shape != (CELLS**3,):
            raise ValueError("the codes of a model are not of its cells")
        if found.precision.shape != (wide, wide):
            raise ValueError("the precision of a model is not that of its codes")
        return found

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return what a file must hold."""
        return {"means": self.means, "scales": self.scales, "precision": self.precision}

    def distances(self, cells: NDArray[np.int64], codes: Codes) -> NDArray[np.float32]:
        """Return how far codes lie from what is normal in their cells: about one for healthy ones (Mahalanobis)."""
        squares = _squares(codes - self.means[cells], self.precision) / self.scales[cells] / codes.shape[1]
        found: NDArray[np.float32] = np.sqrt(np.maximum(squares, 0)).astype(np.float32)
        return found


def _squares(away: NDArray[np.floating], precision: NDArray[np.floating]) -> NDArray[np.floating]:
    found: NDArray[np.floating] = ((away @ precision) * away).sum(axis=1)
    return found


def _nearest(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for every cell the number of the nearest one that is known."""
    shape = (CELLS,) * 3
    if not known.any():
        return np.arange(known.size)
    places = ndimage.distance_transform_edt(~known.reshape(shape), return_distances=False, return_indices=True)
    found: NDArray[np.int64] = np.ravel_multi_index(tuple(places.reshape(3, -1)), shape)
    return found
