"""Arrays: NIfTI images and NumPy files, element by element or as labels by their overlap.

Shape and kind are held against each other before a value is read, so that an output cannot make us unpack more than
the expected file has.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from executors.comparison.model import DifferentError, Tolerance, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

AFFINE_MM: Final = 1e-4
"""So far may entries of two affines lie apart (millimetres, or millimetres for a voxel)."""
LARGEST: Final = 8_000_000_000
"""Bytes of the largest array that is compared."""
_KINDS: Final = {
    "b": "truth values",
    "i": "whole numbers",
    "u": "whole numbers",
    "f": "numbers",
    "c": "complex numbers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """An array that was not read yet."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    affine: NDArray[np.float64] | None
    read: Callable[[], Array]


@dataclass(slots=True)
class _Measured:
    """How far two arrays, or several pairs of them, lie apart."""

    elements: int = 0
    mismatched: int = 0
    largest_absolute: float = 0.0
    largest_relative: float = 0.0
    at: list[int] | None = None

    def add(self, other: _Measured) -> None:
        self.elements += other.elements
        self.mismatched += other.mismatched
        self.largest_relative = max(self.largest_relative, other.largest_relative)
        if other.largest_absolute > self.largest_absolute or self.at is None:
            self.largest_absolute, self.at = other.largest_absolute, other.at

    @property
    def fraction(self) -> float:
        return self.mismatched / self.elements if self.elements else 0.0


def compare_arrays(rule: Mapping[str, Any], found: Path, expected: Path) -> tuple[bool, str, dict[str, Any]]:
    """Compare two arrays, or two archives of arrays, element by element.

    An element mismatches when ``abs(found - expected) > absolute + relative * abs(expected)``. NaN equals NaN, and an
    infinity only itself.

    Raises:
        DifferentError: They cannot be compared: other shapes, kinds, affines or names.
        OSError: One cannot be read.
    """
    there, wanted = _arrays(found), _arrays(expected)
    missing, added = sorted(wanted.keys() - there.keys()), sorted(there.keys() - wanted.keys())
    if missing or added:
        said = [*(f"array {name!r} is missing" for name in missing), *(f"array {name!r} is new" for name in added)]
        raise DifferentError(", ".join(said), missing=missing, added=added)
    tolerance, known = Tolerance.of(rule), _Measured()
    for name in sorted(wanted):
        _same_form(there[name], wanted[name])
        known.add(measure(there[name].read(), wanted[name].read(), tolerance))
    allowed = float(rule.get("mismatch_fraction", 0.0))
    passed = known.mismatched <= allowed * known.elements
    numbers = {
        "elements": known.elements,
        "mismatched": known.mismatched,
        "mismatch_fraction": known.fraction,
        "largest_absolute": known.largest_absolute,
        "largest_relative": known.largest_relative,
        "at": known.at,
    }
    far = f"the largest difference is {shown(known.largest_absolute)}"
    if known.mismatched:
        return passed, f"{known.mismatched} of {known.elements} elements beyond tolerance; {far}", numbers
    return passed, f"all {known.elements} elements within tolerance; {far}", numbers


def compare_labels(rule: Mapping[str, Any], found: Path, expected: Path) -> tuple[bool, str, dict[str, Any]]:
    """Compare two label images by the Dice coefficient of each label (Dice 1945): 2 |A and B| / (|A| + |B|).

    A label that is only in one of them has 0, one that is in neither 1. Zero is no label unless it is named.

    Raises:
        DifferentError: They cannot be compared: other shapes or affines, or values that are no whole numbers.
        OSError: One cannot be read.
    """
    there, wanted = _arrays(found)[""], _arrays(expected)[""]
    _same_form(there, wanted, kinds=False)
    labelled, reference = _whole(there.read(), "it"), _whole(wanted.read(), "the expected image")
    named = rule.get("labels")
    labels = named if named is not None else _labels_in(labelled, reference)
    scores = {str(label): dice(labelled == label, reference == label) for label in labels}
    worst = min(scores, key=lambda label: scores[label], default=None)
    least = 1.0 if worst is None else scores[worst]
    numbers = {"dice": scores, "least": least, "label": worst}
    if worst is None:
        return True, "neither has a label", numbers
    said = f"the least Dice coefficient is {least:.4f}, of label {worst}"
    return least >= rule["dice"], said, numbers


def dice(found: NDArray[np.bool_], expected: NDArray[np.bool_]) -> float:
    """Return the Dice coefficient of two sets; 1 when both are empty."""
    import numpy as np

    sizes = int(np.count_nonzero(found)) + int(np.count_nonzero(expected))
    return 2 * int(np.count_nonzero(found & expected)) / sizes if sizes else 1.0


