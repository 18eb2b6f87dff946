"""Pages that start work: the form of a pipeline, its plan, and what may be done with what was started."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from sillage.client import Client

SCRIPT = 'for last; do :; done; mkdir out; case "$*" in *sub-02*) exit 3;; esac; wc -c "$1" > out/sizes.txt\n'


def described(version: str) -> dict[str, Any]:
    """Return the descriptor of a pipeline with every kind of field."""
    image = {"id": "images", "name": "Images", "description": "T1-weighted images", "type": "File", "list": True}
    mask = {"id": "mask", "name": "Mask", "type": "File", "optional": True, "value-key": "[MASK]"}
    level = {
        "id": "level",
        "name": "Level",
        "description": "How hard to look",
        "type": "Number",
        "integer": True,
        "minimum": 1,
        "maximum": 9,
        "optional": True,
        "default-value": 3,
        "value-key": "[LEVEL]",
    }
    mode = {"id": "mode", "name": "Mode", "type": "String", "value-choices": ["fast", "careful"], "optional": True}
    times = {"id": "times", "name": "Echo times", "type": "Number", "list": True, "optional": True}
    flag = {"id": "loud", "name": "Say what is done", "type": "Flag", "optional": True, "command-line-flag": "-v"}
    word = {"id": "word", "name": "A word", "description": "Is kept <b>as it is</b>", "type": "String"}
    return {
        "name": "weigh",
        "description": "Weighs each image",
        "tool-version": version,
        "schema-version": "0.5",
        "command-line": "sh run.sh [IMAGES] [MASK] [LEVEL] [MODE] [TIMES] [LOUD] [WORD]",
        "inputs": [
            {**image, "value-key": "[IMAGES]"},
            mask,
            level,
            {**mode, "default-value": "fast", "value-key": "[MODE]"},
            {**times, "value-key": "[TIMES]"},
            {**flag, "value-key": "[LOUD]"},
            {**word, "value-key": "[WORD]"},
        ],
        "output-files": [{"id": "sizes", "name": "Sizes", "path-template": "out/*.txt"}],
        "custom": {
            "sillage": {
                "files": ".",
                "environment": {"kind": "system"},
                "resources": {"wall_s": 60, "ram_gb": 1},
                "inputs": {"images": {"select": "suffix = 'T1w'", "all": True}},
            }
        },
    }


@dataclass(frozen=True)
class Work:
    """What there is to work with: a pipeline, who is in a cohort, and people with roles."""

    url: str
    token: str
    pipeline: str
    cohort: str
    tokens: dict[str, str]


def prepare(site: Any, folder: Path) -> Work:
    """Register the pipeline in two versions, freeze everybody, and let people in."""
    (folder / "run.sh").write_text(SCRIPT)
    with Client(url=site.url, token=site.token) as client:
        client.register_pipeline(described("1.0.0"), folder)
        version = client.register_pipeline(described("1.1.0"), folder)["id"]
        cohort = client.freeze_cohort("TRUE", label="Everybody <i>here</i>")["id"]
        roles = ("reader", "operator", "certifier")
        made = {role: client.post("principals", {"name": f"A {role}", "role": role})["token"] for role in roles}
    return Work(url=site.url, token=site.token, pipeline=version, cohort=cohort, tokens=made)


@pytest.fixture(scope="module")
def work(site: Any, tmp_path_factory: pytest.TempPathFactory) -> Work:
    return prepare(site, tmp_path_factory.mktemp("weigh"))


@contextmanager
def opened(
    browser: Browser, work: Work, role: str | None = None, *, size: tuple[int, int] = (1280, 900), scripts: bool = True
) -> Iterator[Page]:
    """Open a page of somebody with a role, the administrator unless told; an error of a script fails the test."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, java_script_enabled=scripts)
    token = work.tokens[role] if role else work.token
    context.add_cookies([{"name": "sillage_token", "value": token, "url": work.url}])
    page, errors = context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture(params=[(1280, 900), (390, 800)], ids=["wide", "narrow"])
def sized(request: pytest.FixtureRequest, browser: Browser, work: Work) -> Iterator[Page]:
    with opened(browser, work, "operator", size=request.param) as page:
        yield page


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def tasks_of(work: Work) -> int:
    with Client(url=work.url, token=work.token) as client:
        return int(client.get("tasks")["total"])


def first_image(client: Client, work: Work) -> str:
    people = [
        client.get(f"participants/{each['participant']}") for each in client.get(f"cohorts/{work.cohort}")["members"]
    ]
    whose = next(person["id"] for person in people if person["label"] == "sub-01")
    return str(client.get(f"participants/{whose}/acquisitions")["items"][0]["id"])


def ended(page: Page) -> None:
    """Wait until a page of work that has ended has loaded itself anew, down to its foot, and follows nothing more."""
    page.locator("body:not(:has([data-batch-events], [data-task-live])) footer").wait_for()
    page.wait_for_load_state()


def show_plan(page: Page) -> None:
    page.get_by_role("button", name=re.compile("Show what would be run|Plan again")).click()


