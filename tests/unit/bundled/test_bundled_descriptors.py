"""The descriptors of the bundled pipelines are sound, and agree with the scripts beside them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

BUNDLED = Path(__file__).parents[3] / "executors" / "pipelines" / "bundled"
VERSIONS = {"anomaly-autoencoder": "1.0.0", "anomaly-autoencoder-train": "1.0.0", "image-qc": "1.1.0"}
NAMES = sorted(VERSIONS)

ALLOWED = {"numpy", "scipy", "nibabel", "torch", "PIL"}


def _descriptor(name: str) -> dict[str, object]:
    return json.loads((BUNDLED / name / "descriptor.json").read_text())


def test_every_folder_has_a_descriptor() -> None:
    assert sorted(path.parent.name for path in BUNDLED.glob("*/descriptor.json")) == NAMES
    assert sorted(path.parent.name for path in BUNDLED.glob("*/run.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_boutiques_finds_the_descriptor_valid(name: str) -> None:
    boutiques = pytest.importorskip("boutiques.validator")
    assert boutiques.validate_descriptor(_descriptor(name))["name"] == name


@pytest.mark.parametrize("name", NAMES)
def test_the_executors_read_the_descriptor(name: str) -> None:
    from executors.pipelines.descriptor import PipelineDescriptor

    descriptor = PipelineDescriptor.parse(BUNDLED / name / "descriptor.json")
    assert (descriptor.name, descriptor.version) == (name, VERSIONS[name])
    assert descriptor.files == "."
    assert not descriptor.network
    assert descriptor.level == ("group" if name.endswith("-train") else "participant")


@pytest.mark.parametrize("name", NAMES)
def test_script_and_descriptor_agree(name: str) -> None:
    descriptor, script = _descriptor(name), (BUNDLED / name / "run.py").read_text()
    assert f'NAME, VERSION = "{name}", "{descriptor["tool-version"]}"' in script
    for item in descriptor["inputs"]:
        assert item["value-key"] in descriptor["command-line"]
        declared = re.search(rf'add_argument\("{item["command-line-flag"]}"(.*)\)', script)
        assert declared, item["id"]
        if "default-value" in item:
            assert float(re.search(r"default=([\d.]+)", declared[1])[1]) == item["default-value"]


def test_nothing_that_is_shared_lies_twice_or_is_used_once() -> None:
    shared = {path.stem for path in (BUNDLED / "shared").glob("*.py")}
    uses = dict.fromkeys(shared, 0)
    for name in NAMES:
        own = list((BUNDLED / name).glob("*.py"))
        assert not shared & {path.stem for path in own}
        text = "\n".join(path.read_text() for path in [*own, *(BUNDLED / "shared").glob("*.py")])
        for module in shared:
            used = re.search(rf"^(?:from|import) {module}\b", text, re.MULTILINE) is not None
            uses[module] += used
    assert all(count > 1 for count in uses.values()), uses


@pytest.mark.parametrize("name", NAMES)
def test_scripts_stand_alone(bundled: Path, name: str) -> None:
    import sys

    own = {path.stem for path in (bundled / name).glob("*.py")}
    for path in (bundled / name).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in modules:
                root = module.split(".")[0]
                assert root in own | ALLOWED or root in sys.stdlib_module_names, f"{path.name} imports {module}"
