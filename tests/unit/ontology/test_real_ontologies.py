"""The real ontologies: counts known from outside, hierarchy, terms that were given up, speed."""

import csv
import re
import time

import pytest
import rdflib
from lxml import etree

from ontology import starter as starter_package
from ontology.curies import contract, expand
from ontology.readers import read_vocabulary
from ontology.readers.owl_rdf import RdfXml

OBO = "http://purl.obolibrary.org/obo/"


@pytest.mark.parametrize(
    ("file", "format", "terms", "deprecated"),
    [
        ("doid-2016-08-12.obo", "obo", 9339, 2373),
        ("duo.owl", "rdf-xml", 299, 21),
        ("edam-bioimaging.owl", "rdf-xml", 473, 0),
        ("nidm-experiment.owl", "turtle", 228, 0),
        ("nidm-results_130.owl", "turtle", 195, 8),
        ("prov-o.ttl", "turtle", 31, 0),
    ],
)
def test_each_loads_whole(loaded, file, format, terms, deprecated):
    report = loaded.reports[file]
    assert (report.format, report.terms, report.deprecated) == (format, terms, deprecated)
    assert not [problem for problem in report.problems if problem.startswith("cycle")]


def test_the_disease_ontology_agrees_with_a_line_count(ontologies):
    text = (ontologies / "doid-2016-08-12.obo").read_text()
    body = text[: text.index("[Typedef]")]
    definitions = read_vocabulary(text.encode(), name="x").definitions
    assert len(definitions) == len(re.findall(r"^\[Term\]$", text, re.MULTILINE)) == 9339
    assert sum(d.deprecated for d in definitions) == len(re.findall(r"^is_obsolete: true", body, re.MULTILINE))
    assert sum(len(d.parents) for d in definitions) == len(re.findall(r"^is_a: ", body, re.MULTILINE))
    assert sum(len(d.synonyms) for d in definitions) == len(re.findall(r"^synonym: ", body, re.MULTILINE))
    assert sum(len(d.xrefs) for d in definitions) == len(re.findall(r"^xref: ", body, re.MULTILINE))
    assert sum(d.definition is not None for d in definitions) == len(re.findall(r"^def: ", body, re.MULTILINE))


def test_multiple_sclerosis_is_a_demyelinating_disease(loaded):
    below = loaded.descendants("DOID:3213")
    assert expand("DOID:2377") in below
    assert expand("DOID:0050784") in below  # primary progressive
    assert expand("DOID:10652") not in below  # Alzheimer's disease
    assert [t.label for t in loaded.path("DOID:0050784", "DOID:3213")] == [
        "primary progressive multiple sclerosis",
        "multiple sclerosis",
        "demyelinating disease",
    ]


def test_several_parents_are_all_ancestors(loaded):
    cancer = loaded.resolve("brain cancer").term
    assert len(cancer.parents) == 2
    assert expand("DOID:936") in loaded.ancestors(cancer.iri)  # brain disease
    assert expand("DOID:162") in loaded.ancestors(cancer.iri)  # cancer


def test_descent_equals_a_walk_over_the_children(loaded):
    for root in ("DOID:4", "DOID:863", "DOID:162", "DUO:0000001", "EDAM:topic_Microscopy"):
        root = loaded.get(root).iri
        found, pending = set(), [root]
        while pending:
            term = pending.pop()
            if term not in found:
                found.add(term)
                pending.extend(child.iri for child in loaded.children(term))
        assert loaded.descendants(root) == found
        assert all(root in loaded.ancestors(term) for term in sorted(found - {root})[:50])


def test_every_cross_reference_finds_its_term_or_says_that_it_is_shared(loaded):
    assert loaded.resolve("ICD10CM:G35").term.curie == "DOID:2377"
    assert loaded.resolve("SNOMEDCT_US_2016_03_01:24700007").term.curie == "DOID:2377"
    assert loaded.resolve("http://snomed.info/id/24700007").term.curie == "DOID:2377"
    assert loaded.resolve("UMLS:C0026769").term.curie == "DOID:2377"


