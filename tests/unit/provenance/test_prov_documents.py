"""The registry of formats, and what particular documents look like in each."""

from __future__ import annotations

import json

import pytest

from ontology.errors import InvalidRequestError, NotAcceptableError
from provenance import vocabulary as v
from provenance.formats import FORMATS, find_format, read, write
from provenance.model import Identifier, Literal, ProvDocument


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("json", "json"),
        ("application/json; charset=utf-8", "json"),
        ("n", "n"),
        ("PROVN", "n"),
        (".provn", "n"),
        ("text/turtle", "turtle"),
        ("ttl", "turtle"),
        ("application/ld+json", "jsonld"),
        ("application/trig", "trig"),
    ],
)
def test_formats_are_found_by_every_name(asked: str, name: str) -> None:
    assert find_format(asked).name == name


def test_an_unknown_format_lists_the_known() -> None:
    with pytest.raises(NotAcceptableError) as failed:
        write(ProvDocument(), "yaml")
    assert failed.value.params["formats"] == list(FORMATS)
    with pytest.raises(NotAcceptableError):
        read(b"", "docx")


def test_text_is_not_bytes() -> None:
    with pytest.raises(InvalidRequestError):
        read("document endDocument", "n")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_an_empty_document_comes_back_empty(name: str) -> None:
    assert read(write(ProvDocument(), name), name) == ProvDocument()


def test_media_types_belong_to_one_format() -> None:
    types = [media for one in FORMATS.values() for media in one.media_types]
    assert len(types) == len(set(types))
    assert all(one.media_type in types for one in FORMATS.values())


def test_bundles_need_named_graphs() -> None:
    document = ProvDocument({"ex": "http://example.org/"})
    document.bundle("ex:b").entity("ex:e")
    with pytest.raises(NotAcceptableError) as failed:
        write(document, "turtle")
    assert "TriG" in str(failed.value.next_step())
    assert read(write(document, "trig"), "trig") == document


def test_empty_bundles_are_kept() -> None:
    document = ProvDocument({"ex": "http://example.org/"})
    document.bundle("ex:b")
    for name in ("json", "n", "trig", "jsonld"):
        assert read(write(document, name), name) == document


@pytest.mark.parametrize("name", ["json", "n", "jsonld"])
def test_contradictions_survive_where_they_can_be_said(name: str) -> None:
    document = ProvDocument({"ex": "http://example.org/"})
    for start in ("2026-11-21T10:00:00Z", "2026-11-21T10:30:00Z"):
        document.activity("ex:a", start=start)
        document.used("ex:b", "ex:e", time=start, id="ex:u")
    assert read(write(document, name), name) == document


def test_prov_o_refuses_what_it_cannot_say() -> None:
    document = ProvDocument({"ex": "http://example.org/"})
    document.used("ex:b", "ex:e", id="ex:u")
    document.was_generated_by("ex:e", "ex:b", id="ex:u")
    with pytest.raises(NotAcceptableError, match="two relations"):
        write(document, "turtle")
    other = ProvDocument({"ex": "http://example.org/"})
    other.mention_of("ex:a", "ex:b", "ex:c")
    other.mention_of("ex:a", "ex:b", "ex:d")
    with pytest.raises(NotAcceptableError, match="two mentions"):
        write(other, "turtle")


def test_prov_n_reads_as_the_recommendation_writes_it() -> None:
    text = """
        document
          default <http://example.org/1/>
          prefix ex <http://example.org/\\u00e9/>
          /* a comment */ // another
          entity(e1, [ex:a="x" %% xsd:string, ex:b='ex:c\\=d', ex:n=-7, prov:type="p:q" %% xsd:anyURI,
                      ex:long=\"\"\"two
lines and "quotes\"\"\"\", ex:lang="chat"@fr ])
          activity(2011, -, 2011-11-16T16:05:00)
          used(u; 2011, e1, -)
          wasGeneratedBy(-; e1, 2011, -)
          prov:mentionOf(e1, e2, b)
          bundle b
            default <http://example.org/2/>
            entity(e1)
          endBundle
        endDocument
    """.replace('quotes""""', 'quotes"""')
    document = read(text.encode(), "n")
    entity = document.statements[0]
    assert entity.id == "http://example.org/1/e1"
    told = {
        (name.rpartition("/")[2], value if isinstance(value, str) else value.text) for name, value in entity.attributes
    }
    assert ("a", "x") in told
    assert ("b", "http://example.org/\u00e9/c=d") in told
    assert ("n", "-7") in told
    assert ("long", 'two\nlines and "quotes') in told
    assert ("lang", "chat") in told
    assert document.statements[1].id == "http://example.org/1/2011"
    assert document.statements[2].id == "http://example.org/1/u"
    assert document.statements[3].id is None
    assert list(document.bundles) == ["http://example.org/2/b"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "the document ends"),
        ("document", "the document ends"),
        ("document\n  entity(a)\nendDocument", "needs a default namespace"),
        ("document\n prefix ex <http://e/>\n entity(ex:a, [ex:k=])\nendDocument", "line 3"),
        ("document\n prefix ex <http://e/>\n frob(ex:a)\nendDocument", "line 3, column 2: a statement"),
        ("document\n prefix ex <http://e/>\n wasAttributedTo(ex:a)\nendDocument", "line 3"),
        ('document\n prefix ex <http://e/>\n entity(ex:a, [ex:k="\\q"])\nendDocument', "escape"),
        ("document\n prefix ex <http://e/>\n bundle ex:b\n", "the document ends"),
        ("document endDocument more", "the end"),
        ("document \u00a7 endDocument", "line 1, column 10"),
    ],
)
def test_bad_prov_n_is_refused_with_its_place(text: str, where: str) -> None:
    with pytest.raises(InvalidRequestError) as failed:
        read(text.encode(), "n")
    assert where in failed.value.detail


