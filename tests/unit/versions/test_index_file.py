"""The index that is written without git is the one that git would have written, split or not."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from catalog.versions import index_file
from catalog.versions.index_file import add_to_index
from catalog.versions.model import Versioned
from catalog.versions.store import DataStore

EMPTY = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


@pytest.fixture
def derivative(store: DataStore) -> Versioned:
    return store.create_derivative(name="Index", description={})


def save(store: DataStore, dataset: Versioned, folder: Path, path: str, content: bytes = b"") -> str:
    folder.mkdir(exist_ok=True)
    content = content or f"of {path}\n".encode()
    staged = folder / hashlib.sha256(path.encode() + content).hexdigest()
    staged.write_bytes(content)
    output = (staged, path, hashlib.sha256(content).hexdigest())
    return store.save_outputs(dataset.path, [output], message="Run", run_record={"cmd": "true"})


def listed(folder: Path, run) -> str:
    return str(run(folder, "git", "ls-files", "--stage"))


def test_a_split_index_is_added_to_and_split_anew(
    store: DataStore, derivative: Versioned, tmp_path: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.versions.index_file.LARGE_INDEX", 8)
    monkeypatch.setattr("catalog.versions.working_tree.LARGE_INDEX", 8)
    for number in range(25):
        save(store, derivative, tmp_path / "w", f"sub-{(number * 7) % 25:02d}/{'long' * number}.txt")
    save(store, derivative, tmp_path / "w", "sub-03/longlonglonglong.txt", b"another")
    save(store, derivative, tmp_path / "w", "sub-00/last.txt")
    folder = derivative.path
    # Split once for every eight paths or so, not at every save.
    assert 1 <= len(list((folder / ".git").glob("sharedindex.*"))) <= 8
    assert run(folder, "git", "status", "--porcelain") == ""
    assert run(folder, "git", "fsck", "--full", "--strict").strip() == ""
    before = listed(folder, run)
    run(folder, "git", "read-tree", "HEAD")
    assert listed(folder, run) == before
    assert len(before.splitlines()) >= 30


@pytest.mark.parametrize("length", [1, 9, 10, 11, 12, 4094, 4095, 4096])
def test_names_of_every_length_are_read_by_git(tmp_path: Path, length: int) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "seed").write_text("")
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "add", "seed"], check=True)
    name = ("n" * 200 + "/") * 30
    name = name[: length - 1] + "x"
    assert add_to_index(tmp_path / ".git", {name.encode(): ("100644", EMPTY)})
    assert add_to_index(tmp_path / ".git", {b"a": ("120000", EMPTY)})
    found = subprocess.run([*git, "ls-files", "-s", "-z"], check=True, capture_output=True).stdout
    names = [line.partition(b"\t")[2] for line in found.split(b"\0")[:-1]]
    assert names == sorted([name.encode(), b"a", b"seed"])


def test_an_index_that_is_not_known_is_left_to_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "seed").write_text("")
    git, folder = ["git", "-C", str(tmp_path)], tmp_path / ".git"
    subprocess.run([*git, "add", "seed"], check=True)
    new = {b"a": ("100644", EMPTY)}
    (folder / "index.lock").write_text("")
    assert not add_to_index(folder, new)
    assert (folder / "index.lock").exists()
    os.unlink(folder / "index.lock")
    subprocess.run([*git, "update-index", "--index-version", "4"], check=True)
    kept = (folder / "index").read_bytes()
    assert not add_to_index(folder, new)
    damaged = kept[:-1] + bytes([kept[-1] ^ 1])
    (folder / "index").write_bytes(damaged)
    assert not add_to_index(folder, new)
    assert (folder / "index").read_bytes() == damaged
    monkeypatch.setattr(index_file, "LARGE_INDEX", 0)
    assert not add_to_index(folder, new)
    os.unlink(folder / "index")
    monkeypatch.undo()
    assert not add_to_index(folder, new)
    assert not (folder / "index.lock").exists()
