"""The fit of t2-map against truth, theory, and SciPy's fit one voxel at a time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, optimize, stats

TIMES = np.arange(1, 9) * 0.0125


def _decays(count: int, *, seed: int, low: float = 0.03, high: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    dice = np.random.default_rng(seed)
    return dice.uniform(500, 1500, count), dice.uniform(low, high, count)


def _magnitudes(clean: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    real, other = np.random.default_rng(seed).normal(0, sigma, (2, *clean.shape))
    return np.hypot(clean + real, other)


@pytest.mark.parametrize(("noise", "offset"), [("none", 0.0), ("offset", 40.0), ("rician", 0.0)])
def test_without_noise_the_truth_is_found(t2_map, noise: str, offset: float) -> None:
    fitting = t2_map("fitting")
    amplitude, t2 = _decays(200, seed=1)
    signals = amplitude[:, None] * np.exp(-TIMES / t2[:, None]) + offset
    found = fitting.fit(signals, fitting.Model(times=TIMES, noise=noise))
    assert found.converged.all()
    assert np.allclose(1 / found.rate, t2, rtol=1e-4)
    assert np.allclose(found.amplitude, amplitude, rtol=1e-4)
    assert np.allclose(found.offset, offset, atol=0.05)


@pytest.mark.parametrize("noise", ["none", "rician", "offset"])
def test_no_voxel_is_fitted_worse_than_by_scipy(t2_map, noise: str) -> None:
    fitting = t2_map("fitting")
    amplitude, t2 = _decays(60, seed=2)
    sigma = 15.0
    signals = _magnitudes(amplitude[:, None] * np.exp(-TIMES / t2[:, None]), sigma, seed=3)
    model = fitting.Model(times=TIMES, noise=noise, sigma=sigma)
    found = fitting.fit(signals, model)

    def curve(_: np.ndarray, *values: float) -> np.ndarray:
        return model.predict(np.array([values]))[0][0]

    bounds = (-np.inf, np.inf) if noise != "offset" else ([-np.inf, -np.inf, 0], np.inf)
    for row, rate, squares in zip(signals, found.rate, found.squares, strict=True):
        start = [row[0] * 1.2, 15.0, 1.0][: model.parameters]
        theirs, _ = optimize.curve_fit(curve, TIMES, row, start, bounds=bounds, xtol=1e-12, ftol=1e-12, gtol=1e-12)
        cost = ((curve(TIMES, *theirs) - row) ** 2).sum()
        assert squares <= cost * (1 + 1e-6)
        if squares > cost * (1 - 1e-6):  # the same bottom; with a constant theirs may stop before it
            assert rate == pytest.approx(theirs[1], rel=2e-3)


@pytest.mark.parametrize("t2", [0.04, 0.08, 0.14])
def test_bias_and_precision_are_those_of_theory(t2_map, t2: float) -> None:
    """The spread is the Cramer-Rao bound of the Jacobian, and the bias within what so many voxels can tell."""
    fitting = t2_map("fitting")
    count, sigma, amplitude = 20_000, 10.0, 1000.0
    clean = np.broadcast_to(amplitude * np.exp(-TIMES / t2), (count, len(TIMES)))
    signals = clean + np.random.default_rng(5).normal(0, sigma, clean.shape)
    found = fitting.fit(signals, fitting.Model(times=TIMES))
    decay = np.exp(-TIMES / t2)
    slopes = np.stack([decay, -TIMES * amplitude * decay])
    deviation = np.sqrt(np.linalg.inv(slopes @ slopes.T)[1, 1]) * sigma
    assert found.rate.std() == pytest.approx(deviation, rel=0.03)
    assert abs(np.median(found.rate) - 1 / t2) < 4 * 1.2533 * deviation / np.sqrt(count)
    assert np.sqrt(found.squares.sum() / count / (len(TIMES) - 2)) == pytest.approx(sigma, rel=0.01)


def test_knowing_the_noise_takes_its_bias_away(t2_map) -> None:
    """Signals that sink into the noise look longer than they are; the Rician expectation does not fall for it."""
    fitting = t2_map("fitting")
    times, t2, sigma = np.arange(1, 17) * 0.01, 0.04, 20.0
    signals = _magnitudes(np.broadcast_to(400 * np.exp(-times / t2), (8000, 16)), sigma, seed=6)
    biases = {}
    for noise in ("none", "rician"):
        found = fitting.fit(signals, fitting.Model(times=times, noise=noise, sigma=sigma))
        biases[noise] = abs(np.median(1 / found.rate) / t2 - 1)
    assert biases["none"] > 0.08
    assert biases["rician"] < 0.01


def test_the_expectation_of_a_magnitude_is_that_of_the_rice_distribution(t2_map) -> None:
    mean = t2_map("fitting").rician_mean
    signals = np.array([0.0, 0.3, 2.0, 10.0, 39.0, 41.0, 500.0])
    values, _ = mean(signals, 5.0)
    expected = [stats.rice.mean(signal / 5, scale=5) for signal in signals[:-1]]
    assert np.allclose(values[:-1], expected, rtol=1e-4)
    assert values[-1] == pytest.approx(np.hypot(500, 5), rel=1e-6)
    # The derivative, brought up again, is the value.
    upward = integrate.quad(lambda s: float(mean(np.array([s]), 5.0)[1][0]), 0, 30)[0]
    assert mean(np.array([30.0]), 5.0)[0][0] - values[0] == pytest.approx(upward, rel=1e-6)


def test_scale_and_order_of_voxels_do_not_matter(t2_map) -> None:
    fitting = t2_map("fitting")
    amplitude, t2 = _decays(fitting.CHUNK + 7, seed=8)
    signals = _magnitudes(amplitude[:, None] * np.exp(-TIMES / t2[:, None]), 10.0, seed=9)
    plain = fitting.fit(signals, fitting.Model(times=TIMES, noise="rician", sigma=10.0))
    tiny = fitting.fit(signals[::-1] * 1e-6, fitting.Model(times=TIMES, noise="rician", sigma=1e-5))
    assert np.allclose(plain.rate, tiny.rate[::-1], rtol=1e-6)
    assert np.allclose(plain.squares, tiny.squares[::-1] * 1e12, rtol=1e-5)


def test_hopeless_voxels_do_no_harm(t2_map) -> None:
    fitting = t2_map("fitting")
    rows = {
        "zeros": np.zeros(8),
        "negative": -np.linspace(5, 1, 8),
        "one echo above zero": np.r_[9.0, np.zeros(7)],
        "constant": np.full(8, 7.0),
        "rising": np.linspace(1, 9, 8),
        "some negative": 1000 * np.exp(-TIMES / 0.02) * np.array([1, 1, 1, 1, 1, 1, -1, 1]),
        "enormous": 1e30 * np.exp(-TIMES / 0.05),
    }
    for noise in fitting.NOISES:
        found = fitting.fit(np.stack(list(rows.values())), fitting.Model(times=TIMES, noise=noise, sigma=2.0))
        assert np.isfinite([found.amplitude, found.rate, found.squares]).all()
        by_name = dict(zip(rows, zip(found.rate, found.converged, strict=True), strict=True))
        assert not any(by_name[name][1] for name in ("zeros", "negative", "one echo above zero"))
        assert by_name["rising"][0] < 0
        assert 1 / by_name["enormous"][0] == pytest.approx(0.05, rel=1e-3)
    assert fitting.fit(np.stack([rows["constant"]]), fitting.Model(times=TIMES)).rate[0] == pytest.approx(0, abs=1e-9)


def test_two_echoes_give_the_line_through_them(t2_map) -> None:
    fitting = t2_map("fitting")
    found = fitting.fit(np.array([[800.0, 400.0]]), fitting.Model(times=np.array([0.01, 0.05])))
    assert 1 / found.rate[0] == pytest.approx(0.04 / np.log(2))
    assert found.squares[0] == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="2 echoes cannot tell 3"):
        fitting.fit(np.ones((1, 2)), fitting.Model(times=np.array([0.01, 0.05]), noise="offset"))
    assert fitting.fit(np.empty((0, 8)), fitting.Model(times=TIMES)).rate.shape == (0,)
