"""What a word means as a value of one property."""

import pytest

from ontology.curies import expand
from ontology.errors import AmbiguousError, NotFoundError
from ontology.property_values import resolve_value
from ontology.terms import TermIndex


@pytest.mark.parametrize(
    ("name", "text", "curie"),
    [
        ("diagnosis", "control", "NCIT:C94342"),
        ("group", "control", "sillage:control-group"),
        ("diagnosis", "TD", "sillage:typically-developing"),
        ("sex", "o", "sillage:sex-other"),
        ("diagnosis", "brain", "UBERON:0000955"),
        ("age", "brain", "UBERON:0000955"),
        ("data_use", "GRU", "DUO:0000042"),
        ("task", "reading", "sillage:reading-task"),
    ],
)
def test_a_word_means_what_the_property_is_about(starter, name, text, curie):
    assert resolve_value(starter, name, text).term.iri == expand(curie)


def test_a_word_of_two_vocabularies_is_no_doubt_within_a_property(tmp_path, obo):
    with TermIndex.open(tmp_path / "terms.sqlite") as index:
        path = tmp_path / "zoo.obo"
        path.write_text(obo('id: ZOO:1|name: aardvark|synonym: "MS" EXACT []', ontology="zoo"))
        index.load(path)
        with pytest.raises(AmbiguousError):
            index.resolve("MS")
        assert resolve_value(index, "diagnosis", "MS").term.curie == "DOID:2377"
        with pytest.raises(AmbiguousError):
            resolve_value(index, "site", "MS")
        with pytest.raises(NotFoundError):
            resolve_value(index, "diagnosis", "no such thing")
