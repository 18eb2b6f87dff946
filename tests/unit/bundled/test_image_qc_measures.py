"""The measures of image-qc on phantoms whose true values can be computed by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest


def _image(qc, data: np.ndarray, spacing: tuple[float, float, float] = (3.0, 3.0, 3.0)):
    images = qc("images")
    return images.Image(
        data=data.astype(np.float32),
        affine=np.diag([*spacing, 1.0]),
        spacing=spacing,
        path=Path("sub-01_T1w.nii.gz"),
        volumes=1,
        not_finite=0,
    )


@pytest.mark.parametrize("sigma", [10.0, 20.0, 40.0])
def test_noise_and_contrast_of_a_phantom(qc, phantom, sigma: float) -> None:
    metrics = qc("metrics")
    data, masks = phantom(sigma=sigma)
    image = _image(qc, data)
    regions = metrics.find_regions(image, "T1w")
    found = metrics.measure(image, regions)
    assert found["snr_wm"] == pytest.approx(1000 / sigma, rel=0.05)
    assert found["snr_gm"] == pytest.approx(700 / sigma, rel=0.05)
    assert found["snrd_wm"] == pytest.approx(1000 / sigma, rel=0.05)
    assert found["cnr"] == pytest.approx(300 / (sigma * math.sqrt(3)), rel=0.05)
    assert found["cjv"] == pytest.approx(2 * sigma / 300, rel=0.05)
    sizes = {name: int(mask.sum()) for name, mask in masks.items()}
    energy = sum(sizes[name] * value**2 for name, value in {"csf": 300, "wm": 1000, "gm": 700}.items())
    head = energy / sum(sizes.values())
    assert found["fber"] == pytest.approx(head / (2 * sigma**2), rel=0.15)
    assert found["artefact"] < 0.005
    assert found["qi1"] < 0.001
    assert metrics.remarks(found) == []


def test_tissues_are_found_where_they_are(qc, phantom) -> None:
    metrics = qc("metrics")
    data, masks = phantom()
    regions = metrics.find_regions(_image(qc, data), "T1w")
    for number, name in enumerate(regions.names, start=1):
        found, true = regions.labels == number, masks[name]
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.97


def test_a_receive_field_does_not_change_the_tissues(qc, phantom) -> None:
    metrics = qc("metrics")
    data, masks = phantom(sigma=10)
    slope = np.linspace(-0.25, 0.25, data.shape[0], dtype=np.float32)[:, None, None]
    regions = metrics.find_regions(_image(qc, data * np.exp(slope)), "T1w")
    white = regions.labels == 3
    assert 2 * (white & masks["wm"]).sum() / (white.sum() + masks["wm"].sum()) > 0.95


def test_tissue_names_follow_the_contrast(qc) -> None:
    brain = qc("brain")
    assert brain.tissue_order("FLAIR") == ("csf", "wm", "gm")
    assert brain.tissue_order("bold") == ("dark", "middle", "bright")


def test_entropy_focus_has_its_two_ends(qc) -> None:
    metrics = qc("metrics")
    point = np.zeros((8, 8, 8), dtype=np.float32)
    point[4, 4, 4] = 3
    assert metrics.efc(point) == pytest.approx(0, abs=1e-12)
    assert metrics.efc(np.full((8, 8, 8), 5, dtype=np.float32)) == pytest.approx(1)


def test_sharpness_of_a_ramp_is_its_slope(qc) -> None:
    metrics = qc("metrics")
    ramp = np.broadcast_to(100 + 4 * np.arange(40, dtype=np.float32)[:, None, None], (40, 20, 20))
    inside = np.zeros(ramp.shape, dtype=bool)
    inside[8:32, 4:16, 4:16] = True
    image = _image(qc, ramp, (2.0, 1.0, 1.0))
    assert metrics.sharpness(image, inside) == pytest.approx(4 / 2 / float(ramp[inside].mean()), rel=1e-3)


def test_sharpness_falls_with_blur_and_ignores_scale(qc, phantom) -> None:
    from scipy import ndimage

    metrics = qc("metrics")
    data, masks = phantom(sigma=1)
    brain = sum(masks.values()).astype(bool)
    sharp = metrics.sharpness(_image(qc, data), brain)
    assert metrics.sharpness(_image(qc, data * 7), brain) == pytest.approx(sharp, rel=1e-4)
    assert metrics.sharpness(_image(qc, ndimage.gaussian_filter(data, 2)), brain) < 0.8 * sharp


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_ghost_is_found_along_its_axis(qc, axis: int) -> None:
    metrics = qc("metrics")
    data = np.zeros((40, 40, 40), dtype=np.float32)
    head = np.zeros(data.shape, dtype=bool)
    head[14:26, 14:26, 14:26] = True
    beside = [slice(14, 26)] * 3
    beside[axis] = slice(None)
    data[tuple(beside)] = 10
    data[head] = 200
    regions = metrics.Regions(
        head=head, air=~head, brain=head, labels=head.astype(np.int8), names=("dark", "middle", "bright")
    )
    expected = {f"ghost_{name}": 0.05 if k == axis else 0.0 for k, name in enumerate("ijk")}
    assert metrics.ghosting(data, regions) == pytest.approx(expected)


def test_structured_signal_in_air_is_told_from_noise(qc) -> None:
    metrics = qc("metrics")
    noise = np.random.default_rng(3).normal(0, 10, (2, 40, 40, 40))
    data = np.hypot(*noise).astype(np.float32)
    air = np.ones(data.shape, dtype=bool)
    assert metrics.qi1(data, air) < 1e-4
    data[:10, :20, :16] += 100
    assert metrics.qi1(data, air) == pytest.approx(0.05, abs=0.004)


def test_a_skull_stripped_image_has_no_air_to_measure_in(qc, phantom) -> None:
    metrics = qc("metrics")
    data, masks = phantom()
    data[~sum(masks.values()).astype(bool)] = 0
    image = _image(qc, data)
    found = metrics.measure(image, metrics.find_regions(image, "T1w"))
    assert found["fber"] is None
    assert found["snrd_wm"] is None
    assert found["snr_wm"] == pytest.approx(50, rel=0.05)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/inputs/a/sub-01/anat/sub-01_T1w.nii.gz", "sub-01/anat/sub-01_desc-qc_T1w.json"),
        (
            "/inputs/a/sub-01/ses-2/anat/sub-01_ses-2_run-1_FLAIR.nii",
            "sub-01/ses-2/anat/sub-01_ses-2_run-1_desc-qc_FLAIR.json",
        ),
        ("/inputs/a/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz", "sub-01/anat/sub-01_desc-preprocQc_T1w.json"),
        ("/inputs/brain.nii.gz", "brain_desc-qc.json"),
    ],
)
def test_outputs_are_named_as_bids_derivatives(qc, path: str, expected: str) -> None:
    found = qc("images").derived_path(Path(path), "qc", ".json")
    assert found.as_posix().removeprefix("/inputs/") == expected
