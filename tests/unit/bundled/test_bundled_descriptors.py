"""The descriptors of the bundled pipelines are sound, and agree with the scripts beside them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from executors.comparison import parse_reference
from executors.pipelines.bundled import bundled_files, bundled_reference, list_bundled

BUNDLED = Path(__file__).parents[3] / "executors" / "pipelines" / "bundled"
NAMES = list_bundled()
GROUP_LEVEL = {"anomaly-autoencoder-train", "latent-map", "segment-lesions-evaluate", "segment-lesions-train"}
# Of the extra `pipelines`.
ALLOWED = {"numpy", "scipy", "nibabel", "torch", "PIL", "monai", "sklearn", "umap"}


def _descriptor(name: str) -> dict[str, object]:
    return json.loads((BUNDLED / name / "descriptor.json").read_text())


def test_every_descriptor_has_a_script() -> None:
    assert {"anomaly-autoencoder", "anomaly-autoencoder-train", "image-qc", "t2-map"} <= set(NAMES)
    assert sorted(path.parent.name for path in BUNDLED.glob("*/run.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_boutiques_finds_the_descriptor_valid(name: str) -> None:
    boutiques = pytest.importorskip("boutiques.validator")
    assert boutiques.validate_descriptor(_descriptor(name))["name"] == name


@pytest.mark.parametrize("name", NAMES)
def test_the_executors_read_the_descriptor(name: str) -> None:
    from executors.pipelines.descriptor import PipelineDescriptor

    descriptor = PipelineDescriptor.parse(BUNDLED / name / "descriptor.json")
    assert descriptor.name == name
    assert re.fullmatch(r"\d+\.\d+\.\d+", descriptor.version)
    assert descriptor.files == "."
    assert not descriptor.network
    assert descriptor.level == ("group" if name in GROUP_LEVEL else "participant")


@pytest.mark.parametrize("name", NAMES)
def test_script_and_descriptor_agree(name: str) -> None:
    descriptor, script = _descriptor(name), (BUNDLED / name / "run.py").read_text()
    assert f'NAME, VERSION = "{name}", "{descriptor["tool-version"]}"' in script
    for item in descriptor["inputs"]:
        assert item["value-key"] in descriptor["command-line"]
        declared = re.search(rf'add_argument\(\s*"{item["command-line-flag"]}"([^\n]*)', script)
        assert declared, item["id"]
        if "default-value" in item:
            default = ast.literal_eval(re.search(r"default=(\"\w+\"|[\d.e-]+)", declared[1])[1])
            assert default == item["default-value"]


@pytest.mark.parametrize("name", NAMES)
def test_every_pipeline_has_a_sound_and_small_reference_case(name: str) -> None:
    document, files = bundled_reference(name) or pytest.fail("there is none")
    case = parse_reference(document, list(files))
    assert sum(map(len, files.values())) < 400_000
    # What is there is used, and something is compared by what is in it.
    assert set(case.files) == set(files)
    assert any(wanted.file for wanted in case.expected)
    assert (BUNDLED / name / "reference" / "make.py").exists()


def test_nothing_that_is_shared_lies_twice_or_is_used_once() -> None:
    shared = {path.name for path in (BUNDLED / "shared").glob("*.py")}
    uses = dict.fromkeys(shared, 0)
    for name in NAMES:
        assert not shared & {path.name for path in (BUNDLED / name).glob("*.py")}
        for path in shared & set(bundled_files(name)):
            uses[path] += 1
    assert all(count > 1 for count in uses.values()), uses


def test_a_pipeline_carries_what_it_imports_and_nothing_else() -> None:
    assert "network.py" not in bundled_files("image-qc")
    # By way of scans.py, which the script imports.
    assert {"brain.py", "images.py"} <= set(bundled_files("anomaly-autoencoder-train"))
    assert not any("/" in path or path.endswith(".gz") for path in bundled_files("image-qc"))


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