def measure(found: Array, expected: Array, tolerance: Tolerance) -> _Measured:
    """Return how far two arrays of one shape lie apart."""
    import numpy as np

    known = _Measured(elements=int(expected.size))
    if not known.elements:
        return known
    if expected.dtype.kind not in "iufc":
        different = found != expected
        known.mismatched = int(np.count_nonzero(different))
        known.largest_absolute = known.largest_relative = float(known.mismatched > 0)
        return known
    there, wanted = _wide(found), _wide(expected)
    same = (there == wanted) | (np.isnan(there) & np.isnan(wanted))
    comparable = np.isfinite(there) & np.isfinite(wanted)
    with np.errstate(all="ignore"):
        apart = np.where(same, 0, np.where(comparable, np.abs(there - wanted), np.inf))
        size = np.abs(wanted)
        beyond = ~same & (~comparable | (apart > tolerance.absolute + tolerance.relative * size))
        relative = np.where(same, 0, np.where((size > 0) & np.isfinite(apart), apart / size, np.inf))
    known.mismatched = int(np.count_nonzero(beyond))
    worst = int(np.argmax(apart))
    known.largest_absolute = float(apart.flat[worst])
    known.largest_relative = float(np.max(relative))
    known.at = [int(place) for place in np.unravel_index(worst, apart.shape)] if known.largest_absolute > 0 else None
    return known


def _wide(values: Array) -> Any:
    """Return values with enough digits to subtract them: 64 bits of whole numbers do not fit into a double."""
    import numpy as np

    if values.dtype.kind == "c":
        return values.astype(np.complex128)
    return values.astype(np.longdouble if values.dtype.kind in "iu" and values.dtype.itemsize > 4 else np.float64)


def _same_form(found: _Image, expected: _Image, *, kinds: bool = True) -> None:
    import numpy as np

    if found.shape != expected.shape:
        raise DifferentError(
            f"its shape is {_sides(found.shape)} and not {_sides(expected.shape)}",
            shape=list(found.shape),
            expected_shape=list(expected.shape),
        )
    if math.prod(expected.shape) * expected.dtype.itemsize > LARGEST:
        raise DifferentError("it is too large to be compared")
    there, wanted = (_KINDS.get(image.dtype.kind, image.dtype.kind) for image in (found, expected))
    if kinds and there != wanted:
        raise DifferentError(f"it holds {there} and not {wanted}", dtype=str(found.dtype), expected=str(expected.dtype))
    if found.affine is not None and expected.affine is not None:
        apart = float(np.max(np.abs(found.affine - expected.affine)))
        if not apart <= AFFINE_MM:
            raise DifferentError(f"its affine is another: {shown(apart)} apart", affine_difference=apart)


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single value"


def _whole(values: Array, what: str) -> Array:
    import numpy as np

    if values.dtype.kind in "iub":
        return values
    if values.dtype.kind != "f" or not np.array_equal(values, np.trunc(values)):
        raise DifferentError(f"{what} holds values that are no labels")
    return values


def _labels_in(found: Array, expected: Array) -> list[int]:
    import numpy as np

    return sorted({int(label) for values in (found, expected) for label in np.unique(values)} - {0})


def _arrays(path: Path) -> dict[str, _Image]:
    """Return the arrays of a file by name; the only one of an image has none."""
    name = path.name.lower()
    if name.endswith(".npz"):
        return _archive(path)
    return {"": _numpy(path) if name.endswith(".npy") else _nifti(path)}


def _nifti(path: Path) -> _Image:
    import nibabel
    import numpy as np
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        image: Any = nibabel.load(path)
        slope, intercept = image.header.get_slope_inter()
        scaled = (1.0 if slope is None else slope, intercept or 0.0) != (1.0, 0.0)
        stored = image.get_data_dtype()
    except (ImageFileError, HeaderDataError, zlib.error, ValueError, EOFError, OSError, TypeError) as error:
        raise DifferentError("it is no NIfTI image") from error

    def read() -> Array:
        try:
            return np.asanyarray(image.dataobj)
        except (zlib.error, ValueError, EOFError, OSError) as error:
            raise DifferentError("it is cut short or damaged") from error

    kind = np.dtype(np.float64) if scaled else stored
    return _Image(shape=tuple(image.shape), dtype=kind, affine=np.asarray(image.affine, dtype=np.float64), read=read)


def _numpy(path: Path) -> _Image:
    import numpy as np

    try:
        values: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DifferentError("it is no NumPy array") from error
    return _Image(shape=values.shape, dtype=values.dtype, affine=None, read=lambda: values)


def _archive(path: Path) -> dict[str, _Image]:
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            # The headers are read alone: what an archive says of its sizes may be a lie, too.
            found = {}
            for name in archive.namelist():
                with archive.open(name) as member:
                    found[name.removesuffix(".npy")] = _member(path, name, np.lib.format, member)
            return found
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DifferentError("it is no archive of NumPy arrays") from error


def _member(path: Path, name: str, format: Any, member: Any) -> _Image:
    version = format.read_magic(member)
    reader = format.read_array_header_1_0 if version == (1, 0) else format.read_array_header_2_0
    shape, _, dtype = reader(member)

    def read() -> Array:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
                values: Array = format.read_array(stream, allow_pickle=False)
                return values
        except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError) as error:
            raise DifferentError("it is cut short or damaged") from error

    return _Image(shape=tuple(shape), dtype=dtype, affine=None, read=read)
