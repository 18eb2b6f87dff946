"""The small catalogue over which the search contract is tested, and how questions are put to an index."""

from __future__ import annotations

from typing import Any

from catalog.model import Put
from catalog.search.index import SearchIndex
from catalog.search.query import parse
from catalog.search.testing import MemoryRepository
from catalog.search.testing.terms import OBO

STUDY, OTHER = "urn:uuid:0000000d-0000-4000-8000-000000000001", "urn:uuid:0000000d-0000-4000-8000-000000000002"


def person(number: int) -> str:
    return f"urn:uuid:0000000a-0000-4000-8000-{number:012}"


def image(number: int) -> str:
    return f"urn:uuid:0000000c-0000-4000-8000-{number:012}"


def value(said: Any, **more: Any) -> dict[str, Any]:
    return {"value": said, "original": str(said), "source": "participants.tsv", **more}


def participant(number: int, *, dataset: str = STUDY, label: str | None = None, **properties: Any) -> Put:
    said = {name: v if isinstance(v, list) else [v] for name, v in properties.items()}
    document = {"label": label or f"sub-{number:02}", "dataset": dataset, "properties": said}
    return Put(id=person(number), type="Participant", document=document)


def acquisition(number: int, of: int | None, *, dataset: str = STUDY, derived: bool = False, **fields: Any) -> Put:
    document = {
        "label": f"image-{number:02}",
        "dataset": dataset,
        "participant": person(of) if of is not None else None,
        "derived": derived,
        "metadata": {"MagneticFieldStrength": fields.pop("tesla", 3)},
        **fields,
    }
    return Put(id=image(number), type="Acquisition", document=document)


def two_studies() -> MemoryRepository:
    """Two datasets; three participants and their images in one, one participant in the other."""
    found = MemoryRepository()
    female, male = value("F", term=OBO + "X_8", label="female"), value("M", term=OBO + "X_7", label="male")
    found.put(
        Put(id=STUDY, type="Dataset", document={"label": "ds001", "title": "A study"}),
        Put(id=OTHER, type="Dataset", document={"label": "ds002"}),
        participant(1, sex=female, age=value(31, unit="a"), diagnosis=value("MS", term=OBO + "X_5", label="RRMS")),
        participant(2, sex=male, age=value(52, unit="a"), diagnosis=value("control")),
        participant(3, sex=male, age=[]),
        participant(4, sex=male, age=value(40, unit="a"), dataset=OTHER, secret_score=value(7)),
        acquisition(1, 1, suffix="T1w"),
        acquisition(2, 1, suffix="FLAIR"),
        acquisition(3, 2, suffix="T1w", tesla=1.5),
        acquisition(4, 2, suffix="FLAIR", tesla=7, dataset=OTHER),
        acquisition(5, 4, suffix="T1w", dataset=OTHER),
        acquisition(6, None, suffix="T1w"),
    )
    return found


def ids(index: SearchIndex, text: str, datasets: set[str] | None = None) -> list[int]:
    found = index.find(parse(text), datasets=datasets, limit=1000)
    assert found.count == len(found.items)
    assert index.members(parse(text), datasets=datasets) == sorted(hit.id for hit in found.items)
    return sorted(int(hit.id[-12:]) for hit in found.items)
