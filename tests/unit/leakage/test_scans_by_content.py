"""Which files count as somebody's scan, and how one that two people share ranks among other ties."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.leakage.people import Circle, Relation, Ties
from catalog.leakage.scans import scans_among
from catalog.model import Record


def record(type: str = "Acquisition", **document: Any) -> Record:
    said = {"participant": "p", "files": [{"role": "image", "sha256": "d1"}], **document}
    return Record(id="a", type=type, version=1, created="", modified="", sequence=0, document=said)


def test_the_images_of_an_acquisition_count_and_not_what_lies_beside_them() -> None:
    files = [{"role": "image", "sha256": "d1"}, {"role": "sidecar", "sha256": "d2"}, {"role": "image", "sha256": None}]
    assert scans_among([record(files=files), record(participant="q")], ["p", "q"]) == {"d1": {"p", "q"}}


@pytest.mark.parametrize(
    "other",
    [
        record("Entity"),
        record(derived=True),
        record(participant=None),
        record(participant="somebody else"),
        *(record(suffix=suffix) for suffix in ("mask", "dseg", "probseg", "roi")),
    ],
)
def test_what_tasks_made_and_what_is_drawn_is_nobodys_scan(other: Record) -> None:
    assert scans_among([other], ["p"]) == {}


def test_a_shared_scan_is_weaker_than_a_record_of_the_person_and_stronger_than_kin() -> None:
    circle = Circle({"m": Ties(person=frozenset({"m", "guid"}), family=frozenset({"family"}))})
    person = Ties(person=frozenset({"x", "guid"}))
    kin = Ties(person=frozenset({"x"}), family=frozenset({"family"}))
    assert circle.related("x", person, ["m"]) == (Relation.PERSON, "m")
    assert circle.related("x", kin, ["m"]) == (Relation.CONTENT, "m")
    assert circle.related("x", kin) == (Relation.FAMILY, "m")
    assert circle.related("m", kin, ["m"]) == (Relation.PARTICIPANT, "m")
