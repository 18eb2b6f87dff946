"""Versions of pipelines: order, series, deprecation, and the software behind them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from sillage.client import Client, ProblemError


def described(version: str, **block: Any) -> dict[str, Any]:
    return {
        "name": "counter",
        "description": f"Counts, as of {version}.",
        "tool-version": version,
        "schema-version": "0.5",
        "author": "A. Counter",
        "url": "https://counter.example",
        "command-line": "true",
        "inputs": [{"id": "word", "name": "Word", "type": "String", "optional": True}],
        "custom": {"sillage": {"environment": {"kind": "system"}, **block}},
    }


def registered(client: Client, *versions: str) -> dict[str, str]:
    return {version: client.register_pipeline(described(version), None)["id"] for version in versions}


def test_the_highest_number_is_current_and_not_the_last_that_came(client: Client) -> None:
    ids = registered(client, "1.9.0", "1.10.0", "1.2.0", "2.0.0-rc.1")
    pipeline = client.get("pipelines/counter")
    assert pipeline["current"] == ids["1.10.0"]
    assert pipeline["description"] == "Counts, as of 1.10.0."
    assert [v["semver"] for v in pipeline["versions"]] == ["2.0.0-rc.1", "1.2.0", "1.9.0", "1.10.0"]


@pytest.mark.parametrize(("asked", "found"), [("1", "1.10.0"), ("1.9", "1.9.3"), ("1.9.0", "1.9.0")])
def test_a_series_stands_for_its_newest(client: Client, asked: str, found: str) -> None:
    ids = registered(client, "1.9.0", "1.9.3", "1.10.0", "2.0.0")
    assert client.get(f"pipelines/counter@{asked}")["id"] == ids[found]


def test_a_series_without_a_version_is_not_found(client: Client) -> None:
    registered(client, "1.9.0", "2.0.0-rc.1")
    for asked in ("2", "3", "1.8"):
        with pytest.raises(ProblemError) as refused:
            client.get(f"pipelines/counter@{asked}")
        assert refused.value.status == 404


def test_a_deprecated_version_is_passed_over_and_can_come_back(client: Client) -> None:
    ids = registered(client, "1.0.0", "1.1.0")
    body = client.post(
        "pipelines/counter/versions/1.1.0/deprecate", {"reason": "It counts twice.", "replaced_by": "counter@1.0.0"}
    )
    assert body["deprecated"]
    assert body["deprecation"] == {"reason": "It counts twice.", "replaced_by": ids["1.0.0"]}
    assert client.get("pipelines/counter")["current"] == ids["1.0.0"]
    assert client.get("pipelines/counter@1")["id"] == ids["1.0.0"]
    assert client.get("pipelines/counter@1.1.0")["id"] == ids["1.1.0"]
    back = client.post("pipelines/counter/versions/1.1.0/reinstate")
    assert (back["deprecated"], back["deprecation"]) == (False, None)
    assert client.get("pipelines/counter")["current"] == ids["1.1.0"]
    assert client.post("check")["valid"]


def test_a_task_of_a_deprecated_version_says_so(client: Client) -> None:
    registered(client, "1.0.0")
    client.post("pipelines/counter/versions/1.0.0/deprecate", {"reason": "It counts twice."})
    task = client.wait(client.run("counter@1.0.0", runner="noop")["id"])
    assert "counter 1.0.0 is deprecated: It counts twice." in task["remarks"]


def test_nothing_replaces_itself(client: Client) -> None:
    registered(client, "1.0.0")
    with pytest.raises(ProblemError, match="replace itself"):
        client.post("pipelines/counter/versions/1.0.0/deprecate", {"reason": "Wrong.", "replaced_by": "counter@1.0.0"})


def test_registering_a_version_again_leaves_its_mark(client: Client) -> None:
    registered(client, "1.0.0")
    client.post("pipelines/counter/versions/1.0.0/deprecate", {"reason": "It counts twice."})
    assert client.register_pipeline(described("1.0.0"), None)["deprecated"]


def test_software_is_described_from_the_descriptor(client: Client) -> None:
    registered(client, "1.0.0")
    said = client.get("pipelines/counter/versions/1.0.0/codemeta")
    assert said == {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": "counter",
        "version": "1.0.0",
        "description": "Counts, as of 1.0.0.",
        "author": [{"name": "A. Counter"}],
        "url": "https://counter.example",
    }
    version = client.get("pipelines/counter@1.0.0")
    assert client.get(f"records/{version['software']}")["codemeta"] == said


def test_what_the_author_says_goes_first(client: Client, tmp_path: Path) -> None:
    (tmp_path / "codemeta.json").write_text(json.dumps({"name": "Counter", "license": "https://spdx.org/licenses/MIT"}))
    document = described("1.0.0", files=".", codemeta={"name": "no", "programmingLanguage": "Python"})
    client.register_pipeline(document, tmp_path)
    said = client.get("pipelines/counter/versions/1.0.0/codemeta")
    assert (said["name"], said["version"]) == ("Counter", "1.0.0")
    assert (said["license"], said["programmingLanguage"]) == ("https://spdx.org/licenses/MIT", "Python")


@pytest.mark.parametrize("text", ["[]", "{", '{"name": 3}'])
def test_a_broken_codemeta_file_is_refused(client: Client, text: str) -> None:
    files = {"codemeta.json": base64.b64encode(text.encode()).decode()}
    with pytest.raises(ProblemError, match=r"codemeta|text"):
        client.post("pipelines", {"descriptor": described("1.0.0", files="."), "files": files})
    with pytest.raises(ProblemError):
        client.get("pipelines/counter")


@pytest.mark.parametrize(
    ("text", "detail"),
    [("numpy>=2", "line 1 .*does not pin"), ("# nothing\n", "pins nothing"), ("no-such-thing==1.0", "not installed")],
)
def test_a_lock_file_that_does_not_hold_is_refused(client: Client, text: str, detail: str) -> None:
    files = {"requirements.lock": base64.b64encode(text.encode()).decode()}
    document = described("1.0.0", files=".", environment={"lock_file": "requirements.lock"})
    with pytest.raises(ProblemError, match=detail):
        client.post("pipelines", {"descriptor": document, "files": files})


def test_a_lock_file_pins_the_environment(client: Client) -> None:
    import numpy

    text = f"--no-binary :none:\nnumpy=={numpy.__version__} \\\n    --hash=sha256:{'0' * 64}  # via x\n"
    files = {"requirements.lock": base64.b64encode(text.encode()).decode()}
    document = described("1.0.0", files=".", environment={"lock_file": "requirements.lock"})
    body = client.post("pipelines", {"descriptor": document, "files": files})
    assert body["environment"]["lock"] == [f"numpy=={numpy.__version__}"]
    assert body["environment"]["pinned"]
