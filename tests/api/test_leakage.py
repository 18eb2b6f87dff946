"""Leakage through the client: models become records, and tasks say whether they use one on people of its training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sillage.client import Client, ProblemError

TRAIN = 'mkdir -p out && cat "$@" | sha256sum > out/model.npz\n'
APPLY = """mkdir -p out
for f in "$@"; do case "$f" in *.npz) ;; *) cat "$f" > "out/$(basename "$f" .nii.gz)_map.txt" ;; esac; done
"""


def descriptor(
    name: str, outputs: dict[str, Any], *, level: str, inputs: tuple[str, ...] = ("images",)
) -> dict[str, Any]:
    """Return a descriptor; its inputs ``model`` and ``start`` are named, and ``images`` chosen."""
    rules = {"images": {"select": "suffix = 'T1w'", "all": True}}
    return {
        "name": name,
        "description": "A pipeline for tests",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": "sh run.sh " + " ".join(f"[{each.upper()}]" for each in inputs),
        "inputs": [
            {
                "id": each,
                "name": each,
                "type": "File",
                "list": True,
                "value-key": f"[{each.upper()}]",
                "optional": each == "start",
            }
            for each in inputs
        ],
        "output-files": [
            {"id": each, "name": each, "path-template": pattern, "optional": False}
            for each, pattern in (("model", "out/model.npz"), ("maps", "out/*.txt"))
            if each in outputs
        ],
        "custom": {
            "sillage": {
                "level": level,
                "files": ".",
                "environment": {"kind": "system"},
                "resources": {"wall_s": 300, "disk_gb": 0.1},
                "inputs": {each: rules[each] for each in inputs if each in rules},
                "outputs": outputs,
            }
        },
    }


MODEL = {"model": {"model": {"architecture": "hash", "framework": "PyTorch", "ancestors": []}}}


class Lab:
    """A catalogue with a pipeline that trains and one that applies."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client, self._folder = client, folder
        self.pipeline("train", TRAIN, MODEL, level="group")
        finer = {"model": {"model": {"architecture": "hash", "ancestors": ["start"]}}}
        self.pipeline("tune", TRAIN, finer, level="group", inputs=("start", "images"))
        self.pipeline("apply", APPLY, {"maps": {}}, level="participant", inputs=("model", "images"))

    def pipeline(self, name: str, script: str, outputs: dict[str, Any], **options: Any) -> None:
        folder = self._folder / name
        folder.mkdir(parents=True)
        (folder / "run.sh").write_text(script)
        self.client.register_pipeline(descriptor(name, outputs, **options), folder)

    def cohort(self, *labels: str, dataset: str | None = None) -> str:
        said = " OR ".join(f"participant_id = 'sub-{label}'" for label in labels)
        return str(self.client.freeze_cohort(f"({said})")["id"])

    def run(self, pipeline: str, cohort: str, **inputs: str) -> dict[str, Any]:
        options = {name: inputs.pop(name) for name in ("allow_leakage",) if name in inputs}
        task = self.client.run(pipeline, cohort=cohort, inputs={name: [iri] for name, iri in inputs.items()}, **options)
        return self.client.wait(task["id"])

    def train(self, *labels: str) -> tuple[dict[str, Any], str]:
        task = self.run("train", self.cohort(*labels))
        assert task["state"] == "COMPLETE", task
        return task, str(task["outputs"][0]["id"])


@contextmanager
def policy(catalog: Path, said: str) -> Iterator[Client]:
    """Open the catalogue once more, under another policy."""
    with (catalog / "sillage.toml").open("a") as file:
        file.write(f'leakage = "{said}"\n')
    with Client(catalog=catalog) as client:
        yield client


@pytest.fixture
def lab(client: Client, registered: dict[str, Any], tmp_path: Path) -> Lab:
    return Lab(client, tmp_path / "pipelines")


