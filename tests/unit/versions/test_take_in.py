import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from catalog.versions import objects as objects_module
from catalog.versions import store as store_module
from catalog.versions.store import DataStore
from ontology.errors import InvalidRequestError, NotFoundError, StorageFullError


def fingerprint(root: Path) -> dict[str, tuple[int, int, str]]:
    found = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        text = os.readlink(path) if path.is_symlink() else ""
        if path.is_file() and not path.is_symlink():
            text = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(root))] = (stat.S_IFMT(info.st_mode) | info.st_mode, info.st_mtime_ns, text)
    return found


def test_a_folder_becomes_a_datalad_dataset_and_is_left_as_it_was(store: DataStore, bids: Path, run) -> None:
    (bids / "sub-01/anat/sub-01_T1w.json").chmod(0o600)
    before = fingerprint(bids)
    taken = store.take_in(bids)
    assert fingerprint(bids) == before
    assert taken.in_store
    assert taken.problems == ()
    assert taken.path == store.root / str(taken.datalad_id)
    assert store.kind(taken.path) == "datalad"
    assert store.kind(bids) == "folder"
    files = {file.path: file for file in store.tree(taken.path, taken.commit).files()}
    assert set(files) == {str(p.relative_to(bids)) for p in bids.rglob("*") if p.is_file()}
    image = files["sub-01/anat/sub-01_T1w.nii.gz"]
    assert image.sha256 == hashlib.sha256((bids / image.path).read_bytes()).hexdigest()
    assert image.size == 6000
    assert image.present
    assert run(taken.path, "git", "status", "--porcelain") == ""


def test_git_annex_and_datalad_accept_what_was_made(store: DataStore, bids: Path, run) -> None:
    taken = store.take_in(bids)
    assert "ok" in run(taken.path, "git-annex", "fsck", "sub-01/anat/sub-01_T1w.nii.gz")
    assert "[here]" in run(taken.path, "git-annex", "whereis", "participants.tsv")
    status = run(taken.path, "datalad", "-f", "json", "status", "--annex", "basic")
    assert all(json.loads(line)["state"] == "clean" for line in status.splitlines() if line.startswith("{"))
    run(taken.path.parent, "datalad", "clone", str(taken.path), "elsewhere")
    clone = taken.path.parent / "elsewhere"
    run(clone, "datalad", "get", "participants.tsv")
    assert (clone / "participants.tsv").read_bytes() == (bids / "participants.tsv").read_bytes()


def test_what_a_person_adds_with_datalad_follows_the_same_rule(store: DataStore, bids: Path, run) -> None:
    taken = store.take_in(bids)
    (taken.path / "phenotype").mkdir()
    (taken.path / "phenotype" / "measure.tsv").write_text("participant_id\tx\n")
    (taken.path / "task-rest_bold.json").write_text("{}")
    run(taken.path, "datalad", "save", "-m", "by hand")
    assert (taken.path / "phenotype/measure.tsv").is_symlink()
    assert not (taken.path / "task-rest_bold.json").is_symlink()


def test_participant_level_content_is_annexed_and_can_be_purged(store: DataStore, bids: Path) -> None:
    taken = store.take_in(bids)
    in_git = {p for p, e in store.tree(taken.path, taken.commit).entries.items() if e.key is None}
    assert in_git == {
        ".datalad/.gitattributes",
        ".datalad/config",
        ".gitattributes",
        "README",
        "dataset_description.json",
        "participants.json",
    }


def test_links_loops_and_special_files(store: DataStore, bids: Path) -> None:
    anat = bids / "sub-01" / "anat"
    (anat / "outside").symlink_to("/etc/passwd")
    (anat / "above").symlink_to("../../../elsewhere")
    (bids / "sub-01" / "loop").symlink_to("..")
    (bids / "itself").symlink_to("itself")
    (anat / "same_T1w.nii.gz").symlink_to("sub-01_T1w.nii.gz")
    (anat / "absolute").symlink_to(anat / "sub-01_T1w.json")
    os.mkfifo(bids / "pipe")
    (bids / "nested").mkdir()
    (bids / "nested" / ".git").mkdir()
    taken = store.take_in(bids)
    reported = {problem.where for problem in taken.problems}
    assert {"sub-01/anat/outside", "sub-01/anat/above", "pipe", "nested/.git"} <= reported
    tree = store.tree(taken.path, taken.commit)
    files = {file.path: file for file in tree.files()}
    assert "sub-01/anat/outside" not in files
    assert files["sub-01/anat/same_T1w.nii.gz"].link
    assert files["sub-01/anat/same_T1w.nii.gz"].sha256 == files["sub-01/anat/sub-01_T1w.nii.gz"].sha256
    assert tree.read("sub-01/anat/same_T1w.nii.gz") == (anat / "sub-01_T1w.nii.gz").read_bytes()
    assert tree.read("sub-01/anat/absolute") == (anat / "sub-01_T1w.json").read_bytes()
    assert not files["itself"].present
    assert not files["sub-01/loop"].present
    with pytest.raises(InvalidRequestError):
        tree.read("itself")


