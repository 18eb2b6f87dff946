import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from catalog.versions import working_tree
from catalog.versions.model import Versioned
from catalog.versions.run_record import read_run_record, run_message
from catalog.versions.store import DataStore
from ontology.errors import (
    ConflictError,
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    StorageFullError,
    ValidationFailedError,
)

RECORD = {"cmd": "echo hello > sub-01/greeting.txt", "inputs": [], "exit": 0}


@pytest.fixture
def derivative(store: DataStore) -> Versioned:
    return store.create_derivative(name="Quality", description={"GeneratedBy": [{"Name": "image-qc"}]})


def stage(folder: Path, path: str, content: bytes) -> tuple[Path, str, str]:
    folder.mkdir(exist_ok=True)
    staged = folder / path.replace("/", "_")
    staged.write_bytes(content)
    return staged, path, hashlib.sha256(content).hexdigest()


def test_a_derivative_describes_itself(store: DataStore, derivative: Versioned, run) -> None:
    description = json.loads(store.tree(derivative.path, derivative.commit).read("dataset_description.json"))
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"] == [{"Name": "image-qc"}]
    assert derivative.in_store
    assert run(derivative.path, "git", "status", "--porcelain") == ""


def test_outputs_are_annexed_under_the_given_digest(
    store: DataStore, derivative: Versioned, tmp_path: Path, run
) -> None:
    outputs = [stage(tmp_path / "w", "sub-01/anat/map.nii.gz", b"map"), stage(tmp_path / "w", "sub-01/qc.json", b"{}")]
    commit = store.save_outputs(derivative.path, outputs, message="Run image-qc", run_record=RECORD)
    files = {file.path: file for file in store.tree(derivative.path, commit).files()}
    for staged, path, sha256 in outputs:
        assert files[path].sha256 == sha256
        assert store.locate(derivative.path, commit, path).stat().st_mode & 0o222 == 0
        assert not staged.exists()
    assert store.locate(derivative.path, commit, "sub-01/qc.json").read_bytes() == b"{}"
    assert run(derivative.path, "git", "status", "--porcelain") == ""
    assert "[here]" in run(derivative.path, "git-annex", "whereis", "sub-01/qc.json")
    assert list(store.check(derivative.path, commit=commit)) == []


def test_git_annex_checks_get_and_copies_it(store: DataStore, derivative: Versioned, tmp_path: Path, run) -> None:
    store.save_outputs(derivative.path, [stage(tmp_path / "w", "a.bin", b"abc")], message="Run", run_record=None)
    assert "ok" in run(derivative.path, "git-annex", "fsck", "a.bin")
    run(tmp_path, "git", "clone", "-q", str(derivative.path), "clone")
    run(tmp_path / "clone", "git-annex", "get", "a.bin")
    assert (tmp_path / "clone" / "a.bin").read_bytes() == b"abc"


def test_datalad_can_run_it_again(store: DataStore, derivative: Versioned, tmp_path: Path, run) -> None:
    record = {"cmd": "mkdir -p sub-01 && printf hello > sub-01/greeting.txt"}
    outputs = [stage(tmp_path / "w", "sub-01/greeting.txt", b"hello")]
    commit = store.save_outputs(derivative.path, outputs, message="Greet", run_record=record)
    shown = run(derivative.path, "git", "log", "-1", "--format=%B", commit)
    stored = read_run_record(shown)
    assert stored is not None
    assert stored["dsid"] == derivative.datalad_id
    assert stored["outputs"] == ["sub-01/greeting.txt"]
    run(tmp_path, "datalad", "clone", str(derivative.path), "again")
    done = run(tmp_path / "again", "datalad", "rerun", commit)
    assert "run(ok)" in done
    assert (tmp_path / "again/sub-01/greeting.txt").read_bytes() == b"hello"


def test_repeating_a_call_changes_nothing(store: DataStore, derivative: Versioned, tmp_path: Path) -> None:
    outputs = [stage(tmp_path / "w", "a.txt", b"a"), stage(tmp_path / "w", "b.txt", b"b")]
    first = store.save_outputs(derivative.path, outputs, message="Run", run_record=None)
    other = store.save_outputs(
        derivative.path, [stage(tmp_path / "w", "c.txt", b"c")], message="Another", run_record=None
    )
    assert store.save_outputs(derivative.path, outputs, message="Run", run_record=None) == first
    assert store.save_outputs(
        derivative.path, [stage(tmp_path / "w", "a.txt", b"a")], message="Run", run_record=None
    ) == store.save_outputs(derivative.path, outputs[:1], message="Run", run_record=None)
    assert other != first