def test_a_pipeline_is_run_over_a_cohort(sized: Page, work: Work) -> None:
    page = sized
    before = tasks_of(work)
    page.goto(f"{work.url}/cohorts/{work.cohort}")
    page.get_by_label("Pipeline").select_option(label="weigh 1.1.0")
    page.get_by_role("button", name="Run a pipeline over this cohort").click()
    expect(page.locator("h1")).to_have_text("weigh 1.1.0")
    expect(page.get_by_label("Cohort").locator("option:checked")).to_contain_text("Everybody <i>here</i> (2 part")
    assert fits(page)
    page.get_by_label("Level").fill("12")
    page.get_by_label("Echo times").fill("0.01\nlong")
    show_plan(page)
    expect(page.get_by_role("alert")).to_contain_text("3 fields need another look")
    expect(page.locator("[id='wrong-param.level']")).to_have_text("12 is greater than the maximum of 9")
    expect(page.locator("[id='wrong-param.word']")).to_have_text("This is needed.")
    expect(page.get_by_label("Level")).to_have_value("12")
    expect(page.get_by_label("Level")).to_have_attribute("aria-describedby", "wrong-param.level hint-param.level")
    expect(page.get_by_label("Echo times")).to_have_value("0.01\nlong")
    assert fits(page)
    page.get_by_label("Level").fill("5")
    page.get_by_label("Echo times").fill("0.01\n0.02")
    page.get_by_label("A word").fill("<b>bold</b>")
    page.get_by_label("Say what is done").check()
    show_plan(page)
    expect(page.locator("#plan-head")).to_have_text("2 tasks would be run")
    expect(page.locator("#plan")).to_contain_text("It runs, and each of its tasks says so.")
    page.get_by_text("Item by item").click()
    expect(page.locator("#plan tbody tr")).to_have_count(2)
    assert fits(page)
    assert tasks_of(work) == before
    page.get_by_role("button", name="Start 2 tasks").click()
    expect(page.locator("#summary")).to_have_text("1 of 2 failed")
    ended(page)
    expect(page.locator("main")).to_contain_text('{"level": 5, "loud": true, "times": [0.01, 0.02]')
    assert tasks_of(work) == before + 2
    assert fits(page)
    page.get_by_role("link", name="Run again").click()
    expect(page.get_by_label("Level")).to_have_value("5")
    expect(page.get_by_label("A word")).to_have_value("<b>bold</b>")
    expect(page.get_by_label("Say what is done")).to_be_checked()


def test_a_form_that_was_changed_after_its_plan_is_planned_again(browser: Browser, work: Work) -> None:
    before = tasks_of(work)
    with opened(browser, work, "operator") as page:
        page.goto(f"{work.url}/pipelines/{work.pipeline}/run?cohort={work.cohort}")
        page.get_by_label("A word").fill("first")
        page.keyboard.press("Enter")
        expect(page.locator("#plan-head")).to_have_text("2 tasks would be run")
        with page.expect_navigation():
            page.get_by_label("A word").press("Enter")
        expect(page.locator("#plan-head")).to_have_text("2 tasks would be run")
        page.locator("details").filter(has_text="Further condition").first.locator("summary").click()
        page.get_by_label("Further condition").first.fill("suffix = 'nothing'")
        page.get_by_role("button", name="Start 2 tasks").click()
        expect(page.locator("#plan .notice")).to_contain_text("nothing was started")
        expect(page.locator("#plan-head")).to_have_text("Nothing would be run")
        expect(page.locator(".reasons")).to_contain_text("2: no file for input 'images'")
        expect(page.get_by_role("button", name=re.compile("Start"))).to_have_count(0)
        page.get_by_label("Further condition").first.fill("suffix =")
        show_plan(page)
        expect(page.locator("[id='wrong-select.images']")).to_contain_text("the condition for input 'images' is none")
    assert tasks_of(work) == before


