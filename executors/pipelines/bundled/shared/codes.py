"""The latent codes of a scan's patches, and how far they lie from those of healthy people at the same places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from network import Design, Model, encode, patch_corners, windows
from normal import Box, Codes, Normal, cells_of
from numpy.typing import NDArray
from scans import Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """The patches of one scan.

    Attributes:
        corners: First voxels of the patches.
        places: Where their centres lie in the box around the brain, each axis from -1 to 1.
        codes: Their latent codes.
    """

    corners: NDArray[np.int64]
    places: NDArray[np.float64]
    codes: Codes


def code(
    network: torch.nn.Sequential, design: Design, scan: Scan, *, channel: int, stride: int, device: torch.device
) -> Coded:
    """Return the codes of a lattice of patches.

    Args:
        network: The auto-encoder.
        design: How it is fed.
        scan: Whose patches.
        channel: The last contrast that is shown; those after it are hidden, as if they had not been acquired.
        stride: Voxels from one patch to the next.
        device: Where to compute.
    """
    corners = patch_corners(scan.brain, design.patch, stride)
    x, y, z = corners.T
    shown = scan.channels.copy()
    shown[channel + 1 :] = 0
    codes = encode(network, windows(shown, design.patch)[x, y, z], device=device)
    return Coded(corners=corners, places=Box.around(scan.brain).places(corners, design.patch), codes=codes)


def distance_map(model: Model, scan: Scan, *, channel: int, device: torch.device) -> NDArray[np.float32]:
    """Return for every voxel how unusual the patches are that have it in their core; zero where there are none."""
    normal: Normal = model.normal[channel]
    patch = model.design.patch
    found = code(model.network, model.design, scan, channel=channel, stride=1, device=device)
    distances = normal.distances(cells_of(found.places), found.codes)
    total = np.zeros(scan.brain.shape, dtype=np.float64)
    count = np.zeros(scan.brain.shape, dtype=np.float64)
    core = range(patch // 4, patch - patch // 4)
    for a in core:
        for b in core:
            for c in core:
                # One offset at a time, so that no voxel is written twice by one statement.
                x, y, z = (found.corners + np.array([a, b, c])).T
                total[x, y, z] += distances
                count[x, y, z] += 1
    return np.divide(total, np.maximum(count, 1)).astype(np.float32)
