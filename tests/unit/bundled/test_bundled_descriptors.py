"""The descriptors of the bundled pipelines are sound, and agree with the scripts beside them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

BUNDLED = Path(__file__).parents[3] / "executors" / "pipelines" / "bundled"
NAMES = ["anomaly-autoencoder", "anomaly-autoencoder-train", "image-qc"]

# Modules that several pipelines carry a copy of, because each is mounted alone.
COPIES = {
    "images.py": NAMES,
    "brain.py": NAMES,
    "scans.py": NAMES[:2],
    "network.py": NAMES[:2],
    "residuals.py": NAMES[:2],
}
ALLOWED = {"numpy", "scipy", "nibabel", "torch", "PIL"}


def _descriptor(name: str) -> dict[str, object]:
    return json.loads((BUNDLED / name / "descriptor.json").read_text())


def test_every_folder_has_a_descriptor() -> None:
    assert sorted(path.parent.name for path in BUNDLED.glob("*/descriptor.json")) == NAMES
    assert sorted(path.parent.name for path in BUNDLED.glob("*/run.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_boutiques_finds_the_descriptor_valid(name: str) -> None:
    boutiques = pytest.importorskip("boutiques.validator")
    boutiques.validate_descriptor(_descriptor(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_executors_read_the_descriptor(name: str) -> None:
    from executors.pipelines.descriptor import PipelineDescriptor

    descriptor = PipelineDescriptor.parse(BUNDLED / name / "descriptor.json")
    assert (descriptor.name, descriptor.version) == (name, "1.0.0")
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


@pytest.mark.parametrize(("module", "names"), sorted(COPIES.items()))
def test_copies_are_equal(module: str, names: list[str]) -> None:
    assert len({(BUNDLED / name / module).read_bytes() for name in names}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_scripts_stand_alone(name: str) -> None:
    import sys

    own = {path.stem for path in (BUNDLED / name).glob("*.py")}
    for path in (BUNDLED / name).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in modules:
                root = module.split(".")[0]
                assert root in own | ALLOWED or root in sys.stdlib_module_names, f"{path.name} imports {module}"
