"""Command lines: equal to the library's where it is right, and safe where it is not."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.pipelines.conditions import ConditionError, holds
from executors.pipelines.descriptor import PipelineDescriptor
from ontology.errors import ValidationFailedError

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("SILLAGE_TEST_DATA", ROOT.parent / "shared" / "data")) / "descriptors"


def tool(command: str, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]] | None = None) -> PipelineDescriptor:
    document: dict[str, Any] = {
        "name": "tool",
        "description": "d",
        "tool-version": "1",
        "schema-version": "0.5",
        "command-line": command,
        "inputs": [{"name": item["id"], **item} for item in inputs],
    }
    if outputs:
        document["output-files"] = [{"name": item["id"], **item} for item in outputs]
    return PipelineDescriptor.parse(document)


def text(name: str, **members: Any) -> dict[str, Any]:
    return {"id": name, "type": "String", "value-key": f"[{name.upper()}]", "optional": True, **members}


def by_library(path: Path, values: dict[str, Any], folder: Path) -> list[str]:
    """Return the argument vector that the library would have a shell make."""
    from boutiques.localExec import LocalExecutor

    (folder / "values.json").write_text(json.dumps(values))
    options = {"forcePathType": True, "destroyTempScripts": True, "changeUser": False, "skipDataCollect": True}
    executor = LocalExecutor(str(path), str(folder / "values.json"), {**options, "sandbox": False})
    return shlex.split(executor.cmd_line[0])


@pytest.mark.parametrize("name", ["example1_docker", "fsl_bet"])
def test_equal_to_the_library(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DATA / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no real descriptors at {DATA} (set SILLAGE_TEST_DATA)")
    monkeypatch.chdir(tmp_path)
    for test in json.loads(path.read_text())["tests"]:
        values = test["invocation"]
        ours = PipelineDescriptor.parse(path).invocation(values)
        assert list(ours.argv) == by_library(path, values, tmp_path)
        for item in ours.contents:
            written = tmp_path / item.path.removeprefix("/work/")
            assert written.read_text() == item.content


anything = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(st.lists(anything, min_size=1, max_size=3), anything)
def test_values_are_never_parsed(values: list[str], flagged: str) -> None:
    pipeline = tool("run [A] [B]", [text("a", list=True), text("b", **{"command-line-flag": "-b"})])
    assert pipeline.invocation({"a": values, "b": flagged}).argv == ("run", *values, "-b", flagged)


def test_a_value_is_not_searched_for_keys() -> None:
    pipeline = tool("run [A] [B]", [text("a"), text("b")])
    assert pipeline.invocation({"a": "[B]", "b": "' ; rm -rf / #"}).argv == ("run", "[B]", "' ; rm -rf / #")


def test_a_shell_gets_values_as_parameters(tmp_path: Path) -> None:
    pipeline = tool(
        "export WHERE=$PWD/[A]; printf '%s\\n' \"$WHERE\" [LIST] [B] | cat",
        [text("a"), text("list", list=True), text("b", **{"command-line-flag": "-b"})],
    )
    values = {"a": "$(touch harm)", "list": ["x y", "'; touch harm; '"], "b": "`touch harm`"}
    argv = pipeline.invocation(values).argv
    assert argv[:2] == ("/bin/sh", "-c")
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{tmp_path}/$(touch harm)", "x y", "'; touch harm; '", "-b", "`touch harm`"]
    assert list(tmp_path.iterdir()) == []


def image_tool(outputs: list[dict[str, Any]], command: str = "run [IMAGE] [LABEL]") -> PipelineDescriptor:
    return tool(command, [{"id": "image", "type": "File", "value-key": "[IMAGE]"}, text("label")], outputs)


def test_output_paths_follow_inputs() -> None:
    pipeline = image_tool(
        [
            {
                "id": "mask",
                "path-template": "out/[IMAGE]_mask.nii.gz",
                "path-template-stripped-extensions": [".nii.gz"],
                "value-key": "[MASK]",
            },
            {"id": "labelled", "path-template": "out/[LABEL].txt", "optional": True},
            {"id": "beside", "path-template": "[MASK].json"},
        ],
        "run [IMAGE] [LABEL] [MASK]",
    )
    invocation = pipeline.invocation({"image": "/inputs/d/sub-[1]*.nii.gz"})
    assert invocation.argv == ("run", "/inputs/d/sub-[1]*.nii.gz", "out/sub-[1]*_mask.nii.gz")
    assert invocation.outputs == {
        "mask": "out/sub-[[]1][*]_mask.nii.gz",
        "beside": "out/sub-[[]1][*]_mask.nii.gz.json",
    }


@pytest.mark.parametrize(
    ("outputs", "values", "message"),
    [
        ([{"id": "o", "path-template": "../[LABEL]"}], {"label": "x"}, "outside"),
        ([{"id": "o", "path-template": "out/[LABEL]"}], {"label": "../../etc/x"}, "outside"),
        ([{"id": "o", "path-template": "[LABEL]"}], {"label": "/etc/passwd"}, "outside"),
        ([{"id": "o", "path-template": "[LABEL].txt"}], {}, "has no value"),
    ],
)
def test_output_paths_that_are_refused(outputs: list[dict[str, Any]], values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationFailedError, match=message):
        image_tool(outputs).invocation({"image": "/inputs/a", **values})


def test_configuration_files_are_ours_to_write_and_stay_inside() -> None:
    lines = ["label=[LABEL]", "# end"]
    inside = image_tool([{"id": "config", "path-template": "conf/c.ini", "file-template": lines}])
    (content,) = inside.invocation({"image": "/inputs/a", "label": "two words"}).contents
    assert (content.path, content.content) == ("/work/conf/c.ini", "label='two words'\n# end")
    (content,) = inside.invocation({"image": "/inputs/a"}).contents
    assert content.content == "\n# end", "a line whose key has no value is emptied, as in the library"
    outside = image_tool([{"id": "config", "path-template": "../../c.ini", "file-template": lines}])
    with pytest.raises(ValidationFailedError, match="outside"):
        outside.invocation({"image": "/inputs/a", "label": "x"})


def conditional(condition: str) -> PipelineDescriptor:
    return tool(
        "run [LABEL] [NUMBER]",
        [text("label"), {"id": "number", "type": "Number", "value-key": "[NUMBER]", "optional": True}],
        [{"id": "o", "optional": True, "conditional-path-template": [{condition: "yes.txt"}, {"default": "no.txt"}]}],
    )


@pytest.mark.parametrize(
    ("condition", "values", "path"),
    [
        ("number > 3", {"number": 4}, "yes.txt"),
        ("number > 3", {"number": 3}, "no.txt"),
        ("number > 3", {}, "no.txt"),
        ("number>=3 and label == fast", {"number": 3, "label": "fast"}, "yes.txt"),
        ("not (number == 1) or label != slow", {"number": 1, "label": "slow"}, "no.txt"),
    ],
)
def test_conditional_output_paths(condition: str, values: dict[str, Any], path: str) -> None:
    assert conditional(condition).invocation(values).outputs == {"o": path}


@pytest.mark.parametrize(
    "condition",
    [
        "__import__('os').system('touch harm')",
        "(lambda: 1)()",
        "[].__class__",
        "number + 1 > 2",
        "a if b else c",
        "((",
        "x" * 10,
    ],
)
def test_conditions_are_not_code(condition: str) -> None:
    if condition == "x" * 10:
        assert holds(condition, {}, set())
        return
    with pytest.raises(ConditionError):
        holds(condition, {"number": 1}, {"number"})


def test_environment_variables() -> None:
    document = dict(image_tool([]).document) | {
        "environment-variables": [{"name": "LABEL", "value": "is [LABEL]"}, {"name": "FIXED", "value": "1"}]
    }
    assert PipelineDescriptor.parse(document).invocation({"image": "/a", "label": "x"}).env == {
        "LABEL": "is x",
        "FIXED": "1",
    }
