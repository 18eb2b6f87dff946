"""The golden chain by the client: register, find, freeze, run, publish, prove; and what a revision does to it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from catalog.doi.contract import Registered
from catalog.doi.offline import OfflineRegistrar
from provenance import formats
from provenance.evidence import verify_pack
from sillage.client import Client, ProblemError

QUERY = "under(diagnosis, 'demyelinating disease') AND age BETWEEN 30 AND 50 AND has(suffix = 'T1w')"


@pytest.fixture(params=["in its folder", "on servers"])
def engines(request: pytest.FixtureRequest) -> dict[str, str]:
    """The whole chain runs on either engine."""
    named: dict[str, str] = request.getfixturevalue("on_servers") if request.param == "on servers" else {}
    return named


def test_registration_reports_what_was_found(client: Client, registered: dict[str, Any]) -> None:
    assert (registered["participants"], registered["acquisitions"]) == (4, 8)
    assert registered["version"] == "1"
    report = client.get(f"datasets/{registered['id']}/report")
    assert report["unmapped"]["sex"] == {"M,": 1}
    assert sum(report["mapped"]["diagnosis"].values()) == 3


def test_the_source_folder_is_not_changed(client: Client, study: Path) -> None:
    before = {p: (p.stat().st_mode, p.read_bytes()) for p in study.rglob("*") if p.is_file()}
    client.register_dataset(study)
    assert {p: (p.stat().st_mode, p.read_bytes()) for p in study.rglob("*") if p.is_file()} == before


def test_queries_descend_the_ontology_and_say_why(client: Client, registered: dict[str, Any]) -> None:
    answer = client.find_cohort(QUERY, facets=["sex"], explain=True)
    assert [hit["label"] for hit in answer["items"]] == ["sub-01", "sub-02"]
    chains = [[t["label"] for t in r.get("chain", [])] for r in answer["items"][1]["explanation"]]
    assert ["relapsing-remitting multiple sclerosis", "multiple sclerosis", "demyelinating disease"] in chains
    assert {(v["label"], v["count"]) for v in answer["facets"]["sex"]} >= {("female", 1)}


def test_a_frozen_cohort_says_what_changed(client: Client, registered: dict[str, Any], study: Path) -> None:
    cohort = client.freeze_cohort(QUERY)
    assert cohort["count"] == 2
    table = study / "participants.tsv"
    table.write_text(table.read_text().replace("sub-01\t34", "sub-01\t29").replace("sub-03\t61", "sub-03\t40"))
    (study / "sub-02" / "anat" / "sub-02_T1w.nii.gz").write_bytes(b"acquired again")
    revised = client.post(f"datasets/{registered['id']}/revise", {"path": str(study)})
    assert revised["version"] == "2"
    found = client.get(f"cohorts/{cohort['id']}/diff")
    members = {m["participant"] for m in cohort["members"]}
    assert len(found["removed"]) == 1
    assert set(found["removed"]) < members
    assert [item["participant"] for item in found["changed"] if item["participant"] not in found["removed"]] == list(
        members - set(found["removed"])
    )


def test_registering_again_is_refused_and_revising_without_change_does_nothing(
    client: Client, registered: dict[str, Any], study: Path
) -> None:
    before = client.get("status")["ledger_entries"]
    again = client.post(f"datasets/{registered['id']}/revise", {"path": str(study)})
    assert again["unchanged"] is True
    assert client.get("status")["ledger_entries"] == before


def test_a_withdrawn_dataset_leaves_a_tombstone(client: Client, registered: dict[str, Any]) -> None:
    client.post(f"datasets/{registered['id']}/withdraw", {"reason": "asked for by the ethics board"})
    gone = client.get(f"datasets/{registered['id']}")
    assert gone["withdrawn"] is True
    assert gone["reason"] == "asked for by the ethics board"
    assert client.find_cohort("TRUE")["count"] == 0
    assert client.post("check")["valid"] is True


@pytest.fixture
def batch(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str, strace: str
) -> Any:
    register_copy()
    cohort = client.freeze_cohort(QUERY)
    return client.wait(client.run("copy", cohort=cohort["id"])["id"])


def test_a_batch_runs_over_a_cohort(client: Client, batch: dict[str, Any]) -> None:
    assert (batch["state"], batch["complete"], batch["total"]) == ("COMPLETE", 2, 2)
    task = client.get(f"tasks/{batch['items'][0]['id']}")
    assert task["exit_code"] == 0
    assert [set(item) >= {"path", "sha256", "size"} for item in task["inputs"]] == [True]
    assert task["outputs"][0]["path"].endswith("_T1w_size.txt")
    seen = task["record"]["inputs_observed"]
    assert (seen["mechanism"], seen["complete"]) == ("strace", True)
    assert seen["opened"] == [task["inputs"][0]["id"]]
    assert [item["opened"] for item in task["inputs"]] == [True]
    assert task["inputs_opened"] == "1 of 1 inputs was opened."
    assert task["record"]["sandbox"]["kind"] == "bubblewrap"
    assert "done" in "".join(client.stream(f"tasks/{task['id']}/logs"))


def test_a_result_is_traced_both_ways(client: Client, batch: dict[str, Any]) -> None:
    output = batch["outputs"][0]["id"]
    up = client.get(f"lineage/{output}", direction="up")
    assert {"File", "Entity", "Task", "Acquisition", "Participant", "Dataset"} <= {n["type"] for n in up["nodes"]}
    assert [n["type"] for n in up["nodes"]].count("Participant") == 1
    person = next(n["id"] for n in up["nodes"] if n["type"] == "Participant")
    down = client.get(f"lineage/{person}", direction="down")
    assert output in {n["id"] for n in down["nodes"]}


@pytest.mark.parametrize("format", ["json", "n", "turtle", "trig", "jsonld", "xml"])
def test_provenance_is_exported_in_every_format(client: Client, batch: dict[str, Any], format: str) -> None:
    output = batch["outputs"][0]["id"]
    content = client.request("GET", f"/api/v1/prov/{output}", params={"format": format}).content
    # In XML the prefix may take the beginning of an id: a local part begins with a letter there.
    assert output.removeprefix("urn:uuid:")[8:].encode() in content
    json_form = client.request("GET", f"/api/v1/prov/{output}", params={"format": "json"}).content
    assert formats.read(content, format) == formats.read(json_form, "json")


def test_an_evidence_pack_verifies_and_any_change_is_found(
    client: Client, batch: dict[str, Any], tmp_path: Path
) -> None:
    pack = tmp_path / "pack.zip"
    client.download(f"evidence/{batch['outputs'][0]['id']}", pack)
    assert verify_pack(pack) == []
    names = zipfile.ZipFile(pack).namelist()
    assert any(name.startswith("data/") for name in names)
    altered = bytearray(pack.read_bytes())
    altered[len(altered) // 3] ^= 1
    pack.write_bytes(altered)
    assert verify_pack(pack) != []


def test_the_outputs_are_a_datalad_dataset(client: Client, batch: dict[str, Any], catalog: Path) -> None:
    entity = client.show(client.show(batch["outputs"][0]["id"])["part_of"])
    derived = client.show(entity["dataset"])
    folder = catalog / "store" / derived["data_path"]
    described = json.loads((folder / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "copy"
    assert (folder / batch["outputs"][0]["path"]).is_symlink()


def test_dois_are_reserved_once_and_marked_as_not_resolvable(client: Client, registered: dict[str, Any]) -> None:
    cohort = client.freeze_cohort(QUERY)
    first = client.post("identifiers", {"subject": cohort["id"]})
    assert first["doi"].startswith("10.5072/")
    assert (first["state"], first["resolvable"]) == ("draft", False)
    assert client.post("identifiers", {"subject": cohort["id"]})["id"] == first["id"]
    page = client.request("GET", f"/doi/{first['doi']}", headers={"Accept": "application/ld+json"}).json()
    assert page["@context"] == "https://schema.org"
    assert page["identifier"]["value"] == first["doi"]
    with pytest.raises(ProblemError) as refused:
        client.post(f"identifiers/{first['doi']}/publish")
    assert refused.value.status == 409


class PublishingRegistrar(OfflineRegistrar):
    """Stands for an account: what is published resolves. Requests to DataCite are tested in tests/unit/doi."""

    def publish(self, doi: str, *, url: str | None, metadata: Mapping[str, Any]) -> Registered:
        return Registered(doi=doi, state="findable", resolvable=True)


def test_a_landing_page_is_for_everybody_only_once_it_is_published(client: Client, registered: dict[str, Any]) -> None:
    catalogue = client._transport._app.state.catalogue  # type: ignore[union-attr]
    catalogue.registrar = PublishingRegistrar()
    nobody = client.acting_as(None)
    doi = client.post("identifiers", {"subject": registered["id"]})["doi"]
    with pytest.raises(ProblemError) as refused:
        nobody.request("GET", f"/doi/{doi}", headers={"Accept": "application/ld+json"})
    assert refused.value.status == 401
    minted = client.post(f"identifiers/{doi}/publish")
    assert (minted["state"], minted["resolvable"]) == ("findable", True)
    shown = nobody.request("GET", f"/doi/{doi}", headers={"Accept": "application/ld+json"})
    assert shown.json()["creator"][0]["name"] == "Ada Lovelace"
    assert 'rel="cite-as"' in shown.headers["link"]
    kernel = nobody.request("GET", f"/doi/{doi}", params={"format": "datacite-xml"}).text
    assert "http://datacite.org/schema/kernel-4" in kernel


def test_a_backup_restores_to_the_same_catalogue(
    client: Client, batch: dict[str, Any], tmp_path: Path, engines: dict[str, str]
) -> None:
    from api.archive import restore

    if engines:
        with pytest.raises(ProblemError) as refused:
            client.download("backup", tmp_path / "backup.tar")
        assert refused.value.status == 501
        assert "sillage copy" in str(refused.value.next_step)
        return
    client.download("backup", tmp_path / "backup.tar")
    restore(tmp_path / "backup.tar", tmp_path / "restored")
    with Client(catalog=tmp_path / "restored") as other:
        assert other.get(f"tasks/{batch['id']}")["complete"] == 2
        assert other.find_cohort(QUERY)["count"] == 2
        checked = other.request("POST", "/api/v1/check", params={"data": "false"}).json()
        assert checked["valid"] is True


def test_everything_is_sound_at_the_end(client: Client, batch: dict[str, Any]) -> None:
    assert client.post("check") == {
        "valid": True,
        "problems": [],
        "ledger_entries": client.get("status")["ledger_entries"],
    }
    assert client.post("reindex")["search_applied"] + 1 == client.get("status")["ledger_entries"]