def test_a_training_writes_a_model_that_knows_its_people(lab: Lab) -> None:
    task, weights = lab.train("01", "02")
    page = lab.client.get("models")
    assert page["total"] == 1
    model = lab.client.get(f"models/{weights}")
    assert model["id"] == page["items"][0]["id"]
    assert (model["architecture"], model["framework"], model["training_data"]) == ("hash", "PyTorch", "known")
    assert (model["participants"], model["people"], model["behind"], model["unknown"]) == (2, 2, [], [])
    assert [run["task"] for run in model["trainings"]] == [task["id"]]
    assert model["cohorts"] == [task["cohort"]]
    assert model["digest"] == task["outputs"][0]["sha256"]


def test_a_task_says_whether_the_model_has_seen_its_people(lab: Lab) -> None:
    task, weights = lab.train("01", "02")
    clean = lab.run("apply", lab.cohort("03"), model=weights)
    assert clean["leakage"]["state"] == "clean"
    assert clean["record"]["plan"]["leakage"]["state"] == "clean"
    assert not any("Leakage" in said for said in clean["remarks"])
    shared = lab.run("apply", lab.cohort("01"), model=weights)
    found = shared["leakage"]
    assert (found["state"], found["decision"], found["shared"], found["relations"]) == (
        "shared",
        "warned",
        1,
        {"participant": 1},
    )
    kinds = [node["type"] for node in found["paths"][0]["nodes"]]
    assert kinds == ["Participant", "Acquisition", "File", "Task", "Model"]
    assert found["paths"][0]["nodes"][3]["id"] == task["id"]
    assert any(said.startswith("Leakage shared") for said in shared["remarks"])


def test_a_model_and_its_training_are_named_for_the_weights(lab: Lab) -> None:
    task, weights = lab.train("01")
    model, cohort = lab.client.get(f"models/{weights}")["id"], lab.cohort("02")
    for named in (model, task["id"]):
        applied = lab.run("apply", cohort, model=named)
        assert applied["state"] == "COMPLETE", applied
        used = [given["sha256"] for given in applied["record"]["inputs"] if given["path"].endswith("model.npz")]
        assert used == [task["outputs"][0]["sha256"]]
        assert applied["leakage"]["state"] == "clean"
    plan = lab.client.post("tasks/plan", {"pipeline": "apply", "cohort": cohort, "inputs": {"model": [task["id"]]}})
    assert plan["leakage"]["state"] == "clean"


def test_what_a_model_began_from_counts_and_its_own_training_is_no_leakage(lab: Lab) -> None:
    _, first = lab.train("01")
    tuned = lab.run("tune", lab.cohort("01", "02"), start=first)
    assert (tuned["state"], tuned["leakage"]) == ("COMPLETE", None)
    weights = tuned["outputs"][0]["id"]
    _, base = lab.train("03")
    again = lab.run("tune", lab.cohort("02"), start=base)["outputs"][0]["id"]
    model = lab.client.get(f"models/{again}")
    assert (model["participants"], model["people"]) == (1, 2)
    assert [each["id"] for each in model["behind"]] == [lab.client.get(f"models/{base}")["id"]]
    found = lab.run("apply", lab.cohort("03"), model=again)["leakage"]
    assert (found["state"], found["shared"]) == ("shared", 1)
    assert lab.run("apply", lab.cohort("04"), model=weights)["leakage"]["state"] == "clean"


def test_results_of_a_model_carry_it_on(lab: Lab) -> None:
    _, weights = lab.train("01")
    made = lab.run("apply", lab.cohort("01"), model=weights)["outputs"][0]["id"]
    lab.pipeline("look", APPLY, {"maps": {}}, level="participant", inputs=("images",))
    task = lab.client.wait(lab.client.run("look", inputs={"images": [made]})["id"])
    assert task["leakage"]["state"] == "shared"
    assert task["leakage"]["models"][0]["by"] == "result"


