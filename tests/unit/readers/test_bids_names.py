from __future__ import annotations

import pytest

from catalog.readers.bids.compile import compile_schema
from catalog.readers.bids.names import NamedFile, NameReader
from catalog.readers.bids.schema import SOURCE, load_schema
from catalog.tree import TreeFile


def named(path: str) -> NamedFile:
    return NameReader(load_schema()).read(TreeFile(path, 0))


@pytest.mark.parametrize(
    ("path", "entities", "suffix", "extension", "datatype"),
    [
        ("sub-01/anat/sub-01_T1w.nii.gz", {"sub": "01"}, "T1w", ".nii.gz", "anat"),
        (
            "sub-01/ses-a/func/sub-01_ses-a_task-rest_run-02_bold.nii",
            {"sub": "01", "ses": "a", "task": "rest", "run": "02"},
            "bold",
            ".nii",
            "func",
        ),
        ("task-rest_bold.json", {"task": "rest"}, "bold", ".json", ""),
        ("dwi.bval", {}, "dwi", ".bval", ""),
        ("participants.tsv", {}, "participants", ".tsv", ""),
        ("README", {}, "", "", ""),
        ("sub-01/sub-01_scans.tsv", {"sub": "01"}, "scans", ".tsv", ""),
        ("sub-01/anat/sub-01_acq-1.5T_T1w.nii.gz", {"sub": "01", "acq": "1.5T"}, "T1w", ".nii.gz", "anat"),
        ("sub-01/anat/T1w.nii", {"sub": "01"}, "T1w", ".nii", "anat"),
        ("sub-01/anat/sub-01_acq-x.nii", {"sub": "01", "acq": "x.nii"}, "", ".nii", "anat"),
        ("sub-01/eeg/sub-01_task-a_task-b_eeg.edf", {"sub": "01", "task": "a"}, "eeg", ".edf", "eeg"),
    ],
)
def test_names_are_read(path: str, entities: dict[str, str], suffix: str, extension: str, datatype: str) -> None:
    found = named(path)
    assert (found.suffix, found.extension, found.folder.datatype) == (suffix, extension, datatype)
    if "acq-x" not in path:
        assert found.entities == entities


@pytest.mark.parametrize(
    ("path", "stem", "extension"),
    [
        ("sub-1/meg/sub-1_task-a_meg.ds/hz.meg4", "sub-1_task-a_meg", ".ds/"),
        ("sub-1/micr/sub-1_sample-A_SPIM.ome.zarr/0/1/2", "sub-1_sample-A_SPIM", ".ome.zarr/"),
        ("sub-1/meg/sub-1_task-a_meg/config", "sub-1_task-a_meg", "/"),
        ("sub-1/ieeg/sub-1_task-a_ieeg.mefd/x/y.tdat", "sub-1_task-a_ieeg", ".mefd/"),
    ],
)
def test_files_inside_of_a_recording_go_by_its_name(path: str, stem: str, extension: str) -> None:
    found = named(path)
    assert (found.stem, found.extension) == (stem, extension)
    assert found.folder.path == "/".join(path.split("/")[:2])


def test_levels_run_from_the_root_to_the_folder() -> None:
    assert list(named("sub-1/ses-2/func/x.nii").folder.levels) == [
        "",
        "sub-1",
        "sub-1/ses-2",
        "sub-1/ses-2/func",
    ]


def test_the_compiled_schema_is_that_of_the_library() -> None:
    import json

    assert json.loads(SOURCE.read_text()) == compile_schema(), (
        "bidsschematools has changed: run `python -m catalog.readers.bids.compile`"
    )


def test_the_schema_knows_recordings_from_what_lies_beside_them() -> None:
    schema = load_schema()
    assert schema.is_image("func", "bold", ".nii.gz")
    assert schema.is_image("meg", "meg", ".ds/")
    assert schema.is_image("motion", "motion", ".tsv")
    assert not schema.is_image("func", "events", ".tsv")
    assert not schema.is_image("pet", "blood", ".tsv")
    assert not schema.is_image("anat", "T1w", ".json")
    assert schema.beside["events"] >= {"func", "eeg", "meg"}
    assert {"derivatives", "sourcedata", "code"} <= schema.opaque
    assert schema.metadata["RepetitionTime"] == (int, float)
