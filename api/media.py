"""Content negotiation: from ``format`` or ``Accept`` to a representation (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from ontology.errors import NotAcceptableError
from provenance.formats import FORMATS

EXPORTS: dict[str, str] = {
    "ro-crate": "application/zip",
    "ro-crate-metadata": "application/ld+json",
    "bids-prov": "application/ld+json",
}
"""Exports of a lineage that are not PROV documents: their media types."""


def accepted(accept: str) -> list[str]:
    """Return the media ranges of an ``Accept`` header, most wanted first; those with q=0 left out."""
    ranges: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept.split(",")):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        if media and weight > 0:
            ranges.append((-weight, place, media.lower()))
    return [media for _, _, media in sorted(ranges)]


def choose(accept: str, offered: Sequence[str]) -> str | None:
    """Return the offered media type that ``accept`` wants most, or None."""
    for wanted in accepted(accept):
        for media in offered:
            if wanted in ("*/*", media) or (wanted.endswith("/*") and media.startswith(wanted[:-1])):
                return media
    return None


def prov_format(name: str | None, accept: str) -> tuple[str, str]:
    """Return the name and media type of the format of provenance asked for.

    Raises:
        NotAcceptableError: No format has this name, or none of the media types wanted can be given.
    """
    names = {**{key: format.media_type for key, format in FORMATS.items()}, **EXPORTS}
    if name is not None:
        if name not in names:
            raise NotAcceptableError(
                f"{name!r} is not a PROV format", field="format", next_step=f"Choose one of: {', '.join(names)}."
            )
        return name, names[name]
    # Where a media type is that of several formats, it is the PROV document that is given.
    offered: dict[str, str] = {}
    for key, media_type in names.items():
        offered.setdefault(media_type, key)
    media = choose(accept, list(offered))
    if media is None:
        raise NotAcceptableError(
            f"none of {accept} can be given", field="Accept", next_step=f"Choose one of: {', '.join(offered)}."
        )
    return offered[media], media
