"""The pages in a real browser, wide and narrow, with the mouse and with the keyboard alone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

QUERY = "under(diagnosis, 'demyelinating disease') AND has(suffix = 'T1w')"
PATHS = (
    "/",
    "/datasets",
    "/cohorts",
    "/cohorts/{cohort}",
    "/tasks",
    "/tasks/{task}",
    "/pipelines",
    "/lineage/{output}?direction=up",
    "/lineage/{cohort}?direction=down",
    "/id/{output}",
    "/audit",
    "/terms?q=sclerosis",
    "/terms/DOID:2377",
    "/doi/{doi}",
)


def fill(site: Any, path: str) -> str:
    """Return an address with the ids of the site filled in."""
    return site.url + path.format(cohort=site.cohort, task=site.task, output=site.output, doi=site.doi)


@pytest.mark.parametrize("path", PATHS)
def test_every_page_opens_has_one_heading_and_fits_the_screen(page: Page, site: Any, path: str) -> None:
    response = page.goto(fill(site, path))
    assert response is not None
    assert response.status == 200
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "wider than the screen"
    assert page.locator("img:not([alt])").count() == 0
    unnamed = page.evaluate("[...document.querySelectorAll('a, button')].filter(e => !e.textContent.trim()).length")
    assert unnamed == 0


def test_a_query_is_asked_explained_refined_and_frozen(page: Page, site: Any) -> None:
    page.get_by_label("Query (CQL2)").fill(QUERY)
    expect(page.get_by_role("status")).to_have_text("1 participant")
    chain = page.get_by_role("list", name="Chain of terms").first
    expect(chain.get_by_role("listitem")).to_have_text(["multiple sclerosis", "demyelinating disease"])
    page.get_by_role("complementary").get_by_role("link", name="female").click()
    expect(page.get_by_label("Query (CQL2)")).to_have_value(QUERY + " AND sex = 'PATO:0000383'")
    page.get_by_role("button", name="Freeze").click()
    page.get_by_label("Name of the cohort").fill("Women to look at")
    page.get_by_role("button", name="Freeze", exact=True).click()
    expect(page.locator("h1")).to_have_text("Women to look at")
    expect(page.locator("main")).to_contain_text("Nothing has changed")
    page.get_by_role("link", name="sub-01").click()
    expect(page.locator("h1")).to_have_text("sub-01")


def test_a_wrong_query_says_what_is_wrong_beside_the_query(page: Page, site: Any) -> None:
    page.goto(site.url + "/?q=nosuchproperty+%3D+3")
    expect(page.get_by_role("alert")).to_contain_text("nosuchproperty")
    expect(page.get_by_label("Query (CQL2)")).to_have_value("nosuchproperty = 3")


def test_the_keyboard_alone_reaches_the_answer(page: Page, site: Any) -> None:
    page.goto(site.url + "/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_label("Query (CQL2)").focus()
    page.keyboard.type("age > 50")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status")).to_have_text("1 participant")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "sub-02":
            break
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("sub-02")


def test_a_result_leads_to_its_lineage_and_on_to_the_person(page: Page, site: Any) -> None:
    page.goto(f"{site.url}/tasks/{site.task}")
    expect(page.locator("#state")).to_have_text("COMPLETE")
    expect(page.locator("main")).to_contain_text("measured")
    page.get_by_role("link", name="What it rests on").click()
    drawing = page.get_by_role("region", name="Drawing of the lineage")
    expect(drawing.locator("svg")).to_be_visible()
    drawing.locator("a", has_text="Participant").click()
    expect(page.locator("h1")).to_have_text("sub-01")


def test_images_are_shown_as_slices(page: Page, site: Any) -> None:
    page.goto(f"{site.url}/?q=age+%3C+50")
    page.get_by_role("link", name="sub-01", exact=True).click()
    page.get_by_role("link", name="sub-01_T1w").click()
    expect(page.locator("img").first).to_be_visible()
    page.wait_for_function("document.querySelector('img').naturalWidth > 100")


def test_what_datasets_say_of_themselves_is_text_and_never_markup(page: Page, site: Any) -> None:
    page.goto(f"{site.url}/datasets")
    expect(page.locator("main")).to_contain_text("<b>Bold</b> study")
    assert page.locator("main b").count() == 0


def test_a_landing_page_says_what_the_doi_is_and_speaks_schema_org(page: Page, site: Any) -> None:
    page.goto(f"{site.url}/doi/{site.doi}")
    expect(page.locator("main")).to_contain_text("does not resolve")
    embedded = page.evaluate("JSON.parse(document.querySelector('script[type=\"application/ld+json\"]').textContent)")
    assert embedded["identifier"]["value"] == site.doi


def test_a_stranger_is_sent_to_log_in_and_comes_back(browser: Browser, site: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/cohorts/{site.cohort}")
    expect(page.get_by_label("Token")).to_be_visible()
    page.get_by_label("Token").fill("sillage_wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("unknown or revoked")
    page.get_by_label("Token").fill(site.token)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("h1")).to_have_text("People to look at")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    context.close()


def test_what_is_not_there_is_a_page_that_says_so(page: Page, site: Any) -> None:
    response = page.goto(f"{site.url}/datasets/zzzzzzzz")
    assert response is not None
    assert response.status == 404
    expect(page.get_by_role("alert")).to_contain_text("zzzzzzzz")