def test_other_content_is_the_next_version_of_the_same_path(
    store: DataStore, derivative: Versioned, tmp_path: Path
) -> None:
    first = store.save_outputs(derivative.path, [stage(tmp_path / "w", "a", b"1")], message="1", run_record=None)
    second = store.save_outputs(derivative.path, [stage(tmp_path / "w", "a", b"2")], message="2", run_record=None)
    assert store.tree(derivative.path, first).read("a") == b"1"
    assert store.tree(derivative.path, second).read("a") == b"2"
    assert (derivative.path / "a").read_bytes() == b"2"


def test_wrong_outputs_are_refused_before_anything_is_committed(
    store: DataStore, derivative: Versioned, tmp_path: Path
) -> None:
    staged, path, sha256 = stage(tmp_path / "w", "x.txt", b"x")
    for bad in ("../x", "/x", "", "a//b", ".git/config", "a/.GIT/hooks/x", ".datalad/config", "a/./b", "new\nline"):
        with pytest.raises(InvalidRequestError):
            store.save_outputs(derivative.path, [(staged, bad, sha256)], message="x", run_record=None)
    with pytest.raises(InvalidRequestError, match="SHA-256"):
        store.save_outputs(derivative.path, [(staged, path, "abc")], message="x", run_record=None)
    with pytest.raises(InvalidRequestError, match="folder of"):
        store.save_outputs(
            derivative.path, [(staged, "a", sha256), (staged, "a/b", sha256)], message="x", run_record=None
        )
    with pytest.raises(IntegrityError):
        store.save_outputs(derivative.path, [(staged, path, "0" * 64)], message="x", run_record=None)
    with pytest.raises(NotFoundError):
        store.save_outputs(derivative.path, [(tmp_path / "gone", path, sha256)], message="x", run_record=None)
    with pytest.raises(ConflictError):
        store.save_outputs(
            derivative.path, [(staged, "dataset_description.json/x", sha256)], message="x", run_record=None
        )
    with pytest.raises(ValidationFailedError):
        store.save_outputs(derivative.path, [(staged, path, sha256)], message="x", run_record={"inputs": []})
    with pytest.raises(InvalidRequestError):
        store.save_outputs(tmp_path, [(staged, path, sha256)], message="x", run_record=None)
    assert staged.read_bytes() == b"x"
    saved = store.save_outputs(derivative.path, [(staged, "d/x", sha256)], message="x", run_record=None)
    again = stage(tmp_path / "w", "x.txt", b"x")[0]
    with pytest.raises(ConflictError, match="folder"):
        store.save_outputs(derivative.path, [(again, "d", sha256)], message="x", run_record=None)
    assert store.tree(derivative.path, saved).read("d/x") == b"x"


