"""What can only fail when it runs is refused when it is registered."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from executors.pipelines.bundled import bundled_files, list_bundled
from executors.pipelines.command import CommandBuilder
from executors.pipelines.descriptor import PipelineDescriptor
from ontology.errors import ValidationFailedError

ROOT = Path(__file__).resolve().parents[3]
REAL = Path(os.environ.get("SILLAGE_TEST_DATA", ROOT.parent / "shared" / "data")) / "descriptors"


def described(**members: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": "smooth",
        "description": "Smooths.",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": "python run.py [IMAGES] [FWHM]",
        "inputs": [
            {"id": "images", "name": "Images", "type": "File", "value-key": "[IMAGES]"},
            {"id": "fwhm", "name": "Width", "type": "Number", "optional": True, "value-key": "[FWHM]"},
        ],
        "output-files": [{"id": "smoothed", "name": "Smoothed", "path-template": "out/*.nii.gz"}],
        "custom": {"sillage": {"files": ".", "environment": {"kind": "python"}}},
    }
    return base | members


def with_number(**members: Any) -> dict[str, Any]:
    document = described()
    document["inputs"][1] |= members
    return document


def with_output(**members: Any) -> dict[str, Any]:
    return described(**{"output-files": [{"id": "smoothed", "name": "Smoothed", **members}]})


def problems(document: Any, *, files: tuple[str, ...] = ("run.py",), said: str | None = None) -> list[tuple[str, str]]:
    try:
        PipelineDescriptor.parse_new(document, files=files, said_of_condition=lambda text: said)
    except ValidationFailedError as error:
        return [(item["field"], item["detail"]) for item in error.params["problems"]]
    return []


def places(document: Any, **more: Any) -> list[str]:
    return [field for field, _ in problems(document, **more)]


def test_what_can_run_is_accepted() -> None:
    assert problems(described()) == []
    assert problems(with_number(**{"default-value": 6, "minimum": 0, "maximum": 6})) == []


@pytest.mark.parametrize(
    "members",
    [
        {"default-value": -1, "minimum": 0},
        {"default-value": 0, "minimum": 0, "exclusive-minimum": True},
        {"default-value": 9, "maximum": 8},
        {"default-value": 2.5, "integer": True},
        {"default-value": "wide"},
        {"default-value": 3, "value-choices": [1, 2]},
        {"default-value": 3, "list": True},
        {"default-value": [1, 2]},
    ],
)
def test_a_default_that_its_own_input_refuses(members: dict[str, Any]) -> None:
    assert "/inputs/1/default-value" in places(with_number(**members)) or places(with_number(**members)) == [
        "/inputs/1"
    ]


def test_a_default_outside_the_choices_of_words() -> None:
    document = with_number(type="String", **{"value-choices": ["a", "b"], "default-value": "c"})
    assert places(document) == ["/inputs/1"]  # The library's own rule comes first.


@pytest.mark.parametrize(
    "path", ["../out.nii", "out/../../x", "/tmp/x.nii", "..", "[FWHM]" + "/.." * 21, "../[FWHM]", "[IMAGES]_out.nii"]
)
def test_an_output_outside_the_working_folder(path: str) -> None:
    [(field, detail)] = problems(with_output(**{"path-template": path}))
    assert field == "/output-files/0/path-template"
    assert "leads out of the working folder" in detail


@pytest.mark.parametrize("path", ["./out/x", "out/../x", "out/[IMAGES]", "[FWHM]/../x", "a/[LR].gii", "[A-Z]*.nii"])
def test_an_output_within_the_working_folder(path: str) -> None:
    assert problems(with_output(**{"path-template": path})) == []


def test_an_absolute_output_where_the_descriptor_says_so_lies_in_the_working_folder() -> None:
    assert problems(with_output(**{"path-template": "/out/x", "uses-absolute-path": True})) == []


def test_a_file_that_may_be_absent_may_begin_a_path() -> None:
    document = with_output(**{"path-template": "[IMAGES]_out.nii", "optional": True})
    document["inputs"][0]["optional"] = True
    assert problems(document) == []


def test_each_path_of_a_conditional_output_is_looked_at() -> None:
    choices = [{"fwhm > 3": "out/wide.nii"}, {"default": "../narrow.nii"}]
    document = with_output(**{"conditional-path-template": choices, "optional": True})
    assert places(document) == ["/output-files/0/conditional-path-template/1/default"]


@pytest.mark.parametrize("path", ["out/[SUBJECT].nii", "[NO-SUCH_KEY]/x"])
def test_an_output_of_an_input_that_does_not_exist(path: str) -> None:
    [(field, detail)] = problems(with_output(**{"path-template": path}))
    assert field == "/output-files/0/path-template"
    assert "value-key of no input" in detail


def test_a_script_that_is_not_among_the_files() -> None:
    [(field, detail)] = problems(described(), files=("main.py", "README"))
    assert field == "/command-line"
    assert "'run.py' is not among the pipeline's files" in detail
    assert "it has README, main.py" in detail


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("./tool [IMAGES] [FWHM]", "tool"),
        ("bash scripts/../main.sh [IMAGES] [FWHM]", "main.sh"),
        ("env PYTHONPATH=/pipeline/lib python -m smooth [IMAGES] [FWHM]", "lib"),
        ("cd /pipeline/src && python run.py [IMAGES] [FWHM]", "src"),
        ("python ../run.py [IMAGES] [FWHM]", "../run.py"),
    ],
)
def test_a_file_that_the_command_line_names(command: str, named: str) -> None:
    [(field, detail)] = problems(described(**{"command-line": command}))
    assert field == "/command-line"
    assert detail.startswith(f"{named!r} is not among")


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("python -m smooth [IMAGES] [FWHM]", ("smooth.py",)),
        ("python ./run.py [IMAGES] [FWHM]", ("run.py",)),
        ("python app [IMAGES] [FWHM]", ("app/__main__.py",)),
        ("bet [IMAGES] [FWHM]", ()),
        ("cat /pipeline/[FWHM] [IMAGES]", ("a",)),
        ("cd /pipeline && python run.py [IMAGES] [FWHM]", ("run.py",)),
        ("cat /pipeline/*.txt [IMAGES] [FWHM]", ("a.txt",)),
    ],
)
def test_a_command_line_whose_files_are_there(command: str, files: tuple[str, ...]) -> None:
    assert problems(described(**{"command-line": command}), files=files) == []


def test_a_script_without_any_files() -> None:
    block = {"custom": {"sillage": {"environment": {"kind": "python"}}}}
    assert places(described(**block), files=()) == ["/command-line"]
    in_image = {"container-image": {"type": "docker", "image": "lab/smooth"}, "custom": {}}
    assert problems(described(**in_image), files=()) == []


def test_a_script_that_is_written_as_a_configuration_file() -> None:
    document = with_output(**{"path-template": "run.py", "file-template": ["print([FWHM])"]})
    document["custom"]["sillage"].pop("files")
    assert problems(document, files=()) == []


def test_a_value_key_of_two_inputs() -> None:
    document = described(**{"command-line": "python run.py [IMAGES]"})
    document["inputs"][1]["value-key"] = "[IMAGES]"
    [(field, detail)] = problems(document)
    assert field == "/inputs/1/value-key"
    assert detail == "[IMAGES] is the value-key of 'images' already; each has its own."
    document["groups"] = [{"id": "any", "name": "Any", "members": ["images"]}]
    assert places(document) == ["/inputs/1/value-key"]


def test_a_value_key_of_inputs_that_exclude_each_other_takes_the_one_that_is_given() -> None:
    document = described(**{"command-line": "python run.py [IMAGES]"})
    document["inputs"] = [
        {"id": name, "name": name, "type": "Number", "optional": True, "value-key": "[IMAGES]"} for name in ("a", "b")
    ]
    document["groups"] = [{"id": "one", "name": "One", "members": ["a", "b"], "mutually-exclusive": True}]
    assert problems(document) == []
    for values in ({"a": 1}, {"b": 1}):
        assert CommandBuilder(document, values, own_files=False).build().argv == ("python", "run.py", "1")


def test_a_condition_that_cannot_be_asked() -> None:
    document = described()
    document["custom"]["sillage"]["inputs"] = {"images": {"select": "suffix = "}}
    assert problems(document, said="The query ends too early.") == [
        ("/custom/sillage/inputs/images/select", "The query ends too early.")
    ]


def test_everything_is_named_at_once() -> None:
    document = with_number(**{"default-value": -1, "minimum": 0})
    document["output-files"][0]["path-template"] = "../[NOBODY]"
    document["custom"]["sillage"] |= {"level": "nobody", "inputs": {"images": {"select": "?"}}, "bids_app": {"x": []}}
    assert set(places(document, files=("other.py",), said="It is none.")) == {
        "/custom/sillage/level",
        "/custom/sillage/bids_app",
        "/custom/sillage/bids_app/x",
        "/custom/sillage/inputs/images/select",
        "/inputs/1/default-value",
        "/output-files/0/path-template",
        "/command-line",
    }


@pytest.mark.parametrize(
    "wrong", [7, [], "x", {"environment": 3}, {"inputs": 3}, {"inputs": {"images": 3}}, {"files": 3}]
)
def test_a_block_that_is_none_is_refused_without_a_traceback(wrong: Any) -> None:
    assert places(described(custom={"sillage": wrong}))


def test_a_role_of_a_bids_app_that_is_no_input_is_refused_without_a_traceback() -> None:
    roles = {"bids_dir": "images", "output_dir": "fwhm", "participant_label": "nobody", "analysis_level": []}
    found = places(described(custom={"sillage": {"bids_app": roles}}))
    assert {f"/custom/sillage/bids_app/{role}" for role in ("participant_label", "analysis_level")} <= set(found)


def test_a_version_that_was_registered_before_is_read_as_it_was() -> None:
    assert PipelineDescriptor.parse(with_number(**{"default-value": -1, "minimum": 0})).name == "smooth"


@pytest.mark.parametrize("name", list_bundled())
def test_what_ships_is_accepted(name: str) -> None:
    files = bundled_files(name)
    assert problems(json.loads(files["descriptor.json"]), files=tuple(files)) == []


def test_real_descriptors_are_accepted() -> None:
    if not REAL.is_dir():
        pytest.skip(f"no descriptors in {REAL} (SILLAGE_TEST_DATA)")
    for path in sorted(REAL.glob("*.json")):
        assert problems(json.loads(path.read_text()), files=()) == [], path.name
