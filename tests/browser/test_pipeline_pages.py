"""Pages of pipelines and certificates, wide and narrow."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sillage.client import Client


@pytest.fixture(scope="module")
def certificate(site: Any) -> dict[str, Any]:
    """A certificate of the site's pipeline; an earlier one was revoked."""
    with Client(url=site.url, token=site.token) as client:
        case = {
            "format": "sillage-reference/1",
            "label": "A <b>bold</b> case",
            "about": "Written by a test; CC0-1.0.",
            "inputs": {"images": ["inputs/sub-ref_T1w.nii.gz"]},
            "expected": [{"path": "out/sizes.txt", "compare": {"kind": "present"}}],
        }
        files = {"inputs/sub-ref_T1w.nii.gz": base64.b64encode(b"an image").decode()}
        version = "pipelines/measure/versions/1.0.0"
        client.post(f"{version}/references", {"reference": case, "files": files})
        reports = [client.wait(client.post(f"{version}/certify")["id"])["certification"]["report"] for _ in range(2)]
        client.post(f"certificates/{reports[0]['certificate']}/revoke", {"reason": "issued by mistake"})
        found: dict[str, Any] = client.get(f"certificates/{reports[1]['certificate']}")
        return {**found, "revoked_one": reports[0]["certificate"]}


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_pipeline_says_how_it_stands_and_why(page: Page, site: Any, certificate: dict[str, Any]) -> None:
    page.goto(site.url + "/pipelines")
    expect(page.locator("main")).to_contain_text("certified until")
    page.get_by_role("link", name="measure").click()
    page.get_by_role("link", name="1.0.0").click()
    expect(page.locator("h1")).to_have_text("measure 1.0.0")
    expect(page.locator("main")).to_contain_text("out/sizes.txt")
    expect(page.locator("main")).to_contain_text("it is there")
    assert fits(page)
    page.get_by_role("link", name=certificate["id"].removeprefix("urn:uuid:")[:8]).click()
    expect(page.locator("main")).to_contain_text("A <b>bold</b> case")
    expect(page.locator("main")).to_contain_text("No task has started under it yet")
    assert fits(page)


def test_a_revoked_certificate_says_by_whom_and_why(page: Page, site: Any, certificate: dict[str, Any]) -> None:
    page.goto(f"{site.url}/id/{certificate['revoked_one']}")
    expect(page.locator(".standing").first).to_have_text("revoked")
    expect(page.locator(".notice")).to_contain_text("by Administrator: issued by mistake")
    assert fits(page)
