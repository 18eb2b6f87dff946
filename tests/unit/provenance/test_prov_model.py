"""The PROV model: what it accepts, what it refuses, and when two documents say the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ontology.errors import InvalidRequestError
from provenance import vocabulary as v
from provenance.model import Identifier, Literal, ProvDocument, Statement, normal_time, value_of


@pytest.fixture
def document() -> ProvDocument:
    return ProvDocument({"ex": "http://example.org/", "": "http://default.example/"})


def test_names_are_read_by_prefix_default_or_as_they_are(document: ProvDocument) -> None:
    assert document.name("ex:a:b") == "http://example.org/a:b"
    assert document.name("plain") == "http://default.example/plain"
    assert document.name("prov:Plan") == v.PLAN
    assert document.name("urn:uuid:1") == "urn:uuid:1"
    assert document.name("https://x.org/a") == "https://x.org/a"
    assert document.name(Identifier("ex:kept")) == "ex:kept"


@pytest.mark.parametrize("name", ["exx:a", "a b:c", "ex:a b", 'ex:"', "ex:<", ""])
def test_names_that_mean_nothing_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError):
        ProvDocument({"ex": "http://example.org/"}).name(name)


@pytest.mark.parametrize("iri", ["", "a", "1a:b", ":b", "a:b c", "a:\n", "a:\ud800", "a:{b}", "a:\\"])
def test_an_identifier_is_an_iri(iri: str) -> None:
    with pytest.raises(InvalidRequestError):
        Identifier(iri)


def test_namespaces_are_checked(document: ProvDocument) -> None:
    for prefix, iri in (("prov", "http://other/"), ("xsd", "http://other/"), ("x", "no iri"), ("a:b", "http://x/")):
        with pytest.raises(InvalidRequestError):
            document.declare(prefix, iri)
    document.declare("prov", v.PROV)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-11-21T10:00:00+00:00", "2026-11-21T10:00:00Z"),
        ("2026-11-21T10:00:00.500000Z", "2026-11-21T10:00:00.5Z"),
        ("2026-11-21T10:00:00.000+01:00", "2026-11-21T10:00:00+01:00"),
        ("2026-11-21T10:00:00", "2026-11-21T10:00:00"),
        ("-0044-03-15T00:00:00Z", "-0044-03-15T00:00:00Z"),
        (datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21T00:00:00Z"),
        (datetime(2026, 11, 21, tzinfo=timezone(timedelta(hours=-5))), "2026-11-21T00:00:00-05:00"),
    ],
)
def test_times_have_one_spelling(given: str | datetime, kept: str) -> None:
    assert normal_time(given) == kept


@pytest.mark.parametrize(
    "time",
    [
        *("", "2026-11-21", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-04-31T00:00:00", "26-01-01T00:00:00"),
        *("2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:00+15:00", "2026-01-01 00:00:00"),
    ],
)
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(InvalidRequestError, match="xsd:dateTime"):
        normal_time(time)


@pytest.mark.parametrize(
    ("given", "text", "datatype"),
    [
        ("ex:not-a-name", "ex:not-a-name", v.XSD_STRING),
        (True, "true", v.XSD_BOOLEAN),
        (2**31 - 1, "2147483647", v.XSD_INT),
        (2**31, "2147483648", v.XSD_LONG),
        (2**63, "9223372036854775808", v.XSD_INTEGER),
        (-(2**63), "-9223372036854775808", v.XSD_LONG),
        (0.1, "0.1", v.XSD_DOUBLE),
        (float("inf"), "INF", v.XSD_DOUBLE),
        (float("-inf"), "-INF", v.XSD_DOUBLE),
        (float("nan"), "NaN", v.XSD_DOUBLE),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z", v.XSD_DATETIME),
    ],
)
def test_python_values_become_literals(given: object, text: str, datatype: str) -> None:
    assert value_of(given) == Literal(text, datatype)


def test_values_that_cannot_be_written_are_refused() -> None:
    for bad in (None, b"x", object(), 1j):
        with pytest.raises(InvalidRequestError):
            value_of(bad)
    with pytest.raises(InvalidRequestError, match="surrogate"):
        Literal("\ud800")
    with pytest.raises(InvalidRequestError, match="language tag"):
        Literal("x", language="not a tag")
    with pytest.raises(InvalidRequestError, match="identifier"):
        Literal("ex:a", v.XSD + "QName")
    with pytest.raises(InvalidRequestError, match="language"):
        Literal("x", v.LANGUAGE_STRING)
    with pytest.raises(InvalidRequestError, match="IRI"):
        Literal("x", "no iri")


def test_statements_know_their_arguments(document: ProvDocument) -> None:
    used = document.used("ex:a", "ex:e", time="2026-11-21T10:00:00Z", attributes={"prov:role": ["x", "y"]})
    assert used.kind is v.USAGE
    assert used.argument("entity") == "http://example.org/e"
    assert used.argument("time") == "2026-11-21T10:00:00Z"
    assert [value.text for value in used.values(v.ROLE) if isinstance(value, Literal)] == ["x", "y"]
    assert used.text(v.ROLE) == "x"
    assert used.text(v.LABEL) is None
    with pytest.raises(InvalidRequestError):
        used.argument("plan")


def test_what_prov_dm_does_not_allow_is_refused(document: ProvDocument) -> None:
    with pytest.raises(InvalidRequestError, match="needs its argument 'entity'") as failed:
        document.state(v.GENERATION, None, (None, "ex:a"))
    assert failed.value.field == "entity"
    with pytest.raises(InvalidRequestError, match="needs its argument 'usedEntity'"):
        document.state(v.DERIVATION, None, ("ex:a",))
    with pytest.raises(InvalidRequestError, match="needs an identifier"):
        document.state(v.ENTITY, None)
    with pytest.raises(InvalidRequestError, match="no identifier"):
        document.state(v.MEMBERSHIP, "ex:id", ("ex:a", "ex:b"))
    with pytest.raises(InvalidRequestError, match="no attributes"):
        document.state(v.ALTERNATE, None, ("ex:a", "ex:b"), {"ex:k": 1})
    with pytest.raises(InvalidRequestError, match="reserves its namespace"):
        document.entity("ex:e", {"prov:wasDerivedFrom": "x"})
    with pytest.raises(InvalidRequestError, match="takes 2 arguments"):
        Statement(v.ATTRIBUTION, None, [Identifier("a:a")] * 3)


def test_order_prefixes_and_repetition_do_not_matter(document: ProvDocument) -> None:
    other = ProvDocument({"x": "http://example.org/"})
    document.entity("ex:e", {"ex:a": 1, "ex:b": 2})
    document.used("ex:a", "ex:e")
    other.used("x:a", "x:e")
    other.used("x:a", "x:e")
    other.entity("x:e", {"x:b": 2})
    other.entity("x:e", {"x:a": [1, 1]})
    assert document == other
    assert len(other.statements) == 3
    other.entity("x:e", {"x:c": 1})
    assert document != other
    assert document != object()


def test_contradicting_statements_stay_apart(document: ProvDocument) -> None:
    document.activity("ex:a", start="2026-11-21T10:00:00Z")
    document.activity("ex:a", end="2026-11-21T11:00:00Z")
    assert len(document.statements) == 1
    document.activity("ex:a", start="2026-11-21T10:30:00Z")
    document.activity("ex:a", start="2026-11-21T10:30:00Z")
    assert len(document.statements) == 2


def test_bundles_are_compared_by_name_and_content(document: ProvDocument) -> None:
    other = ProvDocument()
    document.bundle("ex:b").entity("ex:e")
    assert document != other
    other.bundle("http://example.org/b").entity("http://example.org/e")
    assert document == other
    assert document.bundle("ex:b") is document.bundles[Identifier("http://example.org/b")]
    assert document.bundle("ex:b") == other.bundle("http://example.org/b")
    assert document.bundle("ex:b") != object()


def test_the_union_says_what_either_says(document: ProvDocument) -> None:
    other = ProvDocument({"ex": "http://other.example/"})
    document.entity("ex:e", {"ex:k": 1})
    document.bundle("ex:b").entity("ex:one")
    other.entity("http://example.org/e", {"ex:k": 2})
    other.bundle("http://example.org/b").entity("http://example.org/two")
    both = document | other
    assert both.namespaces["ex"] == "http://example.org/"
    assert len(both.statements) == 1
    assert len(both.statements[0].attributes) == 2
    assert len(both.bundle("ex:b").statements) == 2
    assert both == other | document
    assert both | both == both


def test_subtypes_of_derivation_are_typed_derivations(document: ProvDocument) -> None:
    made = [
        document.was_revision_of("ex:a", "ex:b"),
        document.was_quoted_from("ex:a", "ex:b"),
        document.had_primary_source("ex:a", "ex:b", attributes={"ex:k": 1}),
    ]
    assert [one.kind for one in made] == [v.DERIVATION] * 3
    assert [one.text(v.TYPE) for one in made] == [v.REVISION, v.QUOTATION, v.PRIMARY_SOURCE]
