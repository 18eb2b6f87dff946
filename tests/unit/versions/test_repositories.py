import os
from pathlib import Path

import pytest

from catalog.versions.git_tree import GitTree
from catalog.versions.store import DataStore
from ontology.errors import InvalidRequestError, NotFoundError


def state(root: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_size) for p in root.rglob("*")}


def test_a_clone_without_content_can_be_registered(store: DataStore, openneuro: Path) -> None:
    before = state(openneuro)
    taken = store.take_in(openneuro)
    assert state(openneuro) == before
    assert store.kind(openneuro) == "datalad"
    assert (taken.path, taken.in_store) == (openneuro, False)
    assert taken.datalad_id == "7cce28be-8703-11e8-bf98-0242ac120023"
    assert taken.problems == ()
    tree = store.tree(openneuro, taken.commit)
    files = {file.path: file for file in tree.files()}
    image = files["sub-01/anat/sub-01_T1w.nii.gz"]
    assert (image.size, image.sha256, image.present, image.link) == (5663237, None, False, False)
    assert b"M," in tree.read("participants.tsv")
    assert store.locate(openneuro, taken.commit, "participants.tsv").read_bytes() == tree.read("participants.tsv")
    with pytest.raises(NotFoundError, match="not here") as caught:
        store.locate(openneuro, taken.commit, image.path)
    assert "datalad get" in str(caught.value.next_step())
    with pytest.raises(NotFoundError):
        tree.read(image.path)
    assert image.path not in tree.read_many(files)
    assert list(store.check(openneuro, commit=taken.commit)) == []
    assert not (openneuro / ".git" / "annex").exists()


def test_each_release_tag_is_a_version(store: DataStore, openneuro: Path, run) -> None:
    releases = store.releases(openneuro)
    assert [release.name for release in releases] == [
        "57fecb0ccce88d000ac17538",
        "57fecb41cce88d000dc1753b",
        "5817d0dacce88d0009594205",
        "00006",
        "1.0.0",
    ]
    assert releases[-1].commit == store.take_in(openneuro).commit
    assert releases[-1].date == "2020-05-14T14:56:55Z"
    for release in releases:
        assert "dataset_description.json" in {f.path for f in store.tree(openneuro, release.commit).files()}
    run(openneuro, "git", "tag", "-m", "annotated", "1.0.1", "1.0.0")
    run(openneuro, "git", "tag", "not-a-commit", "1.0.0^{tree}")
    assert [release.name for release in store.releases(openneuro)][-2:] == ["1.0.0", "1.0.1"]


