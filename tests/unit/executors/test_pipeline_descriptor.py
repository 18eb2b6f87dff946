from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from executors.model import TaskOutput
from executors.pipelines.descriptor import PipelineDescriptor
from ontology.errors import InvalidRequestError, ValidationFailedError

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("SILLAGE_TEST_DATA", ROOT.parent / "shared" / "data")) / "descriptors"


def document(**members: Any) -> dict[str, Any]:
    """Return a small descriptor in the manner of those that ship."""
    base: dict[str, Any] = {
        "name": "image-qc",
        "description": "Measures image quality.",
        "tool-version": "1.2.0",
        "schema-version": "0.5",
        "command-line": "python run.py [IMAGES] [THRESHOLD] [FAST] --out [REPORT]",
        "inputs": [
            {"id": "images", "name": "Images", "type": "File", "list": True, "value-key": "[IMAGES]"},
            {
                "id": "threshold",
                "name": "Threshold",
                "type": "Number",
                "value-key": "[THRESHOLD]",
                "command-line-flag": "--threshold",
                "command-line-flag-separator": "=",
                "default-value": 0.5,
                "minimum": 0,
                "optional": True,
            },
            {
                "id": "fast",
                "name": "Fast",
                "type": "Flag",
                "value-key": "[FAST]",
                "command-line-flag": "--fast",
                "optional": True,
            },
        ],
        "output-files": [
            {"id": "report", "name": "Report", "path-template": "out/report.html", "value-key": "[REPORT]"},
            {"id": "measures", "name": "Measures", "path-template": "out/*.json", "list": True, "optional": True},
        ],
        "custom": {
            "sillage": {
                "level": "participant",
                "files": ".",
                "environment": {"kind": "python", "lock": ["numpy==2.0", "nibabel==5.3"]},
                "gpus": {"count": 1, "optional": True},
                "resources": {"ram_gb": 4, "wall_s": 600},
                "seeds": {"numpy": 1},
                "inputs": {"images": {"select": "suffix = 'T1w'", "all": True}},
                "outputs": {"measures": {"derived_from": ["images"]}},
            }
        },
    }
    base.update(members)
    return base


def block(**members: Any) -> dict[str, Any]:
    """Return a change that replaces the block of our own."""
    return {"custom": {"sillage": members}}


def test_reads_what_a_descriptor_says() -> None:
    pipeline = PipelineDescriptor.parse(document())
    assert (pipeline.name, pipeline.version, pipeline.semver, pipeline.level) == (
        "image-qc",
        "1.2.0",
        "1.2.0",
        "participant",
    )
    assert pipeline.environment.lock == ("nibabel==5.3", "numpy==2.0")
    assert pipeline.environment.is_pinned
    assert pipeline.selections["images"].select == "suffix = 'T1w'"
    assert pipeline.selections["images"].choose == "all"
    assert pipeline.outputs["measures"].derived_from == ("images",)
    assert pipeline.outputs["report"].derived_from is None
    assert (pipeline.resources.gpus, pipeline.resources.gpus_optional) == (1, True)
    assert (pipeline.resources.ram_gb, pipeline.resources.wall_s) == (4, 600)
    assert pipeline.parameter_names == ("threshold", "fast")
    assert pipeline.network is False


def test_source_may_be_text_bytes_or_file(tmp_path: Path) -> None:
    path = tmp_path / "descriptor.json"
    path.write_text(json.dumps(document(), indent=4))
    sources = [document(), json.dumps(document()), json.dumps(document()).encode(), path]
    assert len({PipelineDescriptor.parse(source).digest for source in sources}) == 1


def test_digest_is_of_the_meaning_not_of_the_spelling() -> None:
    shuffled = dict(reversed(list(document().items())))
    assert PipelineDescriptor.parse(shuffled).digest == PipelineDescriptor.parse(document()).digest
    other = document(description="Measures something else.")
    assert PipelineDescriptor.parse(other).digest != PipelineDescriptor.parse(document()).digest


def test_parsing_leaves_the_document_alone() -> None:
    given = document()
    before = copy.deepcopy(given)
    PipelineDescriptor.parse(given).invocation({"images": ["/inputs/a"]})
    assert given == before


def test_invocation() -> None:
    pipeline = PipelineDescriptor.parse(document())
    invocation = pipeline.invocation({"images": ["/inputs/a b.nii", "/inputs/$(rm -rf ~).nii"], "fast": True})
    assert invocation.argv == (
        "python",
        "/pipeline/run.py",
        "/inputs/a b.nii",
        "/inputs/$(rm -rf ~).nii",
        "--threshold=0.5",
        "--fast",
        "--out",
        "out/report.html",
    )
    assert invocation.parameters == {
        "images": ["/inputs/a b.nii", "/inputs/$(rm -rf ~).nii"],
        "threshold": 0.5,
        "fast": True,
    }
    assert pipeline.task_outputs(invocation) == (
        TaskOutput(name="report", path="out/report.html"),
        TaskOutput(name="measures", path="out/*.json", optional=True),
    )


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "/images"),
        ({"images": []}, None),
        ({"images": "/inputs/a"}, "/images"),
        ({"images": ["/a"], "threshold": "high"}, "/threshold"),
        ({"images": ["/a"], "threshold": -1}, "/threshold"),
        ({"images": ["/a"], "treshold": 1}, "/treshold"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, Any], field: str | None) -> None:
    pipeline = PipelineDescriptor.parse(document())
    if field is None:
        assert pipeline.invocation(values).argv[2] == "--threshold=0.5"
        return
    with pytest.raises(ValidationFailedError) as caught:
        pipeline.invocation(values)
    assert [problem["field"] for problem in caught.value.params["problems"]] == [field]


