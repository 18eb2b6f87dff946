"""Fit a decay to the echoes of every voxel at once: weighted log-linear start, then Levenberg-Marquardt.

The signal at an echo time t is S(t) = M0 exp(-t R), and what is measured is its magnitude. How the noise of the
magnitude is met is a choice:

- ``rician``: the expectation of a Rician magnitude is fitted, with a noise that is known (Gudbjartsson and Patz 1995);
- ``offset``: a constant that is not negative is fitted beside the decay;
- ``none``: the decay is fitted as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]

NOISES = ("rician", "offset", "none")
CHUNK = 1 << 15
STEPS = 40
TOLERANCE = 1e-7
# Beyond this signal to noise the expectation of a Rician magnitude is sqrt(S^2 + s^2) to 0.05 % of the noise.
CLEAR = 8.0
# Exponents stay within what a float64 can hold when a step goes astray.
LARGEST_EXPONENT = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is fitted.

    Attributes:
        times: Echo times in seconds, rising.
        noise: One of :data:`NOISES`.
        sigma: Standard deviation of the noise, for ``rician``; zero is no noise.
    """

    times: Array
    noise: str = "none"
    sigma: float = 0.0

    @property
    def parameters(self) -> int:
        """How many numbers are fitted for a voxel."""
        return 3 if self.noise == "offset" else 2

    def predict(self, found: Array) -> tuple[Array, Array]:
        """Return the expected signals of voxels (rows) and their derivatives by each parameter."""
        decay = np.exp(np.clip(-found[:, 1:2] * self.times, -LARGEST_EXPONENT, LARGEST_EXPONENT))
        signal = found[:, :1] * decay
        slopes = np.stack([decay, -self.times * signal], axis=1)
        if self.noise == "offset":
            return signal + found[:, 2:], np.concatenate([slopes, np.ones_like(slopes[:, :1])], axis=1)
        if self.noise == "rician" and self.sigma > 0:
            signal, by_signal = rician_mean(signal, self.sigma)
            slopes *= by_signal[:, None]
        return signal, slopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What was found, one value for each voxel.

    Attributes:
        amplitude: Signal at time zero.
        rate: 1 / T2, per second.
        offset: Constant beside the decay; zero where none is fitted.
        squares: Sum of the squared residuals.
        total: Sum of the squared deviations of the signals from their mean.
        converged: Whether the last step was small; false too where too few echoes have a signal.
    """

    amplitude: Array
    rate: Array
    offset: Array
    squares: Array
    total: Array
    converged: NDArray[np.bool_]


def rician_mean(signal: Array, sigma: float) -> tuple[Array, Array]:
    """Return the expectation of the magnitude of a signal in complex noise, and its derivative by the signal.

    With x = (S / 2s)^2 and scaled Bessel functions: s sqrt(pi/2) ((1 + 2x) I0(x) + 2x I1(x)) exp(-x).
    """
    ratio = np.abs(signal) / sigma
    mean = sigma * np.sqrt(ratio**2 + 1)
    slope = ratio / np.sqrt(ratio**2 + 1)
    low = ratio < CLEAR
    near = ratio[low]
    x = near**2 / 4
    zeroth, first = special.i0e(x), special.i1e(x)
    mean[low] = sigma * math.sqrt(math.pi / 2) * ((1 + 2 * x) * zeroth + 2 * x * first)
    slope[low] = math.sqrt(math.pi / 8) * near * (zeroth + first)
    return mean, np.sign(signal) * slope


def fit(signals: NDArray[np.floating], model: Model) -> Fit:
    """Fit every row of an array of signals (voxels by echoes).

    Raises:
        ValueError: There are fewer echoes than parameters.
    """
    if len(model.times) < model.parameters:
        raise ValueError(f"{len(model.times)} echoes cannot tell {model.parameters} parameters")
    chunks = [_fit_chunk(chunk, model) for chunk in _chunks(signals)]
    values = np.concatenate([found for found, _, _ in chunks]) if chunks else np.empty((0, 3))
    return Fit(
        amplitude=values[:, 0],
        rate=values[:, 1],
        offset=values[:, 2] if model.noise == "offset" else np.zeros(len(values)),
        squares=np.concatenate([squares for _, squares, _ in chunks]) if chunks else np.empty(0),
        total=_deviations(signals),
        converged=np.concatenate([done for _, _, done in chunks]) if chunks else np.empty(0, dtype=bool),
    )


def _chunks(signals: NDArray[np.floating]) -> Iterator[Array]:
    for first in range(0, len(signals), CHUNK):
        yield np.asarray(signals[first : first + CHUNK], dtype=np.float64)


def _deviations(signals: NDArray[np.floating]) -> Array:
    parts = [((chunk - chunk.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) for chunk in _chunks(signals)]
    return np.concatenate(parts) if parts else np.empty(0)


def log_linear(signals: Array, times: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return amplitude and rate from a line through the logarithms, weighted by the squared signals.

    Constant noise of S is noise of log S that falls with S, so the weights are S^2; what is not above zero has none.

    Returns:
        Amplitude, rate, and whether at least two echoes have a signal.
    """
    above = signals > 0
    weights = np.where(above, signals, 0.0) ** 2
    logs = np.log(np.where(above, signals, 1.0))
    known = above.sum(axis=1) >= 2
    total = np.where(known, weights.sum(axis=1), 1.0)
    centre = weights @ times / total
    middle = (weights * logs).sum(axis=1) / total
    away = times - centre[:, None]
    spread = (weights * away**2).sum(axis=1)
    slope = (weights * away * (logs - middle[:, None])).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    exponent = np.clip(middle - slope * centre, -LARGEST_EXPONENT, LARGEST_EXPONENT)
    return np.where(known, np.exp(exponent), 0.0), np.where(known, -slope, 0.0), known & (spread > 0)


