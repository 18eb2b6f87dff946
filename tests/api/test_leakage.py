"""Leakage through the client: models become records, and tasks say whether they use one on people of its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sillage.client import Client

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
                "resources": {"wall_s": 20, "disk_gb": 0.1},
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
        self._pipeline("train", TRAIN, MODEL, level="group")
        finer = {"model": {"model": {"architecture": "hash", "ancestors": ["start"]}}}
        self._pipeline("tune", TRAIN, finer, level="group", inputs=("start", "images"))
        self._pipeline("apply", APPLY, {"maps": {}}, level="participant", inputs=("model", "images"))

    def _pipeline(self, name: str, script: str, outputs: dict[str, Any], **options: Any) -> None:
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
