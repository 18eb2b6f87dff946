"""Put the echoes of a scan together: which files belong to one train, and when each echo was read.

Echo times come from the sidecars, by the inheritance principle of BIDS (1.10, section 2.6), in seconds; or they
are given.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from images import UnreadableImageError, read_voxels, spacing_of, stem
from numpy.typing import NDArray

# Spin echoes give T2, gradient echoes T2*.
SPIN, GRADIENT = ("MESE", "T2w"), ("MEGRE", "T2starw")
# Longer ones are milliseconds that were taken for seconds.
LONGEST_ECHO = 5.0
GRID_TOLERANCE = 1e-3
LEAST_AIR = 200
_ECHO = re.compile(r"_echo-(\d+)(?=_)")
_OTHER_PARTS = ("_part-phase", "_part-real", "_part-imag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """All echoes of one scan.

    Attributes:
        name: What the files have in common, without the echo and the suffix.
        suffix: Their suffix.
        paths: Where they were read.
        times: Echo times in seconds, rising.
        told_by: ``sidecar`` or ``parameter``.
        signals: Three axes in space, then one echo after the other.
        affine: Voxels to millimetres.
        not_finite: How many stored values were no finite numbers; they are zero here.
        negative: How many stored values were below zero.
    """

    name: str
    suffix: str
    paths: tuple[Path, ...]
    times: NDArray[np.float64]
    told_by: str
    signals: NDArray[np.float32]
    affine: NDArray[np.float64]
    not_finite: int
    negative: int

    @property
    def is_spin_echo(self) -> bool:
        """Whether the decay is that of T2, not of T2*."""
        return self.suffix not in GRADIENT

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between voxels."""
        return spacing_of(self.affine)


def group(paths: Sequence[Path]) -> tuple[list[tuple[str, list[Path]]], list[str]]:
    """Put together the files of the same folder and name but for the echo.

    Returns:
        The groups by their common name, echoes in order; and the names of phase images, which are left out.
    """
    groups: dict[tuple[Path, str], list[Path]] = {}
    left_out = []
    for path in paths:
        if any(part in path.name for part in _OTHER_PARTS):
            left_out.append(path.name)
            continue
        name = _ECHO.sub("", stem(path)).replace("_part-mag", "")
        groups.setdefault((path.parent, name), []).append(path)
    return [(name, sorted(found, key=_echo_number)) for (_, name), found in sorted(groups.items())], sorted(left_out)


def _echo_number(path: Path) -> tuple[int, str]:
    number = _ECHO.search(path.name)
    return (int(number[1]) if number else 0), path.name


def load_train(name: str, paths: Sequence[Path], *, times: Sequence[float] | None, skip: int = 0) -> Train:
    """Read the echoes of one scan.

    Args:
        name: Common to all files.
        paths: One file for each echo, or one file with all.
        times: Echo times in seconds, in the order of the files or volumes; None reads the sidecars.
        skip: Leave out as many of the earliest echoes.

    Raises:
        UnreadableImageError: An image or an echo time cannot be read, or they do not fit together.
    """
    read = [read_voxels(path, least_edge=1) for path in paths]
    volumes = [data if data.ndim == 4 else data[..., None] for data, _ in read]
    _same_grid(paths, volumes, [affine for _, affine in read])
    counts = [volume.shape[3] for volume in volumes]
    found = _given(times, sum(counts), name) if times else _told(paths, counts)
    signals = np.concatenate(volumes, axis=3) if len(volumes) > 1 else volumes[0]
    kept = np.argsort(found, kind="stable")[skip:]
    _check_times(found[kept], name, skip)
    signals = np.ascontiguousarray(signals[..., kept])
    finite = np.isfinite(signals)
    missing = int(signals.size - np.count_nonzero(finite))
    if missing:
        signals = np.where(finite, signals, np.float32(0))
    if signals.max() == signals.min():
        raise UnreadableImageError(f"{name}: all voxels of all echoes have one value; there is nothing to fit.")
    common, _, suffix = name.rpartition("_")
    return Train(
        name=common or name,
        suffix=suffix if common else "",
        paths=tuple(paths),
        times=found[kept],
        told_by="parameter" if times else "sidecar",
        signals=signals,
        affine=read[0][1],
        not_finite=missing,
        negative=int(np.count_nonzero(signals < 0)),
    )


