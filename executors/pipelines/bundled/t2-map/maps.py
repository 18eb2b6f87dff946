"""From the echoes of a scan to its maps: where to fit, what was fitted, why elsewhere not, and summaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from brain import brain_mask, classify, otsu, receive_field, tissue_order
from echoes import Train, noise_sd
from fitting import Fit, Model, fit
from numpy.typing import NDArray
from scipy import ndimage

Map = NDArray[np.float32]

# What became of a voxel, by its value in the map of what was not fitted.
STATUS = {
    0: "background",
    1: "fitted",
    2: "longer than the echo train",
    3: "does not decay",
    4: "shorter than the first echo",
    5: "no fit",
}
FITTED, LONG, FLAT, SHORT, FAILED = 1, 2, 3, 4, 5

# A voxel is tried when its first echo is this many standard deviations of the noise: one in 270,000 of air is.
CLEAR_OF_NOISE = 5.0
# The same without air to see the noise in: part of the brightest signals.
CLEAR_OF_NOTHING = 0.05
# Beneath this part of the first echo time, next to nothing of a signal is left to be read.
SHORTEST = 0.25
LEAST_BRAIN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the caller decides.

    Attributes:
        noise: One of :data:`fitting.NOISES`.
        sigma: Standard deviation of the noise; None reads it from the air.
        longest: T2 beyond as many times the last echo time is not told.
        tissues: Whether to look for a brain and its tissues.
    """

    noise: str = "rician"
    sigma: float | None = None
    longest: float = 3.0
    tissues: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """What was found in one scan; maps are zero where nothing was fitted.

    Attributes:
        train: The echoes.
        model: What was fitted.
        relaxation: T2 or T2*, in seconds.
        amplitude: Signal at time zero.
        goodness: Part of the signals' variance that the fit explains; None where echoes are as few as parameters.
        residual: Standard deviation of the residuals; None as above.
        status: A value of :data:`STATUS` for each voxel.
        regions: Where summaries are taken, by name.
        remarks: What deserves a look.
    """

    train: Train
    model: Model
    relaxation: Map
    amplitude: Map
    goodness: Map | None
    residual: Map | None
    status: NDArray[np.int8]
    regions: Mapping[str, NDArray[np.bool_]]
    remarks: tuple[str, ...]

    @property
    def letter(self) -> str:
        """``T2`` or ``T2star``, as BIDS spells them in suffixes."""
        return "T2" if self.train.is_spin_echo else "T2star"

    def count(self, status: int) -> int:
        """Return in how many voxels something became of the fit."""
        return int(np.count_nonzero(self.status == status))

    def measures(self) -> dict[str, float | int | None]:
        """Return the summaries by name, flat, rounded to what another machine gives too."""
        name = self.letter.lower()
        told: dict[str, float | int | None] = {}
        for region, mask in self.regions.items():
            values = self.relaxation[mask & (self.status == FITTED)]
            ending = "" if region == "all" else f"_{region}"
            for part, label in ((0.25, "p25"), (0.5, "median"), (0.75, "p75")):
                told[f"{name}_{label}{ending}"] = float(np.quantile(values, part)) if values.size else None
        tried = int(np.count_nonzero(self.status))
        told["fitted_fraction"] = self.count(FITTED) / tried if tried else None
        told["fitted_voxels"] = self.count(FITTED)
        told["unfitted_voxels"] = tried - self.count(FITTED)
        told["r_squared_median"] = _median(self.goodness, self.status)
        told["residual_sd_median"] = _median(self.residual, self.status)
        told["noise_sd"] = self.model.sigma or None
        told["not_finite"] = self.train.not_finite
        told["negative"] = self.train.negative
        return {key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in told.items()}


def estimate(train: Train, choices: Choices) -> Maps:
    """Fit every voxel of a scan that has a signal."""
    average = train.signals.mean(axis=3)
    background = ~ndimage.binary_dilation(average > 0.5 * otsu(average), iterations=3)
    seen = noise_sd(train.signals, background)
    sigma = choices.sigma if choices.sigma is not None else seen
    model = Model(times=train.times, noise=choices.noise, sigma=sigma or 0.0)
    first = train.signals[..., 0]
    least = CLEAR_OF_NOISE * sigma if sigma else CLEAR_OF_NOTHING * float(np.percentile(first, 99))
    tried = (first > least) & (first > 0)
    signals = train.signals[tried]
    found = fit(signals, model)
    codes = _judge(found, model, choices.longest)
    fitted = codes == FITTED
    with np.errstate(divide="ignore"):
        relaxation = np.where(fitted, 1 / np.where(fitted, found.rate, 1), 0)
    free = len(train.times) - model.parameters
    shares = 1 - found.squares / np.where(found.total > 0, found.total, np.inf)
    status = np.zeros(first.shape, dtype=np.int8)
    status[tried] = codes
    return Maps(
        train=train,
        model=model,
        relaxation=_spread(relaxation, tried),
        amplitude=_spread(np.where(fitted, found.amplitude, 0), tried),
        goodness=_spread(np.where(fitted, shares, 0), tried) if free > 0 else None,
        residual=_spread(np.where(fitted, np.sqrt(found.squares / free), 0), tried) if free > 0 else None,
        status=status,
        regions=_regions(train, average, status, choices.tissues),
        remarks=tuple(_remarks(status, sigma, choices, free)),
    )


def _judge(found: Fit, model: Model, longest: float) -> NDArray[np.int8]:
    """Say of every fit whether it tells a relaxation time, and if not, why."""
    codes = np.full(len(found.rate), FITTED, dtype=np.int8)
    codes[found.rate * model.times[-1] * longest < 1] = LONG
    codes[found.rate <= 0] = FLAT
    codes[found.rate * model.times[0] * SHORTEST > 1] = SHORT
    codes[~found.converged | ~np.isfinite(found.rate) | ~(found.amplitude > 0)] = FAILED
    return codes


def _spread(values: NDArray[np.float64], tried: NDArray[np.bool_]) -> Map:
    whole = np.zeros(tried.shape, dtype=np.float32)
    whole[tried] = values
    return whole


def _regions(
    train: Train, average: NDArray[np.float32], status: NDArray[np.int8], tissues: bool
) -> dict[str, NDArray[np.bool_]]:
    regions = {"all": status > 0}
    brain = brain_mask(average, train.spacing) & (status > 0) if tissues else np.zeros(status.shape, dtype=bool)
    if np.count_nonzero(brain) < LEAST_BRAIN:
        return regions
    flat = average / receive_field(average, brain)
    labels, _ = classify(flat, brain)
    # The average over all echoes is weighted by T2: fluid is brightest, white matter darkest.
    parted = {name: labels == k + 1 for k, name in enumerate(tissue_order("T2w"))}
    return {**regions, "brain": brain, **parted}


def _median(values: Map | None, status: NDArray[np.int8]) -> float | None:
    chosen = values[status == FITTED] if values is not None else np.empty(0)
    return float(np.median(chosen)) if chosen.size else None


def _remarks(status: NDArray[np.int8], sigma: float | None, choices: Choices, free: int) -> list[str]:
    told = []
    tried = np.count_nonzero(status)
    if not tried:
        told.append("no voxel has a signal clear of the noise")
    elif np.count_nonzero(status == FITTED) < 0.5 * tried:
        told.append("fewer than half of the voxels could be fitted")
    if choices.noise == "rician" and not sigma:
        told.append("there is no air to read the noise from; the decay was fitted as it is")
    if free <= 0:
        told.append("with as few echoes as parameters the goodness of the fit cannot be told")
    return told
