"""``dataset_description.json`` and README as the members of a Dataset (BIDS 1.11, "Dataset description")."""

from __future__ import annotations

from typing import Any

from catalog.readers.problems import ProblemLog
from catalog.readers.reading import Document, Terms
from ontology.errors import InvalidRequestError
from ontology.identifiers import normalise_doi
from ontology.licences import spdx_licence

PATH = "dataset_description.json"
README_CHARACTERS = 4_000
"""How much of a README is kept as the description."""


def describe(found: Document | None, readme: str, terms: Terms, problems: ProblemLog) -> Document:
    """Return the members of a Dataset; what is missing or of the wrong type is reported and left empty.

    Beside the licence as it was found stands its SPDX identifier, where the text leaves no doubt which it is.
    """
    said = found or {}
    for name in ("Name", "BIDSVersion"):
        if found is not None and not said.get(name):
            problems.add(PATH, "is missing, and BIDS requires it", name)
    title = _text(said, "Name", problems)
    generated_by = _list(said, "GeneratedBy", problems)
    license = _text(said, "License", problems)
    known = spdx_licence(license) if license else None
    return {
        "label": title or "Untitled dataset",
        "title": title,
        "description": readme.strip()[:README_CHARACTERS] or None,
        "license": license,
        "license_id": known.spdx if known else None,
        "data_use": _data_use(said, terms, problems),
        "creators": [{"name": name} for name in _texts(said, "Authors", problems)],
        "keywords": _texts(said, "Keywords", problems),
        "bids_version": _text(said, "BIDSVersion", problems),
        "dataset_type": _dataset_type(said, problems),
        "doi": _doi(said, problems),
        "source_datasets": _list(said, "SourceDatasets", problems),
        "generated_by": generated_by,
        "access_rights": "restricted",
    }


def _data_use(said: Document, terms: Terms, problems: ProblemLog) -> list[Document]:
    """Return what may be done with the data, by the terms of the Data Use Ontology (DUO).

    BIDS has no member for it. ``DataUse`` is read: a CURIE, IRI, name or abbreviation, or an object with a
    ``TermURL`` and perhaps a ``Description``, or a list of those.
    """
    given = said.get("DataUse")
    found: list[Document] = []
    for item in given if isinstance(given, list) else [given] if given else []:
        entry = item if isinstance(item, dict) else {"TermURL": item}
        text = entry.get("TermURL") or entry.get("Description")
        if not isinstance(text, str) or not text.strip():
            problems.add(PATH, "holds what is neither text nor an object with a TermURL; it was left out", "DataUse")
            continue
        value = terms.value("data_use", text, source=PATH)
        if value.term is None:
            problems.add(PATH, f"{text[:80]!r} found no term; it is kept as text", "DataUse")
        found.append(value.to_json())
    return found


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
