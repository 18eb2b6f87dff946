"""The quick canonical JSON equals the reference, whatever the value and whichever encoder is there."""

from enum import IntEnum, StrEnum

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ontology import canonical
from ontology.canonical import canonical_json
from ontology.errors import InvalidRequestError

floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [
        0.0,
        -0.0,
        1.0,
        -1.0,
        34.0,
        3.0,
        1e-7,
        2.6e-06,
        1e-5,
        1e-4,
        0.001,
        1e15,
        1e16,
        1e20,
        1e21,
        1e22,
        5e-324,
        1.7976931348623157e308,
    ]
)
tricky = st.sampled_from(
    ["a.0,", '":1.0,"', "[2.0]", "\\", '"', '\\"3.0,', "\u2028", "\x7f", "\x00", "\ue000", "\U0001f600", "é"]
)
texts = st.text() | tricky
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | floats | texts
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(texts, inner, max_size=6), max_leaves=30
)


@pytest.fixture(params=["orjson", "standard"])
def encoder(request, monkeypatch):
    if request.param == "orjson":
        pytest.importorskip("orjson")
    monkeypatch.setattr(canonical, "_encode", getattr(canonical, f"_{request.param}_encode"))


@settings(max_examples=200)
@given(documents)
@example({"\ue000": 1, "\U0001f600": 2, "a": 3})
@example({"a": 1.0, "b": "1.0,"})
@example([1.0, "x\\", -0.0])
@example(3.0)
@example("3.0")
@example({"a": {"b": [[], {}, ()]}})
@example({"a": 2.6e-06, "b": ",1e-07,", "c": [1e16, 1.5e300, -1e-07]})
@example(1e-07)
@example([-0.0, 0.0])
def test_it_equals_the_reference_with_the_encoder_in_use(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@settings(max_examples=200)
@given(documents)
def test_each_encoder_alone_writes_the_same(value):
    expected = rfc8785.dumps(value)
    in_use = canonical._encode
    try:
        for encode in [canonical._standard_encode, *([canonical._orjson_encode] if canonical.orjson else [])]:
            canonical._encode = encode
            assert canonical_json(value) == expected
    finally:
        canonical._encode = in_use


class Small(IntEnum):
    ONE = 1


class Word(StrEnum):
    A = "a"


@pytest.mark.parametrize("value", [{"a": Small.ONE}, [Word.A], (1, 2.0), {"t": (1,)}])
@pytest.mark.usefixtures("encoder")
def test_subclasses_and_tuples_are_written_as_the_reference_does(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        [float("inf")],
        {"a": -float("inf")},
        2**53,
        -(2**53),
        {1: "a"},
        {None: 1},
        {"a": b"x"},
        {"a": {1, 2}},
        "\ud800",
        {"\udfff": 1},
    ],
)
@pytest.mark.usefixtures("encoder")
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(InvalidRequestError):
        canonical_json(value)


@pytest.mark.usefixtures("encoder")
def test_depth_is_refused_or_written_but_never_a_crash():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(InvalidRequestError):
        canonical_json(value)
    shallow = []
    for _ in range(300):  # deeper than orjson goes
        shallow = [shallow]
    assert canonical_json(shallow) == b"[" * 301 + b"]" * 301
