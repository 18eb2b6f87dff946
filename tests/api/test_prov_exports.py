"""The record of a real run in every format: nothing lost, and only what the caller may read."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from provenance import formats
from provenance.formats import FORMATS
from sillage.client import Client, ProblemError

QUERY = "under(diagnosis, 'demyelinating disease') AND age BETWEEN 30 AND 50 AND has(suffix = 'T1w')"


@pytest.fixture
def batch(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str, strace: str
) -> Any:
    register_copy()
    cohort = client.freeze_cohort(QUERY)
    return client.wait(client.run("copy", cohort=cohort["id"])["id"])


def exported(client: Client, id: str, format: str) -> bytes:
    return client.request("GET", f"/api/v1/prov/{id}", params={"format": format}).content


def test_every_export_carries_the_whole_record(client: Client, batch: dict[str, Any], tmp_path: Path) -> None:
    output = batch["outputs"][0]["id"]
    told = formats.read(exported(client, output, "json"), "json")
    task = next(n["id"] for n in client.get(f"lineage/{output}", direction="up")["nodes"] if n["type"] == "Task")
    record = client.get(f"tasks/{task}")["record"]
    assert set(FORMATS) == {"json", "n", "turtle", "trig", "jsonld", "xml"}
    for name in FORMATS:
        again = formats.read(exported(client, output, name), name)
        assert again == told, name
        kept = next(one for one in again.statements if one.id == task).text("urn:sillage:vocabulary:record")
        assert json.loads(str(kept)) == record, name
    archive = zipfile.ZipFile(io.BytesIO(exported(client, output, "ro-crate")))
    graph = {one["@id"]: one for one in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]}
    assert json.loads(graph[f"#{task.rpartition(':')[2]}/record"]["value"]) == record
    assert graph[task]["actionStatus"] == {"@id": "http://schema.org/CompletedActionStatus"}
    for part in graph["./"]["hasPart"]:
        content = archive.read(part["@id"])
        assert graph[part["@id"]].get("sha256") in (None, sha256(content).hexdigest())
    assert len([name for name in archive.namelist() if name.startswith("data/")]) == 2
    assert formats.read(archive.read("prov.json"), "json") == told
    bids = json.loads(exported(client, output, "bids-prov"))["Records"]
    kept = bids["Activities"][0]["Record"]
    assert {name: kept[name] for name in record} == record
    assert bids["ProvEntities"][1]["Digest"]["sha256"] == client.get(f"tasks/{task}")["outputs"][0]["sha256"]


def test_media_types_lead_to_the_same(client: Client, batch: dict[str, Any]) -> None:
    output = batch["outputs"][0]["id"]
    for accept, wanted in (
        ("application/zip", "application/zip"),
        ("application/provenance+xml", "application/provenance+xml"),
        ("application/ld+json", "application/ld+json"),
        ("*/*", "application/json"),
    ):
        answer = client.request("GET", f"/api/v1/prov/{output}", headers={"Accept": accept})
        assert answer.headers["content-type"].partition(";")[0] == wanted


def test_what_no_run_led_to_is_no_crate(client: Client, registered: dict[str, Any]) -> None:
    with pytest.raises(ProblemError) as refused:
        exported(client, registered["id"], "ro-crate")
    assert refused.value.status == 406
