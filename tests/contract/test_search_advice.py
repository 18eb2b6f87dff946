"""What every search backend says to somebody whose query nobody fulfils: the same, and only of what they may see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.search.index import SearchIndex
from catalog.search.query import parse
from catalog.search.testing import MemoryRepository
from catalog.search.testing.backends import BACKENDS
from catalog.search.testing.terms import OBO
from tests.contract.search_world import OTHER, STUDY, acquisition, participant, value


@pytest.fixture
def repository() -> MemoryRepository:
    found = MemoryRepository()
    sclerosis = value("MS", term=OBO + "X_4", label="multiple sclerosis")
    found.put(
        participant(
            1, age=value("15,7"), diagnosis=sclerosis, cognition_score_mmse_total=value(28), handednes=value("R")
        ),
        participant(4, age=value(31), weight=value(15.7, unit="kg") | {"original": "15,7"}),
        participant(3, dataset=OTHER, note=value("at night"), sex=value("F", term=OBO + "X_1", label="disease")),
        acquisition(1, 1, suffix="T1w"),
    )
    return found


@pytest.fixture(params=sorted(BACKENDS))
def index(request: pytest.FixtureRequest, tmp_path: Path, repository: MemoryRepository) -> Iterator[SearchIndex]:
    found = BACKENDS[request.param](tmp_path)
    found.catch_up(repository)
    yield found
    found.close()


BROADER = (
    "nothing that diagnosis says lies under 'relapsing multiple sclerosis', but some is 'multiple sclerosis', which is"
    " broader: under(diagnosis, 'multiple sclerosis')"
)
NO_MMSE = "no participant has a value of mmse"
COMMA = "some values of age have a decimal comma, like '15,7', and are therefore no numbers"


@pytest.mark.parametrize(
    ("text", "notices"),
    [
        ("mmse > 20", ["no participant has a value of mmse; did you mean cognition_score_mmse_total?"]),
        ("mmse IS NOT NULL", ["no participant has a value of mmse; did you mean cognition_score_mmse_total?"]),
        ("handedness = 'left'", ["no participant has a value of handedness; did you mean handednes?"]),
        ("has(manufacturer = 'GE')", ["no acquisition has a value of manufacturer"]),
        ("count(manufacturer = 'GE') >= 2", ["no acquisition has a value of manufacturer"]),
        ("under(diagnosis, 'X:5') AND age < 10", [BROADER, COMMA]),
        ("age BETWEEN 10 AND 19", [COMMA]),
        (
            "age > 90 AND (mmse > 1 OR has(manufacturer = 'GE'))",
            [COMMA, NO_MMSE, "no acq"],
        ),
        ("age BETWEEN 50 AND 30", ["no age lies between 50 and 30: the smaller number comes first"]),
        ("weight > 90", []),
        ("NOT (mmse IS NULL)", [NO_MMSE]),
        ("mmse <> 3", [NO_MMSE]),
        ("mmse IS NULL AND age = 99", []),
        ("NOT mmse > 20", []),
        ("count(manufacturer = 'GE') = 0", []),
        ("age = 31 OR mmse > 20", []),
        ("under(diagnosis, 'X:4') AND age = 31", []),
        ("label = 'nobody'", []),
        ("FALSE", []),
    ],
)
def test_whoever_finds_nobody_is_told_what_cannot_be_met(index: SearchIndex, text: str, notices: list[str]) -> None:
    said = index.find(parse(text), datasets=None).advice
    assert len(said) == len(notices)
    assert all(told.startswith(notice) for told, notice in zip(said, notices, strict=True)), said


def test_advice_tells_nothing_of_what_may_not_be_seen(index: SearchIndex) -> None:
    everything = index.find(parse("under(sex, 'X:8')"), datasets=None)
    assert everything.advice == ()  # female does not lie under disease
    asked = parse("under(diagnosis, 'X:5')")
    assert index.find(asked, datasets={STUDY}).advice == (BROADER,)
    assert index.find(asked, datasets={OTHER}).advice == ("no participant has a value of diagnosis",)
    assert index.find(parse("mmse = 1"), datasets={OTHER}).advice == ("no participant has a value of mmse",)
    assert index.find(parse("under(sex, 'X:5')"), datasets={STUDY}).advice == ("no participant has a value of sex",)
    assert "'disease', which is broader" in index.find(parse("under(sex, 'X:5')"), datasets={OTHER}).advice[0]
