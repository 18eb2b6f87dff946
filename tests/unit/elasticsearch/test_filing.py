"""How values are filed: terms in the order of numbers, read back as they were, and short enough for Lucene."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.search.documents import ParticipantDocument
from catalog.search.elasticsearch.connection import (
    IndexGoneError,
    LostRaceError,
    ShardAwayError,
    address,
    meaning,
)
from catalog.search.elasticsearch.documents import person_document, read_person
from catalog.search.elasticsearch.encoding import (
    MAX_TERM,
    coded,
    filed,
    is_long,
    like_wildcard,
    number_in,
    number_of,
    ordered,
    shown_statement,
    shown_term,
)
from catalog.search.elasticsearch.queries import EVERY, NONE, any_of, opposite
from catalog.search.elasticsearch.schema import Names
from catalog.search.names import fold
from catalog.search.projection import AcquisitionEntry, ParticipantEntry, Statement, whole
from ontology.errors import BackendUnavailableError, StorageFullError

NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)
TEXTS = st.text(min_size=1, max_size=40).filter(lambda text: not text.isspace())
IRIS = st.none() | st.just("http://purl.obolibrary.org/obo/X_1")
STATEMENTS = st.one_of(
    st.builds(Statement, st.just("note"), st.just("text"), text=TEXTS, label=st.none() | TEXTS, term=IRIS),
    st.builds(Statement, st.just("age"), st.just("number"), number=NUMBERS, unit=st.none() | TEXTS),
    st.builds(Statement, st.just("derived"), st.just("boolean"), number=st.sampled_from([0.0, 1.0])),
    st.builds(Statement, st.just("sex"), st.just("term"), term=TEXTS, original=st.none() | TEXTS),
)


@given(NUMBERS, NUMBERS)
def test_digits_are_ordered_as_numbers_are(one: float, other: float) -> None:
    assert (ordered(one) < ordered(other)) is (one < other)
    assert number_of(ordered(one)) == one
    assert len(ordered(one)) == 16
    assert ordered(-math.inf) < ordered(one) < ordered(math.inf)


@given(NUMBERS)
def test_a_number_is_found_by_its_own_form(number: float) -> None:
    assert number_in(fold(str(whole(number)))) == number


@pytest.mark.parametrize("form", ["x", "", "1.0", "01", "1e3", "nan", "inf", "1_000", " 1", "9" * 400])
def test_other_ways_to_write_a_number_are_no_form_of_it(form: str) -> None:
    assert number_in(form) is None


@given(STATEMENTS)
def test_what_a_facet_shows_is_read_back(statement: Statement) -> None:
    shown = shown_statement(statement.name, shown_term(statement))
    if is_long(statement):
        assert shown is None
        return
    assert shown is not None
    assert shown.facet == statement.facet
    assert (shown.text, shown.label) == (statement.text, statement.label or None)
    assert shown.term or shown.value == statement.value


@given(st.frozensets(STATEMENTS, max_size=6), st.frozensets(STATEMENTS, max_size=4))
def test_a_document_says_what_it_was_made_from(own: frozenset[Statement], images: frozenset[Statement]) -> None:
    image = AcquisitionEntry("urn:uuid:c", "scan", "urn:uuid:d", "urn:uuid:a", images)
    made = ParticipantDocument("urn:uuid:a", ParticipantEntry("urn:uuid:a", "01", None, own), {image.id: image})
    assert read_person(person_document(made)) == made
    assert read_person(person_document(ParticipantDocument("urn:uuid:a"))).empty


@pytest.mark.parametrize("text", ["\U0001f9e0" * 4000, "\u0390" * 4000, "\ufb03" * 4000, "a\x1fb", "\x00" * 4000])
def test_every_term_is_short_enough(text: str) -> None:
    statement = Statement("n" * 5000, "text", text=text, label=text, original=text, term=text, unit=text)
    terms = [term for terms in filed([statement]).values() for term in terms]
    assert max(len(term.encode()) for term in terms) <= MAX_TERM
    assert len(coded("n" * 5000)) < 100


def test_one_record_is_filed_under_one_spelling_of_a_value() -> None:
    said = [Statement("sex", "text", text=text) for text in ("male", "MALE", "Male")]
    (field,) = (field for field in filed(said) if field.startswith("shown."))
    (term,) = filed(said)[field]
    shown = shown_statement("sex", term)
    assert shown is not None
    assert shown.text == "MALE"


@pytest.mark.parametrize(
    ("like", "wildcard"),
    [("a%", "a*"), ("_b", "?b"), ("100\\%", "100%"), ("\\\\", "\\\\"), ("*?", "\\*\\?"), ("\\_\\*", "_\\*")],
)
def test_patterns_become_wildcards(like: str, wildcard: str) -> None:
    assert like_wildcard(like) == wildcard


def test_joined_queries_stay_flat() -> None:
    one: dict[str, Any] = {"term": {"a": "b"}}
    assert opposite(opposite(one)) == one
    assert any_of([one, NONE]) == one
    assert any_of([one, EVERY]) == EVERY
    assert any_of([]) == opposite(EVERY) == NONE
    assert len(any_of([any_of([one, one]), one])["bool"]["should"]) == 3


def test_addresses_keep_secrets_to_themselves() -> None:
    at = address("https://me:p%40ss@search.example.org/es/")
    assert str(at) == "https://search.example.org:443/es"
    assert at.basic_auth == ("me", "p@ss")
    assert "p@ss" not in repr(at)
    assert address("http://[::1]").url == "http://[::1]:9200"
    assert address("http://x", "key").api_key == "key"


@pytest.mark.parametrize(
    ("status", "kind", "reason", "expected"),
    [
        (429, "cluster_block_exception", "index [x] blocked by: [read-only-allow-delete block]", StorageFullError),
        (403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write]", BackendUnavailableError),
        (409, "version_conflict_engine_exception", "", LostRaceError),
        (404, "index_not_found_exception", "no such index [x]", IndexGoneError),
        (503, "index_not_found_exception", "no such index [x]", IndexGoneError),
        (503, "no_shard_available_action_exception", "", ShardAwayError),
        (503, "illegal_index_shard_state_exception", "CurrentState[RECOVERING]", ShardAwayError),
        (404, "index_shard_closed_exception", "CurrentState[CLOSED] Closed", ShardAwayError),
        (503, "search_phase_execution_exception", "all shards failed", ShardAwayError),
        (400, "search_phase_execution_exception", "all shards failed", BackendUnavailableError),
        (401, "security_exception", "missing credentials", BackendUnavailableError),
        (429, "circuit_breaking_exception", "data too large", BackendUnavailableError),
        (400, "parsing_exception", "no", BackendUnavailableError),
    ],
)
def test_refusals_of_the_server_have_a_meaning(status: int, kind: str, reason: str, expected: type) -> None:
    error = meaning(status, {"error": {"type": kind, "reason": reason}}, address("http://x"))
    assert type(error) is expected
    assert meaning(502, "<html>bad gateway</html>", address("http://x")).detail.startswith("Elasticsearch at http://x")


def test_generations_of_one_name_are_told_from_those_of_another() -> None:
    names = Names("brain")
    assert names.index(7) == "sillage-brain-0007"
    assert names.generation("sillage-brain-0007") == 7
    assert names.generation("sillage-brain-stem-0007") is None
    assert names.generation("sillage-brain") is None
