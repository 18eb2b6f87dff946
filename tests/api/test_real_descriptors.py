"""Descriptors that others wrote: registered as they are, or refused with the reason that the library gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sillage.client import Client, ProblemError

NAMES = ["example1_docker", "fsl_bet", "nipoppy-fmriprep-24.1.1", "vip-freesurfer-7.3.1"]


def described(shared_data: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((shared_data / "descriptors" / f"{name}.json").read_text())
    return document


@pytest.mark.parametrize("name", NAMES)
def test_a_real_descriptor_registers(client: Client, shared_data: Path, name: str) -> None:
    document = described(shared_data, name)
    body = client.register_pipeline(document, None)
    assert body["tool_version"] == document["tool-version"]
    assert body["descriptor"] == document
    environment = body["environment"]
    assert (environment["kind"], environment["pinned"], environment["digest"]) == ("container", False, None)
    assert environment["image"] == document["container-image"]["image"]


def test_an_image_without_a_digest_is_not_run(client: Client, shared_data: Path) -> None:
    client.register_pipeline(described(shared_data, "vip-freesurfer-7.3.1"), None)
    with pytest.raises(ProblemError, match="not pinned by a digest"):
        client.run("FreeSurfer-Recon-all", parameters={"subjid": "01", "directives": "-all"})


def test_what_boutiques_refuses_is_refused_with_its_reason(client: Client, shared_data: Path) -> None:
    document = described(shared_data, "fsl_bet")
    del document["inputs"][0]["type"]
    with pytest.raises(ProblemError) as refused:
        client.register_pipeline(document, None)
    assert refused.value.problem["problems"] == [{"field": "/inputs/0/type", "detail": "'type' is a required property"}]
