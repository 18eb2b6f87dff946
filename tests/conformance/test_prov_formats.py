"""Our PROV against other people's tools: the library ``prov`` with its own test documents, and rdflib.

What differs on purpose is in ``docs/reference/conformance.md``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ontology.errors import InvalidRequestError, NotAcceptableError
from provenance import vocabulary as v
from provenance.formats import read, write
from provenance.formats.prov_o import RELATIONS, SUBTYPES
from provenance.model import Identifier, Literal, ProvDocument

prov_model = pytest.importorskip("prov.model", reason="the library prov is not installed (extra `test`)")
prov_tests = pytest.importorskip("prov.tests", reason="this release of prov comes without its tests")
prov_examples = pytest.importorskip("prov.tests.examples", reason="this release of prov comes without its tests")
rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed (extra `server`)")
compare = pytest.importorskip("rdflib.compare")

pytestmark = pytest.mark.filterwarnings("ignore")

CORPUS = Path(prov_tests.__file__).parent
REWRITTEN = {"duration", "decimal", "double", "float"}
"""Datatypes whose literals rdflib spells anew when the library prov hands them over."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def their_documents() -> Iterator[tuple[str, Any, bytes]]:
    """Yield name, document and PROV-JSON of the documents that the library prov tests itself with."""
    for path in sorted((CORPUS / "json").glob("*.json")):
        content = path.read_text()
        yield path.name, prov_model.ProvDocument.deserialize(content=content, format="json"), content.encode()
    for name, make in prov_examples.tests:
        document = make()
        yield name, document, document.serialize().encode()


def shared_documents() -> list[tuple[str, Any, ProvDocument]]:
    """Return theirs with ours; without those that lack an argument that PROV-DM requires."""
    found = []
    for name, theirs, content in their_documents():
        try:
            found.append((name, theirs, read(content, "json")))
        except InvalidRequestError as error:
            if "needs its argument" not in error.detail:
                raise
    return found


@pytest.fixture(scope="module")
def shared() -> list[tuple[str, Any, ProvDocument]]:
    logging.disable(logging.CRITICAL)
    return shared_documents()


def test_most_of_their_documents_are_read(shared: list[tuple[str, Any, ProvDocument]]) -> None:
    """The rest are statements without a subject or object, which PROV-DM does not know."""
    assert len(shared) >= 385


@pytest.mark.parametrize(("theirs_as", "ours_as"), [("provn", "n"), ("jsonld", "jsonld")])
def test_what_they_write_is_read_equal(
    shared: list[tuple[str, Any, ProvDocument]], theirs_as: str, ours_as: str
) -> None:
    for name, theirs, ours in shared:
        if theirs_as == "jsonld" and mentions(ours):
            continue
        options = {"context": "embed"} if theirs_as == "jsonld" else {}
        assert read(theirs.serialize(format=theirs_as, **options).encode(), ours_as) == ours, name


@pytest.mark.parametrize(("ours_as", "theirs_as"), [("json", "json"), ("n", "provn"), ("jsonld", "jsonld")])
def test_what_we_write_is_read_equal(shared: list[tuple[str, Any, ProvDocument]], theirs_as: str, ours_as: str) -> None:
    for name, theirs, ours in shared:
        if theirs_as == "jsonld" and mentions(ours):
            continue
        back = prov_model.ProvDocument.deserialize(content=write(ours, ours_as).decode(), format=theirs_as)
        assert back == theirs or back.unified() == theirs.unified(), name


def test_their_rdf_is_read_equal(shared: list[tuple[str, Any, ProvDocument]]) -> None:
    compared = 0
    for name, theirs, ours in shared:
        if contradicts_itself(ours) or uses_rewritten_literals(ours):
            continue
        compared += 1
        assert read(theirs.serialize(format="rdf", rdf_format="trig").encode(), "trig") == ours, name
    assert compared > 280


