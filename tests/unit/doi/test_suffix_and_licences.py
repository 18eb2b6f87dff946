import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.doi.suffix import encode_suffix, is_suffix, new_suffix
from ontology.identifiers import normalise_doi
from ontology.licences import spdx_licence


@given(st.integers(min_value=0, max_value=2**40 - 1))
def test_every_suffix_has_a_checksum_that_holds(number: int) -> None:
    suffix = encode_suffix(number)
    assert is_suffix(suffix)
    assert is_suffix(suffix.upper())
    assert normalise_doi(f"10.5072/{suffix}") == f"10.5072/{suffix}"


@given(st.integers(min_value=0, max_value=2**40 - 1), st.integers(0, 7), st.integers(1, 31))
def test_one_wrong_character_is_noticed(number: int, place: int, change: int) -> None:
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    letters = list(encode_suffix(number).replace("-", ""))
    letters[place] = alphabet[(alphabet.index(letters[place]) + change) % 32]
    assert not is_suffix("".join(letters))


def test_suffixes_of_datacite_itself_are_read() -> None:
    assert is_suffix("9184-DY35")
    assert not is_suffix("9184-DY36")
    assert not is_suffix("")
    assert not is_suffix("9184-DYu5")


def test_fresh_suffixes_differ() -> None:
    assert len({new_suffix() for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        ("CC0", "CC0-1.0"),
        ("CC-0", "CC0-1.0"),
        ("cc0-1.0", "CC0-1.0"),
        ("This dataset is made available under CC0.", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("PDDL", "PDDL-1.0"),
        ("CC BY 4.0", "CC-BY-4.0"),
        ("CC-BY-NC-SA 3.0", "CC-BY-NC-SA-3.0"),
        ("http://creativecommons.org/licenses/by-nc-nd/4.0/", "CC-BY-NC-ND-4.0"),
        ("Creative Commons Attribution-NonCommercial 4.0 International", "CC-BY-NC-4.0"),
        (
            "Creative Commons Attribution 4.0 International License (https://creativecommons.org/licenses/by/4.0/)",
            "CC-BY-4.0",
        ),
        ("Creative Commons Attribution No Derivatives 4.0", "CC-BY-ND-4.0"),
        ("Apache-2.0", "Apache-2.0"),
        ("MIT License", "MIT"),
    ],
)
def test_licences_beyond_doubt_get_their_identifier(text: str, spdx: str) -> None:
    found = spdx_licence(text)
    assert found is not None
    assert found.spdx == spdx
    assert found.url.startswith("http")


@pytest.mark.parametrize(
    "text",
    ["PD", "CCO license", "CC-BY", "", "n/a", "CC0 or CC-BY-4.0", "not CC0", "CC BY 4.0, CC BY-NC 4.0", "GPL"],
)
def test_doubtful_licences_get_none(text: str) -> None:
    assert spdx_licence(text) is None
