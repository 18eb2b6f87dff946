"""A real OpenNeuro repository without content: everything that is in git is read, and the rest is known by its key."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from catalog.readers import read
from catalog.versions.git_tree import GitTree
from ontology.crosswalk import Crosswalk
from ontology.terms import TermIndex

DATA = Path(os.environ.get("SILLAGE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
BUNDLE = DATA / "openneuro" / "ds000001.bundle"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not BUNDLE.is_file():
        pytest.skip(f"{BUNDLE} is not there (SILLAGE_TEST_DATA)")
    path = tmp_path_factory.mktemp("openneuro") / "ds000001"
    subprocess.run(["git", "clone", "-q", str(BUNDLE), str(path)], check=True, timeout=240)
    return path


def test_a_clone_without_content_is_read(clone: Path, tmp_path: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, check=True, capture_output=True, text=True)
    with TermIndex.open(tmp_path / "terms.sqlite") as index:
        reading = read(GitTree(clone, head.stdout.strip()), Crosswalk(index))
    assert [participant["label"] for participant in reading.participants] == [f"sub-{n:02d}" for n in range(1, 17)]
    images = [file for a in reading.acquisitions for file in a["files"] if file["role"] == "image"]
    assert len(images) == 80
    assert all(file["size"] and file["size"] > 10_000 for file in images)
    bold = [a for a in reading.acquisitions if a["suffix"] == "bold"]
    assert all(a["metadata"]["RepetitionTime"] == 2.0 for a in bold)
    assert all(any(file["path"].endswith("_events.tsv") for file in a["files"]) for a in bold)
    dirty = [problem for problem in reading.problems if problem.field == "sex"]
    assert [problem.path for problem in dirty] == ["participants.tsv"]
    assert "M," in dirty[0].detail
    assert sum(reading.unmapped["sex"].values()) == 1
