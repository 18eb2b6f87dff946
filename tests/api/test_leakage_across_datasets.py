"""Leakage across datasets, through HTTP and the command line: who is one person or kin, who may know it, and when."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sillage.client import Client, ProblemError
from tests.api.conftest import write_study
from tests.api.test_certificates import catalogue_of, occupy, release
from tests.api.test_leakage import Lab
from tests.client.test_command_line import sillage

Columns = dict[str, dict[str, str]]


def tell(root: Path, columns: Columns) -> None:
    """Add properties to the participants of a study: column to label to value."""
    table = root / "participants.tsv"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        label = row["participant_id"].removeprefix("sub-")
        row.update({column: values.get(label, values.get("*", "n/a")) for column, values in columns.items()})
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


class Two(Lab):
    """Two datasets, ``first`` and ``second``: what is trained on one is used on the other."""

    def __init__(self, client: Client, root: Path, first: Columns, second: Columns) -> None:
        super().__init__(client, root / "pipelines")
        self.folders = {"first": root / "first", "second": root / "second"}
        for name, columns in (("first", first), ("second", second)):
            write_study(self.folders[name], f"The {name} study")
            tell(self.folders[name], {"centre": {"*": name}, **columns})
        self.scan = "sub-{}/anat/sub-{}_T1w.nii.gz"
        self.datasets: dict[str, str] = {}

    def register(self) -> Two:
        for name, folder in self.folders.items():
            self.datasets[name] = str(self.client.register_dataset(folder)["id"])
        return self

    def of(self, dataset: str, *labels: str) -> str:
        said = " OR ".join(f"participant_id = 'sub-{label}'" for label in labels)
        found = self.client.freeze_cohort(f"centre = '{dataset}' AND ({said})")
        assert found["count"] == len(labels)
        return str(found["id"])

    def weights(self, dataset: str, *labels: str, **inputs: str) -> str:
        """Train a model, or go on with one that is given as ``start``; return its file."""
        task = self.run("tune" if inputs else "train", self.of(dataset, *labels), **inputs)
        assert task["state"] == "COMPLETE", task
        return str(task["outputs"][0]["id"])

    def people(self, dataset: str) -> list[str]:
        return [each["id"] for each in self.client.get(f"datasets/{self.datasets[dataset]}/participants")["items"]]


@pytest.fixture
def two(client: Client, tmp_path: Path) -> Callable[..., Two]:
    def make(first: Columns | None = None, second: Columns | None = None) -> Two:
        return Two(client, tmp_path / "lab", first or {}, second or {})

    return make


@pytest.fixture
def one_slot(catalog: Path) -> Iterator[Client]:
    (catalog / "sillage.toml").write_text("slots = 1\n")
    with Client(catalog=catalog) as made:
        yield made


def choose(client: Client, policy: str) -> None:
    catalogue = catalogue_of(client)
    catalogue.settings = catalogue.settings.model_copy(update={"leakage": policy})


def test_one_person_in_two_datasets_is_found_by_its_identifier(two: Callable[..., Two], catalog: Path) -> None:
    lab = two({"guid": {"01": "NDAR001"}}, {"guid": {"03": "NDAR001"}}).register()
    weights = lab.weights("first", "01", "02")
    found = lab.run("apply", lab.of("second", "03"), model=weights)["leakage"]
    assert (found["state"], found["decision"], found["relations"]) == ("shared", "warned", {"person": 1})
    assert "in its training under another record" in found["reason"]
    assert lab.run("apply", lab.of("second", "01"), model=weights)["leakage"]["state"] == "clean"
    model = lab.client.get("models")["items"][0]["id"]
    people = lab.of("second", "01", "03")
    lab.client.close()
    said = sillage("model", "check", model, "--cohort", people, "--catalog", catalog)
    assert said.code == 1
    assert "shared: 1 of the 2 participants" in said.out
    assert "sub-03 (person): Participant sub-01 -> Acquisition sub-01_T1w -> File" in said.out
    refused = sillage(
        "run",
        "apply",
        "--cohort",
        people,
        "--input",
        f"model={weights}",
        SILLAGE_LEAKAGE="refuse",
        SILLAGE_CATALOG=str(catalog),
    )
    assert "in its training under another record" in refused.out
    assert "1 of 1 tasks complete, 1 could not be run" in refused.out


def test_a_sister_is_kin_and_is_refused_with_the_rest(two: Callable[..., Two]) -> None:
    lab = two({"family_id": {"01": "F7", "02": "F7"}}, {"family_id": {"01": "F7"}}).register()
    weights = lab.weights("first", "01")
    assert lab.run("apply", lab.of("first", "02"), model=weights)["leakage"]["relations"] == {"family": 1}
    choose(lab.client, "refuse")
    batch = lab.client.run("apply", cohort=lab.of("first", "02", "03"), inputs={"model": [weights]})
    assert [each["detail"].partition(":")[0] for each in batch["refused"]] == ["the policy refuses it"]
    assert "of the family of somebody in its training" in batch["refused"][0]["detail"]
    # A family's name means nothing in another dataset.
    assert lab.run("apply", lab.of("second", "01"), model=weights)["leakage"]["state"] == "clean"


def test_the_way_leads_over_the_models_that_a_model_began_from(two: Callable[..., Two]) -> None:
    lab = two({"subjectkey": {"01": "K1"}}, {"subjectkey": {"02": "K1"}}).register()
    base = lab.weights("first", "01")
    tuned = lab.weights("second", "03", start=base)
    found = lab.run("apply", lab.of("second", "02"), model=tuned)["leakage"]
    assert (found["state"], found["relations"]) == ("shared", {"person": 1})
    assert [each["type"] for each in found["paths"][0]["nodes"]] == [
        *("Participant", "Acquisition", "File", "Task", "Model", "Model")
    ]


def test_the_same_scan_under_two_participants_is_noticed(two: Callable[..., Two]) -> None:
    lab = two()
    scan = (lab.folders["first"] / lab.scan.format("01", "01")).read_bytes()
    (lab.folders["second"] / lab.scan.format("04", "04")).write_bytes(scan)
    lab.register()
    weights = lab.weights("first", "01")
    found = lab.run("apply", lab.of("second", "04"), model=weights)["leakage"]
    assert (found["state"], found["relations"]) == ("shared", {"content": 1})
    assert "with the very scan of somebody in its training" in found["reason"]
    assert found["paths"][0]["relation"] == "content"
    assert lab.run("apply", lab.of("second", "03"), model=weights)["leakage"]["state"] == "clean"
    model = lab.client.get("models")["items"][0]["id"]
    answer = lab.client.get(f"models/{model}/leakage", cohort=lab.of("second", "03", "04"))
    assert (answer["shared"], answer["relations"]) == (1, {"content": 1})


def test_a_scan_that_comes_in_later_is_noticed_by_a_process_that_judged_before(two: Callable[..., Two]) -> None:
    lab = two().register()
    weights = lab.weights("first", "01")
    assert lab.run("apply", lab.of("second", "04"), model=weights)["leakage"]["state"] == "clean"
    scan = (lab.folders["first"] / lab.scan.format("01", "01")).read_bytes()
    (lab.folders["second"] / lab.scan.format("04", "04")).write_bytes(scan)
    lab.client.post(f"datasets/{lab.datasets['second']}/revise", {"path": str(lab.folders["second"])})
    assert lab.run("apply", lab.of("second", "04"), model=weights)["leakage"]["relations"] == {"content": 1}


def test_masks_that_are_the_same_for_many_are_nobodys_scan(two: Callable[..., Two]) -> None:
    lab = two()
    for name, label in (("first", "01"), ("second", "04")):
        (lab.folders[name] / f"sub-{label}/anat/sub-{label}_mask.nii.gz").write_bytes(b"an empty mask")
    lab.register()
    answer = lab.client.get(f"models/{lab.weights('first', '01')}/leakage", cohort=lab.of("second", "04"))
    assert answer["state"] == "clean"


@pytest.mark.parametrize(("policy", "state"), [("refuse", "SYSTEM_ERROR"), ("warn", "COMPLETE")])
def test_the_answer_may_change_while_a_task_waits(
    one_slot: Client, tmp_path: Path, bubblewrap: str, policy: str, state: str
) -> None:
    client = one_slot
    lab = Two(client, tmp_path / "lab", {"guid": {"01": "G1"}}, {}).register()
    weights = lab.weights("first", "01")
    people = lab.of("second", "03")
    choose(client, policy)
    occupy(client, tmp_path / "slow", people)
    waiting = client.run("apply", cohort=people, inputs={"model": [weights]})
    assert waiting["leakage"]["state"] == "clean"
    tell(lab.folders["second"], {"guid": {"03": "G1"}})
    client.post(f"datasets/{lab.datasets['second']}/revise", {"path": str(lab.folders["second"])})
    release(client)
    ended = client.wait(waiting["id"])
    assert (ended["state"], ended["leakage"]["state"]) == (state, "shared")
    assert ended["leakage"]["relations"] == {"person": 1}
    assert ended["record"]["plan"]["leakage"]["state"] == "shared"
    if policy == "refuse":
        assert (ended["reason"], ended["outputs"]) == ("leakage", [])
        assert "in its training under another record" in ended["detail"]
    else:
        assert any(said.startswith("Leakage shared") for said in ended["remarks"])


def test_who_may_not_see_the_other_dataset_is_told_that_it_is_so_and_nothing_more(
    two: Callable[..., Two],
) -> None:
    lab = two({"guid": {"01": "G1"}}, {"guid": {"03": "G1"}}).register()
    weights = lab.weights("first", "01")
    model = lab.client.get("models")["items"][0]["id"]
    people = lab.of("second", "03")
    task = lab.run("apply", people, model=weights)
    grants = [each for each in task["datasets"] if each != lab.datasets["first"]]
    known = lab.client.post("principals", {"name": "Reads the second", "role": "reader", "dataset": grants[0]})
    for dataset in grants[1:]:
        lab.client.post("grants", {"agent": known["agent"], "role": "reader", "dataset": dataset})
    reader = lab.client.acting_as(known["token"])
    seen = reader.get(f"tasks/{task['id']}")
    assert (seen["leakage"]["state"], seen["leakage"]["relations"]) == ("shared", {"person": 1})
    nodes = seen["leakage"]["paths"][0]["nodes"]
    assert [each["id"] for each in nodes[:4]] == [None] * 4
    hidden = [lab.datasets["first"], *lab.people("first")]
    told = [
        json.dumps(seen),
        reader.request("GET", f"/tasks/{task['id']}").text,
        reader.request("GET", f"/api/v1/prov/{task['id']}", params={"format": "json"}).text,
        reader.request("GET", f"/api/v1/lineage/{task['id']}", params={"direction": "up"}).text,
        reader.request("GET", "/models").text,
    ]
    assert not [iri for iri in hidden for text in told if iri in text]
    assert (reader.get("models")["total"], reader.get("models")["items"]) == (0, [])
    for path in (f"models/{model}", f"models/{weights}", f"records/{model}"):
        with pytest.raises(ProblemError) as unseen:
            reader.get(path)
        assert unseen.value.status == 404
    for path in (f"/api/v1/models/{model}/leakage?cohort={people}", f"/models/{model}"):
        with pytest.raises(ProblemError) as unseen:
            reader.request("GET", path)
        assert unseen.value.status == 404


def test_whom_a_model_has_seen_is_named_only_to_who_may_read_them(
    two: Callable[..., Two], somebody: Callable[..., Client]
) -> None:
    lab = two({"guid": {"01": "G1"}}, {"guid": {"03": "G1"}}).register()
    lab.weights("first", "01", "02")
    model = lab.client.get("models")["items"][0]["id"]
    reader = somebody("reader", lab.datasets["first"])
    assert reader.get(f"models/{model}")["participants"] == 2
    body = lab.client.get(f"models/{model}/leakage", cohort=lab.of("second", "03"))
    assert body["items"][0]["participant"]["label"] == "sub-03"
    for text in (json.dumps(lab.client.get(f"models/{model}")), lab.client.request("GET", f"/models/{model}").text):
        assert not [iri for iri in lab.people("first") if iri in text]
