"""Files that are broken, dirty or meant to do harm: each is reported, and the rest is still read."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from catalog.readers import Reading, read
from catalog.readers.bids import documents
from catalog.readers.bids.ignore import ignored
from catalog.readers.folder import FolderTree
from ontology.crosswalk import Crosswalk

T1W = {"sub-1/anat/sub-1_T1w.nii.gz": b""}
SIDECAR = "sub-1/anat/sub-1_T1w.json"


@pytest.fixture
def reading(write: Any, crosswalk: Crosswalk) -> Any:
    def of(files: dict[str, str | bytes]) -> Reading:
        return read(FolderTree(write({**T1W, **files})), crosswalk)

    return of


def storable(found: Reading) -> bool:
    """Tell whether all documents can be written as canonical JSON."""
    from ontology.canonical import canonical_json

    canonical_json([found.dataset, list(found.participants), list(found.acquisitions), list(found.dataset_files)])
    canonical_json([problem.to_json() for problem in found.problems])
    return True


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{not json", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "nested deeper"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "nested deeper"),
        ('{"L": ' + "9" * 5_000 + "}", "too long"),
        ("[1, 2]", "holds a list"),
        ('"text"', "holds text"),
        ("null", "holds nothing"),
        ('{"N": NaN}', "nan is no number"),
        ('{"N": 1e999}', "inf is no number"),
        ('{"N": [1, {"x": -Infinity}]}', "JSON cannot say"),
        ('{"N": 123456789012345678901234567890}', "too large to be exact"),
        ('{"N": "\\ud800"}', "not valid Unicode"),
        ('{"\\udfff": 1}', "not valid Unicode"),
        (b"\xef\xbb\xbf{}", "byte-order mark"),
        ('{"N": 1}'.encode("utf-16"), "UTF-16"),
        (b'{"N": "Montr\xe9al"}', "Latin-1"),
        ('{"MagneticFieldStrength": "3T"}', '"3T" is not a number'),
    ],
)
def test_broken_sidecars(reading: Any, content: str | bytes, says: str) -> None:
    found = reading({SIDECAR: content})
    assert len(found.acquisitions) == 1
    assert any(problem.path == SIDECAR and says in problem.detail for problem in found.problems), found.problems
    assert storable(found)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (b"", "no header"),
        (b"\n", "no header"),
        (b"participant_id\tsite\nsub-1\tMontr\xe9al\n", "Latin-1"),
        (b"participant_id\tage\nsub-1\t\x00\n", "NUL"),
        (b"participant_id\tage\r\nsub-1\t3\r\n", "carriage returns"),
        (b"participant_id\tage\rsub-1\t3\r", "carriage returns"),
        (b"\xef\xbb\xbfparticipant_id\tage\nsub-1\t3\n", "byte-order mark"),
        ("participant_id\tage\nsub-1\t3\n".encode("utf-16"), "UTF-16"),
        (b"participant_id\tage\n\nsub-1\t3\n", "blank lines were left out: line 2"),
        (b"participant_id\tage\nsub-1\n", "fewer than 2 cells"),
        (b"participant_id\tage\nsub-1\t3\t4\n", "more than 2 cells"),
        (b"participant_id\tage\nsub-1\t3\nsub-1\t4\n", "more than one row"),
        (b"participant_id\tage\tage\nsub-1\t3\t4\n", "occurs twice"),
        (b"participant_id\tage\t\nsub-1\t3\tx\n", "has no name"),
        (b"participant_id\t age\nsub-1\t3\n", "spaces"),
        (b"participant_id\tage\n1\t3\n", "without sub-"),
        (b"participant_id,age\nsub-1,3\n", "first column was taken"),
        (b"name\tage\nx\t3\n", "no column participant_id"),
        (b"participant_id\tsex\nsub-1\tM,\n", "found no term"),
    ],
)
def test_dirty_tables_of_participants(reading: Any, table: bytes, says: str) -> None:
    found = reading({"participants.tsv": table})
    assert [participant["label"] for participant in found.participants] == ["sub-1"]
    assert any(says in problem.detail for problem in found.problems), found.problems
    assert storable(found)


def test_the_first_of_duplicate_rows_counts(reading: Any) -> None:
    found = reading({"participants.tsv": "participant_id\tage\nsub-1\t3\nsub-1\t4\n"})
    assert [value["value"] for value in found.participants[0]["properties"]["age"]] == [3]


@pytest.mark.parametrize(
    "description",
    [
        b"",
        b"[]",
        b'{"Name": 3, "BIDSVersion": ["x"], "Authors": "me", "License": {}, "DatasetDOI": "none", "Keywords": [1]}',
        b'{"Name": "\\ud800", "DatasetType": 5, "GeneratedBy": {"Name": "x"}, "SourceDatasets": "x"}',
        b'{"Name": "a\\u0000b", "BIDSVersion": "1"}',
    ],
)
def test_dirty_descriptions(reading: Any, description: bytes) -> None:
    found = reading({"dataset_description.json": description})
    assert len(found.acquisitions) == 1
    assert "\0" not in found.dataset["label"]
    assert storable(found)
    assert found.problems or b"u0000" in description


def test_markup_is_kept_as_it_is(reading: Any) -> None:
    found = reading({"dataset_description.json": '{"Name": "<script>alert(1)</script>", "BIDSVersion": "1.8.0"}'})
    assert found.dataset["title"] == "<script>alert(1)</script>"
    assert not found.problems


def test_links_and_odd_names_are_left_out_and_reported(write: Any, crosswalk: Crosswalk, tmp_path: Path) -> None:
    root = write(dict(T1W))
    os.symlink("/etc/passwd", root / "sub-1/anat/sub-1_T2w.nii.gz")
    os.symlink("/etc/passwd", root / SIDECAR)
    os.symlink("..", root / "sub-1/loop")
    (root / os.fsdecode(b"sub-1/anat/sub-1_acq-\xff_T1w.nii.gz")).write_bytes(b"")
    found = read(FolderTree(root), crosswalk)
    assert [a["label"] for a in found.acquisitions] == ["sub-1_T1w"]
    assert found.acquisitions[0]["metadata"] == {}
    assert len(found.problems) == 4
    assert found.skipped == {"links": 3, "names that are no Unicode": 1}
    assert storable(found)


def test_an_enormous_sidecar_is_not_read(reading: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "BYTES", 1024 * 1024)
    found = reading({SIDECAR: "{" + " " * (1024 * 1024) + "}"})
    assert any("more than 1 MiB" in problem.detail for problem in found.problems)


def test_equal_problems_of_many_files_are_counted(reading: Any) -> None:
    found = reading({f"sub-1/anat/sub-1_acq-{n}_T1w.json": '{"MagneticFieldStrength": "3T"}' for n in range(200)})
    assert len(found.problems) == 11
    assert found.problems[-1].detail.endswith("the same in 190 more files")


def test_different_problems_beyond_a_thousand_are_counted(reading: Any) -> None:
    found = reading(
        {SIDECAR: json.dumps({}), "participants.tsv": "participant_id\n" + "".join(f"sub-x{n}\n" for n in range(1500))}
    )
    assert len(found.problems) == 1001
    assert "further problems" in found.problems[-1].detail


def test_names_that_collide_do_not_take_quadratic_time(reading: Any) -> None:
    files = {f"sub-1/micr/sub-1_sample-A_chunk-{n}_SPIM.ome.tif": b"" for n in range(1_000)}
    files |= {f"sub-1/micr/sub-1_sample-A_acq-{n}_photo.json": b"{}" for n in range(1_000)}
    start = time.thread_time()
    found = reading(files)
    assert len(found.acquisitions) == 1_001
    assert time.thread_time() - start < 20


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        ("*_x.tsv", "sub-1/func/a_x.tsv", True),
        ("/extra", "extra/x", True),
        ("/extra", "sub-1/extra", False),
        ("extra/", "a/extra/b", True),
        ("extra/", "a/extra", False),
        ("**/x.txt", "a/b/x.txt", True),
        ("a/**/z", "a/z", True),
        ("a/**", "a/b/c", True),
        ("*.txt\n!keep.txt", "keep.txt", False),
        ("*.txt\n!keep.txt", "other.txt", True),
        ("sub-*/anat/*_[!T]1w.nii", "sub-1/anat/a_X1w.nii", True),
        ("sub-*/anat/*_[!T]1w.nii", "sub-1/anat/a_T1w.nii", False),
        ("#c", "#c", False),
        ("\\#c", "#c", True),
        ("[z-a]", "z", False),
        ("a*b*c", "aXbYbZc", True),
        ("a?c", "a/c", False),
        ("", "x", False),
    ],
)
def test_bidsignore_patterns(patterns: str, path: str, *, expected: bool) -> None:
    assert ignored(patterns)(path) is expected


def test_a_pattern_of_many_stars_is_answered_at_once() -> None:
    start = time.thread_time()
    assert not ignored("*a" * 40 + "*b")("a" * 250)
    assert time.thread_time() - start < 1


def test_brackets_in_strings_do_not_count_as_depth(reading: Any) -> None:
    found = reading({SIDECAR: json.dumps({"A": "[" * 500, "B": '\\"[{' * 100, "C": [[1]] * 100})})
    assert not found.problems
    assert found.acquisitions[0]["metadata"]["A"] == "[" * 500


def test_a_deep_document_of_many_megabytes_is_refused_quickly(reading: Any) -> None:
    start = time.thread_time()
    found = reading({SIDECAR: '{"A": [' + "[1]," * 500_000 + "[" * 100})
    assert any("nested deeper" in problem.detail for problem in found.problems)
    assert time.thread_time() - start < 10


def test_long_cells_and_names_are_quoted_in_part(reading: Any) -> None:
    found = reading({"participants.tsv": "participant_id\tsex\nsub-1\t" + "x" * 100_000 + "\n"})
    assert all(len(problem.detail) <= 300 for problem in found.problems)
    found = reading({"participants.tsv": "participant_id\t " + "x" * 100_000 + "\nsub-1\t1\n"})
    assert all(len(problem.field or "") <= 120 for problem in found.problems)


def test_folders_that_only_look_like_participants(reading: Any) -> None:
    found = reading({"sub-/anat/sub-_T1w.nii": b"", "sub-2/ses-/anat/sub-2_T1w.nii": b"", "sub-3": b""})
    assert [participant["label"] for participant in found.participants] == ["sub-1", "sub-2"]
    assert storable(found)