def test_links_are_not_taken_as_outputs(store: DataStore, derivative: Versioned, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(NotFoundError):
        store.save_outputs(
            derivative.path,
            [(tmp_path / "link", "x", hashlib.sha256(b"secret").hexdigest())],
            message="x",
            run_record=None,
        )


def test_writers_at_the_same_time_all_succeed(store: DataStore, derivative: Versioned, tmp_path: Path, run) -> None:
    failures: list[Exception] = []

    def write(number: int) -> None:
        try:
            outputs = [stage(tmp_path / f"w{number}", f"sub-{number:02d}/x.txt", bytes([number]))]
            DataStore(store.root).save_outputs(derivative.path, outputs, message=f"Run {number}", run_record=None)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    head = store.take_in(derivative.path).commit
    paths = {file.path for file in store.tree(derivative.path, head).files()}
    assert {f"sub-{number:02d}/x.txt" for number in range(8)} <= paths
    assert run(derivative.path, "git", "status", "--porcelain") == ""


def test_a_full_disk_saves_nothing_and_can_be_repeated(
    store: DataStore, derivative: Versioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = stage(tmp_path / "w", "x.txt", b"x")

    def full(*_: object, **__: object) -> str:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("catalog.versions.branches._move", full)
    with pytest.raises(StorageFullError):
        store.save_outputs(derivative.path, [output], message="x", run_record=None)
    assert store.take_in(derivative.path).commit == derivative.commit
    monkeypatch.undo()
    commit = store.save_outputs(derivative.path, [output], message="x", run_record=None)
    assert store.tree(derivative.path, commit).read("x.txt") == b"x"


KILLED = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
import catalog.versions.next_commit
import catalog.versions.{module} as module
from catalog.versions.store import DataStore
original = getattr(module, "{name}")
if {packed}:
    catalog.versions.next_commit.MOST_LOOSE = 0
def replacement(*args, **kwargs):
    if {after}: original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(module, "{name}", replacement)
root, dataset, *rest = sys.argv[1:]
outputs = [(Path(rest[i]), rest[i + 1], rest[i + 2]) for i in range(0, len(rest), 3)]
DataStore(Path(root)).save_outputs(Path(dataset), outputs, message="Run", run_record={{"cmd": "true"}})
"""
POINTS = [
    ("outputs", "_take_in", False),
    ("objects", "_digest", True),
    ("outputs", "_take_in", True),
    ("outputs", "_changes", True),
    ("working_tree", "_write_whole", True),
    ("next_commit", "synchronise_each", False),
    ("next_commit", "synchronise_each", True),
    ("branches", "_lock", True),
    ("branches", "_move", False),
    ("branches", "synchronise", True),
    ("branches", "_move", True),
    ("branches", "_note", True),
    ("working_tree", "_written_afresh", True),
    ("working_tree", "_follow", True),
    ("working_tree", "add_to_index", True),
    ("outputs", "_commit", True),
]


PACKED_POINTS = [
    ("next_commit", "synchronise_each", False),
    ("pack_writing", "synchronise", False),
    ("pack_writing", "synchronise", True),
    ("branches", "_move", False),
    ("branches", "_move", True),
    ("working_tree", "_follow", True),
]


@pytest.mark.parametrize(
    ("module", "name", "after", "packed"),
    [(*point, False) for point in POINTS] + [(*point, True) for point in PACKED_POINTS],
    ids=lambda value: str(value),
)
def test_a_call_killed_anywhere_is_completed_by_the_next(
    module: str, name: str, after: bool, packed: bool, store: DataStore, derivative: Versioned, tmp_path: Path, run
) -> None:
    outputs = [stage(tmp_path / "w", f"sub-0{number}/x.txt", bytes([number])) for number in range(3)]
    code = KILLED.format(module=module, name=name, after=after, packed=packed)
    arguments = [str(part) for output in outputs for part in output]
    command = [sys.executable, "-c", code, str(store.root), str(derivative.path), *arguments]
    assert subprocess.run(command, check=False, timeout=240).returncode == -signal.SIGKILL
    store.recover()
    assert not list((derivative.path / ".git/sillage/incoming").glob("*"))
    commit = store.save_outputs(derivative.path, outputs, message="Run", run_record={"cmd": "true"})
    assert run(derivative.path, "git", "status", "--porcelain") == ""
    assert run(derivative.path, "git", "rev-list", "--count", "HEAD").strip() == "2"
    assert list(store.check(derivative.path, commit=commit)) == []
    for number, (_, path, _) in enumerate(outputs):
        assert (derivative.path / path).read_bytes() == bytes([number])
        assert "[here]" in run(derivative.path, "git-annex", "whereis", path)


def test_what_a_person_has_put_in_the_way_is_not_overwritten(
    store: DataStore, derivative: Versioned, tmp_path: Path
) -> None:
    (derivative.path / "mine.txt").write_text("by hand")
    commit = store.save_outputs(
        derivative.path, [stage(tmp_path / "w", "mine.txt", b"theirs")], message="x", run_record=None
    )
    assert (derivative.path / "mine.txt").read_text() == "by hand"
    assert store.tree(derivative.path, commit).read("mine.txt") == b"theirs"


def test_run_messages_are_read_back_and_bad_records_refused() -> None:
    text = run_message("Run\nthis", {"cmd": "true", "inputs": ["é"]}, datalad_id="x", outputs=["a"])
    assert text.startswith("[DATALAD RUNCMD] Run this\n\n=== Do not change lines below ===\n")
    record = read_run_record(text)
    assert record is not None
    assert record["inputs"] == ["é"]
    assert record["pwd"] == "."
    assert read_run_record("no record") is None
    assert read_run_record("\n=== Do not change lines below ===\nx\n^^^ Do not change lines above ^^^") is None
    with pytest.raises(ValidationFailedError):
        run_message("x", {"cmd": object()}, datalad_id=None, outputs=[])


@pytest.mark.parametrize("left", [True, False])
def test_an_index_lock_of_a_killed_git_is_removed_and_that_of_a_living_one_waited_for(
    store: DataStore, derivative: Versioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    lock = derivative.path / ".git" / "index.lock"
    lock.touch()
    os.utime(lock, (0, 0) if left else (1000, 1000))
    (derivative.path / ".git" / "sillage" / working_tree._PENDING).write_text("{}")
    waited: list[float] = []

    def finished(seconds: float) -> None:
        waited.append(seconds)
        lock.unlink()

    monkeypatch.setattr(working_tree, "time", SimpleNamespace(time=lambda: 1000.5, sleep=finished))
    commit = store.save_outputs(derivative.path, [stage(tmp_path / "w", "x.txt", b"x")], message="x", run_record=None)
    assert store.tree(derivative.path, commit).read("x.txt") == b"x"
    assert bool(waited) is not left
    assert not lock.exists()
