"""The form in which is chosen what each task may use, and the page that sums up what became of a batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from sillage.client import Client
from tests.browser.test_run_pages import Work, fits, opened

SCRIPT = 'case "$*" in *sub-02*) exit 3;; esac; mkdir out; echo "$OMP_NUM_THREADS" > out/threads.txt\n'
PATIENCE_MS = 120_000


def descriptor() -> dict[str, Any]:
    images = {"id": "images", "name": "Images", "type": "File", "list": True, "value-key": "[IMAGES]"}
    return {
        "name": "heavy",
        "description": "Asks for much",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": "sh run.sh [IMAGES]",
        "inputs": [images],
        "output-files": [{"id": "threads", "name": "Threads", "path-template": "out/*.txt"}],
        "custom": {
            "sillage": {
                "files": ".",
                "environment": {"kind": "system"},
                "resources": {"wall_s": 600, "ram_gb": 0.5},
                "inputs": {"images": {"select": "suffix = 'T1w'", "all": True}},
            }
        },
    }


@pytest.fixture(scope="module")
def heavy(site: Any, tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("heavy")
    (folder / "run.sh").write_text(SCRIPT)
    with Client(url=site.url, token=site.token) as client:
        version = client.register_pipeline(descriptor(), folder)["id"]
        cohort = client.freeze_cohort("TRUE", label="All of them")["id"]
    return Work(url=site.url, token=site.token, pipeline=version, cohort=cohort, tokens={})


@pytest.fixture(params=[(1280, 900), (390, 800)], ids=["wide", "narrow"])
def screen(request: pytest.FixtureRequest, browser: Browser, heavy: Work) -> Iterator[Page]:
    with opened(browser, heavy, size=request.param) as page:
        yield page


def test_resources_are_chosen_and_a_batch_is_summed_up(screen: Page, heavy: Work) -> None:
    page = screen
    page.goto(f"{heavy.url}/pipelines/{heavy.pipeline}/run?cohort={heavy.cohort}")
    expect(page.get_by_label("Cores")).to_have_value("1")
    expect(page.get_by_label("Memory in GB")).to_have_value("0.5")
    expect(page.get_by_label("GPUs")).to_have_value("0")
    expect(page.get_by_label("Time at most")).to_have_value("10 min")
    page.get_by_label("GPUs").fill("77")
    page.get_by_label("Time at most").fill("2 h")
    page.get_by_role("button", name="Show what would be run").click()
    expect(page.locator("[id='wrong-resources.gpus']")).to_contain_text("77 GPUs are more than the runner")
    expect(page.get_by_label("GPUs")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Time at most")).to_have_value("2 h")
    page.get_by_label("GPUs").fill("0")
    page.get_by_role("button", name="Show what would be run").click()
    expect(page.locator("#plan")).to_contain_text("0.5 GB of memory, 2 h")
    assert fits(page)
    page.get_by_role("button", name=re.compile("Start")).click()
    page.wait_for_url(re.compile("/tasks/"))
    # A page that follows its batch is loaded again at the end, and follows nothing then.
    expect(page.locator("[data-batch-events]")).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.locator("#state")).to_have_text("EXECUTOR_ERROR")
    failures = page.get_by_role("table", name="Why items failed")
    expect(failures).to_contain_text("The command exited with status 3.")
    expect(page.locator("dl.facts")).to_contain_text(re.compile(r"2 runs in .* of running"))
    assert fits(page)
    failures.get_by_role("link", name="1").click()
    expect(page.locator("#items-head")).to_contain_text("EXECUTOR_ERROR, exit-code")
    expect(page.locator(".cells li")).to_have_count(1)
    page.get_by_role("link", name="Its tasks and results").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What rests on heavy over All of them")
    expect(page.locator("td[data-head=Type]", has_text="TaskBatch")).to_be_visible()
    expect(page.locator("td[data-head=Label]", has_text=re.compile("^heavy sub-0"))).to_have_count(2)
    assert fits(page)


def test_run_again_fills_in_what_was_chosen(browser: Browser, heavy: Work) -> None:
    with Client(url=heavy.url, token=heavy.token) as client:
        batch = client.run("heavy", cohort=heavy.cohort, runner="noop", resources={"cpu_cores": 2, "wall_s": 5000})[
            "id"
        ]
    with opened(browser, heavy) as page:
        page.goto(f"{heavy.url}/pipelines/{heavy.pipeline}/run?like={batch}")
        expect(page.get_by_label("Cores")).to_have_value("2")
        expect(page.get_by_label("Time at most")).to_have_value("5000 s")
        expect(page.get_by_label("Memory in GB")).to_have_value("0.5")
