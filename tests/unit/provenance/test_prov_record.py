"""From catalogue records and edges to PROV."""

from __future__ import annotations

import gc
import json

import pytest

from ontology.errors import InvalidRequestError
from ontology.namespaces import PREFIXES
from provenance import vocabulary as v
from provenance.formats import FORMATS, read, write
from provenance.model import Literal, ProvDocument, Statement
from provenance.record import JSON_TYPE, SHA256, ProvNode, document_for

SILLAGE = PREFIXES["sillage"]


def iri(number: int) -> str:
    return f"urn:uuid:{number:08}-0000-4000-8000-000000000000"


def of_kind(document: ProvDocument, kind: v.Kind) -> list[Statement]:
    return [one for one in document.statements if one.kind is kind]


RUN = {"command": ["qc", "--in", "a b"], "host": {"cpu_cores": 2}, "resources": {"wall_s": 1.5}}
TASK = ProvNode(
    id=iri(1),
    type="Task",
    label="qc",
    document={
        "start_time": "2026-11-21T10:00:00.000000Z",
        "end_time": "2026-11-21T10:05:00.5Z",
        "exit_code": 0,
        "reason": None,
        "record": RUN,
    },
)


def test_a_task_is_an_activity_with_the_whole_record_of_its_run() -> None:
    (activity,) = document_for([TASK], []).statements
    assert activity.kind is v.ACTIVITY
    assert activity.arguments == ("2026-11-21T10:00:00Z", "2026-11-21T10:05:00.5Z")
    assert activity.text(v.LABEL) == "qc"
    assert activity.text(SILLAGE + "command") == "qc --in 'a b'"
    assert activity.values(SILLAGE + "exit_code") == [Literal("0", v.XSD_INT)]
    (record,) = activity.values(SILLAGE + "record")
    assert isinstance(record, Literal)
    assert record.datatype == JSON_TYPE
    assert json.loads(record.text) == RUN


def test_types_of_records_become_types_of_prov() -> None:
    nodes = [
        ProvNode(id=iri(1), type="Agent", document={"kind": "organisation", "ror": "https://ror.org/x"}),
        ProvNode(id=iri(2), type="PipelineVersion", document={"semver": "1.0.0", "environment": {"kind": "python"}}),
        ProvNode(id=iri(3), type="File", document={"path": "a/b.nii", "sha256": "ab" * 32, "size": 5}),
        ProvNode(id=iri(4), type="Cohort", document={"query": "age > 30", "count": 3}),
        ProvNode(id=iri(5), type="Participant", label="sub-01", document={"properties": {"age": []}}),
    ]
    agent, plan, file, cohort, participant = document_for(nodes, []).statements
    assert (agent.kind, v.ORGANIZATION in agent.values(v.TYPE)) == (v.AGENT, True)
    assert (plan.kind, v.PLAN in plan.values(v.TYPE)) == (v.ENTITY, True)
    assert plan.text(SILLAGE + "environment") == '{"kind":"python"}'
    assert file.text(SHA256) == "ab" * 32
    assert file.text(v.LOCATION) == "a/b.nii"
    assert v.COLLECTION in cohort.values(v.TYPE)
    assert [name for name, _ in participant.attributes] == [v.LABEL, v.TYPE]


