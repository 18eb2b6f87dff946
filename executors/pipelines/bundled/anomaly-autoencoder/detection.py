"""Apply a trained model to a scan: residual, z-scores, and how much of each tissue is abnormal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from codes import distance_map
from images import Image, nifti_bytes, source_path
from network import Model, describe_device, load_model, reconstruct, settle
from numpy.typing import NDArray
from residuals import smooth_residual, z_scores
from scans import CONTRASTS, TISSUES, Scan, back_to

_DESCRIPTIONS = {
    "denoising": "How many spreads of healthy residuals each voxel differs from its reconstruction",
    "siamese": "How many spreads of healthy distances the latent code around each voxel lies from normal at its place",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found in one scan.

    Attributes:
        scan: The scan.
        contrast: The contrast that was judged.
        scores: z-scores on the working grid; zero outside the brain.
        threshold: Beyond which a voxel is abnormal.
        model: Name of the model's file.
        form: Form of the model.
        device: What it was computed on.
    """

    scan: Scan
    contrast: str
    scores: NDArray[np.float32]
    threshold: float
    model: str
    form: str
    device: dict[str, Any]

    @property
    def image(self) -> Image:
        """The image that was judged."""
        return self.scan.images[self.contrast]

    def told(self) -> dict[str, Any]:
        """Return the content of the map's JSON file."""
        return {
            "Description": _DESCRIPTIONS[self.form],
            "Units": "arbitrary",
            "SkullStripped": True,
            "Sources": [source_path(image.path) for image in self.scan.images.values()],
            "form": self.form,
            "contrast": self.contrast,
            "threshold": self.threshold,
            "tissues": {name: self.share(self.scan.tissues == k + 1) for k, name in enumerate(TISSUES)},
            "brain": self.share(self.scan.brain),
            "model": self.model,
            **self.device,
        }

    def share(self, region: NDArray[np.bool_]) -> dict[str, float | int | None]:
        """Return how much of a region is abnormal; a residual tells brighter from darker, a distance does not."""
        scores = self.scores[region]
        cell = abs(float(np.linalg.det(self.scan.affine[:3, :3]))) / 1000
        bright = int(np.count_nonzero(scores > self.threshold))
        dark = int(np.count_nonzero(scores < -self.threshold))
        percent = round(100 * (bright + dark) / scores.size, 4) if scores.size else None
        sides = {"brighter_voxels": bright, "darker_voxels": dark} if self.form == "denoising" else {}
        return {
            "voxels": int(scores.size),
            "abnormal_percent": percent,
            "abnormal_ml": round((bright + dark) * cell, 4),
            **sides,
        }

    def nifti(self) -> bytes:
        """Return the map on the grid of the image that was judged, as the bytes of a ``.nii.gz`` without a date."""
        scores = back_to(self.image, self.scores, self.scan.affine)
        # Two decimals are more than a z-score means, and make the file small.
        return nifti_bytes(np.round(scores, 2).astype(np.float32), self.image.affine)


class Detector:
    """A trained model, ready to judge scans."""

    def __init__(self, model: Model, *, threshold: float, name: str, device: torch.device) -> None:
        self._model = model
        self._threshold = threshold
        self._name = name
        self._device = device

    @classmethod
    def load(cls, path: Path, *, threshold: float) -> Detector:
        """Read a model.

        Raises:
            UnreadableImageError: It is not one of the trainer's.
        """
        # One thread: sums over threads would make the bytes depend on the machine's load.
        device = settle(seed=0, threads=1)
        model = load_model(path)
        model.network.to(device)
        return cls(model, threshold=threshold, name=path.name, device=device)

    @property
    def voxel_mm(self) -> float:
        """Spacing of the grid that the model knows."""
        return self._model.design.voxel_mm

    def find(self, scan: Scan) -> Finding:
        """Judge a scan by its FLAIR when it has one and the model knows FLAIR; otherwise by its T1w."""
        known = [bool(np.isfinite(norms).all()) for norms in self._model.norms]
        channel = max(k for k, there in enumerate(scan.present) if there and known[k])
        siamese = self._model.design.form == "siamese"
        rest = self._distance(scan, channel) if siamese else self._residual(scan, channel)
        scores = z_scores(rest, scan.tissues, self._model.norms[channel])
        return Finding(
            scan=scan,
            contrast=CONTRASTS[channel],
            # What lies nearer to normal than most is no anomaly.
            scores=np.maximum(scores, 0) if siamese else scores,
            threshold=self._threshold,
            model=self._name,
            form=self._model.design.form,
            device=describe_device(self._device),
        )

    def _residual(self, scan: Scan, channel: int) -> NDArray[np.float32]:
        network, design = self._model.network, self._model.design
        made = reconstruct(network, design, scan.channels, scan.brain, device=self._device)
        return smooth_residual(scan.channels[channel] - made[channel], scan.brain)

    def _distance(self, scan: Scan, channel: int) -> NDArray[np.float32]:
        distances = distance_map(self._model, scan, channel=channel, device=self._device)
        return smooth_residual(distances, scan.brain)
