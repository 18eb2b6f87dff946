"""Suggestions while a query is typed: what may stand where, and what replaces what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.model import Put
from catalog.search.index import SearchIndex
from catalog.search.query import parse
from catalog.search.suggestion import Suggestion, suggest
from catalog.search.testing import MemoryRepository, SmallTerms
from catalog.search.testing.terms import OBO
from catalog.search.unfinished import place_of

QUERY = (
    "under(diagnosis, 'ms') AND age BETWEEN 3 AND 40 AND (sex IN ('F', 'it''s') OR NOT note LIKE 'a%')"
    " AND has(suffix = 'FLAIR' AND magnetic_field_strength >= 3) AND count(TRUE) > 2 AND age IS NOT NULL"
    " AND derived(measure('snr') > 2) AND \"odd name\" = 1 AND within(age, 'P1Y/..') AND casei(sex) = casei('f')"
)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", "participant condition"),
        ("age", "participant condition"),
        ("age ", "participant operator age"),
        ("age >", "participant operator age"),
        ("age =", "participant value age"),
        ("age > 3 ", "participant connective"),
        ("age BETWEEN 3 ", "participant and age"),
        ("age BETWEEN 3 AND ", "participant value age"),
        ("age BETWEEN 3 AND 4 ", "participant connective"),
        ("under(", "participant property"),
        ("under(diagnosis, '", "participant value diagnosis"),
        ("has(suf", "acquisition condition"),
        ("has(suffix = 'T1w' AND ", "acquisition condition"),
        ("has(suffix = ", "acquisition value suffix"),
        ("has(under(contrast, ", "acquisition value contrast"),
        ("count(suffix = 'T1w') ", "participant operator"),
        ("sex IN ('F', ", "participant value sex"),
        ("sex IN ('F') ", "participant connective"),
        ("age IS ", "participant null age"),
        ("3 <= ", "participant value"),
        ("derived(measure('s", "acquisition value"),
        ("derived(measure('snr') ", "acquisition operator measure.snr"),
        ('"odd name" = ', "participant value odd_name"),
        ("Age = ", "participant value age"),
        ("gender = ", "participant value sex"),
        ("sex = 'O''B", "participant value sex"),
        ("NOT (age > 3 OR ", "participant condition"),
    ],
)
def test_what_may_stand_where(typed: str, expected: str) -> None:
    place = place_of(typed, len(typed))
    of = place.property if place.expected in ("operator", "value", "and", "null") else None
    assert " ".join(filter(None, (place.level, place.expected, of))) == expected


@pytest.mark.parametrize(
    ("marked", "replaced"),
    [
        ("dia|gnosis = 3", "diagnosis"),
        ("sex = 'ma|le' AND age > 3", "'male'"),
        ("sex = 'm| AND note = 'x'", "'m"),
        ("sex IN ('F', 'm|')", "'m'"),
        ("sex = |", ""),
        ("age > 4|2", "42"),
        ('"odd na|me" = 3', '"odd name"'),
        ("age >|", ">"),
    ],
)
def test_what_is_replaced(marked: str, replaced: str) -> None:
    at, text = marked.index("|"), marked.replace("|", "")
    place = place_of(text, at)
    assert text[place.start : place.end] == replaced


@given(st.text(alphabet="ab'\"()=<>!,. 3-+has\n%", max_size=40), st.integers(-5, 60))
def test_no_text_is_too_odd(text: str, at: int) -> None:
    place = place_of(text, at)
    assert 0 <= place.start <= max(0, min(at, len(text))) <= place.end <= len(text)


@pytest.fixture
def catalogue() -> MemoryRepository:
    """Four participants with a T1w each; one has a note of its own."""
    repository = MemoryRepository()
    found = [("X_4", "F", 31), ("X_5", "F", 31), ("X_5", "M", 52), ("X_4", "M", 60)]
    for number, (term, sex, age) in enumerate(found):
        iri = f"urn:uuid:{number:08}-0000-4000-8000-00000000000a"
        said = {
            "diagnosis": [{"value": term, "term": OBO + term, "label": term}],
            "sex": [{"value": sex}],
            "age": [{"value": age}],
            "odd name": [{"value": "it's"}],
        }
        if number == 3:
            said["note"] = [{"value": "mine alone"}]
        image = {"label": "i", "participant": iri, "suffix": "T1w", "metadata": {"Flip": number % 2 == 0}}
        repository.put(
            Put(id=iri, type="Participant", document={"label": f"sub-{number}", "properties": said}),
            Put(id=iri[:-1] + "c", type="Acquisition", document=image),
        )
    return repository


def texts(index: SearchIndex, typed: str, *, least: int = 1) -> list[str]:
    return [each.text for each in suggest(index, SmallTerms(), typed, len(typed), datasets=None, least=least)]


def test_names_of_the_level(index: SearchIndex, catalogue: MemoryRepository) -> None:
    index.catch_up(catalogue)
    assert texts(index, "di") == ["diagnosis"]
    assert texts(index, "has(su") == ["suffix"]
    assert texts(index, "su") == ["has(suffix"]
    assert texts(index, "name") == ["odd_name"]
    assert {"under(", "has(", "count(", "NOT"} <= set(texts(index, "")) | set(texts(index, "un"))
    assert texts(index, "under(") == ["diagnosis"]
    assert "has(" not in texts(index, "has(h")
    assert texts(index, "under(diagnosis") == ["diagnosis"]
    assert texts(index, "under(diagnosis ") == [",", ")"]


def test_operators_of_the_kind(index: SearchIndex, catalogue: MemoryRepository) -> None:
    index.catch_up(catalogue)
    assert texts(index, "age ")[:2] == ["=", "<"]
    assert "BETWEEN" in texts(index, "age b")
    assert "LIKE" not in texts(index, "age ")
    assert texts(index, "has(flip ") == ["=", "<>", "IS NULL", "IS NOT NULL"]
    assert texts(index, "age IS ") == ["NULL", "NOT NULL"]
    assert texts(index, "age > 3 ") == ["AND", "OR"]
    assert texts(index, "(age > 3 ") == ["AND", "OR", ")"]
    assert texts(index, "count(TRUE) ")[:2] == ["=", "<>"]
    assert texts(index, "count(TRUE) > ") == []


def test_values_with_counts(index: SearchIndex, catalogue: MemoryRepository) -> None:
    index.catch_up(catalogue)
    found = suggest(index, SmallTerms(), "sex = ", 6, datasets=None)
    assert [(each.text, each.kind, each.count) for each in found] == [("'F'", "value", 2), ("'M'", "value", 2)]
    assert texts(index, "age = 3") == ["31"]
    assert texts(index, "age = '3") == []
    assert texts(index, "has(flip = ") == ["FALSE", "TRUE"] or texts(index, "has(flip = ") == ["TRUE", "FALSE"]
    assert texts(index, "odd_name = 'it") == ["'it''s'"]
    assert texts(index, "note = ") == ["'mine alone'"]
    assert texts(index, "note = ", least=2) == []
    assert texts(index, "label = ") == []
    assert texts(index, "nothing = ") == []


def test_terms_by_label_synonym_and_curie(index: SearchIndex, catalogue: MemoryRepository) -> None:
    index.catch_up(catalogue)
    found: tuple[Suggestion, ...] = suggest(index, SmallTerms(), "under(diagnosis, 'mult", 22, datasets=None)
    assert [(each.text, each.label, each.count) for each in found] == [
        ("'X:4'", "multiple sclerosis (X:4)", 4),
        ("'X:5'", "relapsing multiple sclerosis (X:5)", 2),
    ]
    assert texts(index, "under(diagnosis, 'demy") == ["'X:2'"]
    assert texts(index, "under(diagnosis, 'male") == [], "of another kind"
    assert set(texts(index, "diagnosis = '")) == {"'X:4'", "'X:5'"}
    assert texts(index, "diagnosis = 'rel") == ["'X:5'"]


def test_what_is_suggested_can_be_read(index: SearchIndex, catalogue: MemoryRepository) -> None:
    """Whatever is chosen, a query that was finished so far can be finished again, or asked as it is."""
    index.catch_up(catalogue)
    asked = 0
    for at in range(len(QUERY) + 1):
        for each in suggest(index, SmallTerms(), QUERY[:at], at, datasets=None):
            assert 0 <= each.start <= at <= each.end
            written = QUERY[: each.start] + each.text
            before = QUERY[: each.start].rstrip()
            if each.kind in ("value", "term") and not before.endswith(("BETWEEN", "LIKE")):
                closed = written + ")" * (written.count("(") - written.count(")"))
                assert parse(closed).text, closed
                asked += 1
    assert asked > 30
