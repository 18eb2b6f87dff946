"""Commits of a few files are made without git, on what git has packed, and never over what others have committed."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from catalog.versions.branches import Move, branch_tip, moving_branches
from catalog.versions.git import open_repository
from catalog.versions.git_objects import GitObjects, Snapshot
from catalog.versions.model import Versioned
from catalog.versions.store import DataStore
from ontology.errors import BackendUnavailableError

MAIN = "refs/heads/main"


@pytest.fixture
def derivative(store: DataStore) -> Versioned:
    return store.create_derivative(name="Few", description={})


def save(store: DataStore, dataset: Versioned, folder: Path, *paths: str) -> str:
    outputs = []
    folder.mkdir(exist_ok=True)
    for path in paths:
        content = f"of {path}\n".encode()
        staged = folder / hashlib.sha256(path.encode()).hexdigest()
        staged.write_bytes(content)
        outputs.append((staged, path, hashlib.sha256(content).hexdigest()))
    return store.save_outputs(dataset.path, outputs, message="Run", run_record={"cmd": "true"})


def test_many_commits_are_what_git_would_have_made(
    store: DataStore, derivative: Versioned, tmp_path: Path, run
) -> None:
    names = ["sub-1/a.txt", "sub-1.x/a.txt", "sub-1-/a.txt", "sub-1", "é/ü.txt", "a b/c", "sub/deep/er/x.nii.gz"]
    for number, path in enumerate(names[:3] + names[4:]):
        save(store, derivative, tmp_path / "w", path, f"flat/{number}.txt")
    assert run(derivative.path, "git", "fsck", "--full", "--strict").strip() == ""
    assert run(derivative.path, "git", "status", "--porcelain") == ""
    assert run(derivative.path, "git-annex", "fsck", "--quiet") == ""
    assert run(derivative.path, "git", "rev-list", "--count", "HEAD").strip() == "7"
    assert "[here]" in run(derivative.path, "git-annex", "whereis", "sub-1.x/a.txt")
    before = run(derivative.path, "git", "rev-parse", "HEAD^{tree}")
    run(derivative.path, "git", "read-tree", "HEAD")
    assert run(derivative.path, "git", "write-tree") == before
    assert len(run(derivative.path, "git", "reflog").splitlines()) >= 6


def test_what_git_has_packed_is_built_upon(store: DataStore, derivative: Versioned, tmp_path: Path, run) -> None:
    save(store, derivative, tmp_path / "w", "sub-1/a.txt", "sub-2/a.txt")
    run(derivative.path, "git", "gc", "-q", "--prune=now")
    run(derivative.path, "git", "pack-refs", "--all")
    assert not list((derivative.path / ".git/refs/heads").iterdir())
    commit = save(store, derivative, tmp_path / "w", "sub-1/b.txt")
    assert run(derivative.path, "git", "ls-tree", "-r", "--name-only", "HEAD", "sub-1").split() == [
        "sub-1/a.txt",
        "sub-1/b.txt",
    ]
    assert run(derivative.path, "git", "rev-parse", "HEAD").strip() == commit
    assert run(derivative.path, "git", "fsck", "--full", "--strict").strip() == ""
    for path in ("sub-1/a.txt", "sub-1/b.txt", "sub-2/a.txt"):
        assert "[here]" in run(derivative.path, "git-annex", "whereis", path)


def test_a_lock_of_another_program_is_waited_out_by_nobody_and_removed_by_nobody(
    store: DataStore, derivative: Versioned, tmp_path: Path
) -> None:
    lock = derivative.path / ".git" / f"{MAIN}.lock"
    lock.write_text("")
    with pytest.raises(BackendUnavailableError, match="somebody else"):
        save(store, derivative, tmp_path / "w", "a.txt")
    assert lock.exists()
    lock.unlink()
    assert save(store, derivative, tmp_path / "w", "a.txt") != derivative.commit


def test_a_lock_that_we_left_when_we_were_killed_is_removed(
    store: DataStore, derivative: Versioned, tmp_path: Path
) -> None:
    ours = derivative.path / ".git/sillage/moving/0"
    ours.parent.mkdir(parents=True)
    ours.write_text("half")
    os.link(ours, derivative.path / ".git" / f"{MAIN}.lock")
    assert save(store, derivative, tmp_path / "w", "a.txt") != derivative.commit
    assert not list(ours.parent.iterdir())


def test_no_branch_is_moved_when_one_is_elsewhere(derivative: Versioned) -> None:
    repository = open_repository(derivative.path)
    assert repository is not None
    annex = branch_tip(repository, "refs/heads/git-annex")
    assert annex is not None
    moves = [
        Move("refs/heads/git-annex", annex, derivative.commit),
        Move(MAIN, "0" * 40, derivative.commit),
    ]
    with pytest.raises(BackendUnavailableError), moving_branches(repository, moves):
        raise AssertionError("the block must not be entered")
    assert branch_tip(repository, "refs/heads/git-annex") == annex
    assert branch_tip(repository, MAIN) == derivative.commit
    assert not list((derivative.path / ".git/refs/heads").glob("*.lock"))


def test_a_damaged_object_is_told_and_not_built_upon(derivative: Versioned) -> None:
    repository = open_repository(derivative.path)
    assert repository is not None
    objects = GitObjects(repository)
    tree = objects.tree_of(derivative.commit)
    place = derivative.path / ".git/objects" / tree[:2] / tree[2:]
    place.chmod(0o644)
    place.write_bytes(b"")
    with pytest.raises(BackendUnavailableError, match=re.escape(tree)):
        Snapshot(GitObjects(repository), derivative.commit).find("README.md")
    with pytest.raises(BackendUnavailableError, match="missing"):
        objects.read("1" * 40)