def test_the_policy_refuses_those_items_alone(lab: Lab, catalog: Path) -> None:
    _, weights = lab.train("01")
    people = lab.cohort("01", "03")
    with policy(catalog, "refuse") as client:
        batch = client.wait(client.run("apply", cohort=people, inputs={"model": [weights]})["id"])
        assert (batch["complete"], batch["refused_count"]) == (1, 1)
        assert "in its training" in batch["refused"][0]["detail"]
        alone = client.freeze_cohort("participant_id = 'sub-01'")["id"]
        with pytest.raises(ProblemError) as refused:
            client.run("apply", cohort=alone, inputs={"model": [weights]})
        assert (refused.value.status, refused.value.code) == (403, "leakage")
        allowed = client.run(
            "apply", cohort=alone, inputs={"model": [weights]}, allow_leakage="To see how well it was fitted"
        )
        done = client.wait(allowed["id"])
        assert (done["state"], done["leakage"]["decision"]) == ("COMPLETE", "allowed")
        assert done["leakage"]["allowed"] == "To see how well it was fitted"


def test_leakage_is_allowed_only_by_those_who_may(lab: Lab, somebody: Callable[..., Client]) -> None:
    _, weights = lab.train("01")
    operator = somebody("operator")
    with pytest.raises(ProblemError) as refused:
        operator.run("apply", cohort=lab.cohort("01"), inputs={"model": [weights]}, allow_leakage="Because I say so")
    assert refused.value.status == 403


def test_of_a_foreign_model_it_must_be_said_whom_it_was_trained_on(lab: Lab, tmp_path: Path) -> None:
    weights = tmp_path / "weights.npz"
    weights.write_bytes(b"weights from elsewhere")
    asked = {"file": str(weights), "architecture": "U-Net"}
    with pytest.raises(ProblemError) as refused:
        lab.client.post("models", asked)
    assert (refused.value.status, refused.value.problem["field"]) == (400, "trained_on")
    model = lab.client.post("models", {**asked, "training_data_unknown": True})
    assert model["training_data"] == "unknown"
    found = lab.run("apply", lab.cohort("03"), model=model["file"])
    assert (found["leakage"]["state"], found["leakage"]["decision"]) == ("unknown", "warned")
    assert lab.client.get(f"models/{model['id']}/leakage", cohort=lab.cohort("03"))["state"] == "unknown"
    with pytest.raises(ProblemError) as twice:
        lab.client.post("models", {**asked, "training_data_unknown": True})
    assert twice.value.status == 409


def test_the_question_can_be_asked_beforehand(lab: Lab, somebody: Callable[..., Client]) -> None:
    task, weights = lab.train("01", "02")
    answer = lab.client.get(f"models/{weights}/leakage", cohort=lab.cohort("01", "03"))
    assert (answer["state"], answer["shared"], answer["people"]) == ("shared", 1, 2)
    assert answer["items"][0]["participant"]["label"] == "sub-01"
    assert task["id"] in [node["id"] for node in answer["items"][0]["path"]]
    assert lab.client.get(f"models/{weights}/leakage", cohort=lab.cohort("03"))["state"] == "clean"
    with pytest.raises(ProblemError) as unseen:
        somebody().get(f"models/{weights}/leakage", cohort=lab.cohort("03"))
    assert unseen.value.status in (403, 404)


def test_the_same_weights_elsewhere_are_the_same_model(lab: Lab) -> None:
    _, weights = lab.train("01")
    _, again = lab.train("01")
    model = lab.client.get(f"models/{again}")
    assert lab.client.get("models")["total"] == 1
    assert (len(model["trainings"]), model["version"]) == (2, 2)
    assert lab.client.get(f"models/{weights}")["id"] == model["id"]


def test_models_have_pages(lab: Lab) -> None:
    _, weights = lab.train("01")
    lab.run("apply", lab.cohort("01"), model=weights)
    model = lab.client.get(f"models/{weights}")
    assert f"/models/{model['id']}" in lab.client.request("GET", "/models").text
    text = lab.client.request("GET", f"/models/{model['id']}").text
    assert "1 participants" in text
    assert ">shared<" in text
