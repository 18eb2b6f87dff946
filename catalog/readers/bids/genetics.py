"""Genetic data that belong to a dataset (BIDS 1.11, "Genetic Descriptor"): what there is, and of whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catalog.readers.bids.mapping import add_value
from catalog.readers.reading import Document

INFO = "genetic_info.json"
DESCRIPTION = "dataset_description.json"
_ID = "genetic_id"
_LINKS = {"Dataset": "dataset", "Database": "database", "Descriptors": "descriptors"}
_FACTS = {
    "GeneticLevel": "genetic_level",
    "AnalyticalApproach": "genetic_approach",
    "SampleOrigin": "genetic_sample_origin",
    "TissueOrigin": "genetic_tissue_origin",
    "CellType": "genetic_cell_type",
    "BrainLocation": "genetic_brain_location",
}


def read_genetics(description: Document, info: Document) -> Document | None:
    """Return what a dataset says of its genetic data: links to them, and facts as lists of texts; None: nothing."""
    given = description.get("Genetics")
    links: Document = given if isinstance(given, dict) else {}
    found: Document = {}
    for name, member in _LINKS.items():
        texts = _texts(links.get(name))
        if texts:
            found[member] = texts
    for name, member in _FACTS.items():
        texts = _texts(info.get(name))
        if texts:
            found[member.removeprefix("genetic_")] = texts
    return found or None


def add_genetics(participants: Sequence[Document], genetics: Document | None) -> None:
    """Add ``genetic_data`` and the facts about them to the participants of whom there are genetic data.

    Where the participants table has the column ``genetic_id``, those who have one; else everybody.
    """
    listed = [participant for participant in participants if _ID in participant["properties"]]
    if genetics is None and not listed:
        return
    source = "participants.tsv" if listed else INFO if genetics and "level" in genetics else DESCRIPTION
    for participant in listed or participants:
        add_value(participant["properties"], "genetic_data", {"value": True, "original": "true", "source": source})
        for member in _FACTS.values():
            for text in (genetics or {}).get(member.removeprefix("genetic_"), ()):
                value = {"value": text, "original": text, "source": INFO}
                add_value(participant["properties"], member, value)


def _texts(given: Any) -> list[str]:
    items = given if isinstance(given, list) else [given]
    return [item.strip() for item in items if isinstance(item, str) and item.strip()]
