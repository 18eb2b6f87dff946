"""Drawn heads with lesions that are known: what the reference cases of lesion segmentation are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from heads import LESION, Person, anatomy, save, scan

EDGE, MM = 32, 6.0


def person(seed: int, lesions: int) -> Person:
    """Return somebody with a coarse scan, so that a case is small."""
    return Person(seed=seed, edge=EDGE, mm=MM, lesions=lesions)


def save_scan(folder: Path, label: str, somebody: Person, *, mask: bool) -> dict[str, str]:
    """Write T1w and FLAIR of a person, and the mask when asked for; returns the paths by what they are."""
    paths = {suffix: f"inputs/sub-{label}/anat/sub-{label}_{suffix}.nii.gz" for suffix in ("T1w", "FLAIR")}
    for suffix, path in paths.items():
        # Steps of four: a quarter of the noise, and a smaller file.
        save(folder / path, (scan(somebody, suffix) // 4 * 4).astype(np.int16), mm=somebody.mm)
    if mask:
        paths["mask"] = f"inputs/derivatives/lesions/sub-{label}/anat/sub-{label}_desc-lesion_mask.nii.gz"
        save(folder / paths["mask"], (anatomy(somebody) == LESION).astype(np.uint8), mm=somebody.mm)
    return paths
