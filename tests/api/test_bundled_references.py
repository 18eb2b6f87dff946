"""Every bundled pipeline earns its certificate: registered with its reference case, run in the sandbox, compared."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator

import pytest

from api.catalogue import create
from executors.pipelines.bundled import bundled_descriptor, list_bundled
from sillage.client import Client

NEEDED = ("torch", "monai", "sklearn", "umap")
if any(importlib.util.find_spec(name) is None for name in NEEDED):
    pytest.skip("the extra `pipelines` is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, bubblewrap: str) -> Iterator[Client]:
    """Make one catalogue for all of them."""
    directory = tmp_path_factory.mktemp("bundled") / "catalog"
    create(directory, title="Bundled pipelines")
    with Client(catalog=directory) as client:
        yield client


@pytest.mark.timeout(900)  # compiling UMAP takes minutes on a busy machine
@pytest.mark.parametrize("name", list_bundled())
def test_a_bundled_pipeline_earns_its_certificate(service: Client, name: str) -> None:
    version = f"pipelines/{name}/versions/{json.loads(bundled_descriptor(name).read_text())['tool-version']}"
    service.post("pipelines", {"descriptor": {}, "bundled": name})
    task = service.wait(service.post(f"{version}/certify", {})["id"])
    logs = "" if task["state"] == "COMPLETE" else "".join(service.stream(f"tasks/{task['id']}/logs", stream="stderr"))
    assert task["state"] == "COMPLETE", logs
    report = task["certification"]["report"]
    assert report["passed"], [item for item in report["comparisons"] if not item["passed"]]
    # At least one output is compared by what is in it.
    assert {item["kind"] for item in report["comparisons"]} - {"present"}
    standing = service.get(version)["standing"]
    assert (standing["state"], standing["id"]) == ("certified", report["certificate"])
