"""Scans by their content: the same bytes under two participants are one person whom nothing else connects.

Only what came off a scanner counts. What somebody drew on a scan can be the same for many people, as the empty mask of
those without a lesion is, and what a task made is judged by what it was made of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from catalog.model import Record
from catalog.repository import Repository
from ontology.namespaces import DERIVED_FROM

CHUNK: Final = 500
DRAWN: Final = frozenset({"mask", "dseg", "probseg", "roi", "tsegs"})
"""Suffixes of images that are drawn on others (BIDS 1.10, derivatives: masks and segmentations)."""


def scans_of(participants: Collection[str], repository: Repository) -> dict[str, set[str]]:
    """Return the SHA-256 of each scan of some participants, each with whose it is; in a few queries."""
    listed = list(participants)
    return _by_content(
        record
        for start in range(0, len(listed), CHUNK)
        for record in _acquired(listed[start : start + CHUNK], repository)
    )


def scans_among(records: Iterable[Record], participants: Collection[str]) -> dict[str, set[str]]:
    """Return the SHA-256 of each scan of some participants that is among some records, each with whose it is."""
    wanted = frozenset(participants)
    return _by_content(record for record in records if record.document.get("participant") in wanted)


def _acquired(participants: list[str], repository: Repository) -> Iterator[Record]:
    edges = repository.edges_to(participants, [DERIVED_FROM])
    ids = sorted({edge.source for edge in edges})
    for start in range(0, len(ids), CHUNK):
        yield from repository.get_many(ids[start : start + CHUNK]).values()


def _by_content(records: Iterable[Record]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in records:
        document = record.document
        whose = document.get("participant")
        if record.type != "Acquisition" or not whose or document.get("derived") or document.get("suffix") in DRAWN:
            continue
        for file in document.get("files") or ():
            if file.get("role") in ("image", None) and file.get("sha256"):
                found.setdefault(str(file["sha256"]), set()).add(str(whose))
    return found
