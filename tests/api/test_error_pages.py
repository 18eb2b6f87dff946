"""What a browser is shown when something went wrong: a page, always; a program gets the problem document."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sillage.client import Client

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def asked(client: Client, method: str, path: str, **options: Any) -> httpx.Response:
    """Ask as a browser does and return whatever the answer is."""
    headers = {**BROWSER, **options.pop("headers", {})}
    return client._http.request(method, path, headers=headers, **options)


def assert_page(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert 'role="alert"' in answer.text
    assert "/static/sillage.css" in answer.text


def test_an_address_that_only_takes_forms_says_so_on_a_page(client: Client) -> None:
    answer = asked(client, "GET", "/search")
    assert_page(answer, 404)
    answer = asked(client, "GET", "/pipelines/x/certify")
    assert_page(answer, 405)


def test_a_parameter_that_is_none_is_told_on_a_page(client: Client) -> None:
    assert_page(asked(client, "GET", "/evaluations/x?start=-1"), 400)


def test_a_body_too_large_is_told_on_a_page(client: Client) -> None:
    answer = asked(client, "POST", "/register-pipeline", headers={"Content-Length": str(10**12)}, content=b"")
    assert_page(answer, 413)
    assert "max_body_mb" in answer.text


def test_a_failure_of_ours_is_a_page_that_tells_nothing_but_the_request_id(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    import api.pages.rule_pages

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the password is swordfish <b>")

    monkeypatch.setattr(api.pages.rule_pages.records, "listing", broken)
    answer = asked(client, "GET", "/rules")
    assert_page(answer, 500)
    assert "swordfish" not in answer.text
    assert answer.headers["x-request-id"] in answer.text


def test_what_is_shown_of_an_address_is_escaped(client: Client) -> None:
    answer = asked(client, "GET", "/pipelines/<script>/certify")
    assert_page(answer, 405)
    assert "<script>" not in answer.text


def test_a_program_gets_the_problem_document(client: Client) -> None:
    answer = client._http.get("/pipelines/x/certify", headers={"accept": "application/json"})
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
