"""Apply a trained model to a scan: residual, z-scores, and how much of each tissue is abnormal."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from images import Image
from network import Design, describe_device, load_model, reconstruct, settle
from numpy.typing import NDArray
from residuals import smooth_residual, z_scores
from scans import CONTRASTS, TISSUES, Scan, back_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found in one scan.

    Attributes:
        scan: The scan.
        contrast: The contrast that was judged.
        scores: z-scores on the working grid; zero outside the brain.
        threshold: Beyond which a voxel is abnormal.
        model: Name of the model's file.
        device: What it was computed on.
    """

    scan: Scan
    contrast: str
    scores: NDArray[np.float32]
    threshold: float
    model: str
    device: dict[str, Any]

    @property
    def image(self) -> Image:
        """The image that was judged."""
        return self.scan.images[self.contrast]

    def told(self) -> dict[str, Any]:
        """Return the content of the map's JSON file."""
        start = next((i for i, part in enumerate(self.image.path.parts[:-1]) if part.startswith("sub-")), -1)
        return {
            "Description": "How many spreads of healthy residuals each voxel differs from its reconstruction",
            "Units": "arbitrary",
            "SkullStripped": True,
            "Sources": ["/".join(image.path.parts[start:]) for image in self.scan.images.values()],
            "contrast": self.contrast,
            "threshold": self.threshold,
            "tissues": {name: self.share(self.scan.tissues == k + 1) for k, name in enumerate(TISSUES)},
            "brain": self.share(self.scan.brain),
            "model": self.model,
            **self.device,
        }

    def share(self, region: NDArray[np.bool_]) -> dict[str, float | int | None]:
        """Return how much of a region is abnormal; brighter and darker than expected are told apart."""
        scores = self.scores[region]
        cell = abs(float(np.linalg.det(self.scan.affine[:3, :3]))) / 1000
        bright = int(np.count_nonzero(scores > self.threshold))
        dark = int(np.count_nonzero(scores < -self.threshold))
        percent = round(100 * (bright + dark) / scores.size, 4) if scores.size else None
        return {
            "voxels": int(scores.size),
            "abnormal_percent": percent,
            "abnormal_ml": round((bright + dark) * cell, 4),
            "brighter_voxels": bright,
            "darker_voxels": dark,
        }

    def nifti(self) -> bytes:
        """Return the map on the grid of the image that was judged, as the bytes of a ``.nii.gz`` without a date."""
        scores = back_to(self.image, self.scores, self.scan.affine)
        # Two decimals are more than a z-score means, and make the file small.
        written = nibabel.Nifti1Image(np.round(scores, 2).astype(np.float32), self.image.affine)
        written.header.set_xyzt_units("mm", "sec")
        return gzip.compress(written.to_bytes(), compresslevel=6, mtime=0)


class Detector:
    """A trained model, ready to judge scans."""

    def __init__(self, design: Design, network: torch.nn.Module, norms: NDArray[np.float32], **facts: Any) -> None:
        self._design = design
        self._network = network
        self._norms = norms
        self._threshold: float = facts["threshold"]
        self._name: str = facts["name"]
        self._device: torch.device = facts["device"]

    @classmethod
    def load(cls, path: Path, *, threshold: float) -> Detector:
        """Read a model.

        Raises:
            UnreadableImageError: It is not one of the trainer's.
        """
        # One thread: sums over threads would make the bytes depend on the machine's load.
        device = settle(seed=0, threads=1)
        design, network, norms = load_model(path)
        return cls(design, network.to(device), norms, threshold=threshold, name=path.name, device=device)

    @property
    def voxel_mm(self) -> float:
        """Spacing of the grid that the model knows."""
        return self._design.voxel_mm

    def find(self, scan: Scan) -> Finding:
        """Judge a scan by its FLAIR when it has one and the model knows FLAIR; otherwise by its T1w."""
        known = [bool(np.isfinite(norms).all()) for norms in self._norms]
        channel = max(k for k, there in enumerate(scan.present) if there and known[k])
        made = reconstruct(self._network, self._design, scan.channels, scan.brain, device=self._device)
        rest = smooth_residual(scan.channels[channel] - made[channel], scan.brain)
        scores = z_scores(rest, scan.tissues, self._norms[channel])
        return Finding(
            scan=scan,
            contrast=CONTRASTS[channel],
            scores=scores,
            threshold=self._threshold,
            model=self._name,
            device=describe_device(self._device),
        )
