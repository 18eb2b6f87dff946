"""Words, intervals, results and versions: how they are read, written again and compared."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.search.conditions import And, Comparison, Has, Matches, Not, Within
from catalog.search.literals import also_means, near_match
from catalog.search.periods import Dates, Durations, is_date, period_of
from catalog.search.projection import Statement
from catalog.search.query import parse, parse_json
from catalog.search.searched_words import SearchedWord, searched_words
from catalog.search.value_tests import TextRange
from catalog.search.versions import VersionEqual, VersionRange, version_key
from ontology.errors import InvalidRequestError

DERIVED = Comparison("derived", "=", True)


@pytest.mark.parametrize(
    ("text", "root", "canonical"),
    [
        ("matches(' Motor*   task ')", Matches(None, "Motor* task"), "matches('Motor* task')"),
        ("MATCHES(Note, 'x')", Matches("note", "x"), "matches(note, 'x')"),
        ("matches(dataset.title, 'x')", Matches("dataset.title", "x"), "matches(dataset.title, 'x')"),
        ("within(age, 'P1Y/..')", Within("age", "P1Y/.."), "within(age, 'P1Y/..')"),
        ("matches('x') = FALSE", Not(Matches(None, "x")), "NOT matches('x')"),
        ("derived(TRUE)", Has(DERIVED), "has(derived = TRUE)"),
        (
            "derived(version > '1.9' AND measure('SNRTotal') > 12)",
            Has(And((DERIVED, Comparison("pipeline_version", ">", "1.9"), Comparison("measure.snr_total", ">", 12)))),
            "has(derived = TRUE AND pipeline_version > '1.9' AND measure.snr_total > 12)",
        ),
        (
            "derived(NOT version = '1' OR measure(x) IS NULL)",
            None,
            "has(derived = TRUE AND (NOT pipeline_version = '1' OR measure.x IS NULL))",
        ),
        ("has(version = '1' AND 3 < measure('x'))", None, "has(version = '1' AND measure.x > 3)"),
    ],
)
def test_functions_are_read_and_written(text: str, root: Any, canonical: str) -> None:
    query = parse(text)
    assert root is None or query.root == root
    assert query.text == canonical
    assert parse(canonical) == query == parse_json(query.json)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("matches()", "words"),
        ("matches('-- * --')", "1 to 32 words"),
        ("matches('" + "a b c d " * 9 + "e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6 7 8 9')", "1 to 32"),
        ("matches('x', note)", "words"),
        ("matches(3)", "words"),
        ("within(age)", "interval"),
        ("within(age, 3)", "interval"),
        ("within(age, '')", "neither a date"),
        ("within(age, '../..')", "start or an end"),
        ("within(age, '2020/2021/2022')", "one '/'"),
        ("within(age, '2021/2020')", "ends before"),
        ("within(age, 'P2Y/P1Y')", "ends before"),
        ("within(age, 'P2Y')", "a duration is a bound"),
        ("within(age, 'P/..')", "no duration"),
        ("within(age, '2020-02-30/..')", "neither a date"),
        ("within(t, '2020-01-01T10:00:00+02:00/..')", "time zone"),
        ("derived()", "one condition"),
        ("has(derived(TRUE))", "cannot stand inside"),
        ("measure('x') > 1", "said of results"),
        ("has(measure('x'))", "is a value"),
        ("has(measure() > 1)", "one argument"),
        ("has(measure('') > 1)", "name of a measure"),
        ("derived(TRUE) = 3", "true or false"),
    ],
)
def test_what_says_nothing_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(text)
    assert says in caught.value.detail
    assert caught.value.next_step()


def test_a_text_is_cut_into_words_of_which_a_star_makes_beginnings() -> None:
    found = searched_words("Motör-task_2* x* * x motor")
    assert found[0] == SearchedWord("motor")
    assert [str(word) for word in found] == ["motor", "task", "2*", "x*", "x"]


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("2020", Dates("2020", "2020~")),
        ("2020-01-01/2020-06", Dates("2020", "2020-06~")),
        ("2020-06-01T00:00/..", Dates("2020-06", None)),
        ("../2020-06-01t12:00:30Z", Dates(None, "2020-06-01t12:00:30~")),
        ("2020-06-01T10:00:00/2020-06-01T10:00:00", Dates("2020-06-01t10", "2020-06-01t10:00:00~")),
        ("P6M/P1Y6M", Durations(0.5, 1.5)),
        ("../P1W", Durations(None, 7 / 365.25)),
        ("P1DT12H/..", Durations(1.5 / 365.25, None)),
    ],
)
def test_an_interval_has_two_bounds(text: str, period: Dates | Durations) -> None:
    assert period_of(text) == period


@given(st.datetimes(), st.datetimes(), st.sampled_from([4, 7, 10, 16, 19]), st.sampled_from([4, 7, 10, 16, 19]))
def test_a_date_lies_between_those_before_and_after_it(first: Any, second: Any, one: int, other: int) -> None:
    low, high = sorted((first, second))
    period = period_of(f"{low.isoformat(timespec='seconds')[:one]}/..")
    assert isinstance(period, Dates)
    test = TextRange(low=period.low, high=period.high, dates=True)
    assert test.passes(Statement("t", "text", text=high.isoformat(timespec="seconds")[: max(one, other)]))


@pytest.mark.parametrize(
    "text", ["2020", "2020-12", "2020-02-29", "2020-06-01t12:00", "2020-06-01t12:00:00.123456+02:00"]
)
def test_what_is_a_date(text: str) -> None:
    assert is_date(text)


@pytest.mark.parametrize(
    "text", ["", "20", "20200601", "2020-13", "2020-04-31", "2020-06-01 12:00", "2020-06-01t25:00", "2020?"]
)
def test_what_is_no_date(text: str) -> None:
    assert not is_date(text)


ORDERED = [
    "0.9",
    "1.0.dev1",
    "1.0a1",
    "1.0-beta.2",
    "1.0rc1",
    "v1.0",
    "1.0.post1",
    "1.0-2",
    "1.0-3-gabc123",
    "1.9",
    "1.10",
    "20.2.1",
    "2023.1",
]


def test_versions_come_in_order() -> None:
    keys = [version_key(version) for version in ORDERED]
    assert None not in keys
    assert all(a < b for a, b in itertools.pairwise(keys))  # type: ignore[operator]


def test_spellings_of_one_version_are_equal() -> None:
    assert len({version_key(version) for version in ("1.2", "v1.2", "V1.2.0", " 1.2.0+build.5 ", "1.2.0.0")}) == 1
    assert version_key("1.0alpha1") == version_key("1.0-a.1") == version_key("1.0a1")


@pytest.mark.parametrize(
    "text", ["", "main", "unknown", "n/a", "3fa9cd1e", "1.", "1..2", "x" * 5000, "1" * 5000, "1-" + "a" * 5000]
)
def test_what_is_no_version(text: str) -> None:
    assert version_key(text) is None
    said = Statement("pipeline_version", "text", text=text)
    assert not VersionRange(low=version_key("0")).passes(said)
    assert not VersionRange(high=version_key("9999")).passes(said)
    assert not VersionEqual(frozenset({version_key("1.0")})).passes(said)  # type: ignore[arg-type]


@given(st.text(max_size=30))
def test_any_text_is_a_version_or_none(text: str) -> None:
    key = version_key(text)
    assert key is None or VersionEqual(frozenset({key})).passes(Statement("v", "text", text=text))


def test_licences_and_dois_have_other_names() -> None:
    assert also_means("dataset.license", "CC BY 4.0") == {"cc-by-4.0"}
    assert also_means("dataset.license", "my own") == frozenset()
    assert also_means("dataset.doi", "https://doi.org/10.1234/AbC") == {"10.1234/abc"}
    assert also_means("sex", "CC0") == frozenset()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("femal", "Female"),
        ("FEMALE", None),
        ("female ", None),
        ("fmale", "Female"),
        ("x", None),
        ("3", None),
        ("true", None),
    ],
)
def test_the_nearest_text_is_offered(text: str, found: str | None) -> None:
    said = {" ".join(text.casefold().split())}
    assert near_match(text, said, {"Female", "male", "31", "truth"}) == found