def _fit_chunk(signals: Array, model: Model) -> tuple[Array, Array, NDArray[np.bool_]]:
    # In units of the largest signal, so that no tolerance depends on how a scanner scales.
    scale = np.abs(signals).max(axis=1)
    scale = np.where(scale > 0, scale, 1.0)
    amplitude, rate, known = log_linear(signals / scale[:, None], model.times)
    start = np.zeros((len(signals), model.parameters))
    start[:, 0], start[:, 1] = amplitude, rate
    found, squares, converged = start, np.zeros(len(signals)), np.zeros(len(signals), dtype=bool)
    rows = np.flatnonzero(known)
    if model.noise == "rician" and model.sigma > 0:
        # One noise for all voxels is another one for each in its own units: this model is fitted unscaled.
        start[:, 0] *= scale
        found[rows], squares[rows], converged[rows] = _descend(signals[rows], start[rows], model)
        return found, squares, converged
    found[rows], squares[rows], converged[rows] = _descend(signals[rows] / scale[rows, None], start[rows], model)
    found[:, 0] *= scale
    found[:, 2:] *= scale[:, None]
    return found, squares * scale**2, converged


def _descend(signals: Array, start: Array, model: Model) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Minimise the squares of every row (Levenberg 1944, Marquardt 1963), each with a damping of its own."""
    found = start.copy()
    predicted, slopes = model.predict(found)
    squares = ((signals - predicted) ** 2).sum(axis=1)
    damping = np.full(len(found), 1e-3)
    converged = np.zeros(len(found), dtype=bool)
    rows = np.arange(len(found))
    for _ in range(STEPS):
        if not len(rows):
            break
        rest = signals[rows] - predicted
        step = _step(_held(slopes, rest, found[rows]), rest, damping[rows])
        tried = found[rows] + step
        tried[:, 2:] = np.maximum(tried[:, 2:], 0.0)
        made, new_slopes = model.predict(tried)
        cost = ((signals[rows] - made) ** 2).sum(axis=1)
        better = cost <= squares[rows]
        small = (np.abs(tried - found[rows]) <= TOLERANCE * (np.abs(found[rows]) + TOLERANCE)).all(axis=1)
        taken = rows[better]
        found[taken], squares[taken] = tried[better], cost[better]
        damping[rows] = np.where(better, damping[rows] / 10, damping[rows] * 10)
        # No better place even in the smallest step: this is the bottom, as far as floating point tells.
        done = small | (damping[rows] > 1e12)
        converged[rows[done]] = True
        predicted = np.where(better[:, None], made, predicted)[~done]
        slopes = np.where(better[:, None, None], new_slopes, slopes)[~done]
        rows = rows[~done]
    return found, squares, converged


def _held(slopes: Array, rest: Array, found: Array) -> Array:
    """Return the slopes without those of an offset that is zero and would only sink further: it stays there."""
    if found.shape[1] < 3:
        return slopes
    sinking = (found[:, 2] <= 0) & ((slopes[:, 2] * rest).sum(axis=1) <= 0)
    held = slopes.copy()
    held[sinking, 2] = 0.0
    return held


def _step(slopes: Array, rest: Array, damping: Array) -> Array:
    """Solve the damped normal equations of every row."""
    normal = slopes @ slopes.transpose(0, 2, 1)
    wanted = (slopes @ rest[:, :, None])[:, :, 0]
    diagonal = np.einsum("nii->ni", normal)
    diagonal *= 1 + damping[:, None]
    diagonal += 1e-30
    if normal.shape[1] == 2:
        (a, b), (_, c) = normal.transpose(1, 2, 0)
        whole = a * c - b * b
        whole = np.where(np.abs(whole) > 0, whole, 1.0)
        first = (c * wanted[:, 0] - b * wanted[:, 1]) / whole
        return np.stack([first, (a * wanted[:, 1] - b * wanted[:, 0]) / whole], axis=1)
    solved: Array = np.linalg.solve(normal, wanted[:, :, None])[:, :, 0]
    return solved
