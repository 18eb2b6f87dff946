"""The query language: what is read, how it is written again, what is refused and where."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.search.conditions import (
    EVERYTHING,
    NOTHING,
    And,
    Between,
    Comparison,
    Count,
    Has,
    In,
    IsNull,
    Like,
    Not,
    Or,
    Under,
)
from catalog.search.query import Query, parse, parse_json
from ontology.errors import InvalidRequestError

DEMO = (
    "under(diagnosis, 'DOID:3213') AND age BETWEEN 30 AND 50"
    " AND has(suffix = 'FLAIR' AND magnetic_field_strength >= 3) AND has(suffix = 'T1w')"
)


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("TRUE", EVERYTHING),
        ("false", NOTHING),
        ("age = 3", Comparison("age", "=", 3)),
        ("3 < age", Comparison("age", ">", 3)),
        ("age != 2.5", Comparison("age", "<>", 2.5)),
        ("age = -1e3", Comparison("age", "=", -1000)),
        ("derived = TRUE", Comparison("derived", "=", True)),
        ("MagneticFieldStrength >= 3", Comparison("magnetic_field_strength", ">=", 3)),
        ("participant_id = 'x'", Comparison("label", "=", "x")),
        ("casei(a) = casei('X')", Comparison("a", "=", "X")),
        ("a BETWEEN 1 AND 2", Between("a", 1, 2)),
        ("a NOT BETWEEN 'x' AND 'y'", Not(Between("a", "x", "y"))),
        ("a IN ('x', 2, TRUE, 2)", In("a", ("x", 2, True))),
        ("a LIKE 'x%'", Like("a", "x%")),
        ("a IS NULL", IsNull("a")),
        ("a IS NOT NULL", Not(IsNull("a"))),
        ("NOT NOT a IS NULL", IsNull("a")),
        ("NOT TRUE", NOTHING),
        (
            "a = 1 AND (b = 2 AND c = 3)",
            And((Comparison("a", "=", 1), Comparison("b", "=", 2), Comparison("c", "=", 3))),
        ),
        ("a = 1 OR FALSE", Comparison("a", "=", 1)),
        ("NOT a = 1 AND b = 2", And((Not(Comparison("a", "=", 1)), Comparison("b", "=", 2)))),
        (
            "a = 1 AND b = 2 OR c = 3",
            Or((And((Comparison("a", "=", 1), Comparison("b", "=", 2))), Comparison("c", "=", 3))),
        ),
        ("under(diagnosis, 'it''s')", Under("diagnosis", "it's")),
        ("has(ses = '1')", Has(Comparison("session", "=", "1"))),
        ("has(a = 1) = FALSE", Not(Has(Comparison("a", "=", 1)))),
        ("TRUE <> under(a, 'x')", Not(Under("a", "x"))),
        ("2 <= count(TRUE)", Count(EVERYTHING, ">=", 2)),
        (
            "count(a = 1) BETWEEN 1 AND 2",
            And((Count(Comparison("a", "=", 1), ">=", 1), Count(Comparison("a", "=", 1), "<=", 2))),
        ),
        ('"and" = 1', Comparison("and", "=", 1)),
        ('"âge" = 1', Comparison("âge", "=", 1)),
    ],
)
def test_what_is_read(text: str, root: Any) -> None:
    query = parse(text)
    assert query.root == root
    assert parse(query.text) == query
    assert parse_json(query.json) == query


def test_the_query_of_the_documentation_is_its_own_canonical_form() -> None:
    assert parse(DEMO).text == DEMO
    assert parse(DEMO.lower().replace("flair", "FLAIR").replace("t1w", "T1w").replace("doid", "DOID")).text == DEMO
    assert parse(DEMO).digest == parse(f"  ({DEMO})").digest != Query().digest


@pytest.mark.parametrize(
    ("text", "offset", "says"),
    [
        ("age >", 5, "ends"),
        ("has(", 3, "never closed"),
        ("age = 3)", 7, "never opened"),
        ("' OR 1=1 --", 0, "never closed"),
        ('a = "x', 4, "never closed"),
        ("age = 'x'; DROP TABLE records", 9, "';'"),
        ("a + 1 = 2", 2, "arithmetic (+)"),
        ("a * 2 = 1", 2, "arithmetic (*)"),
        ("a = - - 1", 4, "arithmetic (-)"),
        ("a - 1 = 2", 2, "arithmetic (-)"),
        ("a ILIKE 'x'", 2, "CQL2"),
        ("a == 3", 3, "CQL2"),
        ("a = 1 AND\n b ~ 2", 13, "line 2, column 4"),
        ("", 0, "empty"),
        ("   ", 0, "empty"),
        ("a IN ()", 6, "CQL2"),
        ("a = '\ud800'", 5, "surrogate"),
    ],
)
def test_a_malformed_text_is_refused_with_its_place(text: str, offset: int, says: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(text)
    assert caught.value.field == "query"
    assert caught.value.params["offset"] == offset
    assert says in caught.value.detail
    assert caught.value.next_step()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("foo(a)", "'foo'"),
        ("foo(a) = 1", "'foo'"),
        ("S_INTERSECTS(a, POINT(1 2))", "'s_intersects'"),
        ("T_AFTER(a, DATE('2020-01-01'))", "'t_after'"),
        ("ACCENTI(a) = 'x'", "'accenti'"),
        ("A_CONTAINS(a, ('x', 'y'))", "'a_contains'"),
        ("a = DATE('2020-01-01')", "DATE"),
        ("a = NULL", "NULL"),
        ("a = b", "two properties"),
        ("'x' = 'y'", "where a property"),
        ("a", "stands alone"),
        ("a AND b = 1", "stands alone"),
        ("'x'", "where a condition"),
        ("a = 1e999", "too large"),
        ("a > TRUE", "no order"),
        ("a BETWEEN 1 AND 'x'", "bounds"),
        ("a LIKE 3", "LIKE"),
        ("a LIKE b", "two properties"),
        ("under('x', a)", "under()"),
        ("under(a)", "under()"),
        ("under(a, 'x') = 'y'", "true or false"),
        ("has()", "one condition, not 0"),
        ("has(a = 1, b = 2)", "one condition, not 2"),
        ("has(has(a = 1))", "cannot stand inside"),
        ("has(count(a = 1) > 2)", "cannot stand inside"),
        ("count(a = 1)", "is a number"),
        ("count(a = 1) = 'x'", "whole number"),
        ("count(a = 1) >= 1.5", "whole number"),
        ("count(a = 1) >= -1", "whole number"),
        ("count(a = 1) = TRUE", "whole number"),
        ("count(a = 1) = count(b = 1)", "where a value"),
        ("(a = 1) = TRUE", "where a property"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(text)
    assert says in caught.value.detail
    assert caught.value.field == "query"
    assert caught.value.next_step()


@pytest.mark.parametrize(
    "text",
    [
        "has(" * 400 + "age > 3" + ")" * 400,
        "(" * 5000,
        "((((((((((((" + "a IN (" + ",".join(["1"] * 6000) + ") AND a == " + "))))))))))))",
        "((((((((((( a IN (" + ",".join(["1"] * 9000) + ") AND a == )))))))))))",
        "NOT " * 4000 + "a = 1",
        "a = " + "-" * 10_000 + "1",
        "a + " * 4000 + "1 = 2",
        " AND ".join(["a = 1"] * 1500),
        " OR ".join(["a = 1 AND b = 2"] * 150),
        "a = " * 2000 + "1",
        "a LIKE " * 1500 + "'x'",
        "x" * 30_000,
        "POLYGON((" + "(" * 900,
    ],
)
def test_what_would_hurt_the_parser_is_refused_at_once(text: str) -> None:
    started = time.thread_time()
    with pytest.raises(InvalidRequestError):
        parse(text)
    assert time.thread_time() - started < 5


def test_a_long_list_of_values_is_welcome() -> None:
    values = ", ".join(f"'s{number}'" for number in range(1500))
    assert len(parse(f"(site IN ({values}))").root.values) == 1500  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        "age > 3",
        [],
        {},
        {"op": 3},
        {"op": "and", "args": "x"},
        {"op": "and", "args": [None]},
        {"op": "=", "args": []},
        {"op": "=", "args": [{"property": 3}, 1]},
        {"op": "=", "args": [{"property": "a"}, {}]},
        {"op": "=", "args": [{"property": "a"}, [1]]},
        {"op": "=", "args": [{"property": "a"}, float("nan")]},
        {"op": "=", "args": [{"property": "a"}, 10**400]},
        {"op": "=", "args": [{"property": "a"}, "\ud800"]},
        {"op": "in", "args": [{"property": "a"}, []]},
        {"op": "in", "args": [{"property": "a"}, list(range(6000))]},
        {"op": "isNull", "args": []},
        {"op": "not", "args": []},
        {"op": "has", "args": [{"op": "="}]},
        {"op": "casei", "args": [{"property": "a"}]},
    ],
)
def test_malformed_json_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_json(value)
    assert caught.value.field == "query"


def test_json_that_is_nested_without_end_is_refused() -> None:
    nested: Any = {"op": "isNull", "args": [{"property": "a"}]}
    for _ in range(5000):
        nested = {"op": "not", "args": [nested]}
    with pytest.raises(InvalidRequestError, match="nested more than"):
        parse_json(nested)


def test_a_query_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        parse(None)  # type: ignore[arg-type]


@given(st.text(alphabet=st.sampled_from("ab='\"()<>,% \n1.-ANDORNThsuiké\x00")))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        query = parse(text)
    except InvalidRequestError:
        return
    assert parse(query.text).text == query.text


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_any_literal_survives_writing_and_reading(text: str, number: float) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    query = Query(And((Comparison("a", "=", text), Comparison("b", "<", number))))
    again = parse(query.text)
    first, second = again.root.parts  # type: ignore[union-attr]
    assert first == Comparison("a", "=", text)
    assert second.value == number
