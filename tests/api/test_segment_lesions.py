"""Lesion segmentation through the catalogue: from masks to a model, and to a mask that leads back to them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sillage.client import Client

pytest.importorskip("monai", reason="the extra `pipelines` is not installed")

DRAWN = (
    Path(__file__).parents[2] / "executors" / "pipelines" / "bundled" / "segment-lesions-train" / "reference" / "inputs"
)
SMALL = {"epochs": 1, "patches": 2, "width": 2, "voxel_mm": 5}


def _dataset(root: Path, source: Path, **described: Any) -> Path:
    root.mkdir()
    for folder in source.glob("sub-*"):
        shutil.copytree(folder, root / folder.name)
    about = {"Name": root.name, "BIDSVersion": "1.10.0", "License": "CC0", "Authors": ["Ada Lovelace"], **described}
    (root / "dataset_description.json").write_text(json.dumps(about))
    return root


@pytest.fixture
def images(client: Client, tmp_path: Path) -> dict[str, Any]:
    made: dict[str, Any] = client.register_dataset(_dataset(tmp_path / "images", DRAWN))
    return made


@pytest.fixture
def masks(client: Client, tmp_path: Path) -> dict[str, str]:
    """Register the masks as a dataset of their own; returns the acquisition of each person."""
    derived = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "a reader"}]}
    made = client.register_dataset(_dataset(tmp_path / "lesions", DRAWN / "derivatives" / "lesions", **derived))
    found = {}
    for person in client.get(f"datasets/{made['id']}/participants")["items"]:
        (mask,) = client.get(f"participants/{person['id']}/acquisitions")["items"]
        found[person["label"]] = mask["id"]
    return found


def _done(client: Client, pipeline: str, **options: Any) -> dict[str, Any]:
    task = client.wait(client.run(pipeline, **options)["id"])
    logs = "" if task["state"] == "COMPLETE" else "".join(client.stream(f"tasks/{task['id']}/logs"))
    assert task["state"] == "COMPLETE", logs
    return task


def test_a_mask_leads_to_whom_the_model_has_seen(
    client: Client, images: dict[str, Any], masks: dict[str, str], bubblewrap: str
) -> None:
    for name in ("segment-lesions-train", "segment-lesions", "segment-lesions-evaluate"):
        client.post("pipelines", {"descriptor": {}, "bundled": name})
    people = {p["label"]: p["id"] for p in client.get(f"datasets/{images['id']}/participants")["items"]}
    taught = client.freeze_cohort("label IN ('sub-ref2', 'sub-ref3') AND has(suffix = 'FLAIR')")
    assert taught["count"] == 2
    learnt = _done(
        client, "segment-lesions-train", cohort=taught["id"], inputs={"lesions": list(masks.values())}, parameters=SMALL
    )
    model = next(output["id"] for output in learnt["outputs"] if output["path"] == "model.npz")
    other = client.freeze_cohort("label = 'sub-ref1' AND has(suffix = 'FLAIR')")
    applied = _done(
        client, "segment-lesions", cohort=other["id"], inputs={"model": [model]}, parameters={"threshold": 0.01}
    )
    found = {output["path"]: output["id"] for output in applied["outputs"]}
    mask = found["sub-ref1/anat/sub-ref1_label-lesion_mask.nii.gz"]
    assert len(found) == 4
    up = {node["id"] for node in client.get(f"lineage/{mask}", direction="up")["nodes"]}
    assert set(people.values()) <= up
    down = {node["id"] for node in client.get(f"lineage/{people['sub-ref2']}", direction="down")["nodes"]}
    assert mask in down
    assert client.find_cohort("derived(measure(lesion_ml) > 0)")["count"] >= 1
    judged = _done(client, "segment-lesions-evaluate", inputs={"masks": [mask], "references": [masks["sub-ref1"]]})
    assert sorted(output["path"] for output in judged["outputs"]) == ["evaluation.json", "evaluation.tsv"]
    result = next(client.show(o["id"]) for o in judged["outputs"] if o["path"] == "evaluation.json")
    measures = client.show(result["part_of"])["measures"]
    assert 0 <= measures["dice_mean"][0]["value"] <= 1
    assert measures["hd95_mm_mean"][0]["unit"] == "mm"


def test_what_the_pipeline_refuses_is_a_failed_task_that_says_why(
    client: Client, masks: dict[str, str], bubblewrap: str
) -> None:
    client.post("pipelines", {"descriptor": {}, "bundled": "segment-lesions-evaluate"})
    named = {"masks": [masks["sub-ref1"]], "references": [masks["sub-ref2"]]}
    task = client.wait(client.run("segment-lesions-evaluate", inputs=named)["id"])
    assert (task["state"], task["exit_code"]) == ("EXECUTOR_ERROR", 65)
    assert "there is no reference of sub-ref1" in "".join(client.stream(f"tasks/{task['id']}/logs", stream="stderr"))
