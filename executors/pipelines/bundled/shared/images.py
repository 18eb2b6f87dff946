"""Read NIfTI images and name what is derived from them as BIDS does."""

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
    stored, affine = read_voxels(path)
    finite = np.isfinite(stored)
    missing = int(stored.size - np.count_nonzero(finite))
    volumes = stored.shape[3] if stored.ndim == 4 else 1
    if missing:
        stored = np.where(finite, stored, np.float32(0))
    data = stored.mean(axis=3, dtype=np.float32) if stored.ndim == 4 else stored
    if not constant and data.max() == data.min():
        raise UnreadableImageError(f"{path.name}: all voxels have one value; there is nothing to measure.")
    return Image(
        data=data,
        affine=affine,
        spacing=spacing_of(affine),
        path=path,
        volumes=volumes,
        not_finite=missing,
    )


def read_voxels(path: Path, *, least_edge: int = 4) -> tuple[Volume, NDArray[np.float64]]:
    """Return what an image stores, three or four axes, and its affine.

    Args:
        path: The image.
        least_edge: Voxels that each of the three axes in space must have.

    Raises:
        UnreadableImageError: Missing, empty, truncated, not NIfTI, not a volume, or of no place in the world.
    """
    if not path.is_file():
        raise UnreadableImageError(f"{path.name}: no such file.")
    if path.stat().st_size == 0:
        raise UnreadableImageError(f"{path.name}: the file is empty; fetch its content and try again.")
    try:
        image = nibabel.load(path)
        shape = (*image.shape[:3], *(n for n in image.shape[3:] if n != 1))
        if len(shape) not in (3, 4) or min(shape) < 1 or min(shape[:3]) < least_edge:
            raise UnreadableImageError(f"{path.name}: {'x'.join(map(str, image.shape))} voxels are no volume.")
        if np.prod(shape, dtype=np.int64) > LARGEST_VOXELS:
            raise UnreadableImageError(f"{path.name}: more than {LARGEST_VOXELS} voxels; reduce it first.")
        stored = np.asarray(image.dataobj, dtype=np.float32).reshape(shape)
    except (ImageFileError, HeaderDataError) as error:
        raise UnreadableImageError(f"{path.name}: not a NIfTI image ({error}).") from error
    except (OSError, EOFError, ValueError, TypeError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableImageError(f"{path.name}: damaged or cut short; fetch it again ({error}).") from error
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or min(spacing_of(affine)) < 1e-3:
        raise UnreadableImageError(f"{path.name}: the affine is not one of an image; repair its header.")
    return stored, affine


def spacing_of(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the millimetres between voxels along each axis."""
    x, y, z = np.sqrt((affine[:3, :3] ** 2).sum(axis=0)).tolist()
    return x, y, z


def nifti_bytes(data: NDArray[np.generic], affine: NDArray[np.float64]) -> bytes:
    """Return an image as the bytes of a ``.nii.gz`` without a date: the same voxels, the same bytes."""
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def source_path(path: Path) -> str:
    """Return the path from the participant's folder on, which is the same wherever the input is mounted."""
    start = next((i for i, part in enumerate(path.parts[:-1]) if part.startswith("sub-")), len(path.parts) - 1)
    return "/".join(path.parts[start:])


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
