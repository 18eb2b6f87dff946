"""``dataset_description.json`` and README as the members of a Dataset (BIDS 1.11, "Dataset description")."""

from __future__ import annotations

from typing import Any

from catalog.readers.problems import ProblemLog
from catalog.readers.reading import Document
from ontology.errors import InvalidRequestError
from ontology.identifiers import normalise_doi

PATH = "dataset_description.json"
README_CHARACTERS = 4_000
"""How much of a README is kept as the description."""


def describe(found: Document | None, readme: str, problems: ProblemLog) -> Document:
    """Return the members of a Dataset; what is missing or of the wrong type is reported and left empty."""
    said = found or {}
    for name in ("Name", "BIDSVersion"):
        if found is not None and not said.get(name):
            problems.add(PATH, "is missing, and BIDS requires it", name)
    title = _text(said, "Name", problems)
    generated_by = _list(said, "GeneratedBy", problems)
    return {
        "label": title or "Untitled dataset",
        "title": title,
        "description": readme.strip()[:README_CHARACTERS] or None,
        "license": _text(said, "License", problems),
        "creators": [{"name": name} for name in _texts(said, "Authors", problems)],
        "keywords": _texts(said, "Keywords", problems),
        "bids_version": _text(said, "BIDSVersion", problems),
        "dataset_type": _dataset_type(said, problems),
        "doi": _doi(said, problems),
        "source_datasets": _list(said, "SourceDatasets", problems),
        "generated_by": generated_by,
        "access_rights": "restricted",
    }


def _dataset_type(said: Document, problems: ProblemLog) -> str:
    stated = said.get("DatasetType")
    if stated in ("raw", "derivative"):
        return str(stated)
    if stated is not None:
        problems.add(PATH, f"{str(stated)[:40]!r} is neither raw nor derivative", "DatasetType")
    return "derivative" if said.get("GeneratedBy") or said.get("PipelineDescription") else "raw"


def _doi(said: Document, problems: ProblemLog) -> str | None:
    stated = _text(said, "DatasetDOI", problems)
    if stated is None:
        return None
    try:
        return normalise_doi(stated)
    except InvalidRequestError:
        problems.add(PATH, f"{stated[:80]!r} is not a DOI", "DatasetDOI")
        return None


def _text(said: Document, name: str, problems: ProblemLog) -> str | None:
    value = said.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value.replace("\0", "").strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        problems.add(PATH, "is a number where text is wanted; it was read as text", name)
        return str(value)
    problems.add(PATH, "is not text; it was left out", name)
    return None


def _texts(said: Document, name: str, problems: ProblemLog) -> list[str]:
    value = said.get(name)
    if isinstance(value, str):
        problems.add(PATH, "is text where a list is wanted; it was read as a list of one", name)
        value = [value]
    if value is None or value == "":
        return []
    if not isinstance(value, list):
        problems.add(PATH, "is not a list; it was left out", name)
        return []
    texts = [item.strip() for item in value if isinstance(item, str) and item.strip()]
    if len(texts) < len(value):
        problems.add(PATH, "holds items that are empty or no text; they were left out", name)
    return texts


def _list(said: Document, name: str, problems: ProblemLog) -> list[Any]:
    value = said.get(name)
    if value is None:
        return []
    if isinstance(value, dict):
        problems.add(PATH, "is an object where a list is wanted; it was read as a list of one", name)
        return [value]
    if not isinstance(value, list):
        problems.add(PATH, "is not a list; it was left out", name)
        return []
    return [item for item in value if isinstance(item, dict)]
