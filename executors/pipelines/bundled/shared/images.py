"""Read NIfTI images and name what is derived from them as BIDS does.

The bundled pipelines are mounted one at a time, so each has its own copy of this module; a test keeps the
copies equal.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

Volume = NDArray[np.float32]

EXTENSIONS = (".nii.gz", ".nii")
LARGEST_VOXELS = 1024**3


class UnreadableImageError(Exception):
    """An input is no image that can be worked on; the text names the file and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A volume with its place in the world.

    Attributes:
        data: Three axes; the mean over any further ones. Values that are no numbers are zero.
        affine: Voxels to millimetres.
        spacing: Millimetres between voxels.
        path: Where it was read.
        volumes: How many volumes were averaged.
        not_finite: How many stored values were no finite numbers.
    """

    data: Volume
    affine: NDArray[np.float64]
    spacing: tuple[float, float, float]
    path: Path
    volumes: int
    not_finite: int


def load_image(path: Path, *, constant: bool = False) -> Image:
    """Read a NIfTI-1 or NIfTI-2 image.

    Args:
        path: The file.
        constant: Whether an image of one value alone is one, as an empty mask is.

    Raises:
        UnreadableImageError: Missing, empty, truncated, not NIfTI, not a volume, or without any contrast.
    """
    if not path.is_file():
        raise UnreadableImageError(f"{path.name}: no such file.")
    if path.stat().st_size == 0:
        raise UnreadableImageError(f"{path.name}: the file is empty; fetch its content and try again.")
    stored, image = _read_voxels(path)
    finite = np.isfinite(stored)
    missing = int(stored.size - np.count_nonzero(finite))
    volumes = stored.shape[3] if stored.ndim == 4 else 1
    if missing:
        stored = np.where(finite, stored, np.float32(0))
    data = stored.mean(axis=3, dtype=np.float32) if stored.ndim == 4 else stored
    if not constant and data.max() == data.min():
        raise UnreadableImageError(f"{path.name}: all voxels have one value; there is nothing to measure.")
    spacing = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))
    if not np.isfinite(image.affine).all() or (spacing < 1e-3).any():
        raise UnreadableImageError(f"{path.name}: the affine is not one of an image; repair its header.")
    return Image(
        data=data,
        affine=np.asarray(image.affine, dtype=np.float64),
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        path=path,
        volumes=volumes,
        not_finite=missing,
    )


def _read_voxels(path: Path) -> tuple[Volume, nibabel.Nifti1Image]:
    try:
        image = nibabel.load(path)
        shape = tuple(int(n) for n in image.shape if n != 1 or len(image.shape) <= 3)
        if len(shape) not in (3, 4) or min(shape) < 1 or min(shape[:3]) < 4:
            raise UnreadableImageError(f"{path.name}: {'x'.join(map(str, image.shape))} voxels are no volume.")
        if np.prod(shape, dtype=np.int64) > LARGEST_VOXELS:
            raise UnreadableImageError(f"{path.name}: more than {LARGEST_VOXELS} voxels; reduce it first.")
        return np.asarray(image.dataobj, dtype=np.float32).reshape(shape), image
    except (ImageFileError, HeaderDataError) as error:
        raise UnreadableImageError(f"{path.name}: not a NIfTI image ({error}).") from error
    except (OSError, EOFError, ValueError, TypeError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableImageError(f"{path.name}: damaged or cut short; fetch it again ({error}).") from error


def stem(path: Path) -> str:
    """Return the file name without the extension of an image."""
    for extension in EXTENSIONS:
        if path.name.endswith(extension):
            return path.name[: -len(extension)]
    return path.stem


def suffix(path: Path) -> str:
    """Return the BIDS suffix (``T1w``), or an empty string when the name is not one of BIDS."""
    last = stem(path).rpartition("_")[2]
    return last if last.isalnum() and "_" in stem(path) else ""


def participant(path: Path) -> str:
    """Return the participant's label (``sub-01``), or the file's own stem when its name has none."""
    first = stem(path).partition("_")[0]
    return first if first.startswith("sub-") else stem(path)


def derived_path(path: Path, description: str, extension: str, *, ending: str | None = None) -> Path:
    """Return the path, relative to a derivative dataset, of what is derived from an image (BIDS 1.10, derivatives).

    ``sub-01/anat/sub-01_T1w.nii.gz`` with description ``qc`` gives ``sub-01/anat/sub-01_desc-qc_T1w<extension>``.

    Args:
        path: The image; what lies above its participant's folder is left out.
        description: Value of the entity ``desc``; an input that has one already keeps it in front.
        extension: With its dot.
        ending: Suffix to write instead of the image's own.
    """
    folders = path.parts[:-1]
    start = next((i for i, folder in enumerate(folders) if folder.startswith("sub-")), len(folders))
    parts = stem(path).split("_")
    last = parts.pop() if suffix(path) else ""
    earlier = next((part for part in parts if part.startswith("desc-")), None)
    if earlier:
        parts.remove(earlier)
        description = earlier.removeprefix("desc-") + description.capitalize()
    name = "_".join([*parts, f"desc-{description}", *([ending or last] if ending or last else [])])
    return Path(*folders[start:], name + extension)
