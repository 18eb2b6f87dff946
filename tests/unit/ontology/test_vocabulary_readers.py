"""Readers: what each format says about a term, and how each refuses what is broken."""

import pytest

from ontology.errors import InvalidRequestError, UnsupportedMediaTypeError
from ontology.readers import FORMATS, read_vocabulary, sniff

OBO = "http://purl.obolibrary.org/obo/"
EX = "http://example.org/zoo#"
FLAT = r"""format-version: 1.4
data-version: 2026-01
ontology: zoo
idspace: EX http://example.org/zoo# "examples"

! a remark
[Term]
id: ZOO:1 ! trailing remark
name: cat \(tame\) {source="x"}
def: "A \"small\" animal,\nkept." [PMID:1, url:http\://x.org "with, comma"]
synonym: "house cat" EXACT [X:1]
synonym: "kitty" NARROW baby_talk []
synonym: "pet" BROAD []
synonym: "moggy" []
xref: MESH:D002415 "Cats"
alt_id: ZOO:11
is_a: ZOO:2 {is_inferred="true"} ! animal
intersection_of: EX:pet
intersection_of: part_of ZOO:9

[Term]
id: ZOO:2
name: animal

[Term]
id: ZOO:3
name: wildcat
is_obsolete: true
replaced_by: ZOO:1
consider: ZOO:2

[Term]
id: ZOO:11
name: obsolete tomcat
is_obsolete: true

[Typedef]
id: part_of
name: part of

[Instance]
id: ZOO:tom
name: Tom
"""
PREAMBLE = f"""<?xml version="1.0"?>
<rdf:RDF xmlns="{EX}" xml:base="http://example.org/zoo"
  xmlns:owl="http://www.w3.org/2002/07/owl#" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
  xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#" xmlns:oio="http://www.geneontology.org/formats/oboInOwl#"
  xmlns:obo="{OBO}">
"""
RDF_XML = (
    PREAMBLE
    + f"""  <owl:Ontology rdf:about="http://example.org/zoo.owl"><owl:versionInfo>7</owl:versionInfo></owl:Ontology>
  <owl:Class rdf:about="#cat">
    <rdfs:label xml:lang="en">cat</rdfs:label><rdfs:label xml:lang="FR">chat</rdfs:label>
    <oio:hasExactSynonym>house cat</oio:hasExactSynonym><oio:hasNarrowSynonym>kitty</oio:hasNarrowSynonym>
    <oio:hasDbXref>MESH:D002415</oio:hasDbXref>
    <obo:IAO_0000115>A small animal.</obo:IAO_0000115>
    <rdfs:subClassOf><owl:Class rdf:ID="animal"/></rdfs:subClassOf>
    <rdfs:subClassOf><owl:Restriction>
      <owl:onProperty rdf:resource="#eats"/><owl:someValuesFrom rdf:resource="#mouse"/>
    </owl:Restriction></rdfs:subClassOf>
    <owl:equivalentClass><owl:Class><owl:intersectionOf rdf:parseType="Collection">
      <rdf:Description rdf:about="{EX}pet"/>
      <owl:Restriction><owl:onProperty rdf:resource="#eats"/></owl:Restriction>
    </owl:intersectionOf></owl:Class></owl:equivalentClass>
  </owl:Class>
  <rdf:Description rdf:about="#animal" rdfs:label="animal"/>
  <owl:Class rdf:about="#wildcat"><rdfs:label>wildcat</rdfs:label>
    <owl:deprecated rdf:datatype="http://www.w3.org/2001/XMLSchema#boolean">true</owl:deprecated>
    <obo:IAO_0100001 rdf:resource="#cat"/></owl:Class>
  <owl:NamedIndividual rdf:about="#tom"><rdf:type rdf:resource="#cat"/>
    <rdfs:label>Tom</rdfs:label></owl:NamedIndividual>
  <owl:ObjectProperty rdf:about="#eats"><rdfs:label>eats</rdfs:label></owl:ObjectProperty>
</rdf:RDF>
"""
)
SAID = "\n".join(
    f"  <AnnotationAssertion><AnnotationProperty {property}/><IRI>#{subject}</IRI>{value}</AnnotationAssertion>"
    for subject, property, value in [
        ("cat", 'abbreviatedIRI="rdfs:label"', '<Literal xml:lang="en">cat</Literal>'),
        ("cat", 'abbreviatedIRI="rdfs:label"', '<Literal xml:lang="FR">chat</Literal>'),
        ("animal", 'abbreviatedIRI="rdfs:label"', "<Literal>animal</Literal>"),
        ("wildcat", 'abbreviatedIRI="rdfs:label"', "<Literal>wildcat</Literal>"),
        ("tom", 'abbreviatedIRI="rdfs:label"', "<Literal>Tom</Literal>"),
        ("cat", 'abbreviatedIRI="oio:hasExactSynonym"', "<Literal>house cat</Literal>"),
        ("cat", 'abbreviatedIRI="oio:hasNarrowSynonym"', "<Literal>kitty</Literal>"),
        ("cat", 'abbreviatedIRI="oio:hasDbXref"', "<Literal>MESH:D002415</Literal>"),
        ("cat", 'abbreviatedIRI="obo:IAO_0000115"', "<Literal>A small animal.</Literal>"),
        ("wildcat", 'IRI="http://www.w3.org/2002/07/owl#deprecated"', "<Literal>true</Literal>"),
        ("wildcat", 'abbreviatedIRI="obo:IAO_0100001"', "<AbbreviatedIRI>:cat</AbbreviatedIRI>"),
    ]
)
OWL_XML = f"""<?xml version="1.0"?>
<Ontology xmlns="http://www.w3.org/2002/07/owl#" xml:base="http://example.org/zoo"
  ontologyIRI="http://example.org/zoo.owl">
  <Prefix name="" IRI="{EX}"/><Prefix name="rdfs" IRI="http://www.w3.org/2000/01/rdf-schema#"/>
  <Prefix name="oio" IRI="http://www.geneontology.org/formats/oboInOwl#"/><Prefix name="obo" IRI="{OBO}"/>
  <Annotation><AnnotationProperty IRI="http://www.w3.org/2002/07/owl#versionInfo"/><Literal>7</Literal></Annotation>
  <Declaration><Class IRI="#cat"/></Declaration><Declaration><Class abbreviatedIRI=":animal"/></Declaration>
  <Declaration><Class IRI="#wildcat"/></Declaration><Declaration><ObjectProperty IRI="#eats"/></Declaration>
  <SubClassOf><Annotation><AnnotationProperty IRI="#x"/><Literal>y</Literal></Annotation>
    <Class IRI="#cat"/><Class IRI="#animal"/></SubClassOf>
  <SubClassOf><Class IRI="#cat"/>
    <ObjectSomeValuesFrom><ObjectProperty IRI="#eats"/><Class IRI="#mouse"/></ObjectSomeValuesFrom></SubClassOf>
  <EquivalentClasses><Class IRI="#cat"/><ObjectIntersectionOf><Class IRI="#pet"/>
    <ObjectSomeValuesFrom><ObjectProperty IRI="#eats"/><Class IRI="#mouse"/></ObjectSomeValuesFrom>
  </ObjectIntersectionOf></EquivalentClasses>
  <ClassAssertion><Class IRI="#cat"/><NamedIndividual IRI="#tom"/></ClassAssertion>
{SAID}
</Ontology>
"""
TURTLE = f"""@prefix : <{EX}> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix obo: <{OBO}> .
@prefix oio: <http://www.geneontology.org/formats/oboInOwl#> .
<http://example.org/zoo.owl> a owl:Ontology ; owl:versionInfo "7" .
:cat a owl:Class ; rdfs:label "cat"@en, "chat"@FR ; oio:hasExactSynonym "house cat" ; oio:hasNarrowSynonym "kitty" ;
  oio:hasDbXref "MESH:D002415" ; obo:IAO_0000115 "A small animal." ; rdfs:subClassOf :animal, [ a owl:Restriction ] ;
  owl:equivalentClass [ a owl:Class ; owl:intersectionOf ( :pet [ a owl:Restriction ] ) ] .
:animal a owl:Class ; rdfs:label "animal" .
:wildcat a owl:Class ; rdfs:label "wildcat" ; owl:deprecated true ; obo:IAO_0100001 :cat .
:tom a owl:NamedIndividual, :cat ; rdfs:label "Tom" .
:eats a owl:ObjectProperty ; rdfs:label "eats" .
"""
SKOS = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix : <http://example.org/skos/> .
:scheme a skos:ConceptScheme .
:animal a skos:Concept ; skos:prefLabel "animal"@en ; skos:narrower :cat ; skos:inScheme :scheme .
:pet a skos:Concept ; skos:prefLabel "pet"@en .
:cat a skos:Concept ; skos:prefLabel "Katze"@de, "cat"@en, "chat"@fr ; skos:altLabel "house cat"@en ;
  skos:hiddenLabel "kat" ; skos:definition "Ein Tier."@de, "An animal."@en ; skos:broader :pet ;
  skos:exactMatch <http://id.nlm.nih.gov/mesh/D002415> ; skos:notation "C1" .
