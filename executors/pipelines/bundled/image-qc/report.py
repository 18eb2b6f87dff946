"""The report of one participant: one HTML file that needs nothing beside itself."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from metrics import MEANINGS, Value
from page import number, page, remarks_html


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
    footer = f"{software}. Left of a picture is the participant's left."
    return page(f"Image quality of {participant}", "".join(_section(section) for section in sections), footer)


def _section(section: Section) -> str:
    size = " × ".join(str(n) for n in section.shape)
    spacing = " × ".join(f"{mm:.3g}" for mm in section.spacing)
    rows = "".join(
        f'<tr><th scope="row">{escape(text)} <small>({escape(name)})</small></th>'
        f"<td>{number(section.measures[name], 4)}</td></tr>"
        for name, text in MEANINGS.items()
        if name in section.measures
    )
    name = escape(section.name)
    return (
        f"<section><h2>{name}</h2>{remarks_html(section.remarks)}"
        f'<figure><img src="{section.montage}" alt="Slices of {name} in three planes">'
        f"<figcaption>{size} voxels of {spacing} mm; sagittal, coronal, axial upwards</figcaption></figure>"
        f'<div class="facts"><table>{rows}</table>{section.histogram}</div></section>'
    )
