"""The starter vocabulary, CURIEs, units, wire names and the JSON-LD context."""

import json
from collections import Counter

import pytest
import rdflib
from bidsschematools.schema import load_schema

from ontology import wire
from ontology.context import record_context
from ontology.curies import canonical_iri, contract, expand, name_key, reference_key
from ontology.errors import AmbiguousError, IntegrityError
from ontology.starter import read_starter
from ontology.units import convert, convertible, ucum

OBO = "http://purl.obolibrary.org/obo/"


def test_the_starter_is_whole(starter):
    definitions = read_starter().definitions
    known = {d.iri for d in definitions}
    assert len(definitions) > 800
    assert all(d.label and d.label == d.label.strip() for d in definitions)
    assert all(parent in known for d in definitions for parent in d.parents)
    assert starter.vocabularies()[0]["terms"] == len(definitions)


def test_every_label_of_the_starter_means_one_term(starter):
    labels = Counter(name_key(d.label) for d in read_starter().definitions)
    assert [label for label, count in labels.items() if count > 1] == []
    for definition in read_starter().definitions:
        assert starter.resolve(definition.label).term.iri == definition.iri


def test_names_that_mean_several_starter_terms_are_known(starter):
    shared = set()
    for definition in read_starter().definitions:
        for name, _ in definition.synonyms:
            try:
                starter.resolve(name)
            except AmbiguousError:
                shared.add(name)
    assert shared == set()


def test_the_starter_has_no_cycle(starter):
    assert all(d.iri not in starter.ancestors(d.iri) for d in read_starter().definitions)


def test_a_damaged_starter_is_named(tmp_path, monkeypatch):
    from ontology import starter

    monkeypatch.setattr(starter, "_FOLDER", tmp_path)
    for text in ("wrong\n", "term\tlabel\tparents\tsynonyms\txrefs\nX:1\ta\n"):
        (tmp_path / "a.tsv").write_text(text)
        with pytest.raises(IntegrityError):
            read_starter()


@pytest.mark.parametrize(
    ("curie", "iri"),
    [
        ("DOID:2377", OBO + "DOID_2377"),
        ("NCBITaxon:9606", OBO + "NCBITaxon_9606"),
        ("NCIT:C94342", OBO + "NCIT_C94342"),
        ("nidm:T1Weighted", "http://purl.org/nidash/nidm#T1Weighted"),
        ("prov:Activity", "http://www.w3.org/ns/prov#Activity"),
        ("sillage:sex", "urn:sillage:vocabulary:sex"),
        ("MESH:D001921", "http://id.nlm.nih.gov/mesh/D001921"),
        ("bids-suffix:T1w", "https://bids-specification.readthedocs.io/en/stable/glossary.html#objects.suffixes.T1w"),
    ],
)
def test_curies_and_iris_are_each_others_inverse(curie, iri):
    assert expand(curie) == iri
    assert contract(iri) == curie


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        ("http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl#C94342", OBO + "NCIT_C94342"),
        ("https://purl.obolibrary.org/obo/DOID_4", OBO + "DOID_4"),
        ("https://identifiers.org/DOID:4", OBO + "DOID_4"),
        ("https://identifiers.org/doid/DOID:4", OBO + "DOID_4"),
        ("http://snomed.info/id/24700007", "http://purl.bioontology.org/ontology/SNOMEDCT/24700007"),
        ("http://example.org/x", "http://example.org/x"),
    ],
)
def test_one_iri_for_one_term(foreign, ours):
    assert canonical_iri(foreign) == ours


def test_keys_compare_what_people_write():
    assert reference_key("SNOMEDCT_US_2016_03_01:1") == reference_key("snomed:1") == reference_key("SCTID:1")
    assert reference_key("UMLS_CUI:C1") == reference_key("umls: C1")
    assert name_key("  Multiple\tSclerosis ") == "multiple sclerosis"
    assert contract("http://example.org/zoo#cat", {"zoo": "http://example.org/zoo#"}) == "zoo:cat"
    assert contract("http://example.org/zoo#cat") == "http://example.org/zoo#cat"
    assert expand("no curie at all") is None


@pytest.mark.parametrize(
    ("text", "code"),
    [("Years", "a"), ("mM", "mmol/L"), ("MM", "mm"), ("µm", "um"), ("", None), ("number of x", "{number_of_x}")],
)
def test_units(text, code):
    assert ucum(text) == code


