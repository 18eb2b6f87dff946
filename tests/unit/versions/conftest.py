"""A small BIDS folder and the real git, git-annex and DataLad to look at what the store makes of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.versions.git import annex_environment, program_path
from catalog.versions.store import DataStore

Run = Callable[..., str]


def write_bids(folder: Path, participants: int = 2) -> Path:
    folder.mkdir(parents=True)
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "small", "BIDSVersion": "1.11.0"}))
    (folder / "README").write_text("A small dataset.\n")
    (folder / "participants.json").write_text('{"age": {"Units": "year"}}')
    labels = [f"sub-{number:02d}" for number in range(1, participants + 1)]
    rows = "".join(f"{label}\t{30 + number}\n" for number, label in enumerate(labels))
    (folder / "participants.tsv").write_text("participant_id\tage\n" + rows)
    for label in labels:
        anat = folder / label / "anat"
        anat.mkdir(parents=True)
        (anat / f"{label}_T1w.nii.gz").write_bytes(label.encode() * 1000)
        (anat / f"{label}_T1w.json").write_text('{"MagneticFieldStrength": 3}')
    return folder


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    return write_bids(tmp_path / "bids")


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    return DataStore(tmp_path / "store")


@pytest.fixture
def run() -> Run:
    """Run git, git-annex or datalad in a folder, as a person would, and return what it prints."""

    def call(folder: Path, *command: str) -> str:
        done = subprocess.run(
            [program_path(command[0]), *command[1:]],
            cwd=folder,
            env=annex_environment(folder, online=True),
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    return call


@pytest.fixture
def openneuro(tmp_path: Path, run: Run) -> Path:
    """A clone of a real OpenNeuro dataset: annex keys and tags, no content."""
    root = Path(os.environ.get("SILLAGE_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
    bundle = root / "openneuro" / "ds000001.bundle"
    if not bundle.is_file():
        pytest.skip(f"no {bundle}: set SILLAGE_TEST_DATA to the folder of test data")
    run(tmp_path, "git", "clone", "-q", str(bundle), "ds000001")
    return tmp_path / "ds000001"
