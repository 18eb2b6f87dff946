"""A derivative that another tool made: whose data it is, as a steward says in one act, and what follows for leakage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sillage.cli import run
from sillage.client import Client, ProblemError
from tests.api.conftest import write_study
from tests.api.test_certificates import occupy, release
from tests.api.test_leakage_across_datasets import Columns, Two, choose


def describe(root: Path, **members: Any) -> None:
    """Say in the description of a dataset that fMRIPrep made it."""
    path = root / "dataset_description.json"
    said = json.loads(path.read_text()) | {"DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep"}]}
    path.write_text(json.dumps(said | members))


def linked(client: Client, derivative: str, *sources: str, **said: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(f"datasets/{derivative}/derived-from", {"sources": list(sources), **said})
    return answer


@pytest.fixture
def raw(client: Client, study: Path) -> str:
    described = json.loads((study / "dataset_description.json").read_text()) | {"DatasetDOI": "10.5072/raw"}
    (study / "dataset_description.json").write_text(json.dumps(described))
    return str(client.register_dataset(study)["id"])


@pytest.fixture
def made(client: Client, raw: str, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Register a derivative in which sub-04 is called sub-x4."""

    def register(**members: Any) -> dict[str, Any]:
        root = write_study(tmp_path / "study" / "derivatives" / "fmriprep", "Preprocessed")
        describe(root, **members)
        for file in (root / "sub-04" / "anat").iterdir():
            file.rename(file.with_name(file.name.replace("sub-04", "sub-x4")))
        (root / "sub-04").rename(root / "sub-x4")
        table = root / "participants.tsv"
        table.write_text(table.read_text().replace("sub-04", "sub-x4"))
        return client.register_dataset(root)

    return register


def test_participants_are_linked_by_label_and_it_is_said_who_is_left(
    client: Client, raw: str, made: Callable[..., dict[str, Any]]
) -> None:
    derivative = made()["id"]
    foretold = linked(client, derivative, raw, dry_run=True)
    assert (foretold["linked"], foretold["known"], foretold["dry_run"]) == (3, 0, True)
    answer = linked(client, derivative, raw)
    assert (answer["linked"], answer["known"]) == (3, 0)
    assert [item["label"] for item in answer["items"]] == [item["label"] for item in foretold["items"]]
    assert sorted(item["label"] for item in answer["items"]) == ["sub-01", "sub-02", "sub-03"]
    assert [each["label"] for each in answer["unmatched"]] == ["sub-x4"]
    assert [each["label"] for each in answer["unused"]] == ["sub-04"]
    mine, source = answer["items"][0]["participants"]
    [seen] = client.get(f"participants/{mine}/identity-links")["items"]
    assert (seen["participant"], seen["as"], seen["relation"]) == (source, "source", "prov:specializationOf")
    [back] = client.get(f"participants/{source}/identity-links")["items"]
    assert (back["participant"], back["as"]) == (mine, "derivative")
    again = linked(client, derivative, raw)
    assert (again["linked"], again["known"]) == (0, 3)


def test_a_whole_act_is_taken_back_in_one(client: Client, raw: str, made: Callable[..., dict[str, Any]]) -> None:
    derivative = made()["id"]
    mine = linked(client, derivative, raw)["items"][0]["participants"][0]
    body = {"sources": [raw], "reason": "other people"}
    assert client.post(f"datasets/{derivative}/derived-from/retract", body)["retracted"] == 3
    assert client.get(f"participants/{mine}/identity-links")["items"] == []
    assert client.post(f"datasets/{derivative}/derived-from/retract", body)["retracted"] == 0


def test_a_label_that_two_sources_have_is_linked_to_neither(
    client: Client, raw: str, made: Callable[..., dict[str, Any]], other_study: Path
) -> None:
    other = client.register_dataset(other_study)["id"]
    answer = linked(client, made()["id"], raw, other)
    assert (answer["linked"], len(answer["ambiguous"])) == (0, 3)


