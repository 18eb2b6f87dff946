"""Entities, metadata and participants of real datasets, against pybids: every difference is listed here."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.readers.bids.names import NamedFile
from catalog.readers.bids.reader import BidsReader
from catalog.readers.bids.schema import load_schema
from catalog.readers.folder import FolderTree
from ontology.crosswalk import Crosswalk
from ontology.terms import TermIndex

DATA = Path(os.environ.get("SILLAGE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "bids"
DATASETS = (
    "7t_trt",
    "asl003",
    "ds001",
    "ds003",
    "ds114",
    "genetics_ukbb",
    "micr_SPIM",
    "pet001",
    "pheno004",
    "qmri_mp2rage",
    "synthetic",
)

RENAMED = {"staining": "stain", "proc": "processing", "inv": "inversion", "mt": "mtransfer"}
"""Entities that pybids calls other than the BIDS schema does."""
ONLY_PYBIDS = frozenset({"fmap", "scans"})
"""Keys that pybids adds for its own queries: the suffix of a field map again, and the whole path of a table."""


@pytest.fixture(scope="module")
def crosswalk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crosswalk]:
    with TermIndex.open(tmp_path_factory.mktemp("terms") / "terms.sqlite") as index:
        yield Crosswalk(index)


@pytest.fixture(params=DATASETS)
def folder(request: pytest.FixtureRequest) -> Path:
    path = DATA / str(request.param)
    if not path.is_dir():
        pytest.skip(f"the dataset {path} is not there (SILLAGE_TEST_DATA)")
    return path


def entities(file: NamedFile) -> dict[str, str]:
    names = load_schema().entities
    found = {names.get(key, key): value for key, value in file.entities.items()}
    said = {"suffix": file.suffix, "extension": file.extension, "datatype": file.folder.datatype}
    return found | {key: value for key, value in said.items() if value}


def test_entities_and_metadata_equal_those_of_pybids(folder: Path, crosswalk: Crosswalk) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bids import BIDSLayout

        layout = BIDSLayout(folder, validate=False)
        theirs: dict[str, Any] = {str(Path(path).relative_to(folder)): f for path, f in layout.get_files().items()}
    tree = FolderTree(folder)
    reader = BidsReader(tree, tree.files(), crosswalk)
    mine = {file.file.path: file for file in reader.named_files()}
    assert mine.keys() == theirs.keys()

    members = 0
    for path, file in mine.items():
        found = theirs[path].get_entities()
        expected = {RENAMED.get(name, name): str(value) for name, value in found.items() if name not in ONLY_PYBIDS}
        assert entities(file) == expected, path
        if file.extension != ".json":  # pybids gives sidecars themselves no metadata
            stated = {name: value for name, value in reader.metadata(file).items() if value is not None}
            assert stated == dict(theirs[path].get_metadata()), path
            members += len(stated)
    assert members > 0 or folder.name in ("ds114",)

    reading = reader.reading()
    assert [p["label"] for p in reading.participants] == [f"sub-{label}" for label in sorted(layout.get_subjects())]


def test_every_file_is_listed_once(folder: Path, crosswalk: Crosswalk) -> None:
    tree = FolderTree(folder)
    reading = BidsReader(tree, tree.files(), crosswalk).reading()
    listed = [file["path"] for a in reading.acquisitions for file in a["files"]]
    listed += [file["path"] for file in reading.dataset_files]
    assert len(listed) == len(set(listed))
    assert len(listed) + sum(reading.skipped.values()) == reading.files == len(tree.files())
    assert all(acquisition["files"] for acquisition in reading.acquisitions)


@pytest.mark.parametrize(
    ("name", "participants", "acquisitions"),
    [
        ("7t_trt", 22, 439),
        ("asl003", 1, 3),
        ("ds001", 16, 80),
        ("ds003", 13, 39),
        ("ds114", 10, 140),
        ("genetics_ukbb", 14, 70),
        ("micr_SPIM", 1, 8),
        ("pet001", 1, 2),
        ("pheno004", 2, 2),
        ("qmri_mp2rage", 1, 7),
        ("synthetic", 5, 50),
    ],
)
def test_how_much_each_dataset_holds(name: str, participants: int, acquisitions: int, crosswalk: Crosswalk) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"the dataset {DATA / name} is not there (SILLAGE_TEST_DATA)")
    tree = FolderTree(DATA / name)
    reading = BidsReader(tree, tree.files(), crosswalk).reading()
    assert (len(reading.participants), len(reading.acquisitions)) == (participants, acquisitions)
    suffixes = {a["suffix"] for a in reading.acquisitions}
    assert not suffixes & {"events", "physio", "blood", "aslcontext", "photo", "channels"}
