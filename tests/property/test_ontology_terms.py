"""Laws of the ontology package: closure, merging, reading, and that no text from a stranger breaks anything."""

import contextlib
import json
from itertools import pairwise

import pytest
import rdflib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from ontology.crosswalk import Crosswalk
from ontology.errors import AmbiguousError, InvalidRequestError, NotFoundError, SillageError
from ontology.merging import close_over, cycles, merge
from ontology.readers import FORMATS, read_vocabulary
from ontology.readers.owl_rdf import RdfXml
from ontology.readers.vocabulary import Definition, Vocabulary
from ontology.terms import TermIndex

NODES = "abcdefgh"
hierarchies = st.dictionaries(st.sampled_from(NODES), st.lists(st.sampled_from(NODES), max_size=4)).map(
    lambda some: {node: tuple(p for p in some.get(node, ()) if p != node) for node in NODES}
)
texts = st.text(max_size=30) | st.from_regex(r"[+-]?[0-9]{1,400}(\.[0-9]+)?(e[0-9]{1,4})?", fullmatch=True)


def reachable(parents, start):
    found, pending = set(), list(parents[start])
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending.extend(parents[node])
    return found


@given(hierarchies)
def test_the_closure_is_reachability_cycles_or_not(parents):
    closure = close_over(parents)
    assert closure == {node: reachable(parents, node) for node in NODES}
    looped = {node for group in cycles(closure) for node in group}
    assert looped == {node for node in NODES if node in closure[node]}


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    with TermIndex.open(tmp_path_factory.mktemp("terms") / "terms.sqlite") as index:
        yield index


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hierarchies)
def test_the_index_answers_as_the_closure_does(tmp_path_factory, parents):
    folder = tmp_path_factory.mktemp("toy")
    stanzas = "".join(
        f"\n[Term]\nid: T:{node}1\nname: node {node}\n" + "".join(f"is_a: T:{parent}1\n" for parent in of_node)
        for node, of_node in parents.items()
    )
    (folder / "toy.obo").write_text("ontology: toy\n" + stanzas)

    def iri(node):
        return f"http://purl.obolibrary.org/obo/T_{node}1"

    with TermIndex.open(folder / "terms.sqlite") as index:
        index.load(folder / "toy.obo")
        closure = {node: reachable(parents, node) for node in NODES}
        for node in NODES:
            assert index.ancestors(iri(node)) == {iri(a) for a in closure[node] - {node}}
            assert index.descendants(iri(node)) == {iri(d) for d in NODES if node in closure[d]} | {iri(node)}
            for other in NODES:
                chain = [t.iri for t in index.path(iri(node), iri(other))]
                assert bool(chain) == (other == node or other in closure[node])
                assert all(upper in index.get(lower).parents for lower, upper in pairwise(chain))


definitions = st.builds(
    Definition,
    iri=st.sampled_from([f"http://purl.obolibrary.org/obo/T_{n}" for n in range(5)]),
    label=st.none() | texts.filter(str.strip),
    synonyms=st.lists(st.tuples(texts, st.sampled_from(["exact", "related"])), max_size=3).map(tuple),
    parents=st.lists(st.sampled_from([f"http://purl.obolibrary.org/obo/T_{n}" for n in range(7)]), max_size=3).map(
        tuple
    ),
    deprecated=st.booleans(),
)
vocabularies = st.lists(
    st.builds(
        Vocabulary,
        name=st.sampled_from(["t", "one", "two", "sillage-starter"]),
        version=st.none(),
        format=st.just("obo"),
        definitions=st.lists(definitions, max_size=4, unique_by=lambda d: d.iri).map(tuple),
    ),
    max_size=4,
    unique_by=lambda v: v.name,
)


@given(vocabularies, st.randoms())
def test_merging_does_not_depend_on_the_order(some, random):
    shuffled = list(some)
    random.shuffle(shuffled)
    merged = merge(some)
    assert merge(shuffled) == merged
    known = {item.term.iri for item in merged}
    assert all(set(item.term.parents) <= known - {item.term.iri} for item in merged)


iris = st.sampled_from([rdflib.URIRef(f"http://example.org/n#{c}") for c in "abcd"])
blanks = st.sampled_from([rdflib.BNode(c) for c in "xyz"])
literals = st.builds(
    rdflib.Literal,
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=20
    ),
    lang=st.none() | st.sampled_from(["en", "fr"]),
)
triples = st.tuples(iris | blanks, iris, iris | blanks | literals)


@settings(deadline=None)
@given(st.lists(triples, max_size=12), st.sampled_from(["xml", "pretty-xml"]))
def test_rdf_xml_is_read_as_rdflib_reads_it(some, style):
    graph = rdflib.Graph()
    for triple in some:
        graph.add(triple)
    data = graph.serialize(format=style, encoding="utf-8")
    ours = set(RdfXml(etree.fromstring(data)).statements())
    theirs = rdflib.Graph().parse(data=data, format="xml")
    assert len(ours) == len(theirs)
    assert {s[1:] for s in ours if not s.subject.startswith("_:") and not s.object.startswith("_:")} == {
        (str(p), str(o), isinstance(o, rdflib.Literal), getattr(o, "language", None))
        for s, p, o in theirs
        if isinstance(s, rdflib.URIRef) and not isinstance(o, rdflib.BNode)
    }


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from([None, *FORMATS]))
def test_no_bytes_give_another_error_than_ours(data, format):
    with contextlib.suppress(SillageError):
        assert read_vocabulary(data, name="x", format=format).definitions


obo_lines = st.lists(
    st.sampled_from(
        ["[Term]", "id: X:1", "name: a", 'def: "x" [', "is_a: ", 'synonym: "a', "synonym: a", "[", "a b: c", "id:"]
    )
    | st.text(max_size=15),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(obo_lines)
def test_no_obo_lines_give_another_error_than_ours(lines):
    with contextlib.suppress(InvalidRequestError):
        assert read_vocabulary("\n".join(lines).encode(), name="x", format="obo").definitions


@settings(max_examples=300, deadline=None)
@given(texts)
def test_no_text_breaks_look_up(starter, text):
    assert all(term.label for term in starter.find(text))
    with contextlib.suppress(NotFoundError, AmbiguousError):
        assert starter.resolve(text).term.iri


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
descriptions = st.none() | st.dictionaries(
    st.sampled_from(["Levels", "Units", "Annotations", "Description", "TermURL"]),
    json_values | st.dictionaries(st.sampled_from(["M", "Levels", "MissingValues", "Format", "TermURL"]), json_values),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["age", "sex", "diagnosis", "group", "other"]) | texts, texts, descriptions)
def test_every_cell_gives_a_value_that_keeps_the_original(starter, prop, original, description):
    value = Crosswalk(starter).value(prop, original, description=description)
    assert value.original == original
    json.dumps(value.to_json(), allow_nan=False)


members = st.sampled_from(
    ["Manufacturer", "MagneticFieldStrength", "EchoTime", "TaskName", "BodyPart", "TracerName", "X"]
)


@settings(max_examples=300, deadline=None)
@given(texts, texts, st.dictionaries(members, json_values, max_size=5))
def test_every_sidecar_gives_values_that_json_can_say(starter, suffix, datatype, metadata):
    crosswalk = Crosswalk(starter)
    found = crosswalk.acquisition(suffix, datatype, metadata)
    assert found == crosswalk.acquisition(suffix, datatype, metadata)
    json.dumps({prop: [v.to_json() for v in values] for prop, values in found.items()}, allow_nan=False)