def test_our_rdf_is_theirs_but_for_what_it_implies(shared: list[tuple[str, Any, ProvDocument]]) -> None:
    """We state the binary relation beside each qualified one (PROV-O 3.3); they often do not."""
    compared = 0
    for name, theirs, ours in shared:
        if ours.bundles or contradicts_itself(ours) or uses_rewritten_literals(ours):
            continue
        compared += 1
        one = without_implied(parse(write(ours, "turtle"), "turtle"))
        other = parse(theirs.serialize(format="rdf", rdf_format="turtle").encode(), "turtle")
        other = without_implied(with_short_subtypes(other))
        assert compare.isomorphic(one, other), name
    assert compared > 280


def mentions(document: ProvDocument) -> bool:
    containers = [document, *document.bundles.values()]
    return any(one.kind is v.MENTION for container in containers for one in container.statements)


def contradicts_itself(document: ProvDocument) -> bool:
    try:
        write(document, "trig")
    except NotAcceptableError:
        return True
    return False


def uses_rewritten_literals(document: ProvDocument) -> bool:
    return any(
        isinstance(value, Literal) and value.datatype.rpartition("#")[2] in REWRITTEN
        for one in document.statements
        for _, value in one.attributes
    )


def parse(content: bytes, format: str) -> Any:
    graph = rdflib.Graph()
    graph.parse(data=content, format=format)
    return graph


def without_implied(graph: Any) -> Any:
    """Drop the binary relations that a qualified one implies."""
    pairs = [(mapping.qualified, mapping.binary, kind) for kind, mapping in RELATIONS.items() if mapping.qualified]
    pairs += [(qualified, binary, v.DERIVATION) for binary, qualified in SUBTYPES.values()]
    for qualified, binary, kind in pairs:
        towards = rdflib.URIRef(RELATIONS[kind].properties[0])
        for subject, node in list(graph.subject_objects(rdflib.URIRef(qualified))):
            for target in list(graph.objects(node, towards)):
                graph.remove((subject, rdflib.URIRef(binary), target))
                if kind is v.DERIVATION:
                    graph.remove((subject, rdflib.URIRef(RELATIONS[kind].binary), target))
    return graph


def with_short_subtypes(graph: Any) -> Any:
    """Say by a binary relation what is qualified with nothing: they write a bare revision as a node."""
    towards = rdflib.URIRef(RELATIONS[v.DERIVATION].properties[0])
    for binary, qualified in SUBTYPES.values():
        for subject, node in list(graph.subject_objects(rdflib.URIRef(qualified))):
            told = list(graph.predicate_objects(node))
            if isinstance(node, rdflib.BNode) and len(told) == 2:
                target = next(graph.objects(node, towards))
                graph.remove((node, None, None))
                graph.remove((subject, rdflib.URIRef(qualified), node))
                graph.add((subject, rdflib.URIRef(binary), target))
                graph.add((subject, rdflib.URIRef(RELATIONS[v.DERIVATION].binary), target))
    return graph


