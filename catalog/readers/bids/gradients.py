"""Diffusion weighting of recordings, from their ``.bval`` and ``.bvec`` (BIDS 1.11, "Diffusion imaging data")."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from catalog.readers.bids.layout import Layout
from catalog.readers.bids.mapping import Values, measured
from catalog.readers.bids.names import NamedFile
from catalog.readers.problems import ProblemLog

EXTENSIONS = frozenset({".bval", ".bvec"})
UNWEIGHTED = 50.0
"""b-values up to this many s/mm2 count as unweighted: scanners put small ones where 0 was asked for."""
GAP = 100.0
"""b-values closer than this many s/mm2 belong to one shell: what is played out differs from what was asked for."""
UNIT = "s/mm2"

_DIFFUSION = frozenset({"dwi", "epi"})
_DECIMALS = 3

_Vector = tuple[float, ...]


class UnreadableGradientsError(ValueError):
    """A gradient file holds something else than what it is for; the message says what."""


@dataclass(frozen=True, slots=True)
class Weighting:
    """How a diffusion series was weighted.

    Attributes:
        shells: b-value of each shell, the smallest first; unweighted volumes make none.
        directions: How many directions differ, over all shells; a direction and its opposite are one.
        outer_directions: The same of the shell with the largest b-value.
        largest: Largest b-value of a volume.
    """

    shells: Sequence[float]
    directions: int
    outer_directions: int
    largest: float


class Gradients:
    """Finds and reads the gradients that apply to recordings; equal files are worked out once.

    Args:
        files: The ``.bval`` and ``.bvec`` files of the dataset.
        contents: Path to what they hold.
        problems: Where odd content is noted.
    """

    def __init__(self, files: Sequence[NamedFile], contents: Mapping[str, bytes], problems: ProblemLog) -> None:
        self._layout = Layout(files)
        self._contents = contents
        self._problems = problems
        self._stated: dict[tuple[str, str], Values] = {}
        self._read: dict[tuple[bytes, bytes], Weighting | None] = {}

    def values(self, image: NamedFile) -> Values:
        """Return what the nearest gradient files state about a recording."""
        if image.suffix not in _DIFFUSION:
            return {}
        values, vectors = (self._nearest(image, extension) for extension in (".bval", ".bvec"))
        if not values:
            return {}
        found = self._stated.get((values, vectors))
        if found is None:
            found = self._stated[values, vectors] = self._state(values, vectors)
        return found

    def _nearest(self, image: NamedFile, extension: str) -> str:
        applying = self._layout.applying(image, (image.suffix, extension))
        return applying[-1].file.path if applying else ""

    def _state(self, values: str, vectors: str) -> Values:
        weighting = self._weighting(values, vectors)
        if weighting is None:
            return {}
        found: Values = {
            "diffusion_directions": [measured(weighting.directions, source=vectors or values)],
            "b_value_max": [measured(weighting.largest, source=values, unit=UNIT)],
            "b_value_max_directions": [measured(weighting.outer_directions, source=vectors or values)],
            "diffusion_shells": [measured(len(weighting.shells), source=values)],
        }
        if weighting.shells:
            found["b_values"] = [measured(shell, source=values, unit=UNIT) for shell in weighting.shells]
        return found

    def _weighting(self, values: str, vectors: str) -> Weighting | None:
        key = (self._contents.get(values, b""), self._contents.get(vectors, b""))
        if key in self._read:
            return self._read[key]
        found = None
        if key[0].strip():
            try:
                weights = _weights(key[0])
                found = weigh(weights, self._directions(key[1], vectors, len(weights)))
            except UnreadableGradientsError as error:
                self._problems.add(values, f"{error}; it was not read")
        self._read[key] = found
        return found

    def _directions(self, content: bytes, path: str, volumes: int) -> Sequence[_Vector] | None:
        """Return one vector per volume; None where there are none that can be used."""
        if not content.strip():
            return None
        try:
            return _vectors(content, volumes)
        except UnreadableGradientsError as error:
            self._problems.add(path, f"{error}; every weighted volume was counted as a direction")
            return None


def weigh(weights: Sequence[float], vectors: Sequence[_Vector] | None) -> Weighting:
    """Return how volumes with these b-values and directions are weighted; without directions, each volume is one."""
    weighted = sorted((weight, at) for at, weight in enumerate(weights) if weight > UNWEIGHTED)
    shells: list[list[tuple[float, int]]] = []
    for weight, at in weighted:
        if shells and weight - shells[-1][-1][0] < GAP:
            shells[-1].append((weight, at))
        else:
            shells.append([(weight, at)])
    return Weighting(
        shells=[median(weight for weight, _ in shell) for shell in shells],
        directions=_distinct([at for _, at in weighted], vectors),
        outer_directions=_distinct([at for _, at in shells[-1]], vectors) if shells else 0,
        largest=max(weights, default=0.0),
    )


def _distinct(volumes: Sequence[int], vectors: Sequence[_Vector] | None) -> int:
    if vectors is None:
        return len(volumes)
    return len({_axis(vectors[at]) for at in volumes} - {(0.0, 0.0, 0.0)})


def _axis(vector: _Vector) -> _Vector:
    """Return what a vector and its opposite have in common: the one of the two whose first part is positive."""
    length = math.hypot(*vector)
    if length == 0:
        return (0.0, 0.0, 0.0)
    rounded = tuple(round(part / length, _DECIMALS) + 0.0 for part in vector)
    first = next((part for part in rounded if part), 0.0)
    return tuple(-part + 0.0 for part in rounded) if first < 0 else rounded


def _weights(content: bytes) -> list[float]:
    weights = [weight for row in _numbers(content) for weight in row]
    if not all(0 <= weight < float("inf") for weight in weights):
        raise UnreadableGradientsError("holds b-values that are negative or infinite")
    return weights


def _vectors(content: bytes, volumes: int) -> list[_Vector]:
    """Return a vector per volume, from three rows (as BIDS has them) or three columns (as some tools write them)."""
    rows = _numbers(content)
    if len(rows) == 3 and all(len(row) == volumes for row in rows):
        found = list(zip(*rows, strict=True))
    elif len(rows) == volumes and all(len(row) == 3 for row in rows):
        found = [tuple(row) for row in rows]
    else:
        raise UnreadableGradientsError(f"does not hold three numbers for each of {volumes} volumes")
    if not all(map(math.isfinite, (part for vector in found for part in vector))):
        raise UnreadableGradientsError("holds directions that are not finite")
    return found


def _numbers(content: bytes) -> list[list[float]]:
    try:
        lines = content.decode("ascii").splitlines()
        return [[float(text) for text in line.split()] for line in lines if line.strip()]
    except ValueError as error:
        raise UnreadableGradientsError("holds something that is no number") from error
