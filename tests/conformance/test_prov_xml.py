"""PROV-XML against the W3C's schema, and against the library ``prov`` and its corpus."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ontology.errors import InvalidRequestError, NotAcceptableError
from provenance import vocabulary as v
from provenance.formats import read, write
from provenance.formats.provxml_names import NCNAME, QNames, escape_name, unescape_name
from provenance.model import Identifier, Literal, ProvDocument

etree = pytest.importorskip("lxml.etree", reason="lxml is not installed (extra `server`)")
prov_model = pytest.importorskip("prov.model", reason="the library prov is not installed (extra `test`)")
prov_tests = pytest.importorskip("prov.tests", reason="this release of prov comes without its tests")
prov_examples = pytest.importorskip("prov.tests.examples", reason="this release of prov comes without its tests")

pytestmark = pytest.mark.filterwarnings("ignore")

CORPUS = Path(prov_tests.__file__).parent
RDF_TYPES = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
  targetNamespace="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <xs:simpleType name="JSON"><xs:restriction base="xs:string"/></xs:simpleType>
</xs:schema>"""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The W3C's schema, and beside it the datatype of JSON, which it does not know."""
    path = CORPUS / "schemas" / "prov.xsd"
    if not path.is_file():
        pytest.skip("this release of prov comes without the W3C's XML schemas")
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "rdf.xsd").write_text(RDF_TYPES)
    (folder / "all.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        f'<xs:import namespace="{v.PROV}" schemaLocation="{path.as_uri()}"/>'
        f'<xs:import namespace="{v.RDF}" schemaLocation="rdf.xsd"/></xs:schema>'
    )
    return etree.XMLSchema(etree.parse(str(folder / "all.xsd")))


def everything() -> ProvDocument:
    """A document with every kind of statement, with all their arguments."""
    document = ProvDocument({"ex": "http://example.org/", "uuid": "urn:uuid:", "": "http://default.example/"})
    document.entity("ex:e", {"prov:label": Literal('h\u00e9 "x"\r\n', language="fr"), "ex:n": [1, 2**40, True]})
    document.entity("ex:f", {"prov:type": Identifier(v.PLAN), "prov:value": 1.5, "prov:location": "here"})
    document.entity("ex:g", {"prov:type": [Identifier(v.PLAN), Identifier(v.COLLECTION)], "ex:0th": "a tag"})
    document.entity("plain", {"ex:u": Literal("http://x.org/", v.XSD_ANYURI), "ex:r": document.name("ex:e")})
    document.entity(
        "ex:json", {"ex:whole": Literal('{"a": "<&>"}', v.RDF + "JSON"), "ex:l": Literal("x", language="de")}
    )
    document.activity("ex:a", start="2026-11-21T10:00:00Z", end="2026-11-21T11:00:00+01:00")
    document.activity("uuid:3bf63cc3-a0ce-4684-98a6-59faceb361dc")
    document.agent("ex:h", {"prov:type": Identifier(v.PERSON)})
    document.was_generated_by("ex:f", "ex:a", time="2026-11-21T10:30:00Z", id="ex:gen", attributes={"prov:role": "r"})
    document.used("ex:a", "ex:e", id="ex:use", time="2026-11-21T10:10:00Z")
    document.was_informed_by("ex:a", "uuid:3bf63cc3-a0ce-4684-98a6-59faceb361dc")
    document.was_started_by("ex:a", "ex:e", starter="ex:b", time="2026-11-21T10:00:00Z")
    document.was_ended_by("ex:a", "ex:e", ender="ex:b", time="2026-11-21T11:00:00Z")
    document.was_invalidated_by("ex:e", "ex:a", time="2026-11-21T12:00:00Z")
    document.was_derived_from("ex:f", "ex:e", activity="ex:a", generation="ex:gen", usage="ex:use")
    document.was_revision_of("ex:f", "ex:e")
    document.was_quoted_from("ex:f", "plain", id="ex:quote")
    document.had_primary_source("ex:f", "ex:e")
    document.was_attributed_to("ex:e", "ex:h")
    document.was_associated_with("ex:a", "ex:h", plan="ex:f")
    document.acted_on_behalf_of("ex:h", "ex:i", activity="ex:a")
    document.was_influenced_by("ex:e", "ex:f")
    document.specialization_of("ex:e", "ex:f")
    document.alternate_of("ex:e", "ex:f")
    document.had_member("ex:g", "ex:f")
    document.mention_of("ex:e", "ex:f", "ex:bundle")
    document.bundle("ex:bundle").entity("ex:inside")
    return document


def test_every_kind_of_statement_is_valid_and_comes_back(schema: Any) -> None:
    document = everything()
    content = write(document, "xml")
    schema.assertValid(etree.fromstring(content))
    assert read(content, "xml") == document


def test_identifiers_are_cut_where_a_letter_begins() -> None:
    names = QNames({"uuid": "urn:uuid:"})
    assert names["urn:uuid:aa4c"] == "uuid:aa4c"
    assert names["urn:uuid:7aa4-1"] == "ns1:aa4-1"
    assert names.prefixes["ns1"] == "urn:uuid:7"
    assert names["http://purl.obolibrary.org/obo/PATO_0000384"] == "ns2:PATO_0000384"
    assert names["urn:uuid:12-34"] == "uuid:12-34"