def test_what_cannot_be_a_source_is_refused(
    client: Client, raw: str, made: Callable[..., dict[str, Any]], somebody: Callable[..., Client]
) -> None:
    derivative = made()["id"]
    for sources, status in (([derivative], 400), ([raw, raw], 400), (["no-such"], 404), ([], 400)):
        with pytest.raises(ProblemError) as refused:
            linked(client, derivative, *sources)
        assert refused.value.status == status
    with pytest.raises(ProblemError) as refused:
        linked(somebody("contributor", derivative), derivative, raw)
    assert refused.value.status == 404
    client.post(f"datasets/{raw}/withdraw", {"reason": "consent withdrawn"})
    with pytest.raises(ProblemError) as refused:
        linked(client, derivative, raw)
    assert refused.value.status == 410


@pytest.mark.parametrize(
    ("source", "by"),
    [
        ({"DOI": "https://doi.org/10.5072/RAW", "Version": "1.0"}, "DOI"),
        ({"URL": "https://doi.org/10.5072/raw"}, "URL"),
        ({"URL": "../.."}, "URL"),
    ],
)
def test_registration_names_the_source_that_is_here_and_the_command(
    client: Client, raw: str, made: Callable[..., dict[str, Any]], source: dict[str, str], by: str
) -> None:
    body = made(SourceDatasets=[source, {"URL": "https://example.org/raw"}, {"DOI": 7}, {"URL": "http://["}])
    [said] = body["sources"]
    assert (said["dataset"], said["named_by"], said["linked"]) == (raw, by, 0)
    assert said["command"] == f"sillage dataset derived-from {body['id']} {raw}"
    assert said["version"] == source.get("Version")
    own = client.get(f"datasets/{body['id']}/participants")["items"][0]["id"]
    assert client.get(f"participants/{own}/identity-links")["items"] == [], "nothing is linked unasked"


def test_registration_says_nothing_of_what_is_elsewhere(made: Callable[..., dict[str, Any]], raw: str) -> None:
    assert made(SourceDatasets=[{"URL": "https://example.org/raw"}, {"URL": "."}])["sources"] == []


