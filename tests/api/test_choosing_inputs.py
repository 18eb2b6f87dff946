"""How a pipeline's files are found: rules for several candidates, sidecars, paths, earlier results, BIDS Apps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sillage.client import Client, ProblemError

LIST = 'mkdir -p out; find /inputs -type f | sort > out/seen.txt; printf "%s\\n" "$@" > out/told.txt\n'
"""Tells what lies in the sandbox, and what the command line names."""


@pytest.fixture
def longitudinal(tmp_path: Path) -> Path:
    """Two people: one with three sessions, of which the second has two runs; one with a single session."""
    root = tmp_path / "longitudinal"
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Twice", "BIDSVersion": "1.10.0"}))
    (root / "participants.tsv").write_text("participant_id\tage\nsub-01\t40\nsub-02\t50\n")
    (root / "T1w.json").write_text(json.dumps({"MagneticFieldStrength": 3}))
    (root / "README").write_text("Who reads this?\n")
    images = ["sub-01/ses-2/anat/sub-01_ses-2_run-1", "sub-01/ses-2/anat/sub-01_ses-2_run-2"]
    images += ["sub-01/ses-10/anat/sub-01_ses-10", "sub-01/ses-1/anat/sub-01_ses-1", "sub-02/ses-1/anat/sub-02_ses-1"]
    for image in images:
        for suffix in ("T1w", "FLAIR"):
            path = root / f"{image}_{suffix}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(path.name.encode())
            path.with_name(f"{path.name[:-7]}.json").write_text(json.dumps({"SeriesDescription": path.name}))
    return root


@pytest.fixture
def cohort(client: Client, longitudinal: Path) -> str:
    client.register_dataset(str(longitudinal))
    return str(client.freeze_cohort("TRUE")["id"])


def lister(folder: Path, inputs: dict[str, Any], **block: Any) -> dict[str, Any]:
    folder.mkdir()
    (folder / "run.sh").write_text(LIST)
    described = [
        {"id": name, "name": name, "type": "File", "list": True, "value-key": f"[{name.upper()}]", "optional": True}
        for name in inputs
    ]
    return {
        "name": "lister",
        "description": "Lists what it was given",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": "sh run.sh " + " ".join(item["value-key"] for item in described),
        "inputs": described,
        "output-files": [{"id": "lists", "name": "Lists", "path-template": "out/*.txt", "list": True}],
        "custom": {"sillage": {"environment": {"kind": "system"}, "files": ".", "inputs": inputs, **block}},
    }


def finished(client: Client, run: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tasks of a run that is over."""
    body = client.wait(run["id"])
    assert body["state"] == "COMPLETE", json.dumps(body, indent=1)
    items = [body] if body["type"] == "Task" else sorted(body["items"], key=lambda item: item["label"])
    return [client.get(f"tasks/{item['id']}") for item in items]


@pytest.fixture
def read_output(catalog: Path) -> Callable[[dict[str, Any], str], str]:
    """Read an output of a task by its content's name: several tasks may have written to one path."""

    def read(task: dict[str, Any], name: str) -> str:
        (digest,) = [item["sha256"] for item in task["outputs"] if item["path"].endswith(name)]
        found = next(
            path for path in catalog.glob("store/*/.git/annex/objects/**/*") if digest in path.name and path.is_file()
        )
        return found.read_text()

    return read


def given(task: dict[str, Any], name: str = "images") -> list[str]:
    return [Path(item["path"]).name for item in task["inputs"] if item["input"] == name and not item.get("companion")]


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        ("first", ["sub-01_ses-1_T1w.nii.gz"]),
        ("last", ["sub-01_ses-10_T1w.nii.gz"]),
        (
            "all",
            [
                "sub-01_ses-1_T1w.nii.gz",
                "sub-01_ses-2_run-1_T1w.nii.gz",
                "sub-01_ses-2_run-2_T1w.nii.gz",
                "sub-01_ses-10_T1w.nii.gz",
            ],
        ),
    ],
)
def test_one_of_several_is_chosen_by_a_rule(
    client: Client, cohort: str, tmp_path: Path, bubblewrap: str, rule: str, taken: list[str]
) -> None:
    client.register_pipeline(lister(tmp_path / "p", {"images": {"select": "suffix = 'T1w'"}}), tmp_path / "p")
    tasks = finished(client, client.run("lister", cohort=cohort, choose={"images": rule}))
    assert [given(task) for task in tasks] == [taken, ["sub-02_ses-1_T1w.nii.gz"]]
    assert tasks[0]["choices"] == {"images": {"choose": rule}}


def test_without_a_rule_several_are_refused_for_that_participant(
    client: Client, cohort: str, tmp_path: Path, bubblewrap: str
) -> None:
    client.register_pipeline(lister(tmp_path / "p", {"images": {"select": "suffix = 'T1w'"}}), tmp_path / "p")
    body = client.wait(client.run("lister", cohort=cohort)["id"])
    assert body["complete"] == 1
    assert "4 acquisitions answer to input 'images'" in json.dumps(body)


