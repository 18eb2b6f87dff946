"""A real server on a free port, and a real browser."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from api.catalogue import create
from sillage.client import Client, ProblemError, ServiceAwayError

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
PATIENCE_S = 90
"""How long a page may take to come to what is expected of it; it costs nothing where it takes no time."""
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


def _await_ready(url: str, process: subprocess.Popen[str], log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    with Client(url=url) as waiting:
        while True:
            assert process.poll() is None, log.read_text()
            try:
                waiting.request("GET", "/ready")
            except (ProblemError, ServiceAwayError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return


@contextmanager
def _served(catalog: Path, log: Path) -> Iterator[str]:
    """Serve a catalogue on a free port; no traceback may be in its log."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            [SILLAGE, "serve", "--catalog", str(catalog), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().rsplit(" ", 1)[-1].strip()
        _await_ready(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        process.stdout.close()
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, bubblewrap: str) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    catalog = folder / "catalog"
    create(catalog, title="Browser catalogue")
    filled = _fill(catalog, folder)
    with _served(catalog, folder / "server.log") as url:
        token = (catalog / "keys" / "administrator.token").read_text().strip()
        yield Site(url=url, token=token, **filled)


CLINIC = (
    "participant_id\tage\tsex\tdiagnosis\thandedness\tgroup",
    "sub-01\t34\tF\trelapsing-remitting multiple sclerosis\tR\tcase",
    "sub-02\t45\tM\trelapsing-remitting multiple sclerosis\tR\tcase",
    "sub-03\t61\tF\tsecondary progressive multiple sclerosis\tn/a\tcase",
    "sub-04\t28\tM\tmultiple sclerosis\tL\tcase",
    "sub-05\t52\tF\thealthy\tR\tcontrol",
    "sub-06\t39\tM\thealthy\tR\t<img src=x onerror=alert(1)>",
)


def _write_clinic(root: Path) -> Path:
    root.mkdir(parents=True)
    described = {"Name": "Clinic <b>study</b>", "BIDSVersion": "1.10.0", "License": "CC0"}
    (root / "dataset_description.json").write_text(json.dumps(described))
    (root / "participants.tsv").write_text("\n".join(CLINIC) + "\n")
    for number in range(1, 7):
        folder = root / f"sub-{number:02}" / "anat"
        folder.mkdir(parents=True)
        for suffix, echo in (("T1w", 0.003), ("FLAIR", 0.388)):
            if suffix == "T1w" or number % 2:
                stem = folder / f"sub-{number:02}_{suffix}"
                stem.with_suffix(".nii.gz").write_bytes(b"an image\n")
                stem.with_suffix(".json").write_text(json.dumps({"EchoTime": echo, "MagneticFieldStrength": 3}))
    return root


@dataclass(frozen=True)
class Clinic:
    """A running service with six participants, nobody of whom has been worked with."""

    url: str
    token: str
    dataset: str


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("clinic")
    catalog = folder / "catalog"
    create(catalog, title="Clinic catalogue")
    with Client(catalog=catalog) as client:
        dataset = client.register_dataset(_write_clinic(folder / "study"))["id"]
    with _served(catalog, folder / "server.log") as url:
        token = (catalog / "keys" / "administrator.token").read_text().strip()
        yield Clinic(url=url, token=token, dataset=dataset)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS, timeout=PATIENCE_S * 1000)
        yield _patient(launched)
        launched.close()


def _patient(browser: Browser) -> Browser:
    """Have whatever is done on the browser's pages wait as long as what is expected of them."""
    make = browser.new_context

    def new_context(**options: Any) -> BrowserContext:
        context = make(**options)
        context.set_default_timeout(PATIENCE_S * 1000)
        return context

    browser.new_context = new_context  # type: ignore[method-assign]
    return browser


SCREENS = {"wide": (1280, 900), "narrow": (375, 740)}


@contextmanager
def _opened(browser: Browser, size: tuple[int, int], url: str, token: str) -> Iterator[Page]:
    """Open a page of somebody who is logged in; any error that the browser reports fails the test."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.goto(f"{url}/login#{token}")
    opened.wait_for_url(f"{url}/")
    yield opened
    context.close()
    assert [error for error in errors if "400 (Bad Request)" not in error and "404 (Not Found)" not in error] == []


@pytest.fixture(params=SCREENS.values(), ids=SCREENS)
def page(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Page]:
    """The first page of the site."""
    with _opened(browser, request.param, site.url, site.token) as opened:
        yield opened


@pytest.fixture
def desk(browser: Browser, clinic: Clinic) -> Iterator[Page]:
    """The clinic's search page on a large screen."""
    with _opened(browser, SCREENS["wide"], clinic.url, clinic.token) as opened:
        yield opened


@pytest.fixture(params=SCREENS.values(), ids=SCREENS)
def anywhere(request: pytest.FixtureRequest, browser: Browser, clinic: Clinic) -> Iterator[Page]:
    """The clinic's search page on a large screen, and on a telephone."""
    with _opened(browser, request.param, clinic.url, clinic.token) as opened:
        yield opened