@pytest.mark.parametrize(
    "root",
    [
        [],
        {"entity": []},
        {"entity": {"ex:a": {}}},
        {"entities": {}},
        {"prefix": {"ex": 1}},
        {"entity": {"_:a": {}}},
        {"used": {"_:a": {"prov:activity": "_:b"}}},
        {"used": {"_:a": {"prov:activity": ["urn:a", "urn:b"]}}},
        {"entity": {"urn:a": {"urn:k": None}}},
        {"entity": {"urn:a": {"urn:k": [["x"]]}}},
        {"entity": {"urn:a": {"urn:k": {"type": "xsd:int"}}}},
        {"entity": {"urn:a": {"urn:k": {"$": "1", "type": "xsd:int", "more": 1}}}},
        {"activity": {"urn:a": {"prov:startTime": "yesterday"}}},
        {"bundle": {"urn:b": {"bundle": {}}}},
    ],
)
def test_bad_prov_json_is_refused(root: object) -> None:
    with pytest.raises(InvalidRequestError):
        read(json.dumps(root).encode(), "json")


@pytest.mark.parametrize("text", ["{", "\xff", '{"entity":{},"entity":{}}', '{"a": NaN}', "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    for name in ("json", "jsonld"):
        with pytest.raises(InvalidRequestError):
            read(text.encode("latin-1"), name)


def test_prov_json_of_other_writers_is_read() -> None:
    root = {
        "prefix": {"ex": "http://example.org/", "default": "http://default.example/"},
        "entity": {
            "ex:a": [{"ex:k": 1}, {"ex:k": [2.5, True]}],
            "b": {"prov:type": {"$": "ex:T", "type": "prov:QUALIFIED_NAME"}},
        },
        "hadMember": {"_:m": {"prov:collection": "ex:a", "prov:entity": ["b", "ex:c"]}},
        "activity": {"ex:x": {"prov:startTime": {"$": "2026-11-21T10:00:00Z", "type": "xsd:dateTime"}}},
    }
    document = read(json.dumps(root).encode(), "json")
    wanted = ProvDocument({"ex": "http://example.org/", "": "http://default.example/"})
    wanted.entity("ex:a", {"ex:k": [1, 2.5, True]})
    wanted.entity("b", {"prov:type": wanted.name("ex:T")})
    wanted.had_member("ex:a", "b")
    wanted.had_member("ex:a", "ex:c")
    wanted.activity("ex:x", start="2026-11-21T10:00:00Z")
    assert document == wanted
    assert document.namespaces["ex"] == "http://example.org/"


def test_json_ld_fetches_nothing_and_takes_no_foreign_context() -> None:
    for context in ("http://evil.example/context", {"entity": {"@id": "http://evil.example/entity"}}, 7):
        with pytest.raises(InvalidRequestError):
            read(json.dumps({"@context": context, "@graph": []}).encode(), "jsonld")
    known = "https://openprovenance.org/prov-jsonld/context.jsonld"
    root = {"@context": [{"ex": "http://e/"}, known], "@graph": [{"@type": "prov:Entity", "@id": "ex:a"}]}
    assert read(json.dumps(root).encode(), "jsonld").statements[0].id == "http://e/a"


@pytest.mark.parametrize(
    "item",
    [
        *(1, {}, {"@type": "Thing"}, {"@type": "Entity"}, {"@type": "Entity", "@id": 1}),
        {"@type": "Bundle", "@graph": 1},
        {"@type": "Entity", "@id": "urn:a", "urn:k": [None]},
        {"@type": "Entity", "@id": "urn:a", "urn:k": [{"@list": []}]},
    ],
)
def test_bad_json_ld_is_refused(item: object) -> None:
    with pytest.raises(InvalidRequestError):
        read(json.dumps({"@context": {}, "@graph": [item]}).encode(), "jsonld")


PREFIXES = "@prefix ex: <http://e/> . @prefix prov: <http://www.w3.org/ns/prov#> .\n"


def test_turtle_of_other_writers_is_read() -> None:
    text = (
        PREFIXES
        + """
        PREFIX foaf: <http://xmlns.com/foaf/0.1/>
        @base <http://base/> .
        ex:e a prov:Entity, prov:Plan ; prov:wasGeneratedBy <run> ; prov:generatedAtTime "2026-11-21T10:00:00Z" ;
            ex:n 1, 1.5, 1e3, true ; prov:value 'it''' .
        <run> a prov:Activity ; prov:generated ex:f ; prov:qualifiedUsage [ a prov:Usage ; prov:entity ex:in ;
            prov:hadRole "input"@en ] .
        ex:who a prov:Person ; foaf:name "A\\u00e9" .
    """.replace("'it'''", "'it'")
    )
    document = read(text.encode(), "turtle")
    wanted = ProvDocument({"ex": "http://e/", "foaf": "http://xmlns.com/foaf/0.1/"})
    numbers = [Literal("1", v.XSD_INTEGER), Literal("1.5", v.XSD + "decimal"), Literal("1e3", v.XSD_DOUBLE), True]
    wanted.entity("ex:e", {"prov:type": Identifier(v.PLAN), "ex:n": numbers, "prov:value": "it"})
    wanted.was_generated_by("ex:e", "http://base/run")
    wanted.was_generated_by("ex:e", time="2026-11-21T10:00:00Z")
    wanted.was_generated_by("ex:f", "http://base/run")
    wanted.activity("http://base/run")
    wanted.used("http://base/run", "ex:in", attributes={"prov:role": Literal("input", language="en")})
    wanted.agent("ex:who", {"prov:type": Identifier(v.PERSON), "foaf:name": "A\u00e9"})
    assert document == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ex:a", "line 2"),
        ("ex:a ex:b", "a term is wanted"),
        ("ex:a ex:b ex:c", "'.' is wanted"),
        ("no:a a prov:Entity .", "not declared"),
        ("ex:a ex:b 1 .", "no entity, activity, agent"),
        ("ex:a prov:used [] .", "a blank node has none"),
        ("ex:a prov:used 1 .", "a literal has none"),
        ("[] a prov:Entity .", "a blank node has none"),
        ("ex:a a prov:Entity ; ex:k (1 2) .", "RDF lists"),
        ("ex:a prov:qualifiedUsage 1 .", "literal"),
        ("ex:a a prov:Activity ; prov:startedAtTime 'now' .", "xsd:dateTime"),
        ("ex:a ex:b " + "[ ex:c " * 200, "nested too deeply"),
        ('ex:a ex:b "\\q" .', "escape"),
        ("ex:a ex:b \u2028 .", "does not belong"),
        ("@frob <x> .", "@prefix or @base"),
        ("_:g { ex:a a prov:Entity }", "blank node"),
    ],
)
def test_bad_turtle_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidRequestError) as failed:
        read((PREFIXES + text).encode(), "turtle")
    assert said in failed.value.detail


def test_the_qualified_relation_is_stated_beside_the_short_one() -> None:
    document = ProvDocument({"ex": "http://example.org/"})
    document.was_associated_with("ex:a", "ex:g", plan="ex:p")
    text = write(document, "turtle").decode()
    assert "prov:wasAssociatedWith ex:g" in text
    assert "prov:qualifiedAssociation [ a prov:Association ; prov:agent ex:g ; prov:hadPlan ex:p ]" in text


def test_uuids_are_written_short_in_every_format() -> None:
    iri = "urn:uuid:8b76027e-97b9-4a4d-bf17-dd67fa2791b1"
    document = ProvDocument({"uuid": "urn:uuid:"})
    document.entity(iri)
    for name in FORMATS:
        # In PROV-XML a local part must begin with a letter (xs:QName): the prefix takes the digits before it.
        short = (
            b"b76027e-97b9-4a4d-bf17-dd67fa2791b1" if name == "xml" else b"uuid:8b76027e-97b9-4a4d-bf17-dd67fa2791b1"
        )
        assert short in write(document, name)
        assert read(write(document, name), name).statements[0].id == iri
