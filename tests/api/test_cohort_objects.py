"""Cohorts as objects, over HTTP: combined, compared, split, exported, materialised, and who may."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rdflib import Graph, URIRef

from catalog.versions.git import annex_environment, program_path
from sillage.cli import run
from sillage.client import Client, ProblemError
from sillage.exits import Exit

Somebody = Callable[..., Client]
HAD_MEMBER = URIRef("http://www.w3.org/ns/prov#hadMember")


def problem_of(call: Callable[[], Any]) -> ProblemError:
    """Return what a call is refused with."""
    with pytest.raises(ProblemError) as caught:
        call()
    return caught.value


def people(record: dict[str, Any]) -> set[str]:
    return {member["participant"] for member in record["members"]}


def revise(client: Client, dataset: dict[str, Any], study: Path, *, column: str, values: dict[str, str]) -> None:
    """Give the participants of a study another column and read it again."""
    lines = (study / "participants.tsv").read_text().splitlines()
    told = [column, *(values.get(line.split("\t")[0], "n/a") for line in lines[1:])]
    (study / "participants.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in zip(lines, told, strict=True)))
    client.post(f"datasets/{dataset['id']}/revise", {"path": str(study)})


@pytest.fixture
def two(client: Client, registered: dict[str, Any], other_study: Path) -> list[dict[str, Any]]:
    return [registered, client.register_dataset(other_study)]


@pytest.fixture
def women(client: Client, two: list[dict[str, Any]]) -> dict[str, Any]:
    return client.freeze_cohort("sex = 'female'", label="Women")


@pytest.fixture
def older(client: Client, two: list[dict[str, Any]]) -> dict[str, Any]:
    return client.freeze_cohort("age > 40", label="Older")


def test_cohorts_are_combined(client: Client, women: dict[str, Any], older: dict[str, Any]) -> None:
    pair = [women["id"], older["id"]]
    union = client.combine_cohorts("union", pair)
    assert people(union) == people(women) | people(older)
    assert union["label"] in ("Union of Women and Older", "Union of Older and Women")
    assert union["combination"] == {"op": "union", "cohorts": sorted(pair), "changed": 0, "withdrawn": 0}
    assert people(client.combine_cohorts("intersection", pair)) == people(women) & people(older)
    without = client.combine_cohorts("difference", pair, label="Young women")
    assert people(without) == people(women) - people(older)
    assert without["label"] == "Young women"
    assert without["query"] == f"cohort('{pair[0]}') AND NOT cohort('{pair[1]}')"
    frozen = {member["participant"]: member["digest"] for member in women["members"]}
    assert all(frozen[member["participant"]] == member["digest"] for member in without["members"])
    again = client.combine_cohorts("union", pair[::-1])
    assert again["digest"] == union["digest"]


def test_a_combination_is_a_cohort_like_any_other(
    client: Client, two: list[dict[str, Any]], women: dict[str, Any], older: dict[str, Any], study: Path
) -> None:
    made = client.combine_cohorts("intersection", [women["id"], older["id"]])
    shown = client.get(f"cohorts/{made['id']}")
    assert shown["digest"] == made["digest"]
    none = {"added": [], "removed": [], "changed": [], "withdrawn": [], "query_now_error": None}
    assert none.items() <= client.get(f"cohorts/{made['id']}/diff").items()
    lineage = client.get(f"lineage/{made['id']}", direction="up", depth=1)
    derived = {e["to"] for e in lineage["edges"] if e["relation"] == "prov:wasDerivedFrom" and e["from"] == made["id"]}
    assert derived == {women["id"], older["id"]}
    metadata = client.post("identifiers", {"subject": made["id"]})["metadata"]
    assert "intersection of the frozen cohorts" in json.dumps(metadata["descriptions"])
    assert women["id"] in json.dumps(metadata["relatedIdentifiers"])
    evidence = client.request("GET", f"/api/v1/evidence/{made['id']}")
    assert evidence.content.startswith(b"PK")
    text = (study / "participants.tsv").read_text().replace("sub-03\t61", "sub-03\t31")
    (study / "participants.tsv").write_text(text)
    client.post(f"datasets/{two[0]['id']}/revise", {"path": str(study)})
    diff = client.get(f"cohorts/{made['id']}/diff")
    assert len(diff["removed"]) == 1
    assert diff["changed"][0]["what"] == ["property age"]
    nested = client.combine_cohorts("difference", [women["id"], made["id"]])
    assert client.get(f"cohorts/{nested['id']}/diff")["added"] == diff["removed"]


def test_a_combination_is_run_on(
    client: Client, women: dict[str, Any], older: dict[str, Any], register_copy: Any, bubblewrap: str
) -> None:
    register_copy()
    made = client.combine_cohorts("union", [women["id"], older["id"]])
    batch = client.wait(client.run("copy", cohort=made["id"])["id"])
    assert batch["state"] == "COMPLETE"
    assert len(batch["items"]) == made["count"]


def test_what_cannot_be_combined_says_why(client: Client, women: dict[str, Any]) -> None:
    men = client.freeze_cohort("sex = 'male'")
    assert problem_of(lambda: client.combine_cohorts("intersection", [women["id"], men["id"]])).status == 400
    assert "twice" in str(problem_of(lambda: client.combine_cohorts("union", [women["id"], women["id"]])))
    assert "give 2" in str(problem_of(lambda: client.combine_cohorts("union", [women["id"]])))
    assert problem_of(lambda: client.combine_cohorts("product", [women["id"], men["id"]])).status in (400, 422)
    unknown = "urn:uuid:00000000-0000-4000-8000-000000000000"
    assert problem_of(lambda: client.combine_cohorts("union", [women["id"], unknown])).status == 404
    person = women["members"][0]["participant"]
    assert problem_of(lambda: client.combine_cohorts("union", [women["id"], person])).status == 404


def test_states_that_differ_are_not_mixed_unasked(
    client: Client, two: list[dict[str, Any]], women: dict[str, Any], study: Path
) -> None:
    revise(client, two[0], study, column="site", values={"sub-01": "Rennes"})
    again = client.freeze_cohort("sex = 'female'", label="Women again")
    changed = {m["participant"] for m in again["members"]} & people(women)
    assert changed
    refused = problem_of(lambda: client.combine_cohorts("union", [women["id"], again["id"]]))
    assert refused.status == 409
    assert "1 of 4 participants" in str(refused)
    taken = client.combine_cohorts("union", [women["id"], again["id"]], conflicts="newest")
    assert taken["combination"]["changed"] == 1
    assert {m["digest"] for m in taken["members"]} == {m["digest"] for m in again["members"]}
    assert "different states" in taken["notices"][0]
    assert client.get(f"cohorts/{taken['id']}/diff")["changed"] == []


def test_whoever_was_withdrawn_joins_nothing_new(
    client: Client, two: list[dict[str, Any]], women: dict[str, Any], older: dict[str, Any]
) -> None:
    client.post(f"datasets/{two[1]['id']}/withdraw", {"reason": "consent withdrawn"})
    union = client.combine_cohorts("union", [women["id"], older["id"]])
    assert {member["dataset"] for member in union["members"]} == {two[0]["id"]}
    assert union["combination"]["withdrawn"] == 3
    assert "3 participants were withdrawn" in union["notices"][0]
    split = client.split_cohort(women["id"], {"a": 0.5, "b": 0.5})
    assert split["count"] == 2
    assert split["withdrawn"] == 2
    report = client.balance(women["id"], by=["age"], against="magnetic_field_strength")
    assert report["left_out"] == {"withdrawn": 2, "erased": 0, "without_group": 0}
    assert "2 participants were withdrawn" in report["notices"][0]
    rows = list(csv.DictReader(io.StringIO(exported(client, women["id"], format="csv", columns="sex"))))
    gone = [row for row in rows if row["state"] == "withdrawn"]
    assert len(gone) == 2
    assert {row["sex"] for row in gone} == {""}


def exported(client: Client, id: str, **params: str) -> str:
    return client.request("GET", f"/api/v1/cohorts/{id}/export", params=params).text


def test_balance_compares_datasets(client: Client, two: list[dict[str, Any]]) -> None:
    cohort = client.freeze_cohort("TRUE")
    report = client.balance(cohort["id"])
    assert report["against"] == "dataset"
    assert [group["label"] for group in report["groups"]] == ["A small study", "Another study"]
    assert [found["name"] for found in report["properties"]] == ["age", "sex"]
    age, sex = report["properties"]
    assert age["unit"] == "a"
    assert [(g["count"], g["missing"]) for g in age["groups"]] == [(4, 1), (4, 1)]
    assert age["groups"][0]["mean"] == pytest.approx(140 / 3)
    assert age["largest_difference"]["smd"] == 0
    assert sum(sum(item["counts"]) for item in age["bins"]) == 6
    assert sex["association"]["cramers_v"] == 0
    by_sex = client.balance(cohort["id"], by=["age", "magnetic_field_strength"], against="sex")
    assert [group["label"] for group in by_sex["groups"]] == ["M,", "female", "male"]
    tesla = by_sex["properties"][1]
    assert tesla["level"] == "acquisition"
    assert tesla["groups"][1]["mean"] == 2.25


def test_balance_reads_what_was_frozen(
    client: Client, two: list[dict[str, Any]], study: Path, registered: dict[str, Any]
) -> None:
    cohort = client.freeze_cohort("TRUE")
    before = client.balance(cohort["id"], by=["age", "magnetic_field_strength"])
    (study / "participants.tsv").write_text((study / "participants.tsv").read_text().replace("\t34\t", "\t99\t"))
    sidecar = study / "sub-01" / "anat" / "sub-01_T1w.json"
    sidecar.write_text(json.dumps({"MagneticFieldStrength": 7}))
    client.post(f"datasets/{registered['id']}/revise", {"path": str(study)})
    assert client.balance(cohort["id"], by=["age", "magnetic_field_strength"]) == before
    after = client.balance(client.freeze_cohort("TRUE")["id"], by=["age"])
    assert after["properties"][0]["groups"][0]["max"] == 99


def test_balance_is_drawn_for_everybody(client: Client, two: list[dict[str, Any]]) -> None:
    cohort = client.freeze_cohort("TRUE")
    for name in ("age", "sex"):
        path = f"/api/v1/cohorts/{cohort['id']}/balance"
        answer = client.request("GET", path, params={"format": "svg", "plot": name})
        assert answer.headers["content-type"] == "image/svg+xml"
        root = ET.fromstring(answer.text)
        named = root.attrib["aria-labelledby"].split()
        kinds = {element.attrib["id"]: element.tag.rsplit("}", 1)[-1] for element in root if "id" in element.attrib}
        assert [kinds[id] for id in named] == ["title", "desc"]
        assert "http" not in answer.text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    page = client.request("GET", f"/api/v1/cohorts/{cohort['id']}/balance", params={"format": "html"}).text
    assert page.count("<svg") == page.count("<table>") == 2
    assert "<script" not in page
    undrawn = problem_of(lambda: client.get(f"cohorts/{cohort['id']}/balance", format="svg"))
    assert undrawn.problem["field"] == "plot"


def test_what_cannot_be_compared_says_why(client: Client, registered: dict[str, Any]) -> None:
    one = client.freeze_cohort("sex = 'female'")
    assert "nothing to compare" in str(problem_of(lambda: client.balance(one["id"], against="dataset")))
    unknown = problem_of(lambda: client.balance(one["id"], by=["agee"]))
    assert unknown.problem["field"] == "by"
    assert "age" in str(unknown.next_step)
    split = client.split_cohort(one["id"], {"a": 0.5, "b": 0.5})
    assert "part by part" in str(problem_of(lambda: client.balance(split["id"], against="sex")))


def test_a_split_makes_cohorts_that_keep_families_together(
    client: Client, two: list[dict[str, Any]], study: Path
) -> None:
    revise(client, two[0], study, column="family_id", values={"sub-01": "F1", "sub-03": "F1", "sub-04": "F2"})
    cohort = client.freeze_cohort("TRUE", label="All")
    split = client.split_cohort(cohort["id"], {"train": 0.5, "test": 0.5}, seed=3, stratify=["sex", "age"])
    assert split["type"] == "Split"
    assert split["together"]["properties"] == {"family_id": 3}
    assert split["groups"]["count"] == 7
    parts = {member["participant"]: member["part"] for member in split["members"]}
    hits = client.find_cohort("label IN ('sub-01', 'sub-03')")["items"]
    assert len({parts[hit["id"]] for hit in hits if hit["dataset"] == two[0]["id"]}) == 1
    inside: set[str] = set()
    for part in split["parts"]:
        made = client.get(f"cohorts/{part['cohort']}")
        assert made["count"] == part["count"] == 4
        assert made["label"] == f"Split of All: {part['name']}"
        assert made["part"] == {"name": part["name"], "split": split["id"], "of": cohort["id"]}
        assert client.get(f"cohorts/{made['id']}/diff")["query_now_error"] is None
        inside |= people(made)
    assert inside == people(cohort)
    again = client.split_cohort(cohort["id"], {"train": 0.5, "test": 0.5}, seed=3, stratify=["sex", "age"])
    assert again["digest"] == split["digest"]
    assert client.get("splits")["total"] == 2
    assert client.get(f"splits/{split['id']}")["digest"] == split["digest"]
    both = client.combine_cohorts("union", [part["cohort"] for part in split["parts"]])
    assert people(both) == people(cohort)
    report = client.balance(split["id"], by=["age", "sex"])
    assert report["against"] == "part"
    assert [group["label"] for group in report["groups"]] == ["train", "test"]


def test_kin_who_become_known_are_found_in_different_parts(
    client: Client, registered: dict[str, Any], study: Path
) -> None:
    cohort = client.freeze_cohort("TRUE")
    split = client.split_cohort(cohort["id"], {"a": 0.5, "b": 0.5})
    assert client.get(f"splits/{split['id']}/check") == {
        "id": split["id"],
        "type": "SplitCheck",
        "valid": True,
        "problems": [],
        "groups": 4,
        "unchanged": True,
    }
    revise(client, registered, study, column="family", values={f"sub-0{n}": "one" for n in range(1, 5)})
    found = client.get(f"splits/{split['id']}/check")
    assert not found["valid"]
    assert "4 participants who belong together are in a and b" in found["problems"][0]["detail"]
    refused = problem_of(lambda: client.split_cohort(cohort["id"], {"a": 0.5, "b": 0.5}))
    assert "would be empty" in str(refused)
    assert client.split_cohort(cohort["id"], {"a": 0.5, "b": 0.5}, together=[])["count"] == 4


def test_fractions_sum_to_one(client: Client, registered: dict[str, Any]) -> None:
    cohort = client.freeze_cohort("TRUE")
    refused = problem_of(lambda: client.split_cohort(cohort["id"], {"a": 0.5, "b": 0.4}))
    assert refused.status == 400
    assert "sum to 0.9" in str(refused)
    assert problem_of(lambda: client.split_cohort(cohort["id"], stratify=["nothing"])).problem["field"] == "stratify"
    assert problem_of(lambda: client.split_cohort(cohort["id"], together=["suffix"])).problem["field"] == "together"
    one = client.freeze_cohort("label = 'sub-01'")
    assert "would be empty" in str(problem_of(lambda: client.split_cohort(one["id"])))


def test_tables_hold_what_was_frozen(client: Client, registered: dict[str, Any], study: Path) -> None:
    revise(client, registered, study, column="remark", values={"sub-01": '=HYPERLINK("x"),y', "sub-02": "-1"})
    cohort = client.freeze_cohort("TRUE")
    wanted = "age,diagnosis,remark,magnetic_field_strength"
    rows = list(csv.DictReader(io.StringIO(exported(client, cohort["id"], format="csv", columns=wanted), newline="")))
    row = next(row for row in rows if row["label"] == "sub-01")
    assert row["remark"] == '\'=HYPERLINK("x"),y'
    assert (row["age"], row["age_unit"], row["magnetic_field_strength"]) == ("34", "a", "3")
    assert row["diagnosis"] == "multiple sclerosis"
    assert row["diagnosis_term"].startswith("http")
    assert row["dataset_title"] == "A small study"
    frozen = {member["participant"]: member for member in cohort["members"]}
    assert row["digest"] == frozen[row["participant"]]["digest"]
    assert row["version"] == "2"
    lines = exported(client, cohort["id"], columns=wanted).splitlines()
    assert len(lines) == 5
    assert {line.count("\t") for line in lines} == {lines[0].count("\t")}
    assert any("\tn/a\t" in line for line in lines)
    assert exported(client, cohort["id"], format="csv").count("\r\n") == 5


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph:DeprecationWarning")
def test_linked_data_name_the_members(client: Client, women: dict[str, Any]) -> None:
    text = exported(client, women["id"], format="jsonld", columns="age,diagnosis")
    graph = Graph().parse(data=text, format="json-ld")
    members = {str(item) for item in graph.objects(URIRef(women["id"]), HAD_MEMBER)}
    assert members == people(women)
    body = json.loads(text)
    assert body["members"][0]["properties"]["age"][0]["unit"] == "a"
    assert problem_of(lambda: exported(client, women["id"], format="xlsx")).status == 406
    assert problem_of(lambda: exported(client, women["id"], columns="nothing")).problem["field"] == "columns"


def test_what_one_may_not_read_does_not_exist(
    client: Client, two: list[dict[str, Any]], women: dict[str, Any], older: dict[str, Any], somebody: Somebody
) -> None:
    split = client.split_cohort(women["id"], {"a": 0.5, "b": 0.5})
    own = client.freeze_cohort(f"dataset = '{two[0]['id']}'")
    stranger = somebody("reader", dataset=two[0]["id"])
    calls: list[Callable[[], Any]] = [
        lambda: stranger.combine_cohorts("union", [own["id"], women["id"]]),
        lambda: stranger.balance(women["id"]),
        lambda: stranger.balance(split["id"]),
        lambda: stranger.split_cohort(women["id"]),
        lambda: exported(stranger, women["id"]),
        lambda: stranger.get(f"splits/{split['id']}"),
        lambda: stranger.get(f"splits/{split['id']}/check"),
        lambda: stranger.materialise_cohort(women["id"], "/nowhere"),
    ]
    assert [problem_of(call).status for call in calls] == [404] * len(calls)
    assert stranger.get("splits")["items"] == []
    assert stranger.split_cohort(own["id"], {"a": 0.5, "b": 0.5})["count"] == 4
    assert exported(stranger, own["id"]).count("\n") == 5
    auditor = somebody("auditor")
    assert problem_of(lambda: auditor.combine_cohorts("union", [own["id"], women["id"]])).status == 403
    assert problem_of(lambda: auditor.split_cohort(own["id"])).status == 403
    nobody = client.acting_as(None)
    assert problem_of(lambda: nobody.balance(women["id"])).status == 401


def test_a_label_does_not_tell_of_cohorts_that_one_may_not_read(client: Client, two: list[dict[str, Any]]) -> None:
    here = client.freeze_cohort(f"dataset = '{two[0]['id']}'", label="Here")
    secret = client.freeze_cohort("TRUE", label="Secret")
    made = client.combine_cohorts("intersection", [here["id"], secret["id"]])
    assert made["datasets"] == [two[0]["id"]]
    assert "Secret" not in made["label"]


def test_reading_leaves_a_trace(client: Client, women: dict[str, Any], tmp_path: Path) -> None:
    client.balance(women["id"], by=["age"])
    exported(client, women["id"], columns="age")
    client.materialise_cohort(women["id"], tmp_path / "made")
    split = client.split_cohort(women["id"], {"a": 0.5, "b": 0.5})
    for path in (f"splits/{split['id']}", f"records/{split['id']}", f"records/{women['id']}"):
        client.get(path)
    assert client.get("audit/entries", action="split.read")["total"] == 2
    for action in ("cohort.balance", "cohort.export", "cohort.materialise", "cohort.read"):
        entries = client.get("audit/entries", action=action)["items"]
        assert [entry["subject"] for entry in entries] == [women["id"]], action


def annex(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [program_path("git-annex"), *arguments],
        cwd=folder,
        env=annex_environment(folder, online=True),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def status(folder: Path) -> str:
    """Give what git finds changed; it asks git-annex where a file's time tells it nothing, so that must be found."""
    done = subprocess.run(
        ["git", "status", "--porcelain"],
        cwd=folder,
        env=annex_environment(folder, online=True),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def reflinks(folder: Path) -> bool:
    """Tell whether the disk can share blocks between files."""
    (folder / "one").write_bytes(b"content")
    done = subprocess.run(["cp", "--reflink=always", folder / "one", folder / "other"], capture_output=True)
    return done.returncode == 0


def test_a_cohort_is_materialised_without_a_second_copy(
    client: Client, registered: dict[str, Any], catalog: Path, tmp_path: Path
) -> None:
    cohort = client.freeze_cohort("sex = 'female'", label="Women")
    target = tmp_path / "women"
    made = client.materialise_cohort(cohort["id"], target)
    assert (made["participants"], made["absent"], made["problems"]) == (2, 0, [])
    files = {path.relative_to(target).as_posix() for path in target.rglob("*") if ".git" not in path.parts}
    assert {name.split("/")[0] for name in files if name.startswith("sub-")} == {"sub-01", "sub-03"}
    assert (target / "participants.tsv").read_text().splitlines()[1:] == [
        "sub-01\t34\tF\tmultiple sclerosis",
        "sub-03\t61\tF\thealthy",
    ]
    assert json.loads((target / "dataset_description.json").read_text())["Name"] == "A small study (Women)"
    store = next((catalog / "store").glob("*-*"))
    name = "sub-01/anat/sub-01_T1w.nii.gz"
    same = (target / name).stat(), (store / name).stat()
    # A hard link is the same file; a reflink (where the disk can) is another file over the same blocks.
    assert same[0].st_ino == same[1].st_ino or reflinks(tmp_path)
    assert (target / name).read_bytes() == (store / name).read_bytes()
    assert made["shared"] == 8
    assert "ok" in annex(target, "fsck")
    assert "source" in annex(target, "whereis", name)
    annex(target, "drop", name)
    assert not (target / name).exists()
    assert (store / name).exists()
    annex(target, "get", name)
    assert (target / name).exists()
    assert status(target) == ""
    again = client.materialise_cohort(cohort["id"], tmp_path / "again")
    assert again["shared"] == 8
    assert client.post("check")["valid"]


def test_datalad_knows_the_dataset(client: Client, registered: dict[str, Any], tmp_path: Path) -> None:
    cohort = client.freeze_cohort("sex = 'female'")
    made = client.materialise_cohort(cohort["id"], tmp_path / "women", share=False)
    assert (made["shared"], made["absent"]) == (0, 8)
    image = tmp_path / "women" / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    assert not image.exists()
    environment = annex_environment(tmp_path / "women", online=True)
    command = [program_path("datalad"), "get", "-d", str(tmp_path / "women"), str(image)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert image.read_bytes() == b"A small study 01 T1w"
    known = subprocess.run(
        [program_path("datalad"), "-f", "json", "siblings", "-d", str(tmp_path / "women")],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert {json.loads(line)["name"] for line in known.stdout.splitlines()} == {"here", "source"}


def test_several_datasets_lie_side_by_side(client: Client, women: dict[str, Any], tmp_path: Path) -> None:
    made = client.materialise_cohort(women["id"], tmp_path / "women")
    assert {sibling["folder"] for sibling in made["siblings"]} == {
        "sourcedata/a-small-study/",
        "sourcedata/another-study/",
    }
    whole = json.loads((tmp_path / "women" / "dataset_description.json").read_text())
    assert whole["DatasetType"] == "study"
    one = tmp_path / "women" / "sourcedata" / "another-study"
    assert (one / "sub-03" / "anat" / "sub-03_FLAIR.nii.gz").read_bytes() == b"Another study 03 FLAIR"
    assert not (one / "sub-02").exists()


def test_files_are_those_that_were_frozen(
    client: Client, registered: dict[str, Any], study: Path, tmp_path: Path
) -> None:
    cohort = client.freeze_cohort("label = 'sub-01'")
    image = study / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    image.write_bytes(b"another scan altogether")
    shutil.rmtree(study / "sub-02")
    client.post(f"datasets/{registered['id']}/revise", {"path": str(study)})
    client.materialise_cohort(cohort["id"], tmp_path / "made")
    assert (tmp_path / "made" / "sub-01" / "anat" / image.name).read_bytes() == b"A small study 01 T1w"


def test_where_a_cohort_cannot_be_materialised(
    client: Client, registered: dict[str, Any], catalog: Path, tmp_path: Path, somebody: Somebody
) -> None:
    cohort = client.freeze_cohort("TRUE")
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").write_text("x")
    assert problem_of(lambda: client.materialise_cohort(cohort["id"], full)).status == 409
    assert problem_of(lambda: client.materialise_cohort(cohort["id"], tmp_path / "no" / "where")).status == 400
    assert problem_of(lambda: client.materialise_cohort(cohort["id"], catalog / "inside")).status == 400
    reader = somebody("reader")
    assert problem_of(lambda: reader.materialise_cohort(cohort["id"], tmp_path / "new")).status == 403
    client.post(f"datasets/{registered['id']}/withdraw", {"reason": "consent withdrawn"})
    assert problem_of(lambda: client.materialise_cohort(cohort["id"], tmp_path / "new")).status == 400
    assert not (tmp_path / "new").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["catalog", "full", "study"]


def test_a_service_writes_no_folders_for_its_callers(client: Client, women: dict[str, Any], tmp_path: Path) -> None:
    client._transport._app.state.in_process = False  # type: ignore[union-attr]
    assert problem_of(lambda: client.materialise_cohort(women["id"], tmp_path / "made")).status == 403
    assert run(["cohort", "materialise", women["id"], str(tmp_path / "made"), "--url", "http://localhost:1"]) == 2


def test_the_command_line(
    client: Client,
    women: dict[str, Any],
    older: dict[str, Any],
    catalog: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client.close()

    def cohort(*arguments: str, code: int = Exit.DONE) -> str:
        assert run(["cohort", *arguments, "--catalog", str(catalog)]) == code
        return capsys.readouterr().out

    union = json.loads(cohort("union", women["id"], older["id"], "--json"))
    assert cohort("combine", "intersection", women["id"], older["id"]).startswith("Frozen: 2 participants")
    assert cohort("difference", women["id"], older["id"]).startswith("Frozen: 2 participants")
    assert "largest SMD" in cohort("balance", union["id"], "--by", "age,sex", "--html", str(tmp_path / "b.html"))
    assert "<svg" in (tmp_path / "b.html").read_text()
    split = json.loads(cohort("split", union["id"], "--part", "a=0.5", "--part", "b=0.5", "--seed", "2", "--json"))
    assert "seed 2" in cohort("splits", split["id"])
    assert "1 of 1" in cohort("splits")
    assert "nobody who belongs together" in cohort("check", split["id"])
    out = tmp_path / "cohort.tsv"
    cohort("export", union["id"], "--columns", "age", "-o", str(out))
    assert out.read_text().count("\n") == 7
    assert "age_unit" in cohort("export", union["id"], "--columns", "age")
    assert "6 participants" in cohort("materialise", union["id"], str(tmp_path / "made"))
    cohort("split", union["id"], "--part", "a=half", code=Exit.USAGE)
    cohort("split", union["id"], "--part", "a=0.5", "--part", "a=0.5", code=Exit.USAGE)
    cohort("combine", "sum", women["id"], older["id"], code=Exit.USAGE)
    cohort("balance", "ffffffff", code=Exit.NOT_FOUND)
    cohort("materialise", union["id"], str(tmp_path / "made"), code=Exit.CONFLICT)
