"""BIDS-Prov against what the BIDS specification asks of each of its parts, and as the RDF that it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provenance.bids_prov import PARTS, bids_prov
from provenance.record import ProvNode

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TASK, PLAN, SOFTWARE = "urn:uuid:aaaa", "urn:uuid:bbbb", "urn:uuid:cccc"
REQUIRED = {
    "Activities": {"Id", "Label", "Command"},
    "ProvEntities": {"Id", "Label"},
    "Software": {"Id", "Label", "Version"},
    "Environments": {"Id", "Label"},
}


def document(**task: Any) -> dict[str, Any]:
    record = {
        "command": ["tool", "/inputs/a b.nii"],
        "environment": {"kind": "image", "digest": "d" * 64, "image": "lab/tool@sha256:d"},
        "environment_variables": {"LANG": "C.UTF-8"},
        "host": {"platform": "Debian 12", "kernel": "6.1", "machine": "x86_64", "cpu_cores": 2},
    }
    said = {
        "state": "COMPLETE",
        "start_time": "2026-11-21T10:00:00Z",
        "end_time": "2026-11-21T10:00:02Z",
        "pipeline": PLAN,
        "pipeline_name": "tool",
        "pipeline_version": "1.2",
        "inputs": [{"id": "urn:uuid:1111", "path": "/inputs/x", "sha256": "1" * 64}],
        "outputs": [{"id": "urn:uuid:2222", "path": "sub-01/sub-01_T1map.nii", "sha256": "2" * 64}],
        "record": record,
        **task,
    }
    raw = [{"id": "urn:uuid:1111", "path": "sub-01/anat/sub-01_T1w.nii", "sha256": "1" * 64}]
    made = [{"id": "urn:uuid:2222", "path": "sub-01/sub-01_T1map.nii", "sha256": "2" * 64}]
    nodes = [
        ProvNode(id=TASK, type="Task", label="tool sub-01", document=said),
        ProvNode(id=PLAN, type="PipelineVersion", label="tool 1.2", document={"name": "tool"}),
        ProvNode(id=SOFTWARE, type="Software", label="lib", document={"codemeta": {"name": "lib", "version": "3"}}),
        ProvNode(id="urn:uuid:r", type="Acquisition", document={"dataset": "urn:uuid:raw", "files": raw}),
        ProvNode(id="urn:uuid:o", type="Entity", document={"dataset": "urn:uuid:derived", "files": made}),
    ]
    told: dict[str, Any] = json.loads(bids_prov(nodes, [(PLAN, "prov:wasDerivedFrom", SOFTWARE)]))
    return told


def test_each_part_has_what_bids_requires() -> None:
    records = document()["Records"]
    assert set(records) == set(PARTS)
    for name, part in records.items():
        assert part, name
        assert all(set(one) >= REQUIRED[name] for one in part), name
        assert len({one["Id"] for one in part}) == len(part)


def test_files_are_named_by_bids_uris_and_everything_else_by_a_label_and_what_makes_it_unique() -> None:
    records = document()["Records"]
    activity = records["Activities"][0]
    assert activity["Id"] == "bids::prov#toolsub01-aaaa"
    assert activity["Command"] == "tool '/inputs/a b.nii'"
    assert activity["Used"][0] == "bids:raw:sub-01/anat/sub-01_T1w.nii"
    assert activity["Used"][1] == records["Environments"][0]["Id"]
    assert activity["AssociatedWith"] == [one["Id"] for one in records["Software"]]
    made = records["ProvEntities"][1]
    assert made["Id"] == "bids::sub-01/sub-01_T1map.nii"
    assert (made["GeneratedBy"], made["Digest"]) == (activity["Id"], {"sha256": "2" * 64})
    assert records["Environments"][0]["OperatingSystem"] == "Debian 12 6.1 x86_64"


def test_a_failed_run_and_one_without_a_record_are_told() -> None:
    activity = document(state="EXECUTOR_ERROR", outputs=[])["Records"]["Activities"][0]
    assert activity["Record"]["state"] == "EXECUTOR_ERROR"
    assert document(record=None)["Records"]["Activities"][0]["Command"] == "n/a"


def test_it_is_prov_to_a_json_ld_processor() -> None:
    rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed (extra `server`)")
    graph = rdflib.Graph()
    graph.parse(data=json.dumps(document()), format="json-ld")
    prov = rdflib.PROV
    activity = rdflib.URIRef("bids::prov#toolsub01-aaaa")
    made, used = rdflib.URIRef("bids::sub-01/sub-01_T1map.nii"), rdflib.URIRef("bids:raw:sub-01/anat/sub-01_T1w.nii")
    assert (activity, rdflib.RDF.type, prov.Activity) in graph
    assert (made, prov.wasGeneratedBy, activity) in graph
    assert (activity, prov.used, used) in graph
    assert len(list(graph.objects(activity, prov.wasAssociatedWith))) == 2