def test_kinds_are_told_apart(store: DataStore, tmp_path: Path, run) -> None:
    for name in ("plain", "git", "annex", "empty"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README").write_text("x")
    for name in ("git", "annex", "empty"):
        run(tmp_path / name, "git", "init", "-q")
    for name in ("git", "annex"):
        run(tmp_path / name, "git", "add", "README")
        run(tmp_path / name, "git", "commit", "-q", "-m", "x")
    run(tmp_path / "annex", "git-annex", "init", "-q")
    assert [store.kind(tmp_path / name) for name in ("plain", "git", "annex", "empty")] == [
        "folder",
        "git",
        "annex",
        "git",
    ]
    with pytest.raises(InvalidRequestError, match="without a commit"):
        store.take_in(tmp_path / "empty")
    (tmp_path / "git" / "inner").mkdir()
    assert store.kind(tmp_path / "git" / "inner") == "folder"


def test_what_is_not_committed_is_reported_and_left_out(store: DataStore, openneuro: Path) -> None:
    (openneuro / "new.txt").write_text("x")
    (openneuro / "README").write_text("changed")
    os.utime(openneuro / "CHANGES")
    (openneuro / "sub-01/anat/sub-01_T1w.nii.gz").unlink()
    taken = store.take_in(openneuro)
    assert {problem.where for problem in taken.problems} == {"new.txt", "README", "sub-01/anat/sub-01_T1w.nii.gz"}
    assert store.tree(openneuro, taken.commit).read("README") != b"changed"


def test_unlocked_files_are_known_by_their_pointers(store: DataStore, tmp_path: Path, run) -> None:
    folder = tmp_path / "unlocked"
    folder.mkdir()
    (folder / "image.nii.gz").write_bytes(b"voxels" * 100)
    (folder / "note.txt").write_text("/annex/objects is only mentioned here")
    run(folder, "git", "init", "-q")
    run(folder, "git-annex", "init", "-q")
    run(folder, "git-annex", "add", "-q", "image.nii.gz")
    run(folder, "git-annex", "unlock", "-q", "image.nii.gz")
    run(folder, "git", "-c", "annex.largefiles=nothing", "add", "note.txt")
    run(folder, "git", "commit", "-q", "-m", "x")
    taken = store.take_in(folder)
    tree = store.tree(folder, taken.commit)
    files = {file.path: file for file in tree.files()}
    assert tree.entries["image.nii.gz"].mode == "100644"
    assert files["image.nii.gz"].size == 600
    assert files["image.nii.gz"].present
    assert tree.read("image.nii.gz") == b"voxels" * 100
    assert tree.read("note.txt").startswith(b"/annex")
    assert taken.problems == ()
    run(folder, "git-annex", "drop", "--force", "-q", "image.nii.gz")
    assert not {f.path: f for f in store.tree(folder, taken.commit).files()}["image.nii.gz"].present


def test_content_is_fetched_where_it_can_be_had(store: DataStore, bids: Path, tmp_path: Path, run) -> None:
    taken = store.take_in(bids)
    run(tmp_path, "git", "clone", "-q", str(taken.path), "clone")
    clone = tmp_path / "clone"
    report = store.fetch(clone, ["participants.tsv", "README"], timeout_s=240)
    assert report.complete
    assert list(report.here) == ["participants.tsv", "README"]
    assert (
        store.locate(clone, taken.commit, "participants.tsv").read_bytes() == (bids / "participants.tsv").read_bytes()
    )
    run(clone, "git", "remote", "set-url", "origin", str(tmp_path / "gone"))
    report = store.fetch(clone, ["sub-01/anat/sub-01_T1w.nii.gz"], timeout_s=240)
    assert [problem.where for problem in report.failed] == ["sub-01/anat/sub-01_T1w.nii.gz"]
    with pytest.raises(NotFoundError):
        store.fetch(clone, ["no-such-file"], timeout_s=240)


def test_a_fetch_that_hangs_ends_at_its_time_limit(store: DataStore, bids: Path, tmp_path: Path, run) -> None:
    taken = store.take_in(bids)
    run(tmp_path, "git", "clone", "-q", str(taken.path), "clone")
    report = store.fetch(tmp_path / "clone", ["participants.tsv"], timeout_s=0.01)
    assert "did not end within" in report.failed[0].detail


def test_damage_is_found(store: DataStore, bids: Path) -> None:
    taken = store.take_in(bids)
    place = store.locate(taken.path, taken.commit, "sub-01/anat/sub-01_T1w.nii.gz")
    place.chmod(0o644)
    content = place.read_bytes()
    place.write_bytes(b"X" + content[1:])
    assert ["SHA-256" in problem.detail for problem in store.check(taken.path, commit=taken.commit)] == [True]
    place.write_bytes(content[1:])
    assert "bytes instead of" in next(iter(store.check(taken.path, commit=taken.commit))).detail
    place.parent.chmod(0o755)
    place.unlink()
    assert "missing" in next(iter(store.check(taken.path, commit=taken.commit))).detail
    assert list(store.check(taken.path, commit="0" * 40))
    assert list(store.check(store.root / "absent", commit=taken.commit))


def test_a_damaged_git_object_is_found(store: DataStore, bids: Path, run) -> None:
    taken = store.take_in(bids)
    oid = run(taken.path, "git", "rev-parse", f"{taken.commit}:README").strip()
    loose = taken.path / ".git" / "objects" / oid[:2] / oid[2:]
    if not loose.exists():
        run(taken.path, "git", "unpack-objects")
    loose.chmod(0o644)
    loose.write_bytes(b"rubbish")
    assert list(store.check(taken.path, commit=taken.commit))


def test_a_tree_answers_for_what_is_not_there(store: DataStore, bids: Path) -> None:
    taken = store.take_in(bids)
    tree = store.tree(taken.path, taken.commit)
    with pytest.raises(NotFoundError):
        tree.read("absent")
    with pytest.raises(InvalidRequestError, match="larger"):
        tree.read("sub-01/anat/sub-01_T1w.nii.gz", limit=10)
    with pytest.raises(InvalidRequestError, match="larger"):
        tree.read("README", limit=1)
    with pytest.raises(InvalidRequestError, match="commit"):
        GitTree(taken.path, "HEAD")
    with pytest.raises(NotFoundError):
        GitTree(taken.path, "0" * 40).files()
    with pytest.raises(NotFoundError):
        store.tree(store.root / "absent", taken.commit)


def test_a_bare_repository_and_a_worktree_are_read(store: DataStore, bids: Path, tmp_path: Path, run) -> None:
    taken = store.take_in(bids)
    run(tmp_path, "git", "clone", "-q", "--bare", str(taken.path), "bare.git")
    bare = store.take_in(tmp_path / "bare.git")
    assert bare.commit == taken.commit
    run(taken.path, "git", "worktree", "add", "-q", str(tmp_path / "wt"))
    tree = store.tree(tmp_path / "wt", store.take_in(tmp_path / "wt").commit)
    assert tree.read("participants.tsv") == (bids / "participants.tsv").read_bytes()


def test_subdatasets_are_named_and_left_out(store: DataStore, bids: Path, tmp_path: Path, run) -> None:
    outer = tmp_path / "outer"
    run(tmp_path, "datalad", "create", str(outer))
    run(outer, "datalad", "create", "-d", ".", "inner")
    taken = store.take_in(outer)
    assert [(p.where, "subdataset" in p.detail) for p in taken.problems] == [("inner", True)]
    assert all(not f.path.startswith("inner") for f in store.tree(outer, taken.commit).files())
