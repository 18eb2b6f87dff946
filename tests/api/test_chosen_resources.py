"""Resources that somebody chooses for a run: checked at once, given to every task, and told by reuse and by a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.operations.chosen_resources import read_resources, with_chosen
from api.operations.reuse import work_digest
from executors.model import Environment, Resources, TaskSpec
from ontology.errors import InvalidRequestError
from sillage.client import Client, ProblemError
from tests.api.conftest import write_pipeline
from tests.client.test_command_line import sillage


@pytest.fixture
def everybody(client: Client, registered: dict[str, Any], tmp_path: Path) -> str:
    script = "mkdir -p out; echo $OMP_NUM_THREADS > out/threads.txt\n"
    client.register_pipeline(write_pipeline(tmp_path / "one", script, name="one"), tmp_path / "one")
    return str(client.freeze_cohort("TRUE")["id"])


def test_every_task_gets_what_was_chosen(client: Client, everybody: str) -> None:
    chosen = {"wall_s": 33.0, "ram_gb": 0.5}
    batch = client.wait(client.run("one", cohort=everybody, resources=chosen)["id"])
    assert batch["state"] == "COMPLETE"
    assert batch["resources"] == chosen
    limits = [client.get(f"tasks/{item['id']}")["record"]["limits"] for item in batch["items"]]
    assert {(each["wall_s"], each["ram_gb"], each["disk_gb"]) for each in limits} == {(33.0, 0.5, 0.1)}


@pytest.mark.parametrize("more", [{"cpu_cores": 2}, {"gpus": 1}])
def test_other_cores_are_other_work_and_more_time_is_not(more: dict[str, int]) -> None:
    spec = TaskSpec(id="a", name="a", command=("true",), environment=Environment(kind="python", digest="d"))
    plain, _ = work_digest(spec, files_digest=None, runner="local")
    assert work_digest(spec, files_digest=None, runner="local", chosen={"wall_s": 9.0, "ram_gb": 1.0})[0] == plain
    assert work_digest(spec, files_digest=None, runner="local", chosen={"wall_s": 9.0, **more})[0] != plain


def test_a_plan_says_what_each_task_may_use(client: Client, everybody: str) -> None:
    suggested = client.plan("one", cohort=everybody)["resources"]
    plan = client.plan("one", cohort=everybody, resources={"wall_s": 90})
    assert plan["resources"] == {**suggested, "wall_s": 90}
    assert plan["suggested"] == suggested
    assert client.get("tasks")["total"] == 0


@pytest.mark.parametrize(
    ("resources", "field"),
    [
        ({"cpu_cores": 100_000}, "resources.cpu_cores"),
        ({"ram_gb": 1e9}, "resources.ram_gb"),
        ({"gpus": 64}, "resources.gpus"),
        ({"cpu_cores": 0}, "resources.cpu_cores"),
        ({"cpu_cores": 1.5}, "resources.cpu_cores"),
        ({"wall_s": -1}, "resources.wall_s"),
        ({"wall_s": 1e12}, "resources.wall_s"),
        ({"disk_gb": 1}, "resources.disk_gb"),
    ],
)
def test_what_cannot_be_given_is_refused_at_its_field(
    client: Client, everybody: str, resources: dict[str, float], field: str
) -> None:
    for ask in (client.plan, client.run):
        with pytest.raises(ProblemError) as refused:
            ask("one", cohort=everybody, resources=resources)
        assert (refused.value.status, refused.value.problem["field"]) == (400, field)
    assert client.get("tasks")["total"] == 0


def test_the_command_line_chooses_too(client: Client, everybody: str, catalog: Path) -> None:
    words = ["run", "one", "--cohort", everybody, "--plan", "--json", "--catalog", catalog]
    assert sillage(*words, "--resource", "wall_s=45").json["resources"]["wall_s"] == 45
    refused = sillage(*words, "--resource", "cpu_cores=many")
    assert refused.code == 2
    assert "resources" in refused.err


def test_amounts_are_read_from_text() -> None:
    assert read_resources({"cpu_cores": "4", "ram_gb": "1.5", "gpus": None}) == {"cpu_cores": 4, "ram_gb": 1.5}
    for value in ("", "four", "nan", "inf", True, [1], "1e999"):
        with pytest.raises(InvalidRequestError):
            read_resources({"ram_gb": value})


def test_gpus_that_were_chosen_are_needed() -> None:
    suggested = Resources(gpus=1, gpus_optional=True)
    assert with_chosen(suggested, {"gpus": 2}) == Resources(gpus=2)
    assert with_chosen(suggested, {"cpu_cores": 2}) == Resources(cpu_cores=2, gpus=1, gpus_optional=True)
    assert with_chosen(suggested, None) == suggested
