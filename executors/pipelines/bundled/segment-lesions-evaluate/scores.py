"""The measures of segmentation challenges for one mask against its reference.

Surface distances are MONAI's; overlap, volumes and lesions are counts. What is not defined (the Dice coefficient of two
empty masks, a distance from nothing) is None, never zero and never infinite.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from images import UnreadableImageError
from lesion_masks import TOUCHING, LesionMask, Mask
from scipy import ndimage

DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Agreement of one mask with its reference.

    Attributes:
        dice: Twice the common volume over the sum of both.
        sensitivity: Part of the reference's volume that the mask has.
        ppv: Part of the mask's volume that the reference has: positive predictive value.
        hd95_mm: The larger of the two 95th percentiles of the distances between the surfaces.
        assd_mm: Mean of all distances from either surface to the other.
        lesion_recall: Part of the reference's lesions that the mask touches.
        lesion_precision: Part of the mask's lesions that touch the reference.
        lesion_f1: Harmonic mean of the two.
        lesions_found: Lesions of the mask.
        lesions_known: Lesions of the reference.
        volume_ml: Of the mask.
        reference_ml: Of the reference.
        volume_difference_ml: Mask less reference.
        volume_difference_percent: Absolute difference over the reference.
    """

    dice: float | None
    sensitivity: float | None
    ppv: float | None
    hd95_mm: float | None
    assd_mm: float | None
    lesion_recall: float | None
    lesion_precision: float | None
    lesion_f1: float | None
    lesions_found: int
    lesions_known: int
    volume_ml: float
    reference_ml: float
    volume_difference_ml: float
    volume_difference_percent: float | None

    def told(self) -> dict[str, float | int | None]:
        """Return the measures by name, six digits after the point."""
        return {name: round(v, DIGITS) if isinstance(v, float) else v for name, v in asdict(self).items()}


def compare(mask: LesionMask, reference: LesionMask) -> Scores:
    """Return the measures of a mask.

    Raises:
        UnreadableImageError: They lie on different grids.
    """
    _same_grid(mask, reference)
    found, known = mask.data, reference.data
    both, of_found, of_known = int((found & known).sum()), int(found.sum()), int(known.sum())
    hd95, assd = surface_distances(found, known, mask.image.spacing)
    (touched, lesions_known), (right, lesions_found) = _touching(known, found), _touching(found, known)
    ml = reference.voxel_ml
    return Scores(
        dice=_part(2 * both, of_found + of_known),
        sensitivity=_part(both, of_known),
        ppv=_part(both, of_found),
        hd95_mm=hd95,
        assd_mm=assd,
        lesion_recall=_part(touched, lesions_known),
        lesion_precision=_part(right, lesions_found),
        lesion_f1=_f1(_part(touched, lesions_known), _part(right, lesions_found)),
        lesions_found=lesions_found,
        lesions_known=lesions_known,
        volume_ml=of_found * ml,
        reference_ml=of_known * ml,
        volume_difference_ml=(of_found - of_known) * ml,
        volume_difference_percent=_part(100 * abs(of_found - of_known), of_known),
    )


def _same_grid(mask: LesionMask, reference: LesionMask) -> None:
    one, other = mask.image, reference.image
    if one.data.shape != other.data.shape:
        shapes = ["x".join(map(str, image.data.shape)) for image in (one, other)]
        raise UnreadableImageError(
            f"{one.path.name}: {shapes[0]} voxels, its reference {other.path.name} {shapes[1]}; "
            "bring them onto one grid first."
        )
    # A tenth of a voxel at the far corner changes no measure that is given here.
    corner = np.array([*one.data.shape, 1.0])
    away = np.abs((one.affine - other.affine) * corner).sum(axis=1).max()
    if away > 0.1 * min(one.spacing):
        raise UnreadableImageError(
            f"{one.path.name}: its voxels lie elsewhere than those of its reference {other.path.name} "
            f"(up to {away:.3g} mm); bring them onto one grid first."
        )


def surface_distances(
    found: Mask, known: Mask, spacing: tuple[float, float, float]
) -> tuple[float | None, float | None]:
    """Return the 95th percentile of the Hausdorff distance and the average symmetric surface distance.

    The surface of a mask are its voxels with a face towards what is outside, distances are between their centres.
    Without voxels in both there is none.
    """
    if not found.any() or not known.any():
        return None, None
    box = ndimage.find_objects((found | known).astype(np.uint8))[0]
    with warnings.catch_warnings():
        # The library warns of what it does itself.
        warnings.simplefilter("ignore", FutureWarning)
        # Takes seconds to import, so only where it is used.
        import torch
        from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

        torch.set_num_threads(1)
        pair = [torch.from_numpy(np.pad(mask[box], 1))[None, None] for mask in (found, known)]
        asked = {"include_background": True, "spacing": list(spacing)}
        hd95 = compute_hausdorff_distance(*pair, percentile=95, **asked)
        assd = compute_average_surface_distance(*pair, symmetric=True, **asked)
    return float(hd95), float(assd)


def _touching(one: Mask, other: Mask) -> tuple[int, int]:
    """Return how many lesions of a mask have a voxel in another, and how many it has (Kuijf et al. 2019)."""
    labels, count = ndimage.label(one, structure=TOUCHING)
    return len(np.unique(labels[other & one])), int(count)


def _part(some: int, whole: int) -> float | None:
    return some / whole if whole else None


def _f1(recall: float | None, precision: float | None) -> float | None:
    """Return the harmonic mean; zero when one side has lesions and the other none, None when neither has."""
    if recall is None and precision is None:
        return None
    if not recall or not precision:
        return 0.0
    return 2 * recall * precision / (recall + precision)


def summarise(scored: Sequence[Scores]) -> dict[str, float | int | None]:
    """Return mean and median of each measure over those scans where it is defined, and over how many that was."""
    told = [scores.told() for scores in scored]
    found: dict[str, float | int | None] = {
        "scans": len(told),
        "scans_both_empty": sum(not s.lesions_found and not s.lesions_known for s in scored),
        "scans_mask_empty": sum(not s.lesions_found and s.lesions_known > 0 for s in scored),
        "scans_reference_empty": sum(s.lesions_found > 0 and not s.lesions_known for s in scored),
    }
    for name in told[0]:
        values = [value for row in told if (value := row[name]) is not None]
        found[f"{name}_mean"] = round(float(np.mean(values)), DIGITS) if values else None
        found[f"{name}_median"] = round(float(np.median(values)), DIGITS) if values else None
        found[f"{name}_scans"] = len(values)
    return found