def test_the_caller_narrows_what_the_descriptor_selects(
    client: Client, cohort: str, tmp_path: Path, bubblewrap: str
) -> None:
    client.register_pipeline(lister(tmp_path / "p", {"images": {"select": "suffix = 'T1w'"}}), tmp_path / "p")
    run = client.run("lister", cohort=cohort, select={"images": "session = '2' AND run = 2"})
    assert [given(task) for task in finished(client, run)] == [["sub-01_ses-2_run-2_T1w.nii.gz"], []]


def test_each_candidate_becomes_a_task_with_what_belongs_to_its_session(
    client: Client, cohort: str, tmp_path: Path, bubblewrap: str
) -> None:
    inputs = {
        "images": {"select": "suffix = 'T1w'", "choose": "each"},
        "flair": {"select": "suffix = 'FLAIR'", "choose": "first"},
    }
    client.register_pipeline(lister(tmp_path / "p", inputs), tmp_path / "p")
    tasks = finished(client, client.run("lister", cohort=cohort))
    found = sorted((given(task)[0], given(task, "flair")[0]) for task in tasks)
    assert found == [
        ("sub-01_ses-10_T1w.nii.gz", "sub-01_ses-10_FLAIR.nii.gz"),
        ("sub-01_ses-1_T1w.nii.gz", "sub-01_ses-1_FLAIR.nii.gz"),
        ("sub-01_ses-2_run-1_T1w.nii.gz", "sub-01_ses-2_run-1_FLAIR.nii.gz"),
        ("sub-01_ses-2_run-2_T1w.nii.gz", "sub-01_ses-2_run-1_FLAIR.nii.gz"),
        ("sub-02_ses-1_T1w.nii.gz", "sub-02_ses-1_FLAIR.nii.gz"),
    ]
    assert len({task["participant"] for task in tasks}) == 2


def test_sidecars_lie_beside_an_image_and_not_on_the_command_line(
    client: Client, cohort: str, tmp_path: Path, bubblewrap: str, read_output: Any
) -> None:
    rule = {"select": "suffix = 'T1w'", "choose": "first", "sidecars": True}
    client.register_pipeline(lister(tmp_path / "p", {"images": rule}), tmp_path / "p")
    task = finished(client, client.run("lister", cohort=cohort))[1]
    seen = [line.split("/", 3)[3] for line in read_output(task, "seen.txt").split()]
    assert seen == ["T1w.json", "sub-02/ses-1/anat/sub-02_ses-1_T1w.json", "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz"]
    assert read_output(task, "told.txt").split() == [item["path"] for item in task["inputs"] if "companion" not in item]


def test_a_path_within_a_dataset_registers_the_dataset(
    client: Client, longitudinal: Path, tmp_path: Path, bubblewrap: str
) -> None:
    client.register_pipeline(lister(tmp_path / "p", {"images": {}}), tmp_path / "p")
    image = longitudinal / "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz"
    for _ in range(2):
        (task,) = finished(client, client.run("lister", inputs={"images": [str(image)]}))
        assert given(task) == [image.name]
    (dataset,) = [item for item in client.get("datasets")["items"] if item["title"] == "Twice"]
    up = client.get(f"lineage/{task['outputs'][0]['id']}", direction="up")
    assert dataset["id"] in {node["id"] for node in up["nodes"]}
    assert "Participant" in {node["type"] for node in up["nodes"]}


def test_a_path_whose_content_changed_since_is_refused(
    client: Client, cohort: str, longitudinal: Path, tmp_path: Path
) -> None:
    client.register_pipeline(lister(tmp_path / "p", {"images": {}}), tmp_path / "p")
    image = longitudinal / "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz"
    image.write_bytes(b"something else")
    with pytest.raises(ProblemError, match="has changed since") as refused:
        client.run("lister", inputs={"images": [str(image)]})
    assert refused.value.next_step is not None
    assert refused.value.next_step.startswith("sillage dataset revise ")


def test_a_file_of_no_dataset_is_kept_by_its_content(client: Client, tmp_path: Path, bubblewrap: str) -> None:
    client.register_pipeline(lister(tmp_path / "p", {"images": {}}), tmp_path / "p")
    loose = tmp_path / "lesion atlas.nii.gz"
    loose.write_bytes(b"an atlas")
    (first,) = finished(client, client.run("lister", inputs={"images": [str(loose)]}))
    (again,) = finished(client, client.run("lister", inputs={"images": [str(loose)]}))
    assert first["inputs"] == again["inputs"]
    loose.write_bytes(b"another atlas")
    (changed,) = finished(client, client.run("lister", inputs={"images": [str(loose)]}))
    assert changed["inputs"][0]["id"] != first["inputs"][0]["id"]
    assert client.post("check")["valid"]


