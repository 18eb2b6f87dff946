"""Repeating runs by DataLad alone: a clone of the results, no Sillage, the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from catalog.versions.git import program_path
from sillage.client import Client

BLOCKED = ("sillage", "api", "catalog", "executors", "provenance", "ontology")
BLOCKER = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ImportError(name + " is kept out")
sys.meta_path.insert(0, Blocker())
"""

pytestmark = pytest.mark.timeout(900)  # DataLad takes seconds for each thing that it is asked
Person = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """Somebody with git, git-annex, DataLad and the environment of the run, for whom Sillage cannot be imported."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "sitecustomize.py").write_text(BLOCKER)
    (home / ".gitconfig").write_text("[user]\n\tname = Somebody\n\temail = somebody@example.org\n")
    environment = {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
        "PYTHONPATH": str(home),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
    }

    def run(folder: Path, *command: str, fails: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [program_path(command[0]), *command[1:]],
            cwd=folder,
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert (done.returncode != 0) == fails, f"{command}: {done.stdout}{done.stderr}"
        return done

    blocked = subprocess.run([sys.executable, "-c", "import sillage"], env=environment, capture_output=True, text=True)
    assert "kept out" in blocked.stderr
    return run


def write_images(root: Path) -> Path:
    """Write a BIDS dataset of two people with an image that quality can be measured of."""
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Heads", "BIDSVersion": "1.11.0"}))
    (root / "participants.tsv").write_text("participant_id\tage\nsub-01\t34\nsub-02\t45\n")
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 24)] * 3, indexing="ij"))
    for seed, label in enumerate(("sub-01", "sub-02")):
        noise = np.random.default_rng(seed).normal(0, 20, grid.shape[1:])
        inside = (grid**2).sum(axis=0) < 0.6
        data = np.abs(inside * 800 + (grid[0] > 0) * inside * 200 + noise).astype(np.float32)
        (root / label / "anat").mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(data, np.diag([4, 4, 4, 1])), root / label / "anat" / f"{label}_T1w.nii.gz")
    return root


def results_of(client: Client, catalog: Path, task: dict[str, Any]) -> Path:
    """Return the dataset that holds the outputs of a task."""
    owner = client.show(client.show(task["outputs"][0]["id"])["part_of"])
    return catalog / "store" / client.show(owner["dataset"])["data_path"]


def run_commits(folder: Path, person: Person) -> list[str]:
    said = person(folder, "git", "log", "--format=%H", "--grep=DATALAD RUNCMD", "HEAD").stdout
    return said.split()


def record_of(folder: Path, commit: str, person: Person) -> dict[str, Any]:
    message = person(folder, "git", "log", "-1", "--format=%B", commit).stdout
    found: dict[str, Any] = json.loads(message.split("below ===\n")[1].split("\n^^^")[0])
    return found


def sums(folder: Path, paths: list[str]) -> dict[str, str]:
    return {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in paths}


def test_the_quality_pipeline_is_repeated_byte_for_byte(
    client: Client, catalog: Path, tmp_path: Path, person: Person, bubblewrap: str
) -> None:
    client.register_dataset(write_images(tmp_path / "heads"))
    client.post("pipelines", {"descriptor": {}, "bundled": "image-qc"})
    cohort = client.freeze_cohort("has(suffix = 'T1w')")
    batch = client.wait(client.run("image-qc", cohort=cohort["id"])["id"])
    assert batch["state"] == "COMPLETE"
    folder = results_of(client, catalog, batch)
    person(tmp_path, "datalad", "clone", str(folder), "again")
    again = tmp_path / "again"
    commits = run_commits(again, person)
    assert len(commits) == 2
    record = record_of(again, commits[0], person)
    assert record["cmd"][3:5] == ["python", "/pipeline/run.py"]
    assert record["inputs"][0].startswith("sourcedata/")
    wanted = {item["path"]: item["sha256"] for item in batch["outputs"]}
    done = person(again, "datalad", "rerun", commits[0])
    assert "outputs are the same, byte for byte" in done.stderr
    person(again, "datalad", "rerun", "--since=")
    assert sums(again, sorted(wanted)) == wanted
    assert person(again, "git", "status", "--porcelain").stdout == ""
    assert person(again, "git", "diff", "--stat", commits[0], "HEAD").stdout == ""


@pytest.fixture
def copied(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str
) -> dict[str, Any]:
    """A batch of a pipeline that is a shell script."""
    register_copy()
    cohort = client.freeze_cohort("has(suffix = 'T1w') AND age > 20")
    return client.wait(client.run("copy", cohort=cohort["id"])["id"])


@pytest.fixture
def clone(client: Client, catalog: Path, copied: dict[str, Any], tmp_path: Path, person: Person) -> Path:
    person(tmp_path, "datalad", "clone", str(results_of(client, catalog, copied)), "again")
    return tmp_path / "again"


@pytest.mark.parametrize("sandbox", ["bubblewrap", "none"])
def test_a_shell_pipeline_is_repeated(clone: Path, copied: dict[str, Any], person: Person, sandbox: str) -> None:
    wanted = {item["path"]: item["sha256"] for item in copied["outputs"]}
    done = person(clone, "datalad", "rerun", "--since=", RERUN_SANDBOX=sandbox)
    assert done.stderr.count("1 of 1 outputs are the same") == len(wanted) == 3
    assert ("without a sandbox" in done.stderr) == (sandbox == "none")
    assert sums(clone, sorted(wanted)) == wanted


def test_an_input_is_taken_from_the_version_that_was_used(
    client: Client, catalog: Path, copied: dict[str, Any], study: Path, tmp_path: Path, person: Person
) -> None:
    image = study / "sub-03/anat/sub-03_T1w.nii.gz"
    image.write_bytes(b"acquired again")
    dataset = client.show(client.show(copied["outputs"][0]["id"])["part_of"])["dataset"]
    source = client.show(dataset)["source_datasets"][0]
    client.post(f"datasets/{source}/revise", {"path": str(study)})
    cohort = client.freeze_cohort("has(suffix = 'T1w') AND age > 60")
    later = client.wait(client.run("copy", cohort=cohort["id"])["id"])
    assert later["state"] == "COMPLETE"
    folder = results_of(client, catalog, copied)
    assert results_of(client, catalog, later) == folder
    person(tmp_path, "datalad", "clone", str(folder), "again")
    newest, *_ = run_commits(folder, person)
    earlier = person(
        folder, "git", "log", "--format=%H", f"{newest}~1", "--", later["outputs"][0]["path"]
    ).stdout.split()
    for commit in (earlier[0], newest):
        done = person(tmp_path / "again", "datalad", "rerun", commit)
        assert "1 of 1 outputs are the same" in done.stderr
    described = json.loads((folder / "dataset_description.json").read_text())
    assert described["SourceDatasets"][0]["Version"] == "2"


def test_a_result_that_differs_is_named(clone: Path, person: Person) -> None:
    commit = run_commits(clone, person)[0]
    output = record_of(clone, commit, person)["outputs"][0]
    script = next(clone.glob("code/pipelines/*/run.sh"))
    script.write_text(script.read_text().replace("wc -c", "wc -l"))
    person(clone, "datalad", "save", "-m", "Count lines")
    done = person(clone, "datalad", "rerun", commit)
    assert f"{output} differs" in done.stderr


def test_content_that_was_destroyed_is_said_so(
    clone: Path, client: Client, catalog: Path, registered: dict[str, Any], person: Person
) -> None:
    commit = run_commits(clone, person)[0]
    source = record_of(clone, commit, person)["inputs"][0]
    folder = catalog / "store" / client.show(registered["id"])["data_path"]
    person(folder, "git-annex", "drop", "--force", source.partition("/")[2].partition("/")[2])
    done = person(clone, "datalad", "rerun", commit, fails=True)
    assert f"{source} (file) [not available]" in done.stdout
    done = person(clone, "datalad", "rerun", "--assume-ready", "inputs", commit, fails=True)
    assert "its participant may have withdrawn" in done.stdout + done.stderr


def test_another_environment_is_named_and_gone_on_in_only_if_told(clone: Path, person: Person) -> None:
    commit = run_commits(clone, person)[0]
    environment = next((clone / "code/environments").iterdir())
    document = json.loads(environment.read_text())
    document |= {"kind": "python", "python": "2.7.18", "packages": ["numpy==0.1", "absent==1.0"]}
    environment.write_text(json.dumps(document))
    person(clone, "datalad", "save", "-m", "Another environment")
    done = person(clone, "datalad", "rerun", commit, fails=True)
    said = done.stdout + done.stderr
    assert "Python 2.7.18 ran" in said
    assert "absent 1.0 ran, none is here" in said
    assert "RERUN_ANYWAY=1" in said
    done = person(clone, "datalad", "rerun", commit, RERUN_ANYWAY="1")
    assert "as told" in done.stderr
    packages = person(clone, "python3", "code/rerun.py", "--packages", str(environment.relative_to(clone))).stdout
    assert packages.split() == ["numpy==0.1", "absent==1.0"]


def test_the_dataset_tells_nothing_of_this_machine_or_of_people(
    client: Client, clone: Path, catalog: Path, copied: dict[str, Any], study: Path, tmp_path: Path, person: Person
) -> None:
    folder = results_of(client, catalog, copied)
    history = person(folder, "git", "log", "-p", "--all", "--format=%B").stdout
    for private in (str(catalog), str(study), str(tmp_path), "multiple sclerosis"):
        assert private not in history
    modules = (clone / ".gitmodules").read_text()
    assert "url = ../" in modules
    assert "/tmp" not in modules
    described = json.loads((clone / "dataset_description.json").read_text())
    assert described["GeneratedBy"][0]["CodeURL"].startswith("bids::code/pipelines/copy-1.0.0")
    assert described["SourceDatasets"][0]["Version"] == "1"


def test_what_repeats_runs_is_committed_once(clone: Path, person: Person) -> None:
    said = person(clone, "git", "log", "--format=%H", "--", "code/rerun.py", "code/pipelines", ".gitmodules").stdout
    assert len(said.split()) == 1
    first = person(clone, "git", "rev-list", "--max-parents=0", "HEAD").stdout
    assert said == first


def test_a_dataset_that_lies_elsewhere_is_found_from_the_results(
    client: Client, catalog: Path, study: Path, tmp_path: Path, register_copy: Any, person: Person, bubblewrap: str
) -> None:
    person(study.parent, "datalad", "create", "--force", str(study))
    person(study, "datalad", "save", "-m", "All")
    client.register_dataset(study)
    register_copy()
    cohort = client.freeze_cohort("has(suffix = 'T1w') AND age > 60")
    task = client.wait(client.run("copy", cohort=cohort["id"])["id"])
    person(tmp_path, "datalad", "clone", str(results_of(client, catalog, task)), "again")
    assert "study" not in (tmp_path / "again/.gitmodules").read_text()
    done = person(tmp_path / "again", "datalad", "rerun", run_commits(tmp_path / "again", person)[0])
    assert "1 of 1 outputs are the same" in done.stderr


def test_odd_names_are_taken_as_they_are(
    client: Client,
    catalog: Path,
    registered: dict[str, Any],
    register_copy: Any,
    tmp_path: Path,
    person: Person,
    bubblewrap: str,
) -> None:
    script = """mkdir -p "out/a {b}"; for n in "x [1]" "*" "é'" '$HOME'; do echo "$n" > "out/a {b}/$n.txt"; done"""
    register_copy(script + '; echo "{}" ${1:+1}\n')
    cohort = client.freeze_cohort("has(suffix = 'T1w') AND age > 60")
    task = client.wait(client.run("copy", cohort=cohort["id"])["id"])
    assert len(task["outputs"]) == 4
    person(tmp_path, "datalad", "clone", str(results_of(client, catalog, task)), "again")
    done = person(tmp_path / "again", "datalad", "rerun", run_commits(tmp_path / "again", person)[0])
    assert "4 of 4 outputs are the same" in done.stderr
    assert shutil.which("bwrap")


def test_outputs_that_no_dataset_can_hold_fail_their_task_and_leave_no_dataset(
    client: Client, catalog: Path, registered: dict[str, Any], register_copy: Any, bubblewrap: str
) -> None:
    before = sorted(path.name for path in (catalog / "store").iterdir())
    register_copy("mkdir -p out/code && echo 1 > out/code/a.txt\n")
    cohort = client.freeze_cohort("has(suffix = 'T1w') AND age > 20")
    batch = client.wait(client.run("copy", cohort=cohort["id"])["id"])
    tasks = [client.get(f"tasks/{item['id']}") for item in batch["items"]]
    assert {(task["state"], task["reason"]) for task in tasks} == {("EXECUTOR_ERROR", "output-refused")}
    assert sorted(path.name for path in (catalog / "store").iterdir()) == before
    assert client.post("check")["valid"] is True