def test_terms_that_were_given_up_lead_on(loaded):
    merged = [t for t in loaded.find("obsolete", limit=1000) if t.deprecated]
    assert merged
    general = loaded.resolve("DUO:0000005")
    assert general.term.deprecated
    assert "consider DUO:0000042, DUO:0000043" in general.notice


def test_the_data_use_terms_are_found_by_their_codes(loaded):
    assert loaded.resolve("GRU").term.label == "general research use"
    assert loaded.resolve("HMB").term.curie == "DUO:0000006"


def test_loaded_vocabularies_take_the_word_from_the_starter(loaded):
    assert loaded.get("DOID:2377").vocabulary == "doid"
    assert loaded.get("nidm:T1Weighted").vocabulary == "nidm-experiment"
    assert loaded.get("PATO:0000384").vocabulary == "sillage-starter"
    assert loaded.resolve("PPMS").term.curie == "DOID:0050784"  # a synonym of the starter stays


@pytest.mark.parametrize("file", ["duo.owl", "edam-bioimaging.owl"])
def test_rdf_xml_is_read_as_rdflib_reads_it(ontologies, file):
    data = (ontologies / file).read_bytes()
    ours = list(RdfXml(etree.fromstring(data)).statements())
    theirs = rdflib.Graph().parse(data=data, format="xml")
    assert len(set(ours)) == len(theirs)
    assert {
        (s.subject, s.predicate, s.object) for s in ours if s.subject[1] != ":" and not s.object.startswith("_:")
    } == {
        (str(s), str(p), str(o))
        for s, p, o in theirs
        if isinstance(s, rdflib.URIRef) and not isinstance(o, rdflib.BNode)
    }


def test_turtle_and_rdf_xml_of_one_ontology_say_the_same(ontologies):
    for file in ("nidm-experiment.owl", "prov-o.ttl"):
        data = (ontologies / file).read_bytes()
        graph = rdflib.Graph().parse(data=data, format="turtle")
        turtle = read_vocabulary(data, name="x")
        xml = read_vocabulary(graph.serialize(format="xml").encode(), name="x")
        assert {d.iri: (d.label, d.parents, d.deprecated) for d in xml.definitions} == {
            d.iri: (d.label, d.parents, d.deprecated) for d in turtle.definitions
        }


def test_the_starter_says_of_diseases_what_the_disease_ontology_says(ontologies):
    known = {d.iri: d for d in read_vocabulary((ontologies / "doid-2016-08-12.obo").read_bytes(), name="x").definitions}
    with (starter_package._FOLDER / "diagnoses.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    assert len(rows) > 300
    for row in rows:
        term = known[expand(row["term"])]
        assert row["label"] == term.label
        assert not term.deprecated
        assert sorted(filter(None, row["parents"].split("|"))) == sorted(map(contract, term.parents))


def test_the_starter_says_of_nidm_terms_what_nidm_says(ontologies, starter):
    data = (ontologies / "nidm-experiment.owl").read_bytes()
    known = {d.iri: d for d in read_vocabulary(data, name="x").definitions}
    shared = [d for d in starter_package.read_starter().definitions if "nidash/nidm#" in d.iri]
    assert len(shared) > 30
    for definition in shared:
        assert definition.iri in known
        assert known[definition.iri].label in (definition.label, None)


def test_look_up_and_descent_are_quick(loaded):
    def best(call):
        times = []
        for _ in range(7):
            loaded._cache.clear()
            start = time.thread_time()
            call()
            times.append(time.thread_time() - start)
        return min(times)

    assert best(lambda: loaded.resolve("multiple sclerosis")) < 0.002
    assert best(lambda: loaded.descendants("DOID:3213")) < 0.002
    assert best(lambda: loaded.find("multiple scl")) < 0.02