def test_strange_names_survive(store: DataStore, bids: Path) -> None:
    for name in ['quote".json', "line\nbreak.txt", "back\\slash.txt", "émile.tsv", " lead", "git~1"]:
        (bids / "sub-01" / name).write_text(name)
    (bids / os.fsdecode(b"latin\xe9.txt")).write_text("x")
    taken = store.take_in(bids)
    tree = store.tree(taken.path, taken.commit)
    for name in ['quote".json', "line\nbreak.txt", "back\\slash.txt", "émile.tsv", " lead", "git~1"]:
        assert tree.read(f"sub-01/{name}").decode() == name
    assert [problem.detail for problem in taken.problems] == ["its name is not UTF-8: not taken in"]


def test_zero_byte_and_equal_files_share_an_object(store: DataStore, bids: Path) -> None:
    for number in range(3):
        (bids / f"sub-0{number}_empty.nii.gz").write_bytes(b"")
    taken = store.take_in(bids)
    assert list(store.check(taken.path, commit=taken.commit)) == []
    tree = store.tree(taken.path, taken.commit)
    assert {tree.read(f"sub-0{number}_empty.nii.gz") for number in range(3)} == {b""}


def test_what_is_no_dataset_is_refused(store: DataStore, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        store.take_in(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidRequestError, match="no file"):
        store.take_in(tmp_path / "empty")
    with pytest.raises(InvalidRequestError, match="not a folder"):
        store.take_in(Path("/dev/null"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidRequestError, match="overlaps"):
        store.take_in(tmp_path)


def test_hard_links_are_made_only_when_asked_for(store: DataStore, bids: Path) -> None:
    image = bids / "sub-01/anat/sub-01_T1w.nii.gz"
    store.take_in(bids)
    assert image.stat().st_nlink == 1
    taken = store.take_in(bids, link=True)
    place = store.locate(taken.path, taken.commit, "sub-01/anat/sub-01_T1w.nii.gz")
    assert place.stat().st_ino == image.stat().st_ino


def test_in_place_makes_the_folder_itself_a_dataset(store: DataStore, bids: Path, run) -> None:
    content = (bids / "sub-01/anat/sub-01_T1w.nii.gz").read_bytes()
    taken = store.take_in(bids, in_place=True)
    assert taken.path == bids
    assert not taken.in_store
    assert store.kind(bids) == "datalad"
    assert run(bids, "git", "status", "--porcelain") == ""
    tree = store.tree(bids, taken.commit)
    assert tree.read("sub-01/anat/sub-01_T1w.nii.gz") == content
    assert tree.entries["participants.tsv"].key is not None
    assert tree.entries["participants.json"].key is None
    assert store.take_in(bids).commit == taken.commit


def test_a_new_version_holds_what_has_changed(store: DataStore, bids: Path, run) -> None:
    first = store.take_in(bids)
    same = store.update(first.path, bids)
    assert same.commit == first.commit
    (bids / "participants.tsv").write_text("participant_id\tage\nsub-01\t99\n")
    (bids / "README").write_text("Changed.\n")
    (bids / "sub-03").mkdir()
    (bids / "sub-03" / "sub-03_T1w.nii.gz").write_bytes(b"new")
    (bids / "sub-02/anat/sub-02_T1w.json").unlink()
    second = store.update(first.path, bids)
    assert second.commit != first.commit
    assert second.datalad_id == first.datalad_id
    old, new = store.tree(first.path, first.commit), store.tree(first.path, second.commit)
    assert b"sub-02" in old.read("participants.tsv")
    assert new.read("participants.tsv").endswith(b"99\n")
    gone = {f.path for f in old.files()} - {f.path for f in new.files()}
    assert gone == {"sub-02/anat/sub-02_T1w.json"}
    assert run(first.path, "git", "status", "--porcelain") == ""
    assert (first.path / "README").read_text() == "Changed.\n"
    assert list(store.check(first.path, commit=second.commit)) == []
    assert list(store.check(first.path, commit=first.commit)) == []


def test_a_file_may_become_a_folder_and_the_reverse(store: DataStore, bids: Path, run) -> None:
    (bids / "sub-09").write_text("a file")
    first = store.take_in(bids)
    (bids / "sub-09").unlink()
    (bids / "sub-09").mkdir()
    (bids / "sub-09" / "x.tsv").write_text("x")
    second = store.update(first.path, bids)
    assert store.tree(first.path, second.commit).read("sub-09/x.tsv") == b"x"
    (bids / "sub-09" / "x.tsv").unlink()
    (bids / "sub-09").rmdir()
    (bids / "sub-09").write_text("a file again")
    third = store.update(first.path, bids)
    assert store.tree(first.path, third.commit).read("sub-09") == b"a file again"
    assert run(first.path, "git", "status", "--porcelain") == ""


def test_a_change_that_keeps_size_and_time_is_still_seen(store: DataStore, bids: Path) -> None:
    table = bids / "participants.tsv"
    first = store.take_in(bids)
    info = table.stat()
    table.write_bytes(table.read_bytes().replace(b"30", b"31"))
    os.utime(table, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert store.update(first.path, bids).commit != first.commit


def test_a_full_disk_leaves_nothing_behind(store: DataStore, bids: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = store.take_in(bids)
    before = sorted(store.root.iterdir())

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(objects_module, "_write_all", full)
    with pytest.raises(StorageFullError):
        store.take_in(bids)
    assert sorted(store.root.iterdir()) == before
    (bids / "participants.tsv").write_text("other")
    with pytest.raises(StorageFullError):
        store.update(taken.path, bids)
    monkeypatch.undo()
    assert list(store.check(taken.path, commit=taken.commit)) == []
    assert store.update(taken.path, bids).commit != taken.commit


def test_a_killed_registration_is_cleaned_away(store: DataStore, bids: Path) -> None:
    kept = store.take_in(bids)
    code = (
        "import sys, time; from pathlib import Path; from catalog.versions.store import DataStore;"
        "DataStore(Path(sys.argv[1])).take_in(Path(sys.argv[2]),"
        " progress=lambda done, total: (print('going', flush=True), time.sleep(600)))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(store.root), str(bids)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"going\n"
    assert store.recover() == []
    process.kill()
    process.wait()
    process.stdout.close()
    assert [path.name[:10] for path in store.recover()] == [".incoming-"]
    assert sorted(p.name for p in store.root.iterdir()) == [kept.path.name]


def test_a_dataset_that_nothing_refers_to_can_be_discarded(store: DataStore, bids: Path) -> None:
    first, second = store.take_in(bids), store.take_in(bids)
    assert store.tree(first.path, first.commit).tree_hash == first.tree_hash
    assert store.datasets() == sorted([first.path, second.path])
    store.discard(first.path)
    store.discard(first.path)
    assert store.datasets() == [second.path]
    assert [path.name for path in store.root.iterdir()] == [second.path.name]
    for path in (bids, store.root, store.root / ".blobs"):
        with pytest.raises(InvalidRequestError):
            store.discard(path)
    assert bids.is_dir()


def test_many_small_files_are_listed_and_read_by_few_processes(
    store: DataStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "many"
    for number in range(300):
        anat = folder / f"sub-{number:03d}" / "anat"
        anat.mkdir(parents=True)
        (anat / "x_T1w.json").write_text(json.dumps({"EchoTime": number}))
    taken = store.take_in(folder)
    started, start = list[object](), subprocess.Popen.__init__

    def noted(self: Any, *args: Any, **options: Any) -> None:
        started.append(args)
        start(self, *args, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    tree = store.tree(taken.path, taken.commit)
    contents = tree.read_many(file.path for file in tree.files())
    assert len(contents) == 300
    assert 0 < len(started) < 10


def test_what_another_process_takes_for_abandoned_is_begun_anew(
    store: DataStore, bids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, others = store_module.try_lock, iter([DataStore(store.root).recover])

    def lock(descriptor: int) -> bool:
        for recover in others:
            assert len(recover()) == 1
        return real(descriptor)

    monkeypatch.setattr(store_module, "try_lock", lock)
    taken = store.take_in(bids)
    assert [path.name for path in store.root.iterdir()] == [taken.path.name]


def test_what_was_put_in_its_place_meanwhile_is_no_longer_abandoned(
    store: DataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.root.mkdir(parents=True, exist_ok=True)
    gone = store.root / ".incoming-of-somebody"
    monkeypatch.setattr(Path, "iterdir", lambda self: iter([gone]))
    assert store.recover() == []