def everything() -> ProvDocument:
    """A document with every kind of statement that PROV-O qualifies, and every kind of value."""
    document = ProvDocument({"ex": "http://example.org/", "uuid": "urn:uuid:", "": "http://default.example/"})
    document.entity("ex:e", {"prov:label": Literal('h\u00e9 "x"\n', language="fr"), "ex:n": [1, 2**40, 2**70, True]})
    document.entity("ex:f", {"prov:type": Identifier(v.PLAN), "prov:value": 1.5, "prov:location": "here"})
    document.entity("plain", {"ex:u": Literal("http://x.org/", v.XSD_ANYURI), "ex:r": document.name("ex:e")})
    document.activity("ex:a", start="2026-11-21T10:00:00Z", end="2026-11-21T11:00:00+01:00")
    document.activity("uuid:3bf63cc3-a0ce-4684-98a6-59faceb361dc")
    document.agent("ex:g", {"prov:type": Identifier(v.PERSON)})
    document.was_generated_by("ex:f", "ex:a", time="2026-11-21T10:30:00Z", id="ex:gen", attributes={"prov:role": "r"})
    document.was_generated_by("ex:e", "ex:a")
    document.used("ex:a", "ex:e", id="ex:use")
    document.used("ex:a", "ex:e")
    document.was_informed_by("ex:a", "uuid:3bf63cc3-a0ce-4684-98a6-59faceb361dc")
    document.was_started_by("ex:a", "ex:e", starter="uuid:3bf63cc3-a0ce-4684-98a6-59faceb361dc")
    document.was_ended_by("ex:a", time="2026-11-21T11:00:00Z")
    document.was_invalidated_by("ex:e", "ex:a")
    document.was_derived_from("ex:f", "ex:e", activity="ex:a", generation="ex:gen", usage="ex:use")
    document.was_revision_of("ex:f", "ex:e")
    document.was_quoted_from("ex:f", "plain", id="ex:quote")
    document.had_primary_source("ex:f", "ex:g")
    document.was_attributed_to("ex:e", "ex:g")
    document.was_associated_with("ex:a", "ex:g", plan="ex:f")
    document.was_associated_with("ex:a", plan="ex:e")
    document.acted_on_behalf_of("ex:g", "ex:h", activity="ex:a")
    document.was_influenced_by("ex:e", "ex:f")
    return document


def test_our_json_ld_means_what_it_says_to_a_json_ld_processor() -> None:
    """Read by rdflib as plain JSON-LD, without network, and told back to us in Turtle."""
    document = everything()
    graph = parse(write(document, "jsonld"), "json-ld")
    assert read(graph.serialize(format="nt").encode(), "turtle") == document


def test_the_relations_that_only_the_submission_qualifies_are_json_ld_too() -> None:
    document = ProvDocument({"ex": "http://example.org/"})
    document.specialization_of("ex:a", "ex:b")
    document.alternate_of("ex:a", "ex:b")
    document.had_member("ex:a", "ex:b")
    document.mention_of("ex:a", "ex:b", "ex:c")
    graph = parse(write(document, "jsonld"), "json-ld")
    types = {str(one).rpartition("#")[2].rpartition(":")[2] for one in graph.objects(None, rdflib.RDF.type)}
    assert types == {"Specialization", "Alternate", "Membership", "Mention"}
    for kind in types:
        assert list(graph.subject_objects(rdflib.URIRef(f"https://openprovenance.org/ns/provext#qualified{kind}"))) or (
            kind == "Mention"
        )


def test_trig_names_its_graphs_for_rdflib() -> None:
    document = everything()
    bundle = document.bundle("ex:bundle")
    bundle.entity("ex:inside")
    dataset = rdflib.Dataset()
    dataset.parse(data=write(document, "trig"), format="trig")
    inside = dataset.graph(rdflib.URIRef("http://example.org/bundle"))
    assert (rdflib.URIRef("http://example.org/inside"), rdflib.RDF.type, rdflib.PROV.Entity) in inside


@pytest.mark.parametrize("folder", ["provtoolbox", "provtoolbox-corpus", "spec"])
def test_other_writers_prov_n_is_read_as_they_read_it(folder: str) -> None:
    paths = sorted((CORPUS / "provn" / folder).rglob("*.provn"))
    tried, same, refused = 0, 0, []
    for path in paths:
        content = path.read_bytes()
        try:
            theirs = prov_model.ProvDocument.deserialize(content=content.decode(), format="provn")
            wanted = read(theirs.serialize().encode(), "json")
        except Exception:
            # What they cannot read is no measure for us.
            continue
        tried += 1
        try:
            assert read(content, "n") == wanted, path.name
            same += 1
        except InvalidRequestError as error:
            refused.append((path.name, error.detail))
    assert same >= tried * 0.9, refused
    assert tried >= 4
    assert all("PROV-DM gives" in detail or "needs its argument" in detail for _, detail in refused), refused
