"""A real server on a free port, and a real browser."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from api.catalogue import create
from sillage.client import Client

SILLAGE = str(Path(sys.executable).with_name("sillage"))
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
QUERY = "under(diagnosis, 'demyelinating disease') AND has(suffix = 'T1w')"


@dataclass(frozen=True)
class Site:
    """A running service and what was put into it."""

    url: str
    token: str
    cohort: str
    task: str
    output: str
    doi: str


def _write_study(root: Path) -> Path:
    import nibabel

    root.mkdir(parents=True)
    described = {"Name": "<b>Bold</b> study", "BIDSVersion": "1.10.0", "License": "CC0"}
    (root / "dataset_description.json").write_text(json.dumps(described))
    rows = ["participant_id\tage\tsex\tdiagnosis", "sub-01\t34\tF\tmultiple sclerosis", "sub-02\t61\tM\thealthy"]
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    volume = numpy.random.default_rng(1).integers(0, 200, (12, 14, 10)).astype("int16")
    for label in ("01", "02"):
        folder = root / f"sub-{label}" / "anat"
        folder.mkdir(parents=True)
        nibabel.Nifti1Image(volume, numpy.eye(4)).to_filename(folder / f"sub-{label}_T1w.nii.gz")
    return root


def _descriptor() -> dict[str, object]:
    return {
        "name": "measure",
        "description": "Count bytes",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": "sh run.sh [IMAGES]",
        "inputs": [{"id": "images", "name": "Images", "type": "File", "list": True, "value-key": "[IMAGES]"}],
        "output-files": [{"id": "sizes", "name": "Sizes", "path-template": "out/*.txt"}],
        "custom": {
            "sillage": {
                "files": ".",
                "environment": {"kind": "system"},
                "inputs": {"images": {"select": "suffix = 'T1w'", "all": True}},
            }
        },
    }


def _fill(catalog: Path, folder: Path) -> dict[str, str]:
    (folder / "pipeline").mkdir()
    (folder / "pipeline" / "run.sh").write_text("mkdir out; wc -c $@ > out/sizes.txt; echo measured\n")
    with Client(catalog=catalog) as client:
        client.register_dataset(_write_study(folder / "study"))
        cohort = client.freeze_cohort(QUERY, label="People to look at")
        client.register_pipeline(_descriptor(), folder / "pipeline")
        batch = client.wait(client.run("measure", cohort=cohort["id"])["id"])
        task = batch["items"][0] if batch["type"] == "TaskBatch" else batch
        doi = client.post("identifiers", {"subject": cohort["id"]})["doi"]
        return {"cohort": cohort["id"], "task": task["id"], "output": batch["outputs"][0]["id"], "doi": doi}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, bubblewrap: str) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    catalog = folder / "catalog"
    create(catalog, title="Browser catalogue")
    filled = _fill(catalog, folder)
    log = folder / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [SILLAGE, "serve", "--catalog", str(catalog), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None
        url = process.stdout.readline().rsplit(" ", 1)[-1].strip()
        with Client(url=url) as waiting:
            for _ in range(100):
                try:
                    waiting.request("GET", "/ready")
                    break
                except Exception:
                    time.sleep(0.1)
        token = (catalog / "keys" / "administrator.token").read_text().strip()
        yield Site(url=url, token=token, **filled)
        process.terminate()
        process.wait(20)
        process.stdout.close()
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(params=[(1280, 900), (375, 740)], ids=["wide", "narrow"])
def page(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Page]:
    """A page of somebody who is logged in; any error that the browser reports fails the test."""
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height})
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.goto(f"{site.url}/login#{site.token}")
    opened.wait_for_url(f"{site.url}/")
    yield opened
    context.close()
    assert [error for error in errors if "400 (Bad Request)" not in error and "404 (Not Found)" not in error] == []
