"""Pages of tasks and batches, by keyboard and without scripts."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Browser, Page, expect

from sillage.client import Client


def batch_of(site: Any, page: Page) -> str:
    """Run the pipeline over everybody and return the batch when it has ended."""
    with Client(url=site.url, token=site.token) as client:
        cohort = client.freeze_cohort("TRUE")["id"]
        batch = client.wait(client.run("measure", cohort=cohort)["id"])
        return f"{site.url}/tasks/{batch['id']}"


def test_cells_of_a_batch_are_reached_by_arrow_keys(page: Page, site: Any) -> None:
    page.goto(batch_of(site, page))
    cells = page.locator("#cells a")
    expect(cells).to_have_count(2)
    expect(cells.first).to_have_attribute("aria-label", re.compile("measure sub-0[12]: COMPLETE"))
    cells.first.focus()
    page.keyboard.press("ArrowRight")
    expect(cells.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(re.compile("measure sub-0[12]"))
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()


def test_a_batch_is_a_table_without_scripts(browser: Browser, page: Page, site: Any) -> None:
    address = batch_of(site, page)
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies([{"name": "sillage_token", "value": site.token, "url": site.url}])
    plain = context.new_page()
    plain.goto(address)
    expect(plain.locator("tbody tr")).to_have_count(2)
    expect(plain.locator("#cells a")).to_have_count(2)
    context.close()


def test_tasks_are_filtered_by_state(page: Page, site: Any) -> None:
    page.goto(f"{site.url}/tasks")
    page.get_by_label("State").select_option("CANCELED")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("main")).to_contain_text("None like this")