def test_everything_is_done_with_the_keyboard_alone(browser: Browser, work: Work) -> None:
    def go_to(page: Page, name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("(e => e.id + ' ' + e.textContent.trim())(document.activeElement)").find(name) >= 0:
                return
        raise AssertionError(f"{name} was not reached")

    with opened(browser, work, "operator") as page:
        page.goto(f"{work.url}/pipelines/{work.pipeline}")
        go_to(page, "Run it")
        page.keyboard.press("Enter")
        expect(page.locator("#run-form")).to_be_visible()
        go_to(page, "cohort")
        page.keyboard.type("Every")
        go_to(page, "param.word")
        page.keyboard.type("typed")
        page.keyboard.press("Enter")
        expect(page.locator("#plan")).to_be_visible()
        go_to(page, "Start 2 tasks")
        page.keyboard.press("Enter")
        expect(page.locator("#summary")).to_have_text("1 of 2 failed")
        ended(page)
        go_to(page, "Try again what failed")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        expect(page.locator("#summary")).to_have_text("1 of 2 failed")


def test_one_image_is_run_on_without_scripts(browser: Browser, work: Work) -> None:
    with Client(url=work.url, token=work.token) as client:
        image = first_image(client, work)
    with opened(browser, work, "operator", scripts=False) as page:
        page.goto(f"{work.url}/acquisitions/{image}")
        page.get_by_role("link", name="Run a pipeline on it").click()
        page.get_by_role("link", name="Run weigh").click()
        expect(page.get_by_label("Files for every task").first).to_have_value(image)
        page.get_by_label("A word").fill("one")
        show_plan(page)
        page.get_by_role("button", name="Start 1 task").click()
        expect(page.locator("h1")).to_have_text("weigh")
        expect(page.get_by_role("heading", name="Timeline")).to_be_visible()


def test_who_may_not_sees_no_button_and_is_refused(browser: Browser, work: Work) -> None:
    address = f"{work.url}/pipelines/{work.pipeline}"
    with opened(browser, work, "reader") as page:
        page.goto(address)
        expect(page.get_by_role("link", name="Run it", exact=True)).to_have_count(0)
        expect(page.locator("main form")).to_have_count(0)
        page.goto(f"{work.url}/cohorts/{work.cohort}")
        expect(page.get_by_label("Pipeline")).to_have_count(0)
        for refused in (f"{address}/run", f"{work.url}/run?cohort={work.cohort}"):
            page.goto(refused)
            expect(page.locator("h1")).to_have_text("Not permitted")
        answer = page.request.post(
            f"{address}/run", form={"cohort": work.cohort}, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert answer.status == 403
    with opened(browser, work, "operator") as page:
        page.goto(address)
        expect(page.get_by_role("button", name=re.compile("Certify"))).to_have_count(0)
        page.goto(f"{address}/run")
        expect(page.get_by_text("Use a model on people")).to_have_count(0)


def test_a_version_is_deprecated_and_taken_up_again(browser: Browser, work: Work) -> None:
    with opened(browser, work, "operator") as page:
        page.goto(f"{work.url}/pipelines/weigh@1.0.0")
        expect(page.get_by_text("Deprecate this version")).to_have_count(0)
    with opened(browser, work, size=(390, 800)) as page:
        page.goto(f"{work.url}/pipelines/weigh@1.0.0")
        page.get_by_text("Deprecate this version").click()
        page.get_by_label("Why it is no longer to be used").fill("It weighs too little")
        page.get_by_label("What replaces it").select_option(label="weigh 1.1.0")
        assert fits(page)
        page.get_by_role("button", name="Deprecate").click()
        expect(page.locator(".notice").first).to_contain_text("Deprecated: It weighs too little")
        page.get_by_role("link", name="Run it", exact=True).click()
        expect(page.locator(".notice")).to_contain_text("is deprecated: It weighs too little")
        page.goto(f"{work.url}/pipelines/weigh@1.0.0")
        page.get_by_role("button", name="It may be used again").click()
        expect(page.get_by_text("Deprecated:")).to_have_count(0)


def test_a_result_says_that_its_certificate_was_revoked_since(browser: Browser, work: Work) -> None:
    with Client(url=work.url, token=work.token) as client:
        case = {
            "format": "sillage-reference/1",
            "label": "A case",
            "about": "Written by a test; CC0-1.0.",
            "inputs": {"images": ["inputs/sub-ref_T1w.nii.gz"]},
            "parameters": {"word": "w"},
            "expected": [{"path": "out/sizes.txt", "compare": {"kind": "present"}}],
        }
        files = {"inputs/sub-ref_T1w.nii.gz": base64.b64encode(b"an image").decode()}
        client.post("pipelines/weigh/versions/1.0.0/references", {"reference": case, "files": files})
    with opened(browser, work, "certifier", size=(390, 800)) as page:
        page.goto(f"{work.url}/pipelines/weigh@1.0.0")
        expect(page.get_by_role("link", name="Run it", exact=True)).to_have_count(0)
        page.get_by_role("button", name="Certify: run it and compare").click()
        expect(page.locator("#state")).to_have_text("COMPLETE")
        ended(page)
        with Client(url=work.url, token=work.token) as client:
            image = first_image(client, work)
            asked = {"inputs": {"images": [image]}, "parameters": {"word": "w"}}
            task = client.wait(client.run("weigh@1.0.0", **asked)["id"])
        page.goto(f"{work.url}/tasks/{task['id']}")
        expect(page.locator("main")).to_contain_text("certified when it started, by a certificate until")
        expect(page.locator("main")).to_contain_text("not revoked since")
        page.get_by_role("link", name="certified", exact=True).click()
        page.get_by_text("Revoke this certificate").click()
        page.get_by_label("Why it no longer counts").fill("The scales were wrong")
        assert fits(page)
        page.get_by_role("button", name="Revoke").click()
        expect(page.locator(".notice")).to_contain_text("The scales were wrong")
        for place in (f"tasks/{task['id']}", f"id/{task['outputs'][0]['id']}", f"lineage/{task['id']}?direction=up"):
            page.goto(f"{work.url}/{place}")
            expect(page.locator("main")).to_contain_text("Revoked since")
            expect(page.locator("main")).to_contain_text("The scales were wrong")
            assert fits(page)