def _same_grid(
    paths: Sequence[Path], volumes: Sequence[NDArray[np.float32]], affines: Sequence[NDArray[np.float64]]
) -> None:
    for path, volume, affine in zip(paths, volumes, affines, strict=True):
        if volume.shape[:3] != volumes[0].shape[:3] or not np.allclose(affine, affines[0], atol=GRID_TOLERANCE):
            raise UnreadableImageError(
                f"{path.name}: its grid is not that of {paths[0].name}; bring all echoes onto one grid."
            )


def _given(times: Sequence[float], count: int, name: str) -> NDArray[np.float64]:
    if len(times) != count:
        raise UnreadableImageError(f"{name}: {count} echoes, but {len(times)} echo times were given.")
    return np.array(times, dtype=np.float64)


def _told(paths: Sequence[Path], counts: Sequence[int]) -> NDArray[np.float64]:
    found: list[float] = []
    for path, count in zip(paths, counts, strict=True):
        said = sidecar(path).get("EchoTime")
        if said is None:
            raise UnreadableImageError(
                f"{path.name}: no sidecar gives its EchoTime; put a JSON file beside it, or give the echo times."
            )
        several = said if isinstance(said, list) else [said]
        if not all(isinstance(time, int | float) and not isinstance(time, bool) for time in several):
            raise UnreadableImageError(f"{path.name}: EchoTime is no number of seconds.")
        if len(several) != count:
            raise UnreadableImageError(f"{path.name}: {count} volumes, but EchoTime has {len(several)} values.")
        found += several
    return np.array(found, dtype=np.float64)


def _check_times(times: NDArray[np.float64], name: str, skip: int) -> None:
    if len(times) < 2:
        after = f" after {skip} skipped" if skip else ""
        raise UnreadableImageError(f"{name}: {len(times)} echoes{after}; a decay needs at least two.")
    if not np.isfinite(times).all() or times[0] <= 0:
        raise UnreadableImageError(f"{name}: an echo time is not above zero.")
    if times[-1] > LONGEST_ECHO:
        raise UnreadableImageError(f"{name}: an echo time of {times[-1]:g} s; BIDS counts in seconds.")
    if np.diff(times).min() <= 0:
        raise UnreadableImageError(f"{name}: two echoes have the same echo time.")


def sidecar(path: Path) -> dict[str, object]:
    """Return what the sidecars of an image say of it: those of its own folder count before those above it.

    Raises:
        UnreadableImageError: A sidecar is no JSON object.
    """
    said: dict[str, object] = {}
    *entities, suffix = stem(path).split("_")
    for folder in reversed(_folders(path)):
        told = []
        for file in folder.glob("*.json"):
            *theirs, ending = file.stem.split("_")
            if ending == suffix and set(theirs) <= set(entities):
                told.append((len(theirs), file))
        for _, file in sorted(told):
            said.update(_object(file))
    return said


def _folders(path: Path) -> list[Path]:
    """Return the image's folder and those above it, up to the one that holds the participant's."""
    folders = [path.parent]
    if any(part.startswith("sub-") for part in path.parts[:-1]):
        while not folders[-1].name.startswith("sub-"):
            folders.append(folders[-1].parent)
        folders.append(folders[-1].parent)
    return folders


def _object(file: Path) -> dict[str, object]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise UnreadableImageError(f"{file.name}: no JSON can be read from it ({type(error).__name__}).") from error
    if not isinstance(content, dict):
        raise UnreadableImageError(f"{file.name}: a sidecar is a JSON object.")
    return content


def noise_sd(signals: NDArray[np.float32], background: NDArray[np.bool_]) -> float | None:
    """Return the standard deviation of the noise as the magnitude in air shows it (Rayleigh); None without air.

    Above three medians lie ghosts and specks, and 0.2 % of the noise, whose part in the squares is given back.
    Exact zeros are masked voxels, not air.
    """
    values = signals[background]
    values = values[values > 0]
    if values.size < LEAST_AIR or values.size < 0.5 * np.count_nonzero(background) * signals.shape[3]:
        return None
    kept = values[values <= 3 * np.median(values)].astype(np.float64)
    cut = 9 * math.log(2)  # of the squares over twice the variance, at three medians
    return math.sqrt(float((kept**2).mean()) / 2 / (1 - cut / math.expm1(cut)))
