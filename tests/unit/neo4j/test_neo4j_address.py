"""URLs of servers: what is read from them, and what is shown of them."""

from __future__ import annotations

import pytest

from catalog.backends.neo4j.address import Address
from catalog.backends.neo4j.connection import translate
from catalog.backends.neo4j.limits import refuse_long_names
from catalog.backends.neo4j.migrations import MIGRATIONS, expected_schema
from catalog.commits.prepared import prepare
from catalog.model import Commit, Put
from ontology.errors import BackendUnavailableError, IntegrityError, InvalidRequestError


def test_name_and_password_are_taken_out_of_the_url() -> None:
    address = Address.parse("neo4j+s://ann:se%40cret@graph.example.org:7688")
    assert (address.url, address.user, address.password) == ("neo4j+s://graph.example.org:7688", "ann", "se@cret")
    assert "cret" not in repr(address)


def test_what_is_given_beside_the_url_wins() -> None:
    address = Address.parse("bolt://ann:old@[::1]", user="bob", password="new", database="scans")
    assert (address.url, address.user, address.password) == ("bolt://[::1]", "bob", "new")
    assert address.database == "scans"


@pytest.mark.parametrize("url", ["", "http://x", "bolt://", "bolt://h:port", "bolt://h/db", "bolt://h:99999", "x"])
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Address.parse(url)
    assert caught.value.next_step()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Neo.ClientError.General.ForbiddenOnReadOnlyDatabase", BackendUnavailableError),
        ("Neo.ClientError.Transaction.TransactionTimedOut", BackendUnavailableError),
        ("Neo.TransientError.Transaction.LockAcquisitionTimeout", BackendUnavailableError),
        ("Neo.TransientError.Transaction.DeadlockDetected", BackendUnavailableError),
        ("Neo.TransientError.General.DatabaseUnavailable", BackendUnavailableError),
        ("Neo.ClientError.Security.Unauthorized", BackendUnavailableError),
        ("Neo.ClientError.Schema.ConstraintValidationFailed", IntegrityError),
    ],
)
def test_what_the_server_says_is_translated_without_its_words(code: str, expected: type[Exception]) -> None:
    exceptions = pytest.importorskip("neo4j.exceptions")
    error = exceptions.Neo4jError._hydrate_neo4j(code=code, message="sub-01 is secret")
    translated = translate(error, "bolt://here")
    assert type(translated) is expected
    assert "sub-01" not in translated.detail
    assert "bolt://here" in translated.detail


def test_names_that_no_index_can_hold_are_refused() -> None:
    def commit(**members: object) -> Commit:
        put = Put(**{"id": "urn:x", "type": "Dataset", "document": {}, **members})  # type: ignore[arg-type]
        return Commit(principal="urn:me", action="a.b", changes=[put])

    long = "é" * 3_000
    assert refuse_long_names(prepare(commit(document={"label": long}))) is None
    for members in (
        {"id": long},
        {"type": long},
        {"aliases": [long]},
        {"edges": [("prov:used", long)]},
        {"document": {"files": [{"id": long}]}},
        {"document": {"dataset": long}},
    ):
        assert isinstance(refuse_long_names(prepare(commit(**members))), InvalidRequestError)


def test_every_statement_of_a_migration_can_be_run_again() -> None:
    statements = [statement for step in MIGRATIONS for statement in step]
    assert all("IF NOT EXISTS" in statement for statement in statements)
    assert len(expected_schema()) == len(statements)
