"""Where in the text of a JSON document a pointer leads, and the lines that are shown of it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.pages.json_places import WIDEST, excerpt, place_of, places_of

TEXT = '{\n  "a": [1, {"b/c~d": "x\\"y"}],\n  "e": null,\n  "f": -1.5e3\n}'


def pointers(value: Any, at: str = "") -> set[str]:
    """Return the pointers of everything in a document."""
    found = {at}
    if isinstance(value, dict):
        for name, inner in value.items():
            found |= pointers(inner, f"{at}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found |= pointers(inner, f"{at}/{number}")
    return found


def test_a_pointer_leads_to_its_member_and_its_item() -> None:
    places = places_of(TEXT)
    assert TEXT[places["/a/1/b~1c~0d"] :].startswith('"b/c~d"')
    assert TEXT[places["/a/0"] :].startswith("1,")
    assert TEXT[places["/f"] :].startswith('"f": -1.5e3')


def test_what_is_missing_is_missed_where_it_should_be() -> None:
    places = places_of(TEXT)
    assert place_of(places, "/a/1/absent/deeper") == places["/a/1"]
    assert place_of(places, "/absent") == 0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ),
    st.sampled_from([None, 0, 3, "\t"]),
)
def test_every_pointer_of_any_document_has_a_place(document: Any, indent: Any) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    places = places_of(text)
    assert set(places) == pointers(document)
    assert all(0 <= at < len(text) for at in places.values())


def test_a_document_deeper_than_anybody_writes_has_a_place_all_the_same() -> None:
    text = "[" * 900 + "]" * 900
    assert place_of(places_of(text), "/0/0") >= 0


def test_lines_with_problems_are_shown_with_those_about_them_and_gaps_are_marked() -> None:
    text = "[\n" + ",\n".join(str(number) for number in range(20)) + "\n]"
    shown = excerpt(text, [{"field": "/3", "detail": "first"}, {"field": "/15", "detail": "second"}])
    assert [line.number for line in shown] == [None, 3, 4, 5, 6, 7, None, 15, 16, 17, 18, 19, None]
    said = {line.number: [each["detail"] for each in line.problems] for line in shown if line.problems}
    assert said == {5: ["first"], 17: ["second"]}


def test_a_place_in_what_is_no_json_is_a_line_too() -> None:
    text = '{\n  "a": 1\n  "b": 2\n}'
    (line,) = [line for line in excerpt(text, [{"at": 15, "detail": "a comma"}]) if line.problems]
    assert line.number == 3
    (last,) = [line for line in excerpt("{", [{"at": 1, "detail": "it ends"}]) if line.problems]
    assert last.number == 1


def test_a_line_that_nobody_could_read_is_cut() -> None:
    (line,) = excerpt(json.dumps("x" * 1000), [{"field": "", "detail": "long"}])
    assert len(line.text) < WIDEST + 5