@pytest.mark.parametrize(
    ("amount", "unit", "wanted", "found"),
    [
        (12, "mo", "a", 1),
        (18, "mo", "a", 1.5),
        (365.25, "d", "a", 1),
        (12, "kg", "a", None),
        (3000, "mT", "T", 3),
        (15000, "G", "T", 1.5),
        (2300, "ms", "s", 2.3),
        (154, "[lb_av]", "kg", 69.85322498),
        (71, "[in_i]", "cm", 180.34),
        (25, "g", "kg", 0.025),
        (98.6, "[degF]", "Cel", 37),
        (310.15, "K", "Cel", 37),
        (10, "mCi", "MBq", 370),
        (5, "{score}", "{score}", 5),
        (5, "{score}", "s", None),
        (5, "no such unit", "neither", None),
    ],
)
def test_amounts_are_converted_where_they_measure_the_same(amount, unit, wanted, found):
    assert convert(amount, unit, wanted) == (found if found is None else pytest.approx(found, rel=1e-15))
    assert convertible(unit, wanted) == (found is not None)


def test_conversion_is_exact_where_a_float_can_be():
    assert convert(0.1, "kg", "g") == 100
    assert convert(3, "mo", "a") == 0.25
    assert convert(convert(21.7, "Cel", "[degF]"), "[degF]", "Cel") == pytest.approx(21.7, rel=1e-15)


def test_wire_names_go_both_ways():
    for name in wire.NAMES:
        assert wire.from_wire(wire.NAMES[name]) == name
    assert wire.to_wire("was_derived_from") == "wasDerivedFrom"
    assert wire.to_wire("byte_size") == "byteSize"
    assert wire.to_wire("bids_version") == "BIDSVersion"
    assert wire.from_wire("accessURL") == "access_url"
    assert wire.from_wire("unheardOf") == "unheardOf"
    assert len(set(wire.NAMES.values())) == len(wire.NAMES)


def test_relations_answer_to_each_other():
    assert wire.to_datacite("prov:wasDerivedFrom") == "IsDerivedFrom"
    assert wire.to_bids("prov:wasDerivedFrom") == "SourceDatasets"
    assert wire.to_datacite("prov:used") is None
    assert all(relation.lost for relation in wire.RELATIONS)


def test_bids_names_are_those_of_the_schema():
    schema = load_schema()
    suffixes = {suffix.value for suffix in schema.objects.suffixes.values()}
    ours = {d.iri.rpartition("suffixes.")[2] for d in read_starter().definitions if "suffixes." in d.iri}
    assert ours <= suffixes
    metadata = {entry.name for entry in schema.objects.metadata.values()}
    bids = {curie.partition(":")[2] for curie in wire.NAMES.values() if curie.startswith("bids:")}
    assert bids <= metadata


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # inside rdflib
def test_a_record_with_its_context_is_rdf():
    record = {
        "@context": record_context(),
        "id": "urn:uuid:1",
        "type": "Acquisition",
        "label": "sub-01_T1w",
        "dataset": "urn:uuid:2",
        "created": "2026-11-21T10:00:00Z",
        "properties": {"contrast": [{"value": "T1w", "original": "T1w", "term": "http://example.org/t1"}]},
        "metadata": {"EchoTime": 0.01, "SliceTiming": [0, 1]},
        "files": [{"id": "urn:uuid:3", "path": "a.nii", "size": 3}],
        "no_standard_has_this": True,
    }
    graph = rdflib.Graph().parse(data=json.dumps(record), format="json-ld")
    us = rdflib.URIRef("urn:uuid:1")
    dcterms, dcat = rdflib.Namespace("http://purl.org/dc/terms/"), rdflib.Namespace("http://www.w3.org/ns/dcat#")
    ours = rdflib.Namespace("urn:sillage:vocabulary:")
    assert (us, rdflib.RDFS.label, rdflib.Literal("sub-01_T1w")) in graph
    assert (us, dcterms.isPartOf, rdflib.URIRef("urn:uuid:2")) in graph
    assert (us, dcat.distribution, rdflib.URIRef("urn:uuid:3")) in graph
    assert (us, ours["no_standard_has_this"], rdflib.Literal(True)) in graph
    assert list(graph.objects(None, rdflib.URIRef("http://schema.org/valueReference"))) == [
        rdflib.URIRef("http://example.org/t1")
    ]
    assert graph.value(us, dcterms.created).datatype == rdflib.XSD.dateTime


def test_the_context_names_no_prefix_that_it_does_not_declare():
    context = record_context()
    for name, entry in context.items():
        iri = entry.get("@id", "") if isinstance(entry, dict) else entry
        if isinstance(iri, str) and ":" in iri and not iri.startswith(("http", "urn")):
            assert iri.partition(":")[0] in context, name
