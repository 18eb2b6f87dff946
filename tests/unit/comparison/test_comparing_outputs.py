"""Kinds of comparison, one by one: what passes, what does not, and the numbers that are told."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from executors.comparison import compare, rule_problems

IDENTITY = np.eye(4)


def image(path: Path, values: Any, affine: Any = IDENTITY) -> Path:
    nibabel.Nifti1Image(np.asarray(values), affine).to_filename(path)
    return path


def both(folder: Path, name: str, found: str, expected: str) -> tuple[Path, Path]:
    there, wanted = folder / f"found-{name}", folder / f"expected-{name}"
    there.write_text(found)
    wanted.write_text(expected)
    return there, wanted


def test_bytes(tmp_path: Path) -> None:
    there, wanted = both(tmp_path, "a", "one", "two")
    assert not compare({"kind": "digest"}, there, wanted).passed
    assert compare({"kind": "digest"}, wanted, wanted).passed
    assert compare({"kind": "present"}, there, None).numbers == {"size": 3}
    for kind in ("digest", "present"):
        assert compare({"kind": kind}, None, wanted).detail == "the task did not write it"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_images(tmp_path: Path, suffix: str) -> None:
    values = np.arange(24, dtype="f4").reshape(2, 3, 4)
    other = values.copy()
    other[1, 2, 3] += 0.5
    other[0, 0, 0] = -0.25
    wanted, there = image(tmp_path / f"a{suffix}", values), image(tmp_path / f"b{suffix}", other)
    verdict = compare({"kind": "array", "absolute": 0.3}, there, wanted)
    assert not verdict.passed
    assert verdict.numbers["mismatched"] == 1
    assert verdict.numbers["largest_absolute"] == 0.5
    assert verdict.numbers["at"] == [1, 2, 3]
    assert compare({"kind": "array", "absolute": 0.3, "mismatch_fraction": 1 / 24}, there, wanted).passed
    assert not compare({"kind": "array", "absolute": 0.3, "mismatch_fraction": 0.9 / 24}, there, wanted).passed
    assert compare({"kind": "array"}, wanted, wanted).passed


@pytest.mark.parametrize(
    ("side", "kind", "voxel", "says"),
    [(3, "f4", 1.0, "shape"), (2, "i2", 1.0, "whole numbers"), (2, "f4", 2.0, "affine")],
)
def test_images_of_another_form(tmp_path: Path, side: int, kind: str, voxel: float, says: str) -> None:
    values, affine = np.zeros((2, side), kind), np.diag([voxel, 1, 1, 1])
    wanted = image(tmp_path / "wanted.nii.gz", np.zeros((2, 2), "f4"))
    verdict = compare({"kind": "array", "absolute": 9}, image(tmp_path / "found.nii.gz", values, affine), wanted)
    assert not verdict.passed
    assert says in verdict.detail


def test_an_image_that_promises_more_than_it_should_is_not_unpacked(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_shape((30_000, 30_000, 30_000))
    header.set_data_dtype("f8")
    huge = tmp_path / "huge.nii.gz"
    huge.write_bytes(gzip.compress(header.binaryblock + b"\0" * 8))
    wanted = image(tmp_path / "wanted.nii.gz", np.zeros((2, 2), "f8"))
    assert "shape" in compare({"kind": "array"}, huge, wanted).detail


@pytest.mark.parametrize("content", [b"", b"no image", gzip.compress(b"no image", mtime=0), b"\x1f\x8b\x08broken"])
@pytest.mark.parametrize("kind", ["array", "labels"])
def test_what_is_no_image_is_a_verdict(tmp_path: Path, content: bytes, kind: str) -> None:
    wanted = image(tmp_path / "wanted.nii.gz", np.zeros((2, 2), "u1"))
    there = tmp_path / "found.nii.gz"
    there.write_bytes(content)
    assert not compare({"kind": kind, "dice": 0.5}, there, wanted).passed


def test_an_image_that_is_cut_short_is_a_verdict(tmp_path: Path) -> None:
    wanted = image(tmp_path / "wanted.nii.gz", np.random.default_rng(0).normal(size=(9, 9, 9)))
    whole = wanted.read_bytes()
    there = tmp_path / "found.nii.gz"
    for part in (0.5, 0.9):
        there.write_bytes(whole[: int(len(whole) * part)])
        assert not compare({"kind": "array"}, there, wanted).passed
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    there.write_bytes(damaged)
    assert not compare({"kind": "array"}, there, wanted).passed


def test_archives_of_arrays(tmp_path: Path) -> None:
    wanted, there = tmp_path / "wanted.npz", tmp_path / "found.npz"
    np.savez(wanted, a=np.arange(3.0), b=np.array(["x", "y"]))
    np.savez_compressed(there, a=np.arange(3.0) + 0.01, b=np.array(["x", "y"]))
    assert compare({"kind": "array", "absolute": 0.1}, there, wanted).passed
    assert not compare({"kind": "array"}, there, wanted).passed
    np.savez(there, a=np.arange(3.0), b=np.array(["x", "z"]))
    assert compare({"kind": "array"}, there, wanted).numbers["mismatched"] == 1
    np.savez(there, a=np.arange(3.0), c=np.arange(2))
    assert compare({"kind": "array"}, there, wanted).numbers == {"missing": ["b"], "added": ["c"]}
    np.savez(there, a=np.arange(3.0), b=np.array([{}, {}], dtype=object))
    assert not compare({"kind": "array"}, there, wanted).passed
    there.write_bytes(b"PK")
    assert "archive" in compare({"kind": "array"}, there, wanted).detail


def test_labels(tmp_path: Path) -> None:
    wanted = image(tmp_path / "wanted.nii", np.array([[1, 1, 1, 1], [2, 2, 0, 0]], "u1"))
    there = image(tmp_path / "found.nii", np.array([[1, 1, 1, 0], [0, 0, 3, 0]], "i2"))
    verdict = compare({"kind": "labels", "dice": 0.8}, there, wanted)
    assert verdict.numbers["dice"] == {"1": 6 / 7, "2": 0.0, "3": 0.0}
    assert not verdict.passed
    assert compare({"kind": "labels", "dice": 0.8, "labels": [1, 7]}, there, wanted).numbers["dice"]["7"] == 1.0
    assert compare({"kind": "labels", "dice": 0.8, "labels": [1]}, there, wanted).passed
    empty = image(tmp_path / "empty.nii", np.zeros((2, 4), "u1"))
    assert compare({"kind": "labels", "dice": 1.0}, empty, empty).passed
    halves = image(tmp_path / "halves.nii", np.full((2, 4), 0.5, "f4"))
    assert "no labels" in compare({"kind": "labels", "dice": 0.1}, halves, wanted).detail


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ("b\nx\n", "column 'a' is missing"),
        ("a\tb\tc\n1\tx\t2\n", "column 'c' is new"),
        ("a\tb\n1\tx\n2\tx\n", "2 rows and not 1"),
        ("a\tb\n1\n", "another number of cells"),
        ("a\ta\n1\t1\n", "two of its columns"),
        ("", "empty"),
        ("a\tb\n1.2\tx\n", "first row 1: '1.2' and not '1'"),
        ("a\tb\n1\ty\n", "column 'b' differs"),
        ("a\tb\nn/a\tx\n", "column 'a' differs"),
    ],
)
def test_tables_that_differ_say_how(tmp_path: Path, found: str, says: str) -> None:
    there, wanted = both(tmp_path, "t.tsv", found, "a\tb\n1\tx\n")
    verdict = compare({"kind": "table", "columns": {"a": {"absolute": 0.1}}}, there, wanted)
    assert not verdict.passed
    assert says in verdict.detail


def test_tables_within_tolerance(tmp_path: Path) -> None:
    there, wanted = both(tmp_path, "t.csv", 'b,a,c\n"x, y",1.05,9\n', 'a,b\n1,"x, y"\n')
    rule = {"kind": "table", "default": {"relative": 0.1}, "ignore": ["c"]}
    verdict = compare(rule, there, wanted)
    assert verdict.passed
    assert verdict.numbers["columns"]["a"]["largest_absolute"] == pytest.approx(0.05)
    there.write_bytes(b"a,b\n\xff,1\n")
    assert "UTF-8" in compare(rule, there, wanted).detail


def test_documents(tmp_path: Path) -> None:
    expected = {"made": "2026", "m": {"snr": 10.0, "n": 3}, "list": [1, 2], "a/b": 1, "big": 2**60}
    found = {"made": "2027", "m": {"snr": 10.4, "n": 3.0}, "list": [1, 2], "a/b": 1.1, "big": 2**60}
    there, wanted = both(tmp_path, "d.json", json.dumps(found), json.dumps(expected))
    rule: dict[str, Any] = {
        "kind": "json",
        "ignore": ["/made"],
        "members": {"/m": {"relative": 0.05}, "/a~1b": {"absolute": 0.2}},
    }
    assert compare(rule, there, wanted).passed
    rule["members"]["/m/snr"] = {"relative": 0.01}
    verdict = compare(rule, there, wanted)
    assert [item["member"] for item in verdict.numbers["differences"]] == ["/m/snr"]
    there.write_text(json.dumps({**found, "big": 2**60 + 1, "list": [1], "new": {}}))
    members = {item["member"]: item["detail"] for item in compare(rule, there, wanted).numbers["differences"]}
    assert set(members) == {"/m/snr", "/big", "/list/1", "/new"}
    assert members["/new"] == "it is not expected"
    there.write_text("{" * 100_000)
    assert "not JSON" in compare(rule, there, wanted).detail


@pytest.mark.parametrize(
    ("rule", "path", "where"),
    [
        (None, "a", ""),
        ({}, "a", "/kind"),
        ({"kind": "magic"}, "a", "/kind"),
        ({"kind": "digest", "absolute": 1}, "a", "/absolute"),
        ({"kind": "array", "absolute": -1}, "a.npy", "/absolute"),
        ({"kind": "array", "relative": True}, "a.npy", "/relative"),
        ({"kind": "array", "relative": float("nan")}, "a.npy", "/relative"),
        ({"kind": "array", "mismatch_fraction": 2}, "a.npy", "/mismatch_fraction"),
        ({"kind": "array"}, "a.txt", "/kind"),
        ({"kind": "labels"}, "a.nii", "/dice"),
        ({"kind": "labels", "dice": 0}, "a.nii", "/dice"),
        ({"kind": "labels", "dice": 1, "labels": []}, "a.nii", "/labels"),
        ({"kind": "labels", "dice": 1, "labels": [True]}, "a.nii", "/labels"),
        ({"kind": "table", "columns": []}, "a.tsv", "/columns"),
        ({"kind": "table", "columns": {"x/y": {"relativ": 1}}}, "a.tsv", "/columns/x~1y/relativ"),
        ({"kind": "table", "columns": {"x": 1}}, "a.tsv", "/columns/x"),
        ({"kind": "table", "default": {"absolute": "1"}}, "a.tsv", "/default/absolute"),
        ({"kind": "table", "ignore": "x"}, "a.tsv", "/ignore"),
        ({"kind": "json", "members": {"x": {}}}, "a.json", "/members/x"),
        ({"kind": "json", "ignore": ["x"]}, "a.json", "/ignore"),
    ],
)
def test_a_rule_that_is_none_is_named_by_its_place(rule: Any, path: str, where: str) -> None:
    assert [place for place, _ in rule_problems(rule, path)] == [where]


def test_sound_rules_have_no_problems() -> None:
    assert rule_problems({"kind": "table", "columns": {"a": {}}, "default": {"relative": 0}}, "a.TSV") == []
    assert rule_problems({"kind": "labels", "dice": 1, "labels": [0, -1]}, "a.nii.gz") == []
    assert rule_problems({"kind": "present"}, "a") == []