@pytest.mark.parametrize("name", ["nothing.nii", "p"])
def test_a_path_of_no_file_is_refused_and_nothing_is_written(client: Client, tmp_path: Path, name: str) -> None:
    client.register_pipeline(lister(tmp_path / "p", {"images": {}}), tmp_path / "p")
    before = client.get("status")["ledger_entries"]
    with pytest.raises(ProblemError, match=r"nothing at|not a file"):
        client.run("lister", inputs={"images": [str(tmp_path / name)]})
    assert client.get("status")["ledger_entries"] == before


def test_the_results_of_a_task_are_inputs_of_the_next(
    client: Client, cohort: str, tmp_path: Path, bubblewrap: str
) -> None:
    rule = {"select": "suffix = 'T1w'", "choose": "last"}
    client.register_pipeline(lister(tmp_path / "p", {"images": rule}), tmp_path / "p")
    batch = client.wait(client.run("lister", cohort=cohort)["id"])
    (task,) = finished(client, client.run("lister", inputs={"images": [batch["id"]]}))
    assert sorted(given(task)) == ["seen.txt", "seen.txt", "told.txt", "told.txt"]


APP = """\
mkdir -p out/sub-"$6"
{ echo "$@"; cd "$1"; find . -type f | sort; cat participants.tsv; } > out/sub-"$6"/seen.txt
"""


def app_descriptor(**block: Any) -> dict[str, Any]:
    choices = {"value-choices": ["participant", "group"]}
    return {
        "name": "app",
        "description": "A BIDS App",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": "sh run.sh [BIDS] [OUT] [LEVEL] x [LABEL]",
        "inputs": [
            {"id": "bids_dir", "name": "Dataset", "type": "String", "value-key": "[BIDS]"},
            {"id": "output_dir", "name": "Results", "type": "String", "value-key": "[OUT]"},
            {"id": "analysis_level", "name": "Level", "type": "String", "value-key": "[LEVEL]", **choices},
            {
                "id": "participant_label",
                "name": "Labels",
                "type": "String",
                "list": True,
                "optional": True,
                "value-key": "[LABEL]",
                "command-line-flag": "--participant-label",
            },
        ],
        "custom": {"sillage": {"environment": {"kind": "system"}, "files": ".", **block}},
    }


@pytest.fixture
def app(client: Client, tmp_path: Path, bubblewrap: str) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "run.sh").write_text(APP)
    client.register_pipeline(app_descriptor(), folder)


@pytest.mark.usefixtures("app")
def test_a_bids_app_needs_nothing_but_a_cohort(client: Client, cohort: str, read_output: Any) -> None:
    tasks = finished(client, client.run("app", cohort=cohort))
    command, *rest = read_output(tasks[1], "seen.txt").splitlines()
    assert command == "/inputs/bids /work/out participant x --participant-label 02"
    assert rest == [
        "./README",
        "./T1w.json",
        "./dataset_description.json",
        "./participants.tsv",
        *[
            f"./sub-02/ses-1/anat/sub-02_ses-1_{suffix}.{end}"
            for suffix in ("FLAIR", "T1w")
            for end in ("json", "nii.gz")
        ],
        "participant_id\tage",
        "sub-02\t50",
    ]


@pytest.mark.usefixtures("app")
def test_what_a_bids_app_sees_can_be_narrowed(client: Client, cohort: str, read_output: Any) -> None:
    run = client.run("app", cohort=cohort, select={"bids_dir": "suffix = 'T1w'"})
    seen = read_output(finished(client, run)[1], "seen.txt")
    assert "FLAIR" not in seen
    assert "sub-02_ses-1_T1w.nii.gz" in seen


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        ({"parameters": {"bids_dir": "/etc"}}, "follows from the cohort"),
        ({"parameters": {"analysis_level": "world"}}, "analysis_level"),
        ({"cohort": None}, "runs on a cohort"),
    ],
)
def test_what_a_bids_app_cannot_be_asked(client: Client, cohort: str, asked: dict[str, Any], detail: str) -> None:
    with pytest.raises(ProblemError, match=detail):
        client.run("app", **{"cohort": cohort, **asked})


def test_a_group_level_runs_once_on_everybody(
    client: Client, cohort: str, tmp_path: Path, bubblewrap: str, read_output: Any
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "run.sh").write_text('mkdir -p out; { echo "$@"; cat "$1"/participants.tsv; ls out; } > out/group.tsv\n')
    client.register_pipeline(app_descriptor(), folder)
    (task,) = finished(client, client.run("app", cohort=cohort, parameters={"analysis_level": "group"}))
    said = read_output(task, "group.tsv").splitlines()
    assert said[:4] == [
        "/inputs/bids /work/out group x --participant-label 01 02",
        "participant_id\tage",
        "sub-01\t40",
        "sub-02\t50",
    ]
