import pytest

from catalog.doi.registrar import OfflineRegistrar, Registered
from catalog.doi.suffix import is_suffix
from ontology.errors import ConflictError, InvalidRequestError


def test_a_reserved_doi_is_under_the_test_prefix_and_resolves_nowhere() -> None:
    registrar = OfflineRegistrar()
    doi = registrar.new_doi()
    assert doi.startswith("10.5072/")
    assert is_suffix(doi.removeprefix("10.5072/"))
    reserved = registrar.reserve({}, doi=doi)
    assert reserved == Registered(doi=doi, state="draft", resolvable=False)
    assert registrar.reserve({}, doi=doi.upper()) == reserved
    assert registrar.hide(doi) == reserved


def test_without_an_account_nothing_is_published() -> None:
    registrar = OfflineRegistrar()
    with pytest.raises(ConflictError, match="account") as caught:
        registrar.publish(registrar.new_doi(), url="https://example.org", metadata={})
    assert "datacite_repository" in str(caught.value.next_step())


def test_other_prefixes_are_refused() -> None:
    with pytest.raises(InvalidRequestError):
        OfflineRegistrar(prefix="11.5")
    with pytest.raises(InvalidRequestError, match="prefix"):
        OfflineRegistrar().reserve({}, doi="10.1234/abc")
