"""The provenance and lineage of a batch: whole over its pages, true in every format, and only what may be read."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provenance import formats
from provenance import vocabulary as v
from provenance.constraints import problems
from provenance.formats import FORMATS
from provenance.model import ProvDocument
from sillage.client import Client, ProblemError
from tests.api.conftest import write_pipeline
from tests.client.test_command_line import sillage

SILLAGE = "urn:sillage:vocabulary:"
PART = "http://purl.org/wf4ever/wfprov#wasPartOfWorkflowRun"
SCRIPT = 'case "$*" in *sub-03*) exit 3;; esac; mkdir -p out; for f in "$@"; do wc -c < "$f" > out/size.txt; done\n'


@pytest.fixture
def batch(client: Client, registered: dict[str, Any], tmp_path: Path, bubblewrap: str) -> dict[str, Any]:
    """A batch over four people, of whom one fails."""
    client.register_pipeline(write_pipeline(tmp_path / "weigh", SCRIPT, name="weigh"), tmp_path / "weigh")
    return client.wait(client.run("weigh", cohort=client.freeze_cohort("TRUE")["id"])["id"])


def page(client: Client, id: str, format: str = "json", **asked: Any) -> tuple[ProvDocument, str | None]:
    answer = client.request("GET", f"/api/v1/prov/{id}", params={"format": format, **asked})
    following = answer.links.get("next", {}).get("url")
    return formats.read(answer.content, format), following


def of(document: ProvDocument, kind: v.Kind) -> list[Any]:
    return [one for one in document.statements if one.kind is kind]


def test_a_batch_is_an_activity_that_informed_its_tasks(client: Client, batch: dict[str, Any]) -> None:
    told, following = page(client, batch["id"])
    assert following is None
    assert problems(told) == []
    [own] = [one for one in of(told, v.ACTIVITY) if one.id == batch["id"]]
    assert SILLAGE + "TaskBatch" in own.values(v.TYPE)
    assert (own.argument("startTime"), own.argument("endTime")) == (batch["creation_time"], batch["end_time"])
    assert json.loads(str(own.text(SILLAGE + "counts"))) == {"COMPLETE": 3, "EXECUTOR_ERROR": 1}
    [failed] = json.loads(str(own.text(SILLAGE + "failures")))
    assert (failed["reason"], failed["count"]) == ("exit-code", 1)
    tasks = {item["id"] for item in batch["items"]}
    informed = {one.arguments for one in of(told, v.COMMUNICATION)}
    assert informed == {(task, batch["id"]) for task in tasks}
    activities = {one.id: one for one in of(told, v.ACTIVITY)}
    assert activities.keys() == {*tasks, batch["id"]}
    assert all(activities[task].values(PART) == [batch["id"]] for task in tasks)
    assert (batch["principal"], batch["pipeline"]) in {one.arguments[1:] for one in of(told, v.ASSOCIATION)}
    assert (batch["id"], batch["cohort"]) in {one.arguments for one in of(told, v.INFLUENCE)}
    made = {(one.argument("entity"), one.argument("activity")) for one in of(told, v.GENERATION)}
    assert len(made) == len(batch["outputs"]) == 3
    assert {entity for entity, _ in made} == {output["id"] for output in batch["outputs"]}
    digests = {one.id: one.text(SILLAGE + "sha256") for one in of(told, v.ENTITY)}
    assert all(digests[output["id"]] == output["sha256"] for output in batch["outputs"])
    assert {one.argument("activity") for one in of(told, v.USAGE)} == tasks


def test_pages_are_documents_whose_union_is_the_whole(client: Client, batch: dict[str, Any]) -> None:
    whole, _ = page(client, batch["id"])
    found, parts, cursor = ProvDocument(), [], None
    while True:
        part, following = page(client, batch["id"], limit=1, **({"cursor": cursor} if cursor else {}))
        assert problems(part) == []
        parts.append(part)
        found |= part
        if following is None:
            break
        cursor = following.partition("cursor=")[2].partition("&")[0]
    assert len(parts) == 4
    assert all(len(of(part, v.COMMUNICATION)) == 1 for part in parts)

    def all_but_its_own(document: ProvDocument) -> set[Any]:
        return {one for one in document.statements if one.id != batch["id"]}

    assert all_but_its_own(found) == all_but_its_own(whole)


def test_every_format_says_the_same(client: Client, batch: dict[str, Any]) -> None:
    told, _ = page(client, batch["id"], "json")
    for name in FORMATS:
        again, _ = page(client, batch["id"], name)
        assert again == told, name


def test_other_tools_get_the_runs_of_a_batch(client: Client, batch: dict[str, Any]) -> None:
    answer = client.request("GET", f"/api/v1/prov/{batch['id']}", params={"format": "ro-crate"})
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    actions = {one["@id"]: one for one in graph if one["@type"] == "CreateAction"}
    assert actions.keys() == {item["id"] for item in batch["items"]}
    assert sum("FailedActionStatus" in one["actionStatus"]["@id"] for one in actions.values()) == 1
    assert formats.read(archive.read("prov.json"), "json") == page(client, batch["id"])[0]
    answer = client.request("GET", f"/api/v1/prov/{batch['id']}", params={"format": "bids-prov"})
    assert len(answer.json()["Records"]["Activities"]) == 4


def test_the_lineage_of_a_batch_has_its_plan_and_cohort_above_and_its_results_below(
    client: Client, batch: dict[str, Any]
) -> None:
    up = client.get(f"lineage/{batch['id']}", direction="up")
    kinds = {node["id"]: node["type"] for node in up["nodes"]}
    assert kinds[batch["id"]] == "TaskBatch"
    assert (kinds[batch["pipeline"]], kinds[batch["cohort"]]) == ("PipelineVersion", "Cohort")
    assert {"from": batch["id"], "to": batch["cohort"], "relation": "prov:wasInfluencedBy"} in up["edges"]
    assert "Task" not in kinds.values()
    down = client.get(f"lineage/{batch['id']}", direction="down")
    tasks = {node["id"] for node in down["nodes"] if node["type"] == "Task"}
    assert tasks == {item["id"] for item in batch["items"]}
    parts = {(edge["from"], edge["to"]) for edge in down["edges"] if edge["relation"] == "wfprov:wasPartOfWorkflowRun"}
    assert parts == {(task, batch["id"]) for task in tasks}
    below = {node["id"] for node in down["nodes"]}
    result = batch["outputs"][0]["id"]
    rests_on = {node["id"] for node in client.get(f"lineage/{result}", direction="up")["nodes"]}
    assert rests_on & tasks
    assert result in below or rests_on & below - tasks
    first = client.get(f"lineage/{batch['id']}", direction="down", depth=1)
    assert {node["type"] for node in first["nodes"]} == {"TaskBatch", "Task"}
    assert first["truncated"]
    cut = client.get(f"lineage/{batch['id']}", direction="down", limit=3)
    assert (len(cut["nodes"]), cut["truncated"]) == (3, True)
    assert len(client.get(f"lineage/{batch['id']}", direction="up", depth=0)["nodes"]) == 1


def test_who_may_not_read_a_batch_is_told_nothing_of_it(
    client: Client, batch: dict[str, Any], somebody: Callable[..., Client], registered: dict[str, Any]
) -> None:
    for other in (somebody(), somebody("counter")):
        for path in (f"prov/{batch['id']}", f"lineage/{batch['id']}"):
            with pytest.raises(ProblemError) as refused:
                other.get(path)
            assert refused.value.status == 404
    reader = somebody("reader", registered["id"])
    assert page(reader, batch["id"])[0] == page(client, batch["id"])[0]
    read = client.get("audit/entries", subject=batch["id"], action="prov.export")["items"]
    assert len(read) == 2


def test_pages_are_refused_where_there_are_none(client: Client, batch: dict[str, Any]) -> None:
    task = batch["items"][0]["id"]
    for path, asked, field in (
        (f"prov/{task}", {"limit": 5}, "limit"),
        (f"prov/{task}", {"cursor": "5"}, "cursor"),
        (f"prov/{batch['id']}", {"cursor": "no cursor"}, "cursor"),
    ):
        with pytest.raises(ProblemError) as refused:
            client.get(path, **asked)
        assert (refused.value.status, refused.value.problem["field"]) == (400, field)


def test_the_command_line_writes_all_pages(
    client: Client, batch: dict[str, Any], catalog: Path, tmp_path: Path
) -> None:
    target = tmp_path / "batch.provn"
    words = ["prov", batch["id"], "--catalog", catalog, "--format", "n", "--limit", "3"]
    said = sillage(*words, "-o", target)
    assert said.code == 0, said.err
    documents = [formats.read(path.read_bytes(), "n") for path in (target, tmp_path / "batch-2.provn")]
    assert [len(of(one, v.COMMUNICATION)) for one in documents] == [3, 1]
    first = sillage(*words)
    assert first.code == 0, first.err
    assert formats.read(first.out.encode(), "n") == documents[0]
    assert "the next page: --cursor" in first.err
