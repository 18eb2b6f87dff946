"""The search page as a clinician uses it: by clicking alone, by the keyboard alone, and by typing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from sillage.client import Client

WHOLE = "under(diagnosis, 'DOID:2377') AND age BETWEEN 30 AND 50 AND has(suffix = 'T1w')"


def builder(page: Page) -> Any:
    """Return the part of the page in which a query is built."""
    return page.get_by_role("group", name="Conditions", exact=True)


def text(page: Page) -> Any:
    """Return the field that holds the query as text."""
    return page.get_by_label("Query (CQL2)")


def count(page: Page) -> Any:
    """Return the live region that says how many match."""
    return page.get_by_role("status")


def offered(page: Page, name: str) -> Any:
    """Return a suggestion for the text as it stands now; those for an earlier one are marked as busy."""
    listed = page.locator("[role=listbox][aria-label=Suggestions]:not([aria-busy])")
    return listed.get_by_role("option", name=re.compile(name)).first


def choose(page: Page, name: str) -> None:
    """Choose a property for a new condition."""
    builder(page).get_by_role("button", name="+ Condition").last.click()
    page.get_by_role("option", name=re.compile(f"^{name}")).click()


def test_a_cohort_is_built_by_clicking_alone(anywhere: Page) -> None:
    expect(count(anywhere)).to_have_text("6 participants")
    choose(anywhere, "diagnosis")
    editor = anywhere.get_by_role("group", name="Condition on diagnosis")
    editor.get_by_role("treeitem", name="multiple sclerosis, 4").locator(".term").first.click()
    expect(count(anywhere)).to_have_text("4 participants")
    editor.get_by_role("button", name="Done").click()
    choose(anywhere, "age")
    editor = anywhere.get_by_role("group", name="Condition on age")
    editor.get_by_label("From", exact=True).fill("30")
    editor.get_by_label("to", exact=True).fill("50")
    expect(count(anywhere)).to_have_text("2 participants")
    editor.get_by_role("button", name="Done").click()
    builder(anywhere).get_by_role("button", name="+ Acquisition with").click()
    anywhere.get_by_role("option", name=re.compile("^suffix")).click()
    anywhere.get_by_role("group", name="Condition on suffix").get_by_label("T1w").check()
    expect(text(anywhere)).to_have_value(WHOLE)
    expect(count(anywhere)).to_have_text("2 participants")
    expect(anywhere.get_by_role("list", name="Chain of terms").first).to_contain_text("relapsing-remitting")
    anywhere.get_by_role("button", name="Freeze").click()
    anywhere.get_by_label("Name of the cohort").fill("MS, 30 to 50, T1w")
    anywhere.get_by_role("button", name="Freeze", exact=True).click()
    expect(anywhere.locator("h1")).to_have_text("MS, 30 to 50, T1w")
    expect(anywhere.locator("main")).to_contain_text(WHOLE)


def test_a_cohort_is_built_by_the_keyboard_alone(desk: Page) -> None:
    builder(desk).get_by_role("button", name="+ Condition").focus()
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("combobox", name="Which property")).to_be_focused()
    desk.keyboard.type("diagn")
    expect(desk.get_by_role("option", name=re.compile("^diagnosis"))).to_have_attribute("aria-selected", "true")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("treeitem", name="multiple sclerosis, 4")).to_be_focused()
    desk.keyboard.press("ArrowDown")
    expect(desk.get_by_role("treeitem", name=re.compile("^relapsing"))).to_be_focused()
    desk.keyboard.press("ArrowLeft")
    desk.keyboard.press("ArrowLeft")
    expect(desk.get_by_role("treeitem", name=re.compile("^relapsing"))).to_have_count(0)
    desk.keyboard.press("Space")
    expect(count(desk)).to_have_text("4 participants")
    expect(desk.get_by_role("treeitem", name="multiple sclerosis, 4")).to_be_focused()
    desk.keyboard.press("Escape")
    expect(builder(desk).get_by_role("button", name=re.compile("^diagnosis is multiple sclerosis"))).to_be_focused()
    desk.keyboard.press("Tab")
    expect(desk.get_by_role("button", name="Remove: diagnosis is multiple sclerosis")).to_be_focused()
    desk.keyboard.press("Enter")
    expect(count(desk)).to_have_text("6 participants")
    expect(builder(desk).get_by_role("button", name="+ Condition")).to_be_focused()


def test_typing_is_completed_and_shown_as_conditions(desk: Page) -> None:
    text(desk).focus()
    desk.keyboard.type("under(diagno")
    offered(desk, "^diagnosis").wait_for()
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Enter")
    expect(text(desk)).to_have_value("under(diagnosis")
    desk.keyboard.type(", 'scl")
    offered(desk, "DOID:2377").wait_for()
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Tab")
    expect(text(desk)).to_have_value("under(diagnosis, 'DOID:2377'")
    desk.keyboard.type(")")
    expect(count(desk)).to_have_text("4 participants")
    expect(builder(desk).get_by_role("button", name=re.compile("^diagnosis is multiple sclerosis"))).to_be_visible()


@pytest.mark.parametrize(
    "query",
    [
        "(sex = 'female' OR handedness IS NULL) AND NOT has(suffix = 'FLAIR' AND echo_time > 0.1)",
        "count(suffix = 'T1w') >= 1 AND NOT (age < 30 OR age IS NULL)",
        "matches('lesions') OR age BETWEEN 30 AND 40 AND sex IN ('F', 'M')",
        "has(derived = FALSE AND suffix LIKE 'T1%') AND age > 30.5",
        "dataset.title LIKE '%study%' AND dataset.license = 'CC0'",
        "age <> 34 AND label <> 'o''brien'",
    ],
)
def test_the_builder_says_what_the_text_says(desk: Page, query: str) -> None:
    text(desk).fill(query)
    expect(builder(desk).locator(".condition").first).to_be_visible()
    before = count(desk).text_content()
    builder(desk).get_by_role("button", name="+ Any of").last.click()
    desk.get_by_role("button", name="Cancel").click()
    builder(desk).get_by_role("button", name="Remove: the group").last.click()
    expect(text(desk)).to_have_value(query)
    expect(count(desk)).to_have_text(str(before))


def test_going_back_shows_the_query_before(desk: Page) -> None:
    desk.get_by_role("complementary").get_by_role("link", name="female").click()
    expect(count(desk)).to_have_text("3 participants")
    desk.get_by_role("complementary").get_by_role("link", name="T1w", exact=True).click()
    expect(text(desk)).to_have_value("sex = 'PATO:0000383' AND has(suffix = 'T1w')")
    desk.go_back()
    expect(text(desk)).to_have_value("sex = 'PATO:0000383'")
    expect(builder(desk).locator(".condition")).to_have_count(1)
    desk.go_back()
    expect(text(desk)).to_have_value("")
    expect(count(desk)).to_have_text("6 participants")
    desk.go_forward()
    expect(count(desk)).to_have_text("3 participants")
    desk.reload()
    expect(text(desk)).to_have_value("sex = 'PATO:0000383'")


def test_a_range_is_drawn_on_the_histogram(desk: Page) -> None:
    desk.get_by_role("link", name="choose a range").first.click()
    picture = desk.get_by_role("img", name=re.compile("^How the values are spread"))
    box = picture.bounding_box()
    assert box is not None
    picture.hover(position={"x": 2, "y": 20})
    desk.mouse.down()
    picture.hover(position={"x": box["width"] / 2, "y": 20})
    desk.mouse.up()
    expect(text(desk)).to_have_value(re.compile(r"^age BETWEEN \d+ AND \d+$"))
    expect(count(desk)).not_to_have_text("6 participants")


def test_an_error_is_shown_where_it_belongs_and_mended_by_a_click(desk: Page) -> None:
    text(desk).fill("age > 20 AND diagnossis = 'x'")
    alert = desk.get_by_role("alert")
    expect(alert).to_contain_text("diagnossis")
    expect(text(desk)).to_have_attribute("aria-invalid", "")
    alert.get_by_role("link", name="diagnosis").first.click()
    expect(text(desk)).to_have_value("age > 20 AND diagnosis = 'x'")
    expect(alert).to_have_count(0)
    expect(count(desk)).to_have_text("0 participants")


def test_nobody_is_explained_by_the_condition_that_removed_most(desk: Page) -> None:
    text(desk).fill("sex = 'female' AND age > 200")
    panel = desk.get_by_role("region", name="Which condition removed most")
    expect(panel.get_by_role("listitem").first).to_contain_text("age > 200")
    expect(panel.get_by_role("listitem").first).to_contain_text("3 without it")
    expect(desk.get_by_role("button", name="Freeze")).to_be_hidden()
    panel.get_by_role("link", name="Remove age > 200").click()
    expect(text(desk)).to_have_value("sex = 'female'")
    expect(panel).to_be_hidden()
    expect(desk.get_by_role("button", name="Freeze")).to_be_visible()


def test_a_certain_participant_is_told_what_it_fails(desk: Page) -> None:
    text(desk).fill("sex = 'female' AND age > 55")
    expect(count(desk)).to_have_text("1 participant")
    desk.get_by_role("link", name="Why not more?").click()
    desk.get_by_role("link", name="Why is a certain participant").click()
    desk.get_by_label("Label or id").fill("sub-05")
    desk.get_by_role("button", name="Look").click()
    expect(desk.locator("main")).to_contain_text("age > 55")
    expect(desk.locator("main")).to_contain_text("age: 52")
    desk.get_by_label("Label or id").fill("<b>nobody</b>")
    desk.get_by_role("button", name="Look").click()
    expect(desk.get_by_role("alert")).to_contain_text("<b>nobody</b>")


def test_hostile_values_stay_text(desk: Page) -> None:
    desk.get_by_role("complementary").get_by_role("link", name="<img src=x onerror=alert(1)>").first.click()
    expect(count(desk)).to_have_text("1 participant")
    builder(desk).get_by_role("button", name=re.compile("^group")).click()
    expect(
        desk.get_by_role("group", name="Condition on group").get_by_label("<img src=x onerror=alert(1)>")
    ).to_be_checked()
    assert desk.locator("main img, main b, main script").count() == 0


def test_cohorts_are_compared_combined_and_split(desk: Page, clinic: Any) -> None:
    freeze = "([q, label]) => fetch('/api/v1/cohorts', {method: 'POST', headers: {'content-type': 'application/json'},"
    freeze += " body: JSON.stringify({query: q, label})}).then(r => r.json())"
    women = desk.evaluate(freeze, ["sex = 'female'", "Women"])
    old = desk.evaluate(freeze, ["age > 40", "Over 40"])
    desk.goto(f"{clinic.url}/cohorts")
    for cohort in (women, old):
        desk.locator(f'input[value="{cohort["id"]}"]').check()
    desk.get_by_role("button", name="Compare").click()
    expect(desk.locator(".figures")).to_contain_text("In any")
    desk.get_by_label("Name").fill("Either")
    desk.get_by_role("button", name=re.compile("^Union")).click()
    expect(desk.locator("h1")).to_have_text("Either")
    desk.get_by_role("link", name="Balance report").click()
    expect(desk.locator("main svg").first).to_be_visible()
    desk.go_back()
    for part, share in (("train", "60"), ("validation", "0"), ("test", "40")):
        desk.get_by_label(part, exact=True).fill(share)
    desk.get_by_role("button", name="Split").click()
    expect(desk.locator("main")).to_contain_text("Families, and records of one person, are each within one part")


def test_the_page_works_without_scripts(browser: Browser, clinic: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{clinic.url}/login")
    page.get_by_label("Token").fill(clinic.token)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Query (CQL2)").fill("age > 200")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("status")).to_have_text("0 participants")
    page.get_by_role("link", name="which condition removed most").click()
    expect(page.locator("h1")).to_have_text("Which condition removed most")
    context.close()


def test_who_may_only_count_is_told_numbers_and_no_names(browser: Browser, clinic: Any) -> None:
    with Client(url=clinic.url, token=clinic.token) as client:
        made = client.post("principals", {"name": "Counter", "role": "counter", "dataset": clinic.dataset})
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{clinic.url}/login#{made['token']}")
    page.wait_for_url(f"{clinic.url}/")
    expect(count(page)).to_have_text("fewer than 10 participants")
    expect(page.get_by_role("region", name="Participants")).to_contain_text("not who")
    expect(page.get_by_role("button", name="Freeze")).to_have_count(0)
    text(page).fill("sex = 'female'")
    expect(builder(page).get_by_role("button", name=re.compile("^sex is"))).to_be_visible()
    expect(count(page)).to_have_text("fewer than 10 participants")
    assert "sub-0" not in page.content()
    context.close()