@pytest.mark.parametrize("name", ["plain", "0th", "a b", "_x0041_", "x_x0041_y", "\U0001f9e0", "-", "_x005F_"])
def test_tags_are_escaped_and_come_back(name: str) -> None:
    assert NCNAME.fullmatch(escape_name(name))
    assert unescape_name(escape_name(name)) == name


def their_documents() -> Iterator[tuple[str, Any, ProvDocument]]:
    paths = sorted((CORPUS / "json").glob("*.json"))
    made = [(p.name, prov_model.ProvDocument.deserialize(content=p.read_text(), format="json")) for p in paths]
    for name, theirs in [*made, *((name, make()) for name, make in prov_examples.tests)]:
        try:
            yield name, theirs, read(theirs.serialize().encode(), "json")
        except InvalidRequestError as error:
            if "needs its argument" not in error.detail:
                raise


@pytest.fixture(scope="module")
def shared() -> list[tuple[str, Any, ProvDocument]]:
    logging.disable(logging.CRITICAL)
    return list(their_documents())


def test_what_they_write_is_read_equal(shared: list[tuple[str, Any, ProvDocument]]) -> None:
    different = [n for n, theirs, ours in shared if read(theirs.serialize(format="xml").encode(), "xml") != ours]
    assert len(shared) >= 385
    assert different == []


def test_what_we_write_is_read_equal(shared: list[tuple[str, Any, ProvDocument]]) -> None:
    different = []
    for name, theirs, ours in shared:
        back = prov_model.ProvDocument.deserialize(content=write(ours, "xml").decode(), format="xml")
        if back != theirs and back.unified() != theirs.unified():
            different.append(name)
    assert different == []


def test_what_we_write_of_them_is_valid(schema: Any, shared: list[tuple[str, Any, ProvDocument]]) -> None:
    """Wherever their own PROV-XML is valid, ours is."""
    tried = 0
    for name, theirs, ours in shared:
        if schema.validate(etree.fromstring(theirs.serialize(format="xml").encode())):
            tried += 1
            schema.validate(etree.fromstring(write(ours, "xml")))
            assert not schema.error_log, (name, schema.error_log)
    assert tried > 250


UNREAD = {f"example_{number}.xml" for number in (11, 12, 17, 22, 23, 24, 25, 27, 28, 37, 38, 39)}
"""Examples of the Note with names of undeclared prefixes, which neither side can read."""


@pytest.mark.parametrize("path", sorted((CORPUS / "xml").glob("*.xml")), ids=lambda path: path.name)
def test_the_examples_of_the_note_are_read_as_they_read_them(path: Path) -> None:
    if path.name in UNREAD:
        with pytest.raises(InvalidRequestError, match=r"default namespace|no absolute IRI|is not declared"):
            read(path.read_bytes(), "xml")
        return
    ours = read(path.read_bytes(), "xml")
    if path.name == "example_33.xml":
        # Several members in one statement: each is one here, they keep the last.
        assert len([one for one in ours.statements if one.kind is v.MEMBERSHIP]) == 3
        return
    theirs = prov_model.ProvDocument.deserialize(source=str(path), format="xml")
    assert ours == read(theirs.serialize().encode(), "json")


BOMB = (
    b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b'<prov:document xmlns:prov="http://www.w3.org/ns/prov#">&b;</prov:document>'
)
OUTSIDE = (
    b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b'<prov:document xmlns:prov="http://www.w3.org/ns/prov#">&x;</prov:document>'
)


@pytest.mark.parametrize("content", [BOMB, OUTSIDE, b'<!DOCTYPE d SYSTEM "http://example.org/d.dtd"><d/>'])
def test_a_document_type_is_refused_unread(content: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="document type"):
        read(content, "xml")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("<prov:entity/>", "needs an identifier"),
        ('<prov:entity prov:id="zz:e"/>', "prefix"),
        ('<prov:nothing prov:id="ex:e"/>', "no element"),
        ('<prov:entity prov:id="ex:e"><ex:a><ex:b/></ex:a></prov:entity>', "holds XML"),
        ('<prov:entity prov:id="ex:e"><prov:other1>x</prov:other1></prov:entity>', "reserves"),
        ('<prov:used><prov:activity prov:ref="ex:a"/><prov:activity prov:ref="ex:b"/></prov:used>', "more than once"),
        ("<prov:used><prov:activity>ex:a</prov:activity></prov:used>", "prov:ref"),
        ("text", "no text"),
        ("<prov:bundleContent/>", "prov:id"),
    ],
)
def test_what_prov_dm_does_not_know_is_refused(body: str, wanted: str) -> None:
    content = f'<prov:document xmlns:prov="{v.PROV}" xmlns:ex="http://example.org/">{body}</prov:document>'
    with pytest.raises(InvalidRequestError, match=wanted):
        read(content.encode(), "xml")


def test_a_text_that_xml_cannot_hold_is_refused() -> None:
    document = ProvDocument({"ex": "http://example.org/"})
    document.entity("ex:e", {"ex:a": "\x1b[1m"})
    with pytest.raises(NotAcceptableError, match=r"U\+001B"):
        write(document, "xml")


def test_ten_thousand_activities_come_back() -> None:
    document = ProvDocument({"uuid": "urn:uuid:"})
    for number in range(10_000):
        activity = f"uuid:{number * 7919:08d}-a0ce-4684-98a6-59faceb361dc"
        document.activity(activity, start="2026-11-21T10:00:00Z")
        document.used(activity, f"uuid:{number:08d}-b0ce-4684-98a6-59faceb361dc")
    content = write(document, "xml")
    assert read(content, "xml") == document