def test_the_command_line_says_what_to_run_and_runs_it(
    catalog: Path, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def sillage(*arguments: str) -> tuple[int, str]:
        return run([*arguments, "--catalog", str(catalog)]), capsys.readouterr().out

    raw = json.loads(sillage("dataset", "register", str(study), "--json")[1])["id"]
    root = tmp_path / "made"
    shutil.copytree(study, root)
    describe(root, SourceDatasets=[{"URL": raw}])
    _, out = sillage("dataset", "register", str(root))
    assert "It says that it was made of A small study, which is here" in out
    command = next(line for line in out.splitlines() if "derived-from" in line).split("sillage ")[-1].split()
    assert "4 participants would be linked" in sillage(*command, "--dry-run")[1]
    assert sillage(*command) == (0, "4 participants linked\n")
    assert sillage(*command, "--retract", "other people") == (0, "4 participants no longer linked\n")
    assert sillage(*command, "--retract", "other people", "--dry-run")[0] == 2


# What follows for leakage


def people_of(lab: Two, dataset: str) -> dict[str, str]:
    """Return the participants of one of the two datasets, by label."""
    items = lab.client.get(f"datasets/{lab.datasets[dataset]}/participants")["items"]
    return {item["label"]: item["id"] for item in items}


@pytest.fixture
def two(client: Client, tmp_path: Path) -> Two:
    return Two(client, tmp_path / "lab", {}, {}).register()


def test_training_on_the_source_and_testing_on_the_derivative_is_shared_once_it_is_said(two: Two) -> None:
    weights = two.weights("first", "01", "02")
    people = two.of("second", "01", "03")
    model = two.client.get("models")["items"][0]["id"]
    assert two.client.get(f"models/{model}/leakage", cohort=people)["state"] == "clean"
    linked(two.client, two.datasets["second"], two.datasets["first"])
    answer = two.client.get(f"models/{model}/leakage", cohort=people)
    assert (answer["state"], answer["relations"]) == ("shared", {"person": 1})
    [item] = answer["items"]
    assert [(node["type"], node["label"]) for node in item["path"][:3]] == [
        ("Participant", "sub-01"),
        ("Participant", "sub-01"),
        ("Acquisition", "sub-01_T1w"),
    ]
    assert item["path"][0]["id"] == item["participant"]["id"]
    assert item["path"][1]["id"] in two.people("first")
    found = two.run("apply", two.of("second", "01"), model=weights)["leakage"]
    assert (found["state"], found["relations"]) == ("shared", {"person": 1})
    assert [node["type"] for node in found["paths"][0]["nodes"]] == [
        *("Participant", "Participant", "Acquisition", "File", "Task", "Model")
    ]
    two.client.post(
        f"datasets/{two.datasets['second']}/derived-from/retract",
        {"sources": [two.datasets["first"]], "reason": "other people"},
    )
    assert two.client.get(f"models/{model}/leakage", cohort=people)["state"] == "clean"


def test_the_way_leads_over_every_record_of_the_person(client: Client, tmp_path: Path) -> None:
    columns: Columns = {"guid": {"01": "G1"}}
    lab = Two(client, tmp_path / "lab", columns, columns).register()
    lab.weights("first", "01")
    third = write_study(tmp_path / "third", "The third study")
    derivative = client.register_dataset(third)["id"]
    linked(client, derivative, lab.datasets["second"])
    people = client.freeze_cohort("participant_id = 'sub-01' AND centre IS NULL")
    model = client.get("models")["items"][0]["id"]
    answer = client.get(f"models/{model}/leakage", cohort=people["id"])
    assert answer["relations"] == {"person": 1}
    labels = [node["id"] for node in answer["items"][0]["path"][:3]]
    assert labels[0] == answer["items"][0]["participant"]["id"]
    assert labels[1] in lab.people("second")
    assert labels[2] in lab.people("first")


def test_somebody_who_was_withdrawn_is_still_known_to_have_been_in_the_training(two: Two) -> None:
    two.weights("first", "01")
    linked(two.client, two.datasets["second"], two.datasets["first"])
    people = two.of("second", "01")
    two.client.post(f"datasets/{two.datasets['first']}/withdraw", {"reason": "consent withdrawn"})
    model = two.client.get("models")["items"][0]["id"]
    answer = two.client.get(f"models/{model}/leakage", cohort=people)
    assert (answer["state"], answer["relations"]) == ("shared", {"person": 1})


@pytest.fixture
def one_slot(catalog: Path) -> Iterator[Client]:
    (catalog / "sillage.toml").write_text("slots = 1\n")
    with Client(catalog=catalog) as made:
        yield made


def test_a_task_that_waits_while_it_is_said_sees_it_when_it_starts(
    one_slot: Client, tmp_path: Path, bubblewrap: str
) -> None:
    lab = Two(one_slot, tmp_path / "lab", {}, {}).register()
    weights = lab.weights("first", "01")
    people = lab.of("second", "01", "03")
    choose(one_slot, "refuse")
    occupy(one_slot, tmp_path / "slow", lab.of("first", "04"))
    waiting = one_slot.run("apply", cohort=people, inputs={"model": [weights]})
    linked(one_slot, lab.datasets["second"], lab.datasets["first"])
    release(one_slot)
    one_slot.wait(waiting["id"])
    items = one_slot.get(f"tasks/{waiting['id']}/items")["items"]
    done, stopped = sorted(items, key=lambda item: str(item["state"]))
    assert (done["state"], stopped["state"]) == ("COMPLETE", "SYSTEM_ERROR")
    assert stopped["participant"] == people_of(lab, "second")["sub-01"]
    assert "in its training under another record" in stopped["reason"]


def test_a_split_keeps_source_and_derivative_together(two: Two) -> None:
    linked(two.client, two.datasets["second"], two.datasets["first"])
    cohort = two.client.freeze_cohort("centre IN ('first', 'second')")
    assert cohort["count"] == 8
    body = {"parts": {"train": 0.5, "test": 0.5}, "seed": 1}
    split = two.client.post(f"cohorts/{cohort['id']}/split", body)
    part = {member["participant"]: member["part"] for member in two.client.show(split["id"])["members"]}
    own, theirs = people_of(two, "first"), people_of(two, "second")
    assert all(part[iri] == part[own[label]] for label, iri in theirs.items())
    assert split["together"]["edges"] == 4
