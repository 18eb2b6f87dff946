"""The report of one participant: one HTML file that needs nothing beside itself."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from metrics import MEANINGS, Value

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
img { width: 100%; background: #000; }
figure { margin: 0 0 1rem; }
figcaption { font-size: 0.85em; opacity: 0.75; }
.facts { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }
table { border-collapse: collapse; }
th { text-align: left; font-weight: normal; padding-right: 1.5rem; }
td { text-align: right; font-variant-numeric: tabular-nums; }
.remark { border-left: 4px solid #c9792b; padding-left: 0.75rem; }
svg text { font-size: 13px; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What the report says of one image."""

    name: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    measures: dict[str, Value]
    remarks: list[str]
    montage: str
    histogram: str


def render(participant: str, sections: list[Section], software: str) -> str:
    """Return the HTML report of one participant."""
    body = "".join(_section(section) for section in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Image quality of {escape(participant)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Image quality of {escape(participant)}</h1>{body}"
        f"<footer><p>{escape(software)}. Left of a picture is the participant's left.</p></footer>"
        "</main></body></html>\n"
    )


def _section(section: Section) -> str:
    size = " × ".join(str(n) for n in section.shape)
    spacing = " × ".join(f"{mm:.3g}" for mm in section.spacing)
    remarks = "".join(f'<p class="remark">Worth a look: {escape(text)}</p>' for text in section.remarks)
    rows = "".join(
        f'<tr><th scope="row">{escape(text)} <small>({escape(name)})</small></th>'
        f"<td>{_number(section.measures[name])}</td></tr>"
        for name, text in MEANINGS.items()
        if name in section.measures
    )
    name = escape(section.name)
    return (
        f"<section><h2>{name}</h2>{remarks}"
        f'<figure><img src="{section.montage}" alt="Slices of {name} in three planes">'
        f"<figcaption>{size} voxels of {spacing} mm; sagittal, coronal, axial upwards</figcaption></figure>"
        f'<div class="facts"><table>{rows}</table>{section.histogram}</div></section>'
    )


def _number(value: Value) -> str:
    return "n/a" if value is None else f"{value:.4g}"