"""


def by_iri(vocabulary):
    return {definition.iri: definition for definition in vocabulary.definitions}


def test_obo_is_read_with_escapes_comments_and_modifiers():
    vocabulary = read_vocabulary(FLAT.encode(), name="x")
    terms = by_iri(vocabulary)
    cat = terms[OBO + "ZOO_1"]
    assert (vocabulary.name, vocabulary.version, vocabulary.format) == ("zoo", "2026-01", "obo")
    assert set(terms) == {OBO + f"ZOO_{n}" for n in (1, 2, 3, 11)}
    assert cat.label == "cat (tame)"
    assert cat.definition == 'A "small" animal, kept.'
    assert cat.synonyms == (("house cat", "exact"), ("kitty", "narrow"), ("pet", "broad"), ("moggy", "related"))
    assert cat.xrefs == ("MESH:D002415",)
    assert cat.alternatives == ("ZOO:11",)
    assert cat.parents == (OBO + "ZOO_2", EX + "pet")
    assert terms[OBO + "ZOO_3"].replaced_by == cat.iri
    assert terms[OBO + "ZOO_3"].consider == (OBO + "ZOO_2",)
    assert terms[OBO + "ZOO_11"].replaced_by == cat.iri  # given up, and merged into the one that lists it


def test_a_term_that_is_defined_twice_is_reported_and_the_first_kept():
    vocabulary = read_vocabulary(b"ontology: x\n\n[Term]\nid: X:1\nname: a\n\n[Term]\nid: X:1\nname: b\n", name="x")
    assert [d.label for d in vocabulary.definitions] == ["a"]
    assert vocabulary.problems == ("line 7: X:1 is defined again; the first definition is kept",)


@pytest.mark.parametrize(("text", "format"), [(RDF_XML, "rdf-xml"), (OWL_XML, "owl-xml"), (TURTLE, "turtle")])
def test_owl_says_the_same_in_each_syntax(text, format):
    vocabulary = read_vocabulary(text.encode(), name="x")
    terms = by_iri(vocabulary)
    cat = terms[EX + "cat"]
    assert (vocabulary.name, vocabulary.version, vocabulary.format) == ("zoo", "7", format)
    assert set(terms) == {EX + name for name in ("cat", "animal", "wildcat", "tom")}
    assert cat.label == "cat"
    assert cat.labels == {"en": "cat", "fr": "chat"}
    assert cat.synonyms == (("house cat", "exact"), ("kitty", "narrow"))
    assert cat.parents == (EX + "animal", EX + "pet")
    assert cat.definition == "A small animal."
    assert cat.xrefs == ("MESH:D002415",)
    assert not cat.deprecated
    assert terms[EX + "animal"].label == "animal"
    assert terms[EX + "wildcat"].deprecated
    assert terms[EX + "wildcat"].replaced_by == EX + "cat"
    assert terms[EX + "tom"].parents == (EX + "cat",)


def test_skos_concepts_have_languages_and_both_directions():
    vocabulary = read_vocabulary(SKOS.encode(), name="x")
    cat = by_iri(vocabulary)["http://example.org/skos/cat"]
    assert vocabulary.name == "scheme"
    assert cat.label == "cat"
    assert cat.labels == {"de": "Katze", "en": "cat", "fr": "chat"}
    assert cat.synonyms == (("house cat", "exact"), ("kat", "related"))
    assert cat.parents == ("http://example.org/skos/animal", "http://example.org/skos/pet")
    assert cat.definition == "An animal."
    assert cat.xrefs == ("http://id.nlm.nih.gov/mesh/D002415",)
    assert cat.alternatives == ("C1",)


def test_every_language_is_found(index, source):
    index.load(source(SKOS, "skos.ttl"))
    found = {index.resolve(name).term.iri for name in ("Katze", "chat", "kat", "C1")}
    assert found == {"http://example.org/skos/cat"}


def test_replacements_in_prose_become_candidates():
    text = RDF_XML.replace(
        '<obo:IAO_0100001 rdf:resource="#cat"/>', "<obo:IAO_0100001>cat, ZOO_1 or ZOO:2</obo:IAO_0100001>"
    )
    wildcat = by_iri(read_vocabulary(text.encode(), name="x"))[EX + "wildcat"]
    assert wildcat.replaced_by is None
    assert wildcat.consider == (OBO + "ZOO_1", OBO + "ZOO_2")


def test_internal_entities_serve_as_prefixes():
    text = RDF_XML.replace("<rdf:RDF", f'<!DOCTYPE rdf:RDF [ <!ENTITY zoo "{EX}" > ]>\n<rdf:RDF', 1)
    text = text.replace('rdf:about="#cat"', 'rdf:about="&zoo;cat"').replace("A small animal.", "A small &zoo; animal.")
    cat = by_iri(read_vocabulary(text.encode(), name="x"))[EX + "cat"]
    assert cat.definition == f"A small {EX} animal."


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">',
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY a SYSTEM "http://127.0.0.1:9/x">',
        '<!ENTITY % a SYSTEM "http://127.0.0.1:9/x.dtd"> %a;',
        '<!ENTITY a "' + "x" * 2000 + '">',
    ],
)
@pytest.mark.parametrize("document", [RDF_XML, OWL_XML])
def test_entities_that_reach_out_or_blow_up_are_refused(declaration, document):
    root = "rdf:RDF" if "rdf:RDF" in document else "Ontology"
    text = document.replace(f"<{root}", f"<!DOCTYPE {root} [ {declaration} ]>\n<{root}", 1)
    with pytest.raises(InvalidRequestError) as caught:
        read_vocabulary(text.encode(), name="x", format="rdf-xml" if root == "rdf:RDF" else "owl-xml")
    assert "entity" in caught.value.detail


@pytest.mark.parametrize(
    ("text", "damage", "broken", "format"),
    [
        (FLAT, "name: animal", "name animal", "obo"),
        (FLAT, '"kitty"', '"kitty', "obo"),
        (RDF_XML, "</owl:Ontology>", "</owl:Ontolog>", "rdf-xml"),
        (RDF_XML, "<owl:Restriction>", "<a:Restriction>", "rdf-xml"),
        (OWL_XML, "</SubClassOf>", "</SubClass>", "owl-xml"),
        (OWL_XML, 'abbreviatedIRI=":animal"', 'abbreviatedIRI="nope:animal"', "owl-xml"),
        (TURTLE, ":animal a owl:Class ;", ":animal a owl:Class ;; ;,", "turtle"),
    ],
)
def test_a_broken_file_is_refused_with_its_position(text, damage, broken, format):
    line = text[: text.index(damage)].count("\n") + 1
    with pytest.raises(InvalidRequestError) as caught:
        read_vocabulary(text.replace(damage, broken, 1).encode(), name="x", format=format)
    assert caught.value.detail.startswith(f"line {line}")
    assert caught.value.params["line"] == line
    assert caught.value.field == "source"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 100, b"\xff\xfe\xfa", b"<" * 1000, b"[" * 100_000, b"(" * 50_000, b'"', b"<a/>", b"\n\n"]
)
def test_rubbish_never_gives_another_error(format, data):
    with pytest.raises(InvalidRequestError):
        read_vocabulary(data, name="x", format=format)


def test_deeply_nested_xml_is_refused():
    deep = PREAMBLE + "<owl:Class><rdfs:subClassOf>" * 5000 + "</rdfs:subClassOf></owl:Class>" * 5000 + "</rdf:RDF>"
    with pytest.raises(InvalidRequestError):
        read_vocabulary(deep.encode(), name="x")


@pytest.mark.parametrize(
    ("text", "format"),
    [
        (FLAT, "obo"),
        ("\ufeff" + FLAT, "obo"),
        ("! remark\n\n" + FLAT, "obo"),
        (RDF_XML, "rdf-xml"),
        (OWL_XML, "owl-xml"),
        (TURTLE, "turtle"),
        (SKOS, "turtle"),
        ("# remark\n" + SKOS, "turtle"),
        ("<http://a> <http://b> <http://c> .", "turtle"),
        ("participant_id\tage\n", None),
        ("{}", None),
        ("<html/>", None),
    ],
)
def test_formats_are_told_by_content(text, format):
    assert sniff(text.encode()) == format


def test_a_format_that_is_not_read_is_named():
    with pytest.raises(UnsupportedMediaTypeError) as caught:
        read_vocabulary(b"x", name="x", format="xlsx")
    assert "turtle" in caught.value.next_step()
