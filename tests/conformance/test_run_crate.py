"""Run crates against the contexts of RO-Crate 1.3 and Workflow Run, and the MUSTs of Process Run Crate 0.5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provenance.crate import CrateFile, run_crate_metadata, write_crate
from provenance.record import ProvNode

TASK, PLAN, SOFTWARE, AGENT = "urn:uuid:aaaa", "urn:uuid:bbbb", "urn:uuid:cccc", "urn:uuid:dddd"
INPUT, OUTPUT, DATASET = "urn:uuid:1111", "urn:uuid:2222", "urn:uuid:eeee"
IMAGE = "quay.io/lab/tool:1.2@sha256:" + "a" * 64
RECORD: dict[str, Any] = {
    "command": ["tool", "--in", "/inputs/a b.nii"],
    "parameters": {"images": ["/inputs/a b.nii"], "sigma": 2.5, "unknown": None},
    "environment": {"kind": "image", "digest": "sha256:" + "a" * 64, "image": IMAGE, "python": None, "packages": []},
    "environment_variables": {"LANG": "C.UTF-8", "A/B": "1"},
    "resources": {"wall_s": 1.5, "max_rss_bytes": 4096, "read_bytes": None},
    "energy": {"cpu_joules": 12, "gpu_reason": "no GPU was given"},
    "gpus": [{"model": "H200"}],
    "logs": {"stdout": {"sha256": "b" * 64, "size": 5, "truncated": False}},
}


def nodes(**task: Any) -> list[ProvNode]:
    document = {
        "state": "COMPLETE",
        "start_time": "2026-11-21T10:00:00Z",
        "end_time": "2026-11-21T10:00:02Z",
        "pipeline": PLAN,
        "pipeline_name": "tool",
        "pipeline_version": "1.2",
        "inputs": [{"id": INPUT, "path": "/inputs/a b.nii", "sha256": "1" * 64, "size": 3}],
        "outputs": [{"id": OUTPUT, "path": "sub-01/sub-01_T1map.nii", "sha256": "2" * 64, "size": 4}],
        "certificate": {"state": "certified", "id": "urn:uuid:ffff"},
        "record": RECORD,
    }
    descriptor = {
        "name": "tool",
        "inputs": [
            {"id": "images", "type": "File", "list": True},
            {"id": "sigma", "type": "Number", "optional": True, "default-value": 1.0, "description": "Width"},
        ],
    }
    return [
        ProvNode(id=TASK, type="Task", label="tool sub-01", document={**document, **task}),
        ProvNode(id=PLAN, type="PipelineVersion", document={"name": "tool", "semver": "1.2", "descriptor": descriptor}),
        ProvNode(id=SOFTWARE, type="Software", label="tool", document={"codemeta": CODEMETA}),
        ProvNode(id=AGENT, type="Agent", label="Ada", document={"kind": "person", "orcid": "0000-0002-1825-0097"}),
        ProvNode(id=DATASET, type="Dataset", document={"license": "CC0"}),
    ]


CODEMETA = {
    "name": "tool",
    "version": "1.2.1",
    "license": "https://spdx.org/licenses/MIT",
    "author": [{"@type": "Person", "name": "Ada"}],
    "softwareSuggestions": "left out: it is not a term of RO-Crate",
}
EDGES = [(PLAN, "prov:wasDerivedFrom", SOFTWARE), (TASK, "prov:wasAssociatedWith", AGENT)]


def crate(**task: Any) -> dict[str, dict[str, Any]]:
    content = run_crate_metadata(
        subject=OUTPUT, title="T1map", made="2026-11-21T12:00:00Z", nodes=nodes(**task), edges=EDGES
    )
    told = json.loads(content)
    assert len({one["@id"] for one in told["@graph"]}) == len(told["@graph"])
    return {one["@id"]: one for one in told["@graph"]}


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [one for item in value for one in references(item)]
    return [value["@id"]] if isinstance(value, dict) else []


@pytest.mark.parametrize("task", [{}, {"state": "EXECUTOR_ERROR", "reason": "exit-code", "detail": "it ended with 3"}])
def test_the_graph_is_flat_and_leads_nowhere_else(task: dict[str, Any]) -> None:
    graph = crate(**task)
    for entity in graph.values():
        for name, value in entity.items():
            for target in references(value):
                assert target in graph or target.startswith(("http://", "https://")), (entity["@id"], name)
            flat = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]
            assert all(set(item) == {"@id"} for item in flat), (entity["@id"], name)


def test_every_term_is_defined_by_the_contexts(shared_data: Path) -> None:
    folder = shared_data / "schemas" / "ro-crate"
    if not (folder / "context-1.3.jsonld").is_file() or not (folder / "context.json").is_file():
        pytest.skip("schemas/ro-crate with the contexts of RO-Crate 1.3 and workflow-run is not there")
    known = set(json.loads((folder / "context-1.3.jsonld").read_text())["@context"])
    known |= set(json.loads((folder / "context.json").read_text())["@context"])
    graph = crate(state="EXECUTOR_ERROR", reason="exit-code")
    used = {name for entity in graph.values() for name in entity if not name.startswith("@")}
    types = {one for entity in graph.values() for one in [entity["@type"]]}
    assert used | types <= known
    assert "ContainerImage" in types


def test_a_run_says_what_the_profile_asks_for() -> None:
    graph = crate()
    assert graph["./"]["conformsTo"] == {"@id": "https://w3id.org/ro/wfrun/process/0.5"}
    assert graph["https://w3id.org/ro/wfrun/process/0.5"]["version"] == "0.5"
    assert graph["./"]["mentions"] == [{"@id": TASK}]
    action = graph[TASK]
    assert action["@type"] == "CreateAction"
    assert graph[action["instrument"]["@id"]] | {"name": "tool", "softwareVersion": "1.2"} == graph[PLAN]
    assert action["description"] == "tool --in '/inputs/a b.nii'"
    assert [one["@id"] for one in action["result"]] == [OUTPUT]
    assert action["agent"] == [{"@id": AGENT}]
    assert graph[AGENT]["identifier"] == "https://orcid.org/0000-0002-1825-0097"
    assert graph[OUTPUT]["sha256"] == "2" * 64
    assert "error" not in action
    sigma = graph["#aaaa/sigma"]
    assert (sigma["value"], sigma["exampleOfWork"]) == (2.5, {"@id": f"{PLAN}#sigma"})
    assert graph[f"{PLAN}#sigma"]["defaultValue"] == 1.0
    assert graph["#aaaa/use/wall_s"]["unitCode"] == "SEC"
    assert graph["#aaaa/env/A%2FB"]["value"] == "1"
    image = graph[action["containerImage"]["@id"]]
    assert (image["registry"], image["name"], image["tag"], image["sha256"]) == ("quay.io", "lab/tool", "1.2", "a" * 64)
    assert json.loads(graph["#aaaa/record"]["value"]) == RECORD
    assert json.loads(graph["#aaaa/certificate"]["value"])["id"] == "urn:uuid:ffff"
    assert graph[SOFTWARE]["version"] == "1.2.1"
    assert json.loads(graph[SOFTWARE]["author"]) == CODEMETA["author"]


def test_a_failed_run_says_why() -> None:
    action = crate(state="EXECUTOR_ERROR", reason="exit-code", detail="it ended with 3", outputs=[])[TASK]
    assert action["actionStatus"] == {"@id": "http://schema.org/FailedActionStatus"}
    assert action["error"] == "exit-code: it ended with 3"
    assert "result" not in action


def test_a_tool_that_may_not_be_told_is_named() -> None:
    told = [one for one in nodes() if one.id == TASK]
    graph = {
        one["@id"]: one
        for one in json.loads(run_crate_metadata(subject=TASK, title="t", made="n", nodes=told, edges=[]))["@graph"]
    }
    assert (graph[PLAN]["name"], graph[PLAN]["softwareVersion"]) == ("tool", "1.2")


def test_contents_lie_where_the_metadata_says(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abcd")
    file = CrateFile(id=OUTPUT, name="data/a b/map.nii", source=tmp_path / "x")
    content = run_crate_metadata(subject=OUTPUT, title="t", made="n", nodes=nodes(), edges=EDGES, files=[file])
    graph = {one["@id"]: one for one in json.loads(content)["@graph"]}
    assert graph["./"]["hasPart"] == [{"@id": "data/a%20b/map.nii"}]
    assert graph["data/a%20b/map.nii"]["identifier"] == OUTPUT
    assert write_crate(content, {}, [file]) == write_crate(content, {}, [file])
