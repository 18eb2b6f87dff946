"""What stands beside an answer: the query behind each value, and why each participant is in it."""

from __future__ import annotations

from typing import Any

from api.pages.explained import told
from api.pages.overlap import Overlap
from api.pages.refinement import HISTOGRAM, TREE, Divider, divisions, remedies
from catalog.search.query import parse


def answer(query: str, **members: Any) -> dict[str, Any]:
    """Return an answer as the operation gives it."""
    return {"query_json": parse(query).json, "facets": {}, "histograms": {}, "trees": {}, **members}


def test_dividers_travel_as_text() -> None:
    dividers = (Divider("age", kind=HISTOGRAM), Divider("suffix", acquisition=True), Divider("diagnosis", kind=TREE))
    text = Divider.write(dividers)
    assert text == "~age,@suffix,^diagnosis"
    assert Divider.read(text) == dividers
    assert Divider.read("@,,~") == ()


def test_a_value_is_added_to_the_query_and_taken_from_it_again() -> None:
    facets = {"sex": [{"value": "PATO:0000383", "label": "female", "count": 3}], "suffix": [
        {"value": "o'T1w", "label": "o'T1w", "count": 2}]}  # fmt: skip
    shown = (Divider("sex"), Divider("suffix", acquisition=True))
    found = divisions(answer("age > 3 OR age IS NULL", facets=facets), shown, {})
    assert [link.query for division in found for link in division.links] == [
        "(age > 3 OR age IS NULL) AND sex = 'PATO:0000383'",
        "(age > 3 OR age IS NULL) AND has(suffix = 'o''T1w')",
    ]
    again = divisions(answer("sex = 'PATO:0000383'", facets=facets), shown, {})
    assert (again[0].links[0].active, again[0].links[0].query) == (True, "")


def node(value: str, count: int, *parents: str, own: int | None = 0) -> dict[str, Any]:
    """Return a term of a tree."""
    return {"value": value, "label": value, "count": count, "own": own, "parents": list(parents)}


def test_terms_are_in_the_order_of_their_tree_without_a_root_that_says_nothing() -> None:
    tree = [node("root", 9), node("a", 5, "root", own=1), node("b", 4, "root", own=4), node("aa", 4, "a", own=4)]
    facets = {"diagnosis": [{"value": "aa", "label": "aa", "count": 4}, {"value": "odd", "label": "odd", "count": 1}]}
    asked = answer("TRUE", trees={"diagnosis": tree}, facets=facets)
    links = divisions(asked, [Divider("diagnosis", kind=TREE)], {})[0].links
    assert [(link.label, link.depth) for link in links] == [("a", 0), ("aa", 1), ("b", 0), ("odd", 0)]
    assert links[1].query == "under(diagnosis, 'aa')"
    assert links[3].query == "diagnosis = 'odd'"


def test_bars_ask_for_their_range_and_numbers_that_are_not_told_are_no_bars() -> None:
    bins = [
        {"low": 20, "high": 30, "count": 4, "condition": "age BETWEEN 20 AND 29"},
        {"low": 30, "high": 40, "count": None, "condition": "age BETWEEN 30 AND 40"},
    ]
    spread = {"age": {"low": 20, "high": 40, "whole": True, "missing": None, "bins": bins}}
    division = divisions(answer("sex = 'F'", histograms=spread), [Divider("age", kind=HISTOGRAM)], {})[0]
    assert [(link.label, link.query, link.share) for link in division.links] == [
        ("20 to 29", "sex = 'F' AND age BETWEEN 20 AND 29", 1.0),
        ("30 to 40", "sex = 'F' AND age BETWEEN 30 AND 40", 0),
    ]


def test_the_condition_that_removed_most_comes_first_with_the_query_without_it() -> None:
    conditions = [
        {"condition": "age > 3", "alone": 9, "without": 2},
        {"condition": "sex = 'F'", "alone": 4, "without": 7},
        {"condition": "id = 'x'", "alone": None, "without": None},
    ]
    found = remedies({"query": "age > 3 AND sex = 'F' AND id = 'x'", "count": 1, "conditions": conditions})
    assert [(each.gain, each.query) for each in found][:2] == [
        (6, "age > 3 AND id = 'x'"),
        (1, "sex = 'F' AND id = 'x'"),
    ]


def test_reasons_are_told_acquisition_by_acquisition_and_each_once() -> None:
    image = {"id": "urn:a", "label": "sub-01_FLAIR"}
    reasons = [
        {"condition": "age > 3", "property": "age", "value": 34, "original": "34.0", "label": "34"},
        {"condition": "a", "property": "suffix", "value": "FLAIR", "acquisition": image, "acquisitions": 3},
        {"condition": "b", "property": "echo_time", "value": 0.1, "acquisition": image, "acquisitions": 3},
        {"condition": "a", "property": "suffix", "value": "FLAIR", "acquisition": image, "acquisitions": 3},
        {"condition": "c", "property": "sex", "value": "x", "label": "female", "original": "F", "chain": [{}]},
    ]
    person, acquisition = told(reasons, {})
    assert [(each.property, each.original) for each in person.statements] == [("age", None), ("sex", "F")]
    assert (acquisition.others, [each.property for each in acquisition.statements]) == (2, ["suffix", "echo_time"])


def test_overlap_counts_each_combination_of_cohorts() -> None:
    overlap = Overlap.of({"a": {"1", "2", "3"}, "b": {"2", "3", "4"}, "c": {"3"}})
    assert (overlap.union, overlap.intersection, overlap.difference) == (4, 1, 1)
    assert {each.present: each.count for each in overlap.patterns} == {
        (True, False, False): 1,
        (True, True, False): 1,
        (True, True, True): 1,
        (False, True, False): 1,
    }
