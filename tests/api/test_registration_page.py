"""The page that registers a pipeline: what is sent is what the command line sends, and a refusal keeps nothing."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from sillage.client import Client, ProblemError
from tests.api.conftest import COPY, write_pipeline

PAGE = {"accept": "text/html"}
RUN = ("files", ("run.sh", COPY.encode()))


def send(client: Client, *files: tuple[str, tuple[str, bytes]], **fields: Any) -> httpx.Response:
    """Send the form and return the answer; a refusal is one like any other."""
    empty = [(name, ("", b"")) for name in ("descriptor", "folder") if name not in {file[0] for file in files}]
    try:
        return client.request(
            "POST", "/register-pipeline", files=[*files, *empty], data=fields, headers=PAGE, follow_redirects=False
        )
    except ProblemError as error:
        return httpx.Response(error.status, text=str(error.problem.get("detail")))


def page_of(client: Client, *files: tuple[str, tuple[str, bytes]], **fields: Any) -> tuple[int, str]:
    """Return the status and the page that answer a form that is refused."""
    empty = [(name, ("", b"")) for name in ("descriptor", "folder") if name not in {file[0] for file in files}]
    answer = client._http.post("/register-pipeline", files=[*files, *empty], data=fields, headers=PAGE)
    return answer.status_code, answer.text


def carried(page: str) -> dict[str, str]:
    """Return the files that a refused form brings back, by the name of their field."""
    found = re.findall(r'<input type="hidden" name="((?:own|beside)\.[^"]+)" value="([^"]*)"', page)
    return {html.unescape(name): value for name, value in found}


def pipelines(client: Client) -> list[str]:
    return [item["name"] for item in client.get("pipelines")["items"]]


@pytest.fixture
def descriptor(tmp_path: Path) -> dict[str, Any]:
    return write_pipeline(tmp_path / "pipeline", COPY)


def test_a_pasted_descriptor_with_its_files_is_what_the_command_line_registers(
    client: Client, descriptor: dict[str, Any], tmp_path: Path
) -> None:
    answer = send(client, RUN, text=json.dumps(descriptor, indent=2))
    assert answer.status_code == 303
    version = client.get(f"pipelines/{answer.headers['location'].rpartition('/')[2]}")
    assert client.register_pipeline(descriptor, tmp_path / "pipeline")["id"] == version["id"]


@pytest.mark.parametrize("folder", [".", "code"])
def test_a_folder_is_all_that_it_takes(client: Client, descriptor: dict[str, Any], folder: str) -> None:
    descriptor["custom"]["sillage"]["files"] = folder
    prefix = "smooth/" if folder == "." else f"smooth/{folder}/"
    answer = send(
        client,
        ("folder", ("smooth/descriptor.json", json.dumps(descriptor).encode())),
        ("folder", (f"{prefix}run.sh", COPY.encode())),
        ("folder", (f"{prefix}__pycache__/run.pyc", b"built")),
    )
    assert answer.status_code == 303
    assert pipelines(client) == ["copy"]


def test_everything_that_is_wrong_is_said_at_its_line_and_nothing_is_kept(
    client: Client, descriptor: dict[str, Any]
) -> None:
    descriptor["output-files"][0]["path-template"] = "../out/[NAMES].txt"
    descriptor["custom"]["sillage"]["inputs"]["images"]["select"] = "suffixx = 'T1w'"
    text = json.dumps(descriptor, indent=2)
    status, page = page_of(client, ("files", ("other.sh", b"echo")), text=text)
    assert status == 422
    assert "4 things in the descriptor need another look" in page
    lines = re.findall(r'<li class="at">.*?<code>(.*?)</code>.*?</li>', page)
    assert [html.unescape(line).strip().partition(":")[0] for line in lines] == [
        '"command-line"',
        '"path-template"',
        '"select"',
    ]
    assert "suffixx" in page
    assert text in html.unescape(page)
    assert pipelines(client) == []


def test_what_was_chosen_comes_back_and_need_not_be_chosen_again(client: Client, descriptor: dict[str, Any]) -> None:
    wrong = {**descriptor, "tool-version": "one two"}
    sent = json.dumps(wrong).encode()
    files = [("folder", ("copy/descriptor.json", sent)), ("folder", ("copy/run.sh", COPY.encode()))]
    status, page = page_of(client, *files)
    assert status == 422
    back = carried(page)
    assert base64.b64decode(back["beside.run.sh"]).decode() == COPY
    answer = send(client, text=json.dumps(descriptor), keep=list(back), **back)
    assert answer.status_code == 303
    # The descriptor that was mended is the one that lies among the files.
    version = client.get(f"pipelines/{answer.headers['location'].rpartition('/')[2]}")
    assert version["tool_version"] == "1.0.0"


def test_a_file_that_is_not_kept_does_not_come_along(client: Client, descriptor: dict[str, Any]) -> None:
    back = {"own.run.sh": base64.b64encode(COPY.encode()).decode()}
    status, page = page_of(client, text=json.dumps(descriptor), **back)
    assert status == 422
    assert "run.sh&#39; is not among the pipeline&#39;s files" in page


def test_what_is_no_json_is_said_at_its_line(client: Client) -> None:
    status, page = page_of(client, text='{\n  "name": "x"\n  "description": "y"\n}')
    assert status == 400
    assert re.search(r'<li class="at">.*?aria-label="Line 3".*?Expecting', page)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "There is no descriptor"),
        ("[1, 2]", "A descriptor is a JSON object"),
        ("{}", "needs another look|need another"),
    ],
)
def test_what_is_no_descriptor_is_refused_on_the_page(client: Client, text: str, said: str) -> None:
    status, page = page_of(client, text=text)
    assert status in (400, 422)
    assert re.search(said, page)
    assert pipelines(client) == []


def test_files_that_nothing_would_run_are_refused_at_their_field(client: Client, descriptor: dict[str, Any]) -> None:
    del descriptor["custom"]["sillage"]["files"]
    status, page = page_of(client, RUN, text=json.dumps(descriptor))
    assert status == 400
    assert 'id="wrong-files"' in page


def test_another_content_under_the_same_version_is_refused_at_the_version(
    client: Client, descriptor: dict[str, Any]
) -> None:
    assert send(client, RUN, text=json.dumps(descriptor)).status_code == 303
    other = json.dumps({**descriptor, "description": "Another"}, indent=1)
    status, page = page_of(client, RUN, text=other)
    assert status == 409
    assert re.search(r'<li class="at">.*?tool-version.*?versions never change', page)


def test_a_descriptor_on_one_line_is_laid_out(client: Client, descriptor: dict[str, Any]) -> None:
    descriptor["output-files"][0]["path-template"] = "/out.txt"
    status, page = page_of(client, RUN, text=json.dumps(descriptor))
    assert status == 422
    assert re.search(r'<li class="at">.*?<code> +&#34;path-template&#34;: &#34;/out.txt&#34;', page)


def test_a_pipeline_that_ships_is_registered_by_its_name(client: Client) -> None:
    answer = client.request(
        "POST", "/register-pipeline/bundled", data={"name": "image-qc"}, headers=PAGE, follow_redirects=False
    )
    assert answer.status_code == 303
    assert pipelines(client) == ["image-qc"]
    page = client.request("GET", "/register-pipeline", headers=PAGE).text
    assert page.count("It is registered") == 1


def test_only_who_may_register_sees_the_form(client: Client) -> None:
    reader = client.acting_as(client.post("principals", {"name": "Reader", "role": "reader"})["token"])
    assert reader._http.get("/register-pipeline", headers=PAGE).status_code == 403
    assert reader._http.post("/register-pipeline", data={"text": "{}"}, headers=PAGE).status_code == 403
    assert "/register-pipeline" not in reader.request("GET", "/pipelines", headers=PAGE).text
    assert 'href="/register-pipeline"' in client.request("GET", "/pipelines", headers=PAGE).text


def test_a_form_of_another_site_registers_nothing(client: Client, descriptor: dict[str, Any]) -> None:
    token = client._http.headers["Authorization"].partition(" ")[2]
    other = client.acting_as(None)
    other._http.cookies.set("sillage_token", token)
    fields = {"text": json.dumps(descriptor)}
    refused = other._http.post("/register-pipeline", data=fields, headers={**PAGE, "Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 401
    assert pipelines(client) == []
