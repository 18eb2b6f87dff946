from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from catalog.readers.folder import FolderTree
from ontology.errors import InvalidRequestError, NotFoundError

KEY = "SHA256E-s3--" + hashlib.sha256(b"abc").hexdigest() + ".nii"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "sub-1").mkdir(parents=True)
    (root / "b.txt").write_bytes(b"bb")
    (root / "sub-1" / "a.txt").write_bytes(b"a")
    return root


def test_files_are_listed_by_path_without_what_git_and_datalad_keep(root: Path) -> None:
    for hidden in (".git/config", ".datalad/config", ".gitattributes", "sub-1/.git", "Z"):
        (root / hidden).parent.mkdir(exist_ok=True)
        (root / hidden).write_text("x")
    found = FolderTree(root).files()
    assert [(file.path, file.size) for file in found] == [("Z", 1), ("b.txt", 2), ("sub-1/a.txt", 1)]
    assert all(file.present and not file.link and file.sha256 is None for file in found)


def test_content_and_checksums(root: Path) -> None:
    tree = FolderTree(root)
    assert tree.read("sub-1/a.txt") == b"a"
    assert tree.read_many(["b.txt", "absent", "sub-1/a.txt"]) == {"b.txt": b"bb", "sub-1/a.txt": b"a"}
    assert tree.checksums(["b.txt", "absent"]) == {"b.txt": hashlib.sha256(b"bb").hexdigest()}


def test_what_is_not_there_or_too_large(root: Path) -> None:
    tree = FolderTree(root)
    with pytest.raises(NotFoundError):
        tree.read("nothing")
    with pytest.raises(NotFoundError):
        tree.read("../data/b.txt")
    with pytest.raises(InvalidRequestError, match="2 bytes"):
        tree.read("b.txt", limit=1)


@pytest.mark.parametrize("missing", [False, True])
def test_no_folder(tmp_path: Path, *, missing: bool) -> None:
    path = tmp_path / "x"
    if not missing:
        path.write_text("a file")
    with pytest.raises(InvalidRequestError) as caught:
        FolderTree(path)
    assert caught.value.field == "path"
    assert caught.value.next_step()


def test_links_out_of_the_folder_are_never_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    os.symlink(tmp_path / "secret", root / "out")
    os.symlink("../../secret", root / "sub-1" / "up")
    os.symlink(tmp_path, root / "folder")
    os.symlink("..", root / "sub-1" / "loop")
    os.symlink("itself", root / "itself")
    tree = FolderTree(root)
    links = {file.path: file.present for file in tree.files() if file.link}
    assert links == dict.fromkeys(("out", "sub-1/up", "folder", "sub-1/loop", "itself"), False)
    for path in links:
        with pytest.raises(InvalidRequestError):
            tree.read(path)
    assert tree.checksums(links) == {}


def test_a_link_inside_the_folder_reads_as_its_file(root: Path) -> None:
    os.symlink("../b.txt", root / "sub-1" / "inside")
    tree = FolderTree(root)
    (found,) = [file for file in tree.files() if file.path == "sub-1/inside"]
    assert (found.link, found.present, found.size) == (True, True, 2)
    assert tree.read("sub-1/inside") == b"bb"


def test_a_folder_swapped_for_a_link_after_the_walk_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.txt").write_text("secret")
    tree = FolderTree(root)
    tree.files()
    (root / "sub-1").rename(root / "moved")
    os.symlink(tmp_path / "elsewhere", root / "sub-1")
    with pytest.raises(InvalidRequestError):
        tree.read("sub-1/a.txt")


def test_pipes_and_unreadable_folders_are_listed_and_left_alone(root: Path) -> None:
    os.mkfifo(root / "pipe")
    tree = FolderTree(root)
    (pipe,) = [file for file in tree.files() if file.path == "pipe"]
    assert pipe.link
    assert not pipe.present
    with pytest.raises(InvalidRequestError):
        tree.read("pipe")


def test_annex_pointers_with_and_without_content(root: Path) -> None:
    objects = root / ".git" / "annex" / "objects" / "aa" / "bb" / KEY
    objects.mkdir(parents=True)
    (objects / KEY).write_bytes(b"abc")
    absent = KEY.replace("s3", "s9").replace(KEY[12:14], "00", 1)
    os.symlink(f".git/annex/objects/aa/bb/{KEY}/{KEY}", root / "here.nii")
    os.symlink(f"../.git/annex/objects/x/y/{absent}/{absent}", root / "sub-1" / "away.nii")
    (root / "unlocked.nii").write_text(f"/annex/objects/{KEY}\n")
    tree = FolderTree(root)
    found = {file.path: file for file in tree.files()}
    digest = hashlib.sha256(b"abc").hexdigest()
    assert (found["here.nii"].size, found["here.nii"].sha256, found["here.nii"].present) == (3, digest, True)
    assert (found["sub-1/away.nii"].size, found["sub-1/away.nii"].present) == (9, False)
    assert (found["unlocked.nii"].sha256, found["unlocked.nii"].present) == (digest, False)
    assert not any(file.link for file in tree.files())
    assert tree.read("here.nii") == b"abc"
    for path in ("sub-1/away.nii", "unlocked.nii"):
        with pytest.raises(NotFoundError):
            tree.read(path)
