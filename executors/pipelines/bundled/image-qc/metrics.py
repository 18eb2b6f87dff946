"""Measures of image quality that need no reference image.

Definitions follow the literature named at each function, as far as possible those of MRIQC (Esteban et al.
2017, PLoS ONE 12:e0184661). A measure that an image cannot give (no air, no contrast) is None, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from brain import Mask, Volume, brain_mask, classify, head_mask, receive_field, tissue_order
from images import Image
from numpy.typing import NDArray
from scipy import ndimage

# Standard deviation of the underlying noise over that of its magnitude in air (Rayleigh).
RAYLEIGH = math.sqrt(2 / (4 - math.pi))
LEAST_VOXELS = 50

Value = float | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """Where the measures are taken.

    Attributes:
        head: Everything inside the skin.
        air: What is well outside the head, except voxels that store exactly zero in a masked image.
        brain: Brain with its fluid.
        labels: Classes of the brain, 1 upwards from dark to bright.
        names: Their tissues.
    """

    head: Mask
    air: Mask
    brain: Mask
    labels: NDArray[np.int8]
    names: tuple[str, str, str]


def find_regions(image: Image, suffix: str) -> Regions:
    """Part an image into air, head, brain and three tissues."""
    data = image.data
    brain = brain_mask(data, image.spacing)
    head = head_mask(data, image.spacing) | brain
    margin = max(1, round(4.0 / min(image.spacing)))
    air = ~ndimage.binary_dilation(head, iterations=margin)
    # Defaced and skull-stripped images store zero where there was something: that is no air.
    if np.count_nonzero(data[air] == 0) > 0.5 * np.count_nonzero(air):
        air &= data != 0
    flat = data / receive_field(data, brain)
    labels, _ = classify(flat, brain)
    return Regions(head=head, air=air, brain=brain, labels=labels, names=tissue_order(suffix))


def measure(image: Image, regions: Regions) -> dict[str, Value]:
    """Return all measures of an image by name; see ``docs/reference/pipelines.md`` for their formulae."""
    data = image.data
    air = data[regions.air]
    tissues = {name: data[regions.labels == k + 1] for k, name in enumerate(regions.names)}
    found: dict[str, Value] = {}
    for name, values in tissues.items():
        found[f"snr_{name}"] = snr(values)
        found[f"snrd_{name}"] = snr_dietrich(values, air)
    each = [found[f"snr_{name}"] for name in regions.names]
    found["snr_total"] = _mean(each)
    found["snrd_total"] = _mean([found[f"snrd_{name}"] for name in regions.names])
    if "wm" in tissues:
        found["cnr"] = cnr(tissues["wm"], tissues["gm"], air)
        found["cjv"] = cjv(tissues["wm"], tissues["gm"])
    found["fber"] = fber(data[regions.head], air)
    found["efc"] = efc(data)
    found["sharpness"] = sharpness(image, regions.brain)
    found["qi1"] = qi1(data, regions.air)
    ghosts = ghosting(data, regions)
    found.update(ghosts)
    found["artefact"] = max((g for g in ghosts.values() if g is not None), default=None)
    found["brain_ml"] = float(regions.brain.sum() * math.prod(image.spacing) / 1000)
    found["not_finite"] = image.not_finite
    return {name: _rounded(value) for name, value in found.items()}


def snr(values: Volume) -> Value:
    """Signal to noise inside a tissue: mean over standard deviation (Magnotta and Friedman 2006)."""
    if values.size < LEAST_VOXELS:
        return None
    return _ratio(float(values.mean()), float(values.std(ddof=1)))


def snr_dietrich(values: Volume, air: Volume) -> Value:
    """Signal of a tissue over the noise seen in air (Dietrich et al. 2007, JMRI 26:375)."""
    if values.size < LEAST_VOXELS or air.size < LEAST_VOXELS:
        return None
    return _ratio(float(values.mean()), RAYLEIGH * float(air.std(ddof=1)))


def cnr(white: Volume, grey: Volume, air: Volume) -> Value:
    """Contrast of white and grey matter over the noise of all (Magnotta and Friedman 2006)."""
    if min(white.size, grey.size) < LEAST_VOXELS:
        return None
    noise = float(air.var(ddof=1)) * RAYLEIGH**2 if air.size >= LEAST_VOXELS else 0.0
    spread = math.sqrt(float(white.var(ddof=1)) + float(grey.var(ddof=1)) + noise)
    return _ratio(abs(float(white.mean()) - float(grey.mean())), spread)


def cjv(white: Volume, grey: Volume) -> Value:
    """Coefficient of joint variation: lower is better (Ganzetti et al. 2016, Front Neuroinform 10:10)."""
    if min(white.size, grey.size) < LEAST_VOXELS:
        return None
    apart = abs(float(white.mean()) - float(grey.mean()))
    return _ratio(float(white.std(ddof=1)) + float(grey.std(ddof=1)), apart)


def fber(head: Volume, air: Volume) -> Value:
    """Foreground to background energy: mean square in the head over mean square in air (Shehzad et al. 2015)."""
    if air.size < LEAST_VOXELS:
        return None
    return _ratio(float(np.mean(head.astype(np.float64) ** 2)), float(np.mean(air.astype(np.float64) ** 2)))


def efc(data: Volume) -> Value:
    """Entropy focus criterion, 0 (all energy in one voxel) to 1 (spread evenly) (Atkinson et al. 1997)."""
    values = np.abs(data[data != 0]).astype(np.float64)
    whole = math.sqrt(float(np.sum(values**2)))
    share = values / whole
    entropy = -float(np.sum(share * np.log(share)))
    count = data.size
    return entropy / (math.sqrt(count) * math.log(math.sqrt(count)))


def sharpness(image: Image, brain: Mask) -> Value:
    """Root mean square gradient over the mean signal in the brain, per millimetre, at a scale of one voxel.

    The Tenengrad measure of focus (Krotkov 1988, Int J Comput Vis 1:223) made independent of the image's scale.
    """
    total = np.zeros(np.count_nonzero(brain), dtype=np.float32)
    for axis, mm in enumerate(image.spacing):
        total += (ndimage.gaussian_filter1d(image.data, 1.0, axis=axis, order=1)[brain] / np.float32(mm)) ** 2
    return _ratio(math.sqrt(float(total.mean(dtype=np.float64))), float(image.data[brain].mean()))


def qi1(data: Volume, air: Mask) -> Value:
    """Part of the air that is too bright and too connected to be noise (after Mortamet et al. 2009, QI1)."""
    count = np.count_nonzero(air)
    if count < LEAST_VOXELS:
        return None
    # Read the noise's scale from the darkest fifth, which ghosts hardly touch; Rayleigh noise passes four
    # scales in 3 voxels of 10,000, and these stand alone.
    scale = float(np.quantile(data[air], 0.2)) / math.sqrt(-2 * math.log(0.8))
    bright = air & (data > 4 * scale)
    return float(np.count_nonzero(ndimage.binary_opening(bright)) / count)


def ghosting(data: Volume, regions: Regions) -> dict[str, Value]:
    """Surplus of signal in the air beside the head along each axis, over the mean signal of the head.

    Movement and Nyquist ghosts repeat the head along the phase axis. Lines along the axis that pass through
    the head are compared with lines that pass through it along no axis; noise is in both and cancels.
    """
    shadows = [np.broadcast_to(regions.head.any(axis=axis, keepdims=True), data.shape) for axis in range(3)]
    clear = regions.air & ~(shadows[0] | shadows[1] | shadows[2])
    signal = float(data[regions.head].mean())
    found: dict[str, Value] = {}
    for axis, name in enumerate("ijk"):
        others = [shadow for other, shadow in enumerate(shadows) if other != axis]
        beside = regions.air & shadows[axis] & ~others[0] & ~others[1]
        if min(np.count_nonzero(beside), np.count_nonzero(clear)) < LEAST_VOXELS:
            # A head that fills the field of view: compare with whatever air there is.
            beside, clear_here = regions.air & shadows[axis], regions.air & ~shadows[axis]
        else:
            clear_here = clear
        enough = min(np.count_nonzero(beside), np.count_nonzero(clear_here)) >= LEAST_VOXELS
        surplus = float(data[beside].mean() - data[clear_here].mean()) if enough else None
        found[f"ghost_{name}"] = None if surplus is None else _ratio(max(surplus, 0.0), signal)
    return found


def _ratio(top: float, bottom: float) -> Value:
    return top / bottom if math.isfinite(top) and bottom > 0 else None


def _mean(values: list[Value]) -> Value:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _rounded(value: Value) -> Value:
    """Keep six significant digits: what is beyond them differs between machines."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


