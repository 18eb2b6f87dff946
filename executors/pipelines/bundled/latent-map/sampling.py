"""Draw patches from scans, as many of each tissue, and describe each scan by its mean codes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from codes import code
from network import Model
from numpy.typing import NDArray
from scans import TISSUES, Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was drawn from one scan.

    Attributes:
        name: Of the scan.
        taught: Whether the model was trained or calibrated on it.
        codes: Of the patches drawn.
        tissues: Of the voxel in the middle of each, an index into :data:`scans.TISSUES`.
        millimetres: Where that voxel lies, in the scanner's space.
        profile: Mean codes of all patches of each tissue, one after the other.
    """

    name: str
    taught: bool
    codes: NDArray[np.float32]
    tissues: NDArray[np.int64]
    millimetres: NDArray[np.float64]
    profile: NDArray[np.float64]


def draw(model: Model, scan: Scan, *, channel: int, count: int, seed: Sequence[int], device: torch.device) -> Sample:
    """Draw patches from a scan.

    Args:
        model: Whose codes.
        scan: To draw from.
        channel: The last contrast that is shown.
        count: How many patches, in equal parts of each tissue as far as there are as many.
        seed: Of the choice.
        device: Where to compute.
    """
    dice = np.random.default_rng(seed)
    coded = code(model.network, model.design, scan, channel=channel, stride=2, device=device)
    middles = coded.corners + model.design.patch // 2
    tissues = scan.tissues[tuple(middles.T)].astype(np.int64) - 1
    whole = coded.codes.mean(axis=0, dtype=np.float64)
    chosen, profile = [], []
    for tissue in range(len(TISSUES)):
        rows = np.flatnonzero(tissues == tissue)
        profile.append(coded.codes[rows].mean(axis=0, dtype=np.float64) if rows.size else whole)
        part = min(rows.size, (count + tissue) // len(TISSUES))
        chosen.append(np.sort(dice.choice(rows, part, replace=False)))
    picked = np.concatenate(chosen)
    places = middles[picked] @ scan.affine[:3, :3].T + scan.affine[:3, 3]
    digest = hashlib.sha256(scan.images["T1w"].path.read_bytes()).hexdigest()
    return Sample(
        name=scan.name,
        taught=digest in model.taught,
        codes=coded.codes[picked],
        tissues=tissues[picked],
        millimetres=places,
        profile=np.concatenate(profile),
    )


def distances(profiles: NDArray[np.float64], taught: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how many of their spreads each profile lies from the mean of those of the training (root mean square).

    Who belongs to them is compared with the others alone: nobody is near because of having been averaged in.
    """
    found = np.zeros(len(profiles))
    for row, profile in enumerate(profiles):
        others = taught.copy()
        others[row] = False
        known = profiles[others]
        if len(known) < 2:
            found[row] = np.nan
            continue
        spread = known.std(axis=0, ddof=1)
        found[row] = np.sqrt((((profile - known.mean(axis=0)) / np.maximum(spread, spread.mean() * 0.1)) ** 2).mean())
    return found