def test_edges_become_relations() -> None:
    edges = [
        (iri(1), "prov:used", iri(2)),
        (iri(1), "prov:used", iri(2)),
        (iri(3), "prov:wasGeneratedBy", iri(1)),
        (iri(3), "prov:wasRevisionOf", iri(4)),
        (iri(5), "prov:hadMember", iri(6)),
        (iri(3), "prov:specializationOf", iri(7)),
        (iri(1), "prov:wasInfluencedBy", iri(5)),
    ]
    document = document_for([], edges)
    assert len(document.statements) == 6
    assert of_kind(document, v.USAGE)[0].arguments == (iri(1), iri(2), None)
    assert of_kind(document, v.DERIVATION)[0].text(v.TYPE) == v.REVISION
    assert of_kind(document, v.MEMBERSHIP)[0].arguments == (iri(5), iri(6))


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({"mechanism": "strace", "complete": True, "opened": [iri(2)], "not_opened": [iri(3)]}, ["true", "false"]),
        ({"mechanism": "strace", "complete": False, "opened": [iri(2)], "not_opened": [iri(3)]}, ["true", None]),
        ({"mechanism": "declared-mounts", "complete": False, "opened": [], "not_opened": []}, [None, None]),
        ({"mechanism": "strace"}, [None, None]),
        ("spoilt", [None, None]),
    ],
)
def test_inputs_that_were_opened_are_told_apart(seen: object, told: list[str | None]) -> None:
    task = ProvNode(id=iri(1), type="Task", document={"record": {"inputs_observed": seen}})
    document = document_for([task], [(iri(1), "prov:used", iri(2)), (iri(1), "prov:used", iri(3))])
    assert [usage.arguments[1] for usage in of_kind(document, v.USAGE)] == [iri(2), iri(3)]
    found = [usage.values(SILLAGE + "opened") for usage in of_kind(document, v.USAGE)]
    assert found == [[] if text is None else [Literal(text, v.XSD_BOOLEAN)] for text in told]
    for name in FORMATS:
        assert read(write(document, name), name) == document


def test_plans_and_agents_are_one_association() -> None:
    edges = [
        (iri(1), "prov:hadPlan", iri(2)),
        (iri(1), "prov:wasAssociatedWith", iri(3)),
        (iri(1), "prov:wasAssociatedWith", iri(4)),
        (iri(5), "prov:hadPlan", iri(2)),
        (iri(6), "prov:wasAssociatedWith", iri(3)),
    ]
    found = {one.arguments for one in of_kind(document_for([], edges), v.ASSOCIATION)}
    assert found == {
        (iri(1), iri(3), iri(2)),
        (iri(1), iri(4), iri(2)),
        (iri(5), None, iri(2)),
        (iri(6), iri(3), None),
    }


def test_parts_are_attributes() -> None:
    node = ProvNode(id=iri(1), type="Acquisition")
    (entity,) = document_for([node], [(iri(1), "dcterms:isPartOf", iri(2))]).statements
    assert entity.values(PREFIXES["dcterms"] + "isPartOf") == [iri(2)]


def test_files_of_derived_records_are_stated_as_generated() -> None:
    files = [{"id": iri(3), "path": "out/x.nii", "sha256": "cd" * 32, "size": 9}]
    nodes = [
        TASK,
        ProvNode(id=iri(2), type="Acquisition", document={"files": files}),
        ProvNode(id=iri(4), type="Acquisition", document={"files": [{"id": iri(5), "path": "raw.nii"}]}),
    ]
    document = document_for(nodes, [(iri(2), "prov:wasGeneratedBy", iri(1))])
    made = {one.arguments[:2] for one in of_kind(document, v.GENERATION)}
    assert made == {(iri(2), iri(1)), (iri(3), iri(1))}
    assert {one.id for one in of_kind(document, v.ENTITY)} == {iri(2), iri(3), iri(4)}


def test_what_is_no_predicate_is_refused() -> None:
    for predicate in ("made:up", "prov:madeUp", "plain"):
        with pytest.raises(InvalidRequestError):
            document_for([], [(iri(1), predicate, iri(2))])


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_says_it_all(name: str) -> None:
    nodes = [TASK, ProvNode(id=iri(2), type="File", label='"\n\u00e9\u2028\\', document={"path": "a b/\u00e9.nii"})]
    edges = [(iri(1), "prov:used", iri(2)), (iri(1), "prov:hadPlan", iri(3)), (iri(2), "dcterms:isPartOf", iri(4))]
    document = document_for(nodes, edges)
    assert read(write(document, name), name) == document


def test_the_collector_runs_again_after_a_failure() -> None:
    assert gc.isenabled()
    with pytest.raises(InvalidRequestError):
        document_for([ProvNode(id="no iri", type="File")], [])
    with pytest.raises(InvalidRequestError):
        read(b"{", "json")
    assert gc.isenabled()
    gc.disable()
    try:
        document_for([TASK], [])
        assert not gc.isenabled()
    finally:
        gc.enable()