MEANINGS: dict[str, str] = {
    "snr_wm": "signal to noise, white matter",
    "snr_gm": "signal to noise, grey matter",
    "snr_csf": "signal to noise, fluid",
    "snr_total": "signal to noise, mean of the tissues",
    "snrd_total": "signal over the noise in air",
    "cnr": "contrast of white and grey matter to noise",
    "cjv": "joint variation of white and grey matter (low is good)",
    "fber": "energy of the head over that of air",
    "efc": "entropy focus (high: blurred or ghosted)",
    "sharpness": "gradient (root mean square) over mean signal, per mm",
    "qi1": "part of the air with structured signal",
    "artefact": "motion-like artefact: ghost beside the head over its signal",
    "brain_ml": "volume inside the brain mask, ml",
    "not_finite": "stored values that are no numbers",
}

_LIMITS: dict[str, tuple[Callable[[float], bool], str]] = {
    "artefact": (lambda v: v > 0.02, "ghosts beside the head; was there movement?"),
    "qi1": (lambda v: v > 0.02, "structured signal in the air"),
    "snr_total": (lambda v: v < 4, "very noisy"),
    "not_finite": (lambda v: v > 0, "some stored values are no numbers"),
}


def remarks(found: dict[str, Value]) -> list[str]:
    """Return what deserves a look: a reason to open the picture, never a verdict."""
    told = []
    for name, (odd, text) in _LIMITS.items():
        value = found.get(name)
        if value is not None and odd(value):
            told.append(text)
    return told
