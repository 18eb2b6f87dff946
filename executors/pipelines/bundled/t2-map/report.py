"""The report of one participant: maps as pictures, how T2 is spread, and what could not be fitted."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
from maps import FITTED, STATUS, Maps
from numpy.typing import NDArray
from page import number, page, remarks_html, table_html
from slices import canonical, coloured, data_uri, grey, png, ramp_css, stack, strip

REGIONS = {"all": "everything", "brain": "brain", "wm": "white matter", "gm": "grey matter", "csf": "fluid"}
_COLOURS = {"wm": "#3b82c4", "gm": "#6b9e3f", "csf": "#c9792b", "all": "#3b82c4"}
BINS = 80


def render(participant: str, found: list[Maps], software: str) -> str:
    """Return the HTML report of one participant."""
    footer = f"{software}. Left of a picture is the participant's left. Times are of one exponential per voxel."
    return page(f"Relaxation times of {participant}", "".join(_section(maps) for maps in found), footer)


def _section(maps: Maps) -> str:
    train, name = maps.train, "T2*" if maps.letter == "T2star" else "T2"
    title = f"{train.name} ({train.suffix})" if train.suffix else train.name
    size = " × ".join(str(n) for n in maps.status.shape)
    echoes = f"{len(train.times)} echoes, {train.times[0] * 1e3:.4g} to {train.times[-1] * 1e3:.4g} ms"
    low, high = span(maps)
    scale = f'{low * 1e3:.3g} ms <span class="ramp" style="background: {ramp_css()}"></span> {high * 1e3:.3g} ms'
    rows = "first echo; " + name + " (" + scale + ")"
    if maps.goodness is not None:
        rows += "; part of the signal explained (R², same colours, 0.9 to 1)"
    rows += "; red: not fitted"
    return (
        f"<section><h2>{escape(title)}</h2>{remarks_html(list(maps.remarks))}"
        f'<figure><img src="{data_uri(picture(maps))}" alt="Slices of the maps of {escape(title)}">'
        f"<figcaption>{size} voxels, {echoes}. From above: {rows}</figcaption></figure>"
        f'<div class="facts">{_summary(maps.measures(), maps, name)}{histogram(maps)}{_unfitted(maps)}</div></section>'
    )


def span(maps: Maps) -> tuple[float, float]:
    """Return from where to where the relaxation times are drawn, in seconds."""
    region = maps.regions.get("brain", maps.regions["all"]) & (maps.status == FITTED)
    values = maps.relaxation[region]
    if not values.size:
        return 0.0, 0.1
    low, high = (float(v) for v in np.percentile(values, [2, 95]))
    return low, max(high, low * 1.02)


def picture(maps: Maps) -> bytes:
    """Return a PNG: strips of the first echo, the relaxation times, the goodness of fit and what was not fitted."""
    affine = maps.train.affine
    first, spacing = canonical(maps.train.signals[..., 0], affine)
    low, high = (float(v) for v in np.percentile(first, [1, 99.7]))
    shades = grey(first, low, high)
    strips = [strip(shades, spacing), _drawn(coloured(canonical(maps.relaxation, affine)[0], *span(maps)), spacing)]
    if maps.goodness is not None:
        strips.append(_drawn(coloured(canonical(maps.goodness, affine)[0], 0.9, 1.0), spacing))
    painted = np.repeat(shades[..., None], 3, axis=-1) // 2
    painted[canonical(maps.status, affine)[0] > FITTED] = (220, 60, 40)
    return png(stack([*strips, _drawn(painted, spacing)]))


def _drawn(pixels: NDArray[np.uint8], spacing: tuple[float, float, float]) -> NDArray[np.uint8]:
    return strip(pixels, spacing, smooth=False)


def _summary(measures: Mapping[str, float | int | None], maps: Maps, name: str) -> str:
    rows = []
    for region in maps.regions:
        ending = "" if region == "all" else f"_{region}"
        values = [measures[f"{maps.letter.lower()}_{label}{ending}"] for label in ("p25", "median", "p75")]
        cells = [number(None if value is None else value * 1e3) for value in values]
        rows.append([REGIONS.get(region, region), *cells])
    return table_html([f"{name}, ms", "p25", "median", "p75"], rows)


def _unfitted(maps: Maps) -> str:
    measures = maps.measures()
    rows = [[text, str(maps.count(code))] for code, text in STATUS.items() if code]
    counts = table_html(["", "voxels"], rows)
    rows = [
        ["part fitted", number(measures["fitted_fraction"])],
        ["median R²", number(measures["r_squared_median"], 4)],
        ["median residual", number(measures["residual_sd_median"])],
        ["noise", number(measures["noise_sd"])],
    ]
    return f"<div>{counts}{table_html([], rows)}</div>"


def histogram(maps: Maps) -> str:
    """Return how the relaxation times are spread in each tissue, or everywhere, as an SVG element."""
    fitted = maps.status == FITTED
    names = [name for name in ("wm", "gm", "csf") if (maps.regions.get(name, False) & fitted).any()] or ["all"]
    low, high = span(maps)
    low, high = max(0.0, low - 0.3 * (high - low)), high + 0.3 * (high - low)
    width, height = 360, 110
    counts = [
        np.histogram(maps.relaxation[maps.regions[name] & fitted], bins=BINS, range=(low, high))[0] for name in names
    ]
    top = max(1, *(int(count.max()) for count in counts))
    drawn = []
    for name, count in zip(names, counts, strict=True):
        steps = " ".join(f"{i * width / BINS:.1f},{height - n / top * height:.1f}" for i, n in enumerate(count))
        drawn.append(
            f'<polygon points="0,{height} {steps} {width},{height}" fill="{_COLOURS[name]}" fill-opacity="0.5">'
            f"<title>{REGIONS[name]}</title></polygon>"
        )
    marks = "".join(
        f'<text x="{place * width:.0f}" y="{height + 16}" text-anchor="{anchor}">'
        f"{(low + place * (high - low)) * 1e3:.0f} ms</text>"
        for place, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    legend = "".join(
        f'<text x="{width}" y="{14 + 16 * k}" text-anchor="end" style="fill: {_COLOURS[name]}">{REGIONS[name]}</text>'
        for k, name in enumerate(names)
    )
    return (
        f'<svg viewBox="0 0 {width} {height + 22}" width="{width}" role="img" '
        f'aria-label="Histogram of the relaxation times">{"".join(drawn)}{legend}{marks}</svg>'
    )
