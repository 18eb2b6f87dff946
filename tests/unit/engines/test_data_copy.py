"""The data of a catalogue are brought over whole, linked where that is safe, and nothing is done twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api.data_copy import Data, copy_tree


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    objects = root / "d" / ".git" / "annex" / "objects" / "aa" / "KEY"
    objects.mkdir(parents=True)
    (objects / "KEY").write_bytes(b"an image")
    (objects / "KEY").chmod(0o444)
    (root / "d" / "sub-01.nii.gz").symlink_to(".git/annex/objects/aa/KEY/KEY")
    (root / "d" / "folder").symlink_to(".git/annex")
    (root / "d" / ".git" / "index").write_bytes(b"written in place")
    (root / "d" / ".git" / "index.lock").write_bytes(b"")
    objects.chmod(0o555)
    return root


def test_contents_are_linked_and_what_is_written_in_place_is_not(store: Path, tmp_path: Path) -> None:
    done = copy_tree(store, tmp_path / "copy", Data.LINK)
    copied = tmp_path / "copy" / "d"
    assert done.linked == 1
    assert (copied / "sub-01.nii.gz").read_bytes() == b"an image"
    assert (copied / "folder").is_symlink()
    assert os.stat(copied / ".git" / "index").st_ino != os.stat(store / "d" / ".git" / "index").st_ino
    assert not (copied / ".git" / "index.lock").exists()
    content = copied / ".git" / "annex" / "objects" / "aa" / "KEY"
    assert content.stat().st_mode & 0o777 == 0o555
    assert (content / "KEY").stat().st_ino == (store / content.relative_to(tmp_path / "copy") / "KEY").stat().st_ino


def test_a_copy_shares_nothing(store: Path, tmp_path: Path) -> None:
    done = copy_tree(store, tmp_path / "copy", Data.COPY)
    assert (done.linked, done.copied) == (0, 2)
    again = copy_tree(store, tmp_path / "copy", Data.COPY)
    assert (again.copied, again.present) == (0, 2)


def test_what_is_left_is_not_brought(store: Path, tmp_path: Path) -> None:
    copy_tree(store, tmp_path / "copy", Data.LEAVE)
    assert not (tmp_path / "copy").exists()
