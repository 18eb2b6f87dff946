"""Apply a trained model to a scan: probabilities, a mask, and the lesions one by one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from images import Image, UnreadableImageError, nifti_bytes, source_path, stem, suffix
from lesion_masks import TOUCHING
from numpy.typing import NDArray
from scans import CONTRASTS, Scan, back_to
from scipy import ndimage
from unet import Design, UNet, describe_device, load_model, probabilities, settle

# What lists more has found noise; count and volume are still those of all.
MOST_LISTED = 500


def labelled_path(path: Path, ending: str, extension: str) -> Path:
    """Return the path of a result in a derivative dataset (BIDS 1.10, derivatives of imaging: masks, segmentations).

    ``sub-01/anat/sub-01_FLAIR.nii.gz`` with ending ``mask`` gives ``sub-01/anat/sub-01_label-lesion_mask<extension>``.

    Args:
        path: The image; what lies above its participant's folder is left out.
        ending: The suffix.
        extension: With its dot.
    """
    folders = path.parts[:-1]
    start = next((i for i, folder in enumerate(folders) if folder.startswith("sub-")), len(folders))
    parts = stem(path).split("_")
    if suffix(path):
        parts.pop()
    at = next((i for i, part in enumerate(parts) if part.startswith("desc-")), len(parts))
    return Path(*folders[start:], "_".join([*parts[:at], "label-lesion", *parts[at:], ending]) + extension)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """One lesion: a body of voxels that touch by face, edge or corner.

    Attributes:
        voxels: How many.
        volume_ml: Their volume.
        centre_mm: Their mean, in the scanner's millimetres.
        peak: The highest probability.
    """

    voxels: int
    volume_ml: float
    centre_mm: tuple[float, float, float]
    peak: float

    def told(self) -> dict[str, Any]:
        """Return its line of the table."""
        return {
            "voxels": self.voxels,
            "volume_ml": round(self.volume_ml, 4),
            "centre_mm": [round(mm, 1) for mm in self.centre_mm],
            "peak_probability": round(self.peak, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """What was found in one scan.

    Attributes:
        scan: The scan.
        working: Probabilities on the working grid.
        probability: Probabilities on the grid of the FLAIR image.
        mask: Lesions on that grid.
        lesions: One by one, the largest first.
        threshold: Probability from which a voxel is lesion.
        least_ml: Smaller bodies are no lesions.
        model: Name of the model's file.
        device: What it was computed on.
    """

    scan: Scan
    working: NDArray[np.float32]
    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]
    lesions: list[Lesion]
    threshold: float
    least_ml: float
    model: str
    device: dict[str, Any]

    @property
    def image(self) -> Image:
        """The image on whose grid the results lie."""
        return self.scan.images["FLAIR"]

    def measures(self) -> dict[str, float | int]:
        """Return what can be searched by."""
        brain_ml = float(self.scan.brain.sum()) * abs(float(np.linalg.det(self.scan.affine[:3, :3]))) / 1000
        lesion_ml = sum((lesion.volume_ml for lesion in self.lesions), 0.0)
        return {
            "lesion_ml": round(lesion_ml, 4),
            "lesion_count": len(self.lesions),
            "largest_lesion_ml": round(self.lesions[0].volume_ml, 4) if self.lesions else 0.0,
            "lesion_percent": round(100 * lesion_ml / brain_ml, 4) if brain_ml else 0.0,
            "brain_ml": round(brain_ml, 2),
        }

    def told(self) -> dict[str, Any]:
        """Return the content of the mask's JSON file."""
        return {
            "Description": "Lesions found by a U-Net, on the grid of the FLAIR image",
            "Type": "Lesion",
            "Sources": [source_path(image.path) for image in self.scan.images.values()],
            "threshold": self.threshold,
            "least_ml": self.least_ml,
            "measures": self.measures(),
            "lesions": [lesion.told() for lesion in self.lesions[:MOST_LISTED]],
            "model": self.model,
            **self.device,
        }

    def probability_nifti(self) -> bytes:
        """Return the probabilities as the bytes of a ``.nii.gz`` without a date."""
        # Three decimals are more than a probability means, and make the file small.
        return nifti_bytes(np.round(self.probability, 3).astype(np.float32), self.image.affine)

    def mask_nifti(self) -> bytes:
        """Return the mask as the bytes of a ``.nii.gz`` without a date."""
        return nifti_bytes(self.mask.astype(np.uint8), self.image.affine)


class Segmenter:
    """A trained model, ready for scans."""

    def __init__(self, design: Design, network: UNet, **facts: Any) -> None:
        self._design = design
        self._network = network
        self._threshold: float = facts["threshold"]
        self._least_ml: float = facts["least_ml"]
        self._name: str = facts["name"]
        self._device = facts["device"]

    @classmethod
    def load(cls, path: Path, *, threshold: float, least_ml: float) -> Segmenter:
        """Read a model.

        Raises:
            UnreadableImageError: It is not one of the trainer's, or for other contrasts.
        """
        # One thread: sums over threads would make the bytes depend on the machine's load.
        device = settle(seed=0, threads=1)
        design, network = load_model(path)
        if design.contrasts != CONTRASTS:
            raise UnreadableImageError(f"{path.name}: a model for {', '.join(design.contrasts)}.")
        facts = {"threshold": threshold, "least_ml": least_ml, "name": path.name, "device": device}
        return cls(design, network.to(device), **facts)

    @property
    def voxel_mm(self) -> float:
        """Spacing of the grid that the model knows."""
        return self._design.voxel_mm

    def find(self, scan: Scan) -> Segmentation:
        """Find the lesions of a scan that has both contrasts."""
        image = scan.images["FLAIR"]
        working = probabilities(self._network, self._design, scan.channels, scan.brain, device=self._device)
        chance = np.clip(back_to(image, working, scan.affine), 0, 1)
        mask, lesions = part(chance, self._threshold, image.affine, least_ml=self._least_ml)
        return Segmentation(
            scan=scan,
            working=working,
            probability=chance,
            mask=mask,
            lesions=lesions,
            threshold=self._threshold,
            least_ml=self._least_ml,
            model=self._name,
            device=describe_device(self._device),
        )


def part(
    chance: NDArray[np.float32], threshold: float, affine: NDArray[np.float64], *, least_ml: float
) -> tuple[NDArray[np.bool_], list[Lesion]]:
    """Return the mask of what is probable enough and large enough, and its lesions, the largest first."""
    labels, count = ndimage.label(chance >= threshold, structure=TOUCHING)
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    lesions, kept = [], np.zeros(count + 1, dtype=bool)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[box] == number
        voxels = int(inside.sum())
        if voxels * voxel_ml < least_ml:
            continue
        kept[number] = True
        centre = np.argwhere(inside).mean(axis=0) + [side.start for side in box]
        x, y, z = (affine[:3, :3] @ centre + affine[:3, 3]).tolist()
        peak = float(chance[box][inside].max())
        lesions.append(Lesion(voxels=voxels, volume_ml=voxels * voxel_ml, centre_mm=(x, y, z), peak=peak))
    lesions.sort(key=lambda lesion: (-lesion.voxels, lesion.centre_mm))
    return kept[labels], lesions