def test_parameters_are_checked_before_the_files_are_known() -> None:
    pipeline = PipelineDescriptor.parse(document())
    pipeline.check_parameters({"threshold": 0.1})
    with pytest.raises(ValidationFailedError) as caught:
        pipeline.check_parameters({"threshold": "x", "speed": 1})
    assert {problem["field"] for problem in caught.value.params["problems"]} == {"/threshold", "/speed"}
    with pytest.raises(ValidationFailedError, match="give it as an input"):
        pipeline.check_parameters({"images": ["/a"]})


@pytest.mark.parametrize(
    "source",
    ["", "{", "[]", "null", b"\xff\xfe", "[" * 100_000, '{"name": NaN}', "x" * 5_000_000],
    ids=["empty", "broken", "list", "null", "binary", "deep", "nan", "huge"],
)
def test_what_is_no_descriptor_is_refused(source: str | bytes) -> None:
    with pytest.raises((InvalidRequestError, ValidationFailedError)) as caught:
        PipelineDescriptor.parse(source)
    assert caught.value.detail


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError):
        PipelineDescriptor.parse(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": 3, "tool-version": None}, {"/name", "/tool-version"}),
        ({"command-line": "run [IMAGES]"}, {"/inputs/1", "/inputs/2", "/output-files/0"}),
        ({"command-line": document()["command-line"] + ' "[IMAGES]"'}, {"/command-line"}),
        ({"command-line": document()["command-line"] + " 'open"}, {"/command-line"}),
        ({"tool-version": "1 or 2"}, {"/tool-version"}),
        ({"name": "a@b"}, {"/name"}),
        ({"custom": {"sillage": []}}, {"/custom/sillage"}),
        (
            {"custom": {"sillage": {"level": "everybody", "speed": 1}}},
            {"/custom/sillage/level", "/custom/sillage/speed"},
        ),
        (block(files="../.."), {"/custom/sillage/files"}),
        (block(gpus={"count": "two"}), {"/custom/sillage/gpus/count"}),
        (block(resources={"ram": 4}), {"/custom/sillage/resources/ram"}),
        (block(environment={"lock": ["numpy"]}), {"/custom/sillage/environment/lock"}),
        (block(environment={"image": "a:latest"}), {"/custom/sillage/environment/image"}),
        (block(inputs={"threshold": {}}), {"/custom/sillage/inputs/threshold"}),
        (
            {"custom": {"sillage": {"outputs": {"report": {"derived_from": ["x"]}}}}},
            {"/custom/sillage/outputs/report/derived_from"},
        ),
    ],
)
def test_every_problem_is_listed_with_its_place(change: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(ValidationFailedError) as caught:
        PipelineDescriptor.parse(document(**change))
    assert {problem["field"] for problem in caught.value.params["problems"]} == fields
    assert all(problem["detail"] for problem in caught.value.params["problems"])


@pytest.mark.parametrize(
    ("version", "semver"),
    [("1.2.3", "1.2.3"), ("v7.3", "7.3.0"), ("24", "24.0.0"), ("1.0.0-rc.1+b", "1.0.0-rc.1+b"), ("6.0a", None)],
)
def test_versions(version: str, semver: str | None) -> None:
    assert PipelineDescriptor.parse(document(**{"tool-version": version})).semver == semver


@pytest.mark.parametrize(
    ("image", "pinned"),
    [("a/b@sha256:" + "0" * 64, True), ("a/b:latest", False)],
)
def test_an_image_is_pinned_by_its_digest(image: str, pinned: bool) -> None:
    given = document(custom={}, **{"container-image": {"type": "docker", "image": image}})
    environment = PipelineDescriptor.parse(given).environment
    assert (environment.kind, environment.is_pinned) == ("container", pinned)


@pytest.mark.parametrize(
    ("name", "version", "files"),
    [
        ("example1_docker", "0.0.1", {"file_input", "file_list_input"}),
        ("fsl_bet", "1.0.0", {"infile", "additional_surfaces_t2"}),
        ("nipoppy-fmriprep-24.1.1", "24.1.1", None),
        ("vip-freesurfer-7.3.1", "v7.3.1", None),
    ],
)
def test_real_descriptors(name: str, version: str, files: set[str] | None) -> None:
    path = DATA / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no real descriptors at {DATA} (set SILLAGE_TEST_DATA)")
    pipeline = PipelineDescriptor.parse(path)
    assert pipeline.version == version
    assert pipeline.environment.kind == "container"
    assert not pipeline.environment.is_pinned
    if files is not None:
        assert set(pipeline.selections) == files


def test_the_descriptor_of_the_guide_is_sound() -> None:
    guide = (ROOT / "docs/howto/register-a-pipeline.md").read_text(encoding="utf-8")
    pipeline = PipelineDescriptor.parse(guide.split("```json")[1].split("```")[0])
    argv = pipeline.invocation({"images": ["/inputs/a_T1w.nii.gz"], "fwhm": 8}).argv
    assert argv == ("python", "/pipeline/run.py", "--fwhm", "8", "/inputs/a_T1w.nii.gz")


def test_a_wrong_member_of_an_input_is_named_and_not_the_whole_input() -> None:
    document = {
        "name": "count",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "description": "Counts.",
        "command-line": "count [WHAT]",
        "inputs": [{"id": "what", "name": "What", "type": "Strng", "value-key": "[WHAT]"}],
    }
    with pytest.raises(ValidationFailedError) as caught:
        PipelineDescriptor.parse(document)
    assert [problem["field"] for problem in caught.value.params["problems"]] == ["/inputs/0/type"]
    assert "'Strng' is not one of" in caught.value.detail
