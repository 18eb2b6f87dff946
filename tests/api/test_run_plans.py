"""Plans: what a submission would do is said, and nothing is started, registered or written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.operations.submissions import read_parameters
from executors.pipelines.descriptor import PipelineDescriptor
from sillage.client import Client, ProblemError

COPY = "mkdir -p out; wc -c $@ > out/sizes.txt\n"


@pytest.fixture
def descriptor(tmp_path: Path) -> dict[str, Any]:
    folder = tmp_path / "pipeline"
    folder.mkdir()
    (folder / "run.sh").write_text(COPY)
    file = {"id": "images", "name": "Images", "type": "File", "list": True, "value-key": "[IMAGES]"}
    number = {"id": "level", "name": "Level", "type": "Number", "integer": True, "minimum": 1, "maximum": 9}
    return {
        "name": "weigh",
        "description": "Weighs images",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": "sh run.sh [IMAGES] [LEVEL]",
        "inputs": [file, {**number, "value-key": "[LEVEL]", "optional": True, "default-value": 3}],
        "output-files": [{"id": "sizes", "name": "Sizes", "path-template": "out/*.txt"}],
        "custom": {
            "sillage": {
                "files": ".",
                "environment": {"kind": "system"},
                "inputs": {"images": {"select": "suffix = 'T1w'", "all": True}},
            }
        },
    }


@pytest.fixture
def weigh(client: Client, descriptor: dict[str, Any], tmp_path: Path, registered: dict[str, Any]) -> str:
    return str(client.register_pipeline(descriptor, tmp_path / "pipeline")["id"])


@pytest.fixture
def everybody(client: Client, registered: dict[str, Any]) -> str:
    return str(client.freeze_cohort("TRUE")["id"])


def test_a_plan_names_each_task_and_starts_none(client: Client, weigh: str, everybody: str) -> None:
    plan = client.plan(weigh, cohort=everybody, parameters={"level": "2"})
    assert plan["type"] == "RunPlan"
    assert (plan["starts"], plan["admitted"]) == (True, True)
    assert (plan["participants"], plan["looked_at"], plan["tasks"], plan["refused_count"]) == (4, 4, 4, 0)
    assert [item["label"] for item in plan["items"]] == [f"weigh sub-0{number}" for number in range(1, 5)]
    assert plan["items"][0]["files"] == ["sub-01/anat/sub-01_T1w.nii.gz"]
    assert plan["parameters"] == {"level": 2}
    assert plan["certificate"]["state"] == "uncertified"
    assert plan["leakage"] is None
    assert plan["resources"]["cpu_cores"] == 1
    assert client.get("tasks")["total"] == 0
    assert client.get("tasks", type="TaskBatch")["total"] == 0


def test_who_is_left_out_is_told_with_the_reason_once(client: Client, weigh: str, everybody: str) -> None:
    plan = client.plan(weigh, cohort=everybody, select={"images": "suffix = 'nothing'"})
    assert (plan["starts"], plan["tasks"], plan["refused_count"]) == (False, 0, 4)
    assert plan["reasons"] == [{"field": "images", "detail": "no file for input 'images'", "count": 4}]
    assert {item["participant"] for item in plan["refused"]} == {
        member["participant"] for member in client.get(f"cohorts/{everybody}")["members"]
    }


def test_a_policy_that_refuses_is_said_and_nothing_raised(
    catalog: Path, weigh: str, everybody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SILLAGE_UNCERTIFIED", "refuse")
    with Client(catalog=catalog) as strict:
        plan = strict.plan(weigh, cohort=everybody)
    assert (plan["starts"], plan["admitted"], plan["tasks"]) == (False, False, 4)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"parameters": {"level": "10"}}, "/level"),
        ({"parameters": {"level": "two"}}, "/level"),
        ({"parameters": {"colour": "red"}}, "/colour"),
        ({"select": {"images": "suffix ="}}, "select.images"),
        ({"inputs": {"pictures": ["x"]}}, "inputs"),
        ({"runner": "nowhere"}, "runner"),
    ],
)
def test_what_is_wrong_is_said_of_its_field(
    client: Client, weigh: str, everybody: str, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(ProblemError) as problem:
        client.plan(weigh, cohort=everybody, **asked)
    assert problem.value.problem["field"] == field
    with pytest.raises(ProblemError) as again:
        client.run(weigh, cohort=everybody, **asked)
    assert again.value.problem["field"] == field


def test_a_path_is_looked_at_and_not_registered(client: Client, weigh: str, tmp_path: Path) -> None:
    image = tmp_path / "loose_T1w.nii.gz"
    image.write_bytes(b"an image")
    before = client.get("datasets")["total"]
    plan = client.plan(weigh, inputs={"images": [str(image)]})
    assert (plan["tasks"], plan["unregistered"]) == (1, ["loose_T1w.nii.gz"])
    assert client.get("datasets")["total"] == before
    client.wait(client.run(weigh, inputs={"images": [str(image)]}, runner="noop")["id"])
    assert client.plan(weigh, inputs={"images": [str(image)]})["unregistered"] == []
    with pytest.raises(ProblemError, match="nothing at"):
        client.plan(weigh, inputs={"images": [str(tmp_path / "absent.nii.gz")]})


def test_looking_leaves_an_entry_and_needs_the_right_to_run(
    client: Client, weigh: str, everybody: str, somebody: Callable[..., Client]
) -> None:
    client.plan(weigh, cohort=everybody)
    (entry,) = client.get("audit/entries", action="task.plan", limit=10)["items"]
    assert entry["subject"] == everybody
    with pytest.raises(ProblemError) as refused:
        somebody("reader").plan(weigh, cohort=everybody)
    assert refused.value.problem["status"] == 403


def test_lists_of_text_become_what_the_descriptor_says(descriptor: dict[str, Any]) -> None:
    parsed = PipelineDescriptor.parse(descriptor)
    assert read_parameters(parsed, {"level": ["1", "2.5", "x"]}) == {"level": [1, 2.5, "x"]}
