"""A scan to learn from: channels and known lesions on one grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """A scan with its known lesions, on the working grid.

    Attributes:
        name: What the files of the scan have in common.
        channels: T1w and FLAIR, one in the mean of the brain's matter; zero outside the brain.
        brain: The brain.
        lesion: Voxels that are lesion.
        files: Names of the images and the mask.
        mask_ml: Volume of the mask as given.
    """

    name: str
    channels: NDArray[np.float32]
    brain: NDArray[np.bool_]
    lesion: NDArray[np.bool_]
    files: tuple[str, ...]
    mask_ml: float

    def told(self) -> dict[str, Any]:
        """Return what the training record says of it."""
        return {
            "name": self.name,
            "files": list(self.files),
            "lesion_voxels": int(self.lesion.sum()),
            "mask_ml": float(f"{self.mask_ml:.6g}"),
        }
