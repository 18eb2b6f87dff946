"""Codes without the name of their system."""

from __future__ import annotations

import pytest

from ontology.bare_codes import resolve_code
from ontology.errors import AmbiguousError, NotFoundError
from ontology.term_model import Resolution, Term

MS = Term(iri="http://x/MS", curie="X:MS", label="multiple sclerosis")
FLU = Term(iri="http://x/FLU", curie="X:FLU", label="influenza")
XREFS = {"ICD10CM:G35": MS, "MESH:D009103": MS, "SNOMEDCT:24700007": MS, "MESH:C123456": FLU, "NCIT:C123456": MS}


def resolve(curie: str) -> Resolution:
    if curie not in XREFS:
        raise NotFoundError(curie)
    return Resolution(term=XREFS[curie])


@pytest.mark.parametrize("code", ["G35", " g35 ", "D009103", "24700007"])
def test_a_code_is_found_by_its_form(code: str) -> None:
    found = resolve_code(code, resolve)
    assert found.term == MS
    assert "multiple sclerosis" in (found.notice or "")


@pytest.mark.parametrize("text", ["", "G36", "U07", "multiple sclerosis", "35", "MESH:D009103", "G35.12345"])
def test_what_nobody_refers_to_is_not_found(text: str) -> None:
    with pytest.raises(NotFoundError):
        resolve_code(text, resolve)


def test_a_code_of_two_systems_is_ambiguous() -> None:
    with pytest.raises(AmbiguousError) as caught:
        resolve_code("C123456", resolve)
    assert [candidate["curie"] for candidate in caught.value.params["candidates"]] == ["X:FLU", "X:MS"]
