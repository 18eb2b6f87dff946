"""Pages on which an engineer registers a pipeline and adds a rule; and the contrast of every kind of page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from sillage.client import Client

SCRIPT = 'mkdir out; wc -c "$@" > out/sizes.txt\n'
SCREENS = {"wide": (1280, 900), "narrow": (360, 740)}
CONTRAST = """() => {
  const channel = (value) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const said = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!said || !element.checkVisibility() || element.closest("svg, option, :disabled")) continue;
    const [front, back] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 120)}`);
  }
  return found;
}"""
"""What a page says with less contrast than WCAG 2.2 asks for (1.4.3, AA)."""


def descriptor(name: str) -> dict[str, Any]:
    """Return the descriptor of a pipeline that counts bytes."""
    image = {"id": "images", "name": "Images", "type": "File", "list": True, "value-key": "[IMAGES]"}
    most = {"id": "most", "name": "Most", "type": "Number", "maximum": 9, "optional": True, "value-key": "[MOST]"}
    return {
        "name": name,
        "description": "Counts bytes",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": "sh run.sh [IMAGES] [MOST]",
        "inputs": [image, {**most, "default-value": 3}],
        "output-files": [{"id": "sizes", "name": "Sizes", "path-template": "out/sizes.txt"}],
        "custom": {
            "sillage": {
                "files": ".",
                "environment": {"kind": "system"},
                "inputs": {"images": {"select": "suffix = 'T1w'", "all": True}},
            }
        },
    }


@contextmanager
def opened(browser: Browser, site: Any, **options: Any) -> Iterator[Page]:
    """Open a page of the administrator; an error of a script fails the test."""
    context = browser.new_context(**options)
    context.add_cookies([{"name": "sillage_token", "value": site.token, "url": site.url}])
    page, errors = context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def of_size(name: str) -> dict[str, Any]:
    width, height = SCREENS[name]
    return {"viewport": {"width": width, "height": height}}


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize("screen", SCREENS)
def test_a_descriptor_is_mended_where_it_is_wrong_and_registered(browser: Browser, site: Any, screen: str) -> None:
    wanted = descriptor(f"tally-{screen}")
    wrong = json.loads(json.dumps(wanted))
    wrong["inputs"][1]["default-value"] = 12
    wrong["output-files"][0]["path-template"] = "../sizes.txt"
    with opened(browser, site, **of_size(screen)) as page:
        page.goto(f"{site.url}/pipelines")
        page.get_by_role("link", name="Register a pipeline").click()
        expect(page.locator("h1")).to_have_text("Register a pipeline")
        assert fits(page)
        page.get_by_label("or its text").fill(json.dumps(wrong, indent=2))
        page.get_by_label("or files, one by one").set_input_files(
            [{"name": "run.sh", "mimeType": "text/x-shellscript", "buffer": SCRIPT.encode()}]
        )
        page.get_by_role("button", name="Register", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("2 things in the descriptor need another look")
        lines = page.locator(".listing .at")
        expect(lines).to_have_count(2)
        expect(lines.nth(0)).to_contain_text('"default-value": 12')
        expect(lines.nth(0)).to_contain_text("12 is greater than the maximum of 9")
        expect(lines.nth(1)).to_contain_text("This leads out of the working folder")
        assert fits(page)
        lines.nth(1).get_by_role("link").click()
        expect(page.get_by_label("or its text")).to_be_focused()
        chosen = "(field) => field.value.slice(field.selectionStart, field.selectionEnd)"
        assert '"path-template": "../sizes.txt"' in page.get_by_label("or its text").evaluate(chosen)
        expect(page.get_by_label("run.sh")).to_be_checked()
        page.get_by_label("or its text").fill(json.dumps(wanted, indent=2))
        page.get_by_role("button", name="Register", exact=True).click()
        expect(page.locator("h1")).to_have_text(f"tally-{screen} 1.0.0")


def test_a_folder_is_registered_without_scripts_and_by_keyboard(browser: Browser, site: Any, tmp_path: Path) -> None:
    folder = tmp_path / "tally-plain"
    folder.mkdir()
    (folder / "descriptor.json").write_text(json.dumps(descriptor("tally-plain")))
    (folder / "run.sh").write_text(SCRIPT)
    with opened(browser, site, java_script_enabled=False) as page:
        page.goto(f"{site.url}/register-pipeline")
        page.get_by_label("Its folder").set_input_files(folder)
        page.get_by_label("or files, one by one").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("tally-plain 1.0.0")
    with Client(url=site.url, token=site.token) as client:
        (folder / "__pycache__").mkdir()
        assert client.register_pipeline(descriptor("tally-plain"), folder)["name"] == "tally-plain"


def test_a_file_that_is_chosen_can_be_read_before_it_is_sent(browser: Browser, site: Any) -> None:
    with opened(browser, site) as page:
        page.goto(f"{site.url}/register-pipeline")
        text = json.dumps(descriptor("tally-never"), indent=2)
        page.get_by_label("File", exact=True).set_input_files(
            [{"name": "any.json", "mimeType": "application/json", "buffer": text.encode()}]
        )
        expect(page.get_by_label("or its text")).to_have_value(text)
        expect(page.get_by_label("or its text")).to_be_focused()


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
def test_a_rule_is_added_after_what_it_would_do_was_shown(
    browser: Browser, site: Any, screen: str, scripts: bool
) -> None:
    name = f"young-{screen}-{'scripts' if scripts else 'plain'}"
    with opened(browser, site, java_script_enabled=scripts, **of_size(screen)) as page:
        page.goto(f"{site.url}/rules")
        page.get_by_role("link", name="Add a rule").click()
        page.get_by_label("Name").fill("Not a name")
        page.get_by_role("button", name="Show whom it would fire for").click()
        expect(page.get_by_role("alert")).to_contain_text("3 fields need another look")
        expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label("Name")).to_have_value("Not a name")
        assert fits(page)
        page.get_by_label("Name").fill(name)
        page.get_by_label("Condition on participants").fill("age < 50")
        page.get_by_label("Pipeline").select_option("measure")
        page.get_by_label("It acts from the start").uncheck()
        page.get_by_role("button", name="Show whom it would fire for").click()
        expect(page.locator("#preview-head")).to_have_text("It would fire for 1 of 2 participants")
        expect(page.locator("#preview tbody").first).to_contain_text("age < 50")
        expect(page.get_by_label("It acts from the start")).not_to_be_checked()
        assert fits(page)
        page.get_by_role("button", name="Add the rule").click()
        expect(page.locator("h1")).to_have_text(name)
        expect(page.locator("main")).to_contain_text("It does not act now")
        expect(page.locator("main")).to_contain_text("measure, its newest version at that time")


def test_a_condition_is_completed_as_in_the_search_and_enter_previews(browser: Browser, site: Any) -> None:
    with opened(browser, site) as page:
        page.goto(f"{site.url}/add-rule?pipeline=measure%401.0.0")
        expect(page.get_by_label("Pipeline").locator("option:checked")).to_have_text("measure 1.0.0, always")
        when = page.get_by_label("Condition on participants")
        expect(when).to_have_attribute("role", "combobox")
        when.press_sequentially("diag")
        expect(page.get_by_role("option", name=re.compile("^diagnosis"))).to_be_visible()
        when.press("ArrowDown")
        when.press("Enter")
        expect(when).to_have_value(re.compile("^diagnosis"))
        when.fill("TRUE")
        page.get_by_label("Name").fill("everybody")
        page.get_by_label("Name").press("Enter")
        expect(page.locator("#preview-head")).to_have_text("It would fire for 2 of 2 participants")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_read_in_the_dark_as_in_the_light(browser: Browser, site: Any, scheme: Any) -> None:
    work = f"/tasks/{site.task}"
    result = f"/id/{site.output}"
    paths = ["/", "/cohorts", f"/cohorts/{site.cohort}", "/datasets", "/pipelines", "/rules", "/tasks", work, result]
    paths += ["/register-pipeline", "/add-rule", "/models", "/audit", f"/lineage/{site.output}", "/nothing/here"]
    with opened(browser, site, color_scheme=scheme) as page:
        for path in [*paths, f"/doi/{site.doi}", "/terms", "/login"]:
            page.goto(site.url + path)
            page.locator("footer").wait_for()
            assert page.evaluate(CONTRAST) == [], path
