"""Many small outputs of one task: saved without reading them again, and accepted by git, git-annex and DataLad."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from catalog.versions import objects as objects_module
from catalog.versions.model import Subdataset, Versioned
from catalog.versions.objects import fingerprint
from catalog.versions.outputs import Output
from catalog.versions.store import DataStore
from catalog.versions.surroundings import Surroundings
from ontology.errors import IntegrityError, InvalidRequestError, StorageFullError


@pytest.fixture
def derivative(store: DataStore) -> Versioned:
    return store.create_derivative(name="Many", description={})


def staged(folder: Path, path: str, content: bytes, *, mode: int = 0o644) -> Output:
    """Write a file and hash it as the executor does."""
    place = folder / hashlib.sha256(path.encode()).hexdigest()
    folder.mkdir(exist_ok=True)
    place.write_bytes(content)
    place.chmod(mode)
    return Output(place, path, hashlib.sha256(content).hexdigest(), fingerprint(place.stat()))


def test_a_thousand_files_are_what_git_annex_would_have_made(
    store: DataStore, derivative: Versioned, tmp_path: Path, run
) -> None:
    outputs = [staged(tmp_path / "w", f"sub-{n % 7}/f{n}.tsv", b"row %d\n" % (n // 2)) for n in range(1000)]
    outputs.append(staged(tmp_path / "w", "sub-0/empty.txt", b""))
    outputs.append(staged(tmp_path / "w", "sub-0/run.sh", b"#!/bin/sh\n", mode=0o755))
    odd = ["a b/c [1].nii.gz", "é/ü*?.json", "-dash", "quote'\"x.txt", "deep/" * 20 + "x", "x tree"]
    outputs += [staged(tmp_path / "w", path, path.encode()) for path in odd]
    store.save_outputs(derivative.path, outputs, message="Save", run_record={"cmd": "true"})
    folder = derivative.path
    assert run(folder, "git", "status", "--porcelain") == ""
    assert run(folder, "git-annex", "fsck", "--quiet") == ""
    assert run(folder, "datalad", "status").strip().startswith("nothing to save")
    assert len(run(folder, "git-annex", "find", "--format", "${file}\\n").splitlines()) == len(outputs)
    assert "[here]" in run(folder, "git-annex", "whereis", "sub-0/empty.txt")
    assert os.access(folder / "sub-0/run.sh", os.X_OK)
    run(tmp_path, "git", "clone", "-q", str(folder), "clone")
    run(tmp_path / "clone", "git-annex", "get", "--quiet", "sub-0", "a b")
    assert (tmp_path / "clone/a b/c [1].nii.gz").read_text() == "a b/c [1].nii.gz"


def test_a_file_that_is_as_it_was_hashed_is_not_read_again(
    store: DataStore, derivative: Versioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = objects_module._digest
    monkeypatch.setattr(objects_module, "_digest", lambda path: read.append(path) or original(path))
    same = staged(tmp_path / "w", "same.txt", b"same")
    touched = staged(tmp_path / "w", "touched.txt", b"touched")
    os.utime(touched.staged, ns=(1, 1))
    store.save_outputs(derivative.path, [same, touched], message="Save", run_record=None)
    assert read == [str(touched.staged)]
    changed = staged(tmp_path / "w", "changed.txt", b"before")
    os.utime(changed.staged, ns=(1, 1))  # many file systems would not tell two writes of one moment apart
    changed = changed._replace(seen=fingerprint(changed.staged.stat()))
    changed.staged.write_bytes(b"after!")
    with pytest.raises(IntegrityError):
        store.save_outputs(derivative.path, [changed], message="Save", run_record=None)


def test_an_object_that_a_power_cut_left_empty_is_made_good(
    store: DataStore, derivative: Versioned, tmp_path: Path
) -> None:
    output = staged(tmp_path / "w", "a.bin", b"content")
    commit = store.save_outputs(derivative.path, [output], message="Save", run_record=None)
    place = store.locate(derivative.path, commit, "a.bin")
    place.chmod(0o644)
    place.write_bytes(b"")
    again = staged(tmp_path / "w", "b.bin", b"content")
    commit = store.save_outputs(derivative.path, [again], message="Save", run_record=None)
    assert store.locate(derivative.path, commit, "b.bin").read_bytes() == b"content"
    assert list(store.check(derivative.path, commit=commit)) == []


@pytest.mark.parametrize("name", ["link", "mkdir", "symlink", "chmod"])
def test_a_disk_that_fills_up_in_the_middle_leaves_nothing_half_done(
    store: DataStore, derivative: Versioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, run
) -> None:
    outputs = [staged(tmp_path / "w", f"d{n}/f.txt", b"%d" % n) for n in range(10)]
    original, calls = getattr(os, name), []

    def full(*args: object, **options: object) -> object:
        calls.append(args)
        if len(calls) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*args, **options)

    monkeypatch.setattr(os, name, full)
    with pytest.raises(StorageFullError):
        store.save_outputs(derivative.path, outputs, message="Save", run_record={"cmd": "true"})
    monkeypatch.undo()
    assert all(output.staged.exists() for output in outputs)
    store.recover()
    commit = store.save_outputs(derivative.path, outputs, message="Save", run_record={"cmd": "true"})
    assert run(derivative.path, "git", "status", "--porcelain") == ""
    assert run(derivative.path, "git", "rev-list", "--count", "HEAD").strip() == "2"
    assert list(store.check(derivative.path, commit=commit)) == []


def test_what_results_are_repeated_with_is_committed_when_it_changes(
    store: DataStore, derivative: Versioned, tmp_path: Path, run
) -> None:
    files = tmp_path / "pipeline"
    files.mkdir()
    (files / "weights.bin").write_bytes(bytes(1_100_000))
    (files / "run.py").write_text("print(1)\n")
    first = Subdataset(url="../x", commit="a" * 40, datalad_id="d", public_url="https://example.org/x y")
    around = Surroundings(files={"code/a.txt": b"a"}, folders={"code/p": files}, subdatasets={"sourcedata/x": first})

    def save(number: int, around: Surroundings) -> None:
        output = staged(tmp_path / "w", f"{number}.txt", b"%d" % number)
        notes = {f"code/runs/{number}.json": b"{}\n"}
        store.save_outputs(
            derivative.path, [output], message="Run", run_record={"cmd": "true"}, surroundings=around, notes=notes
        )

    save(1, around)
    save(2, around)
    assert run(derivative.path, "git", "rev-list", "--count", "HEAD").strip() == "4"
    moved = Subdataset(url="../x", commit="b" * 40, datalad_id="d")
    save(3, Surroundings(files={"code/a.txt": b"a"}, folders={"code/p": files}, subdatasets={"sourcedata/x": moved}))
    assert run(derivative.path, "git", "rev-list", "--count", "HEAD").strip() == "6"
    assert run(derivative.path, "git", "status", "--porcelain") == ""
    assert run(derivative.path, "git", "ls-tree", "HEAD", "sourcedata/x").split()[:3] == ["160000", "commit", "b" * 40]
    modules = run(derivative.path, "git", "config", "--file", ".gitmodules", "--get", "submodule.sourcedata/x.url")
    assert modules.strip() == "../x"
    assert (derivative.path / "code/p/weights.bin").is_symlink()
    assert json.loads((derivative.path / "dataset_description.json").read_text())["DatasetType"] == "derivative"
    with pytest.raises(InvalidRequestError, match="repeated"):
        store.save_outputs(derivative.path, [staged(tmp_path / "w", "code/x", b"x")], message="Run", run_record=None)


def test_a_dataset_of_results_without_any_can_be_discarded(
    store: DataStore, derivative: Versioned, tmp_path: Path
) -> None:
    identifier = derivative.path.name
    assert store.create_derivative(name="Many", description={}, identifier=identifier).commit == derivative.commit
    assert store.discard_unused(derivative.path)
    assert not derivative.path.exists()
    assert not store.discard_unused(derivative.path)
    made = store.create_derivative(name="Many", description={}, identifier=identifier)
    store.save_outputs(made.path, [staged(tmp_path / "w", "x.txt", b"x")], message="Run", run_record=None)
    assert not store.discard_unused(made.path)
    assert store.newest(made.path) != made.commit


def test_outputs_that_are_written_anew_by_hand_are_the_same_commit(
    store: DataStore, derivative: Versioned, tmp_path: Path, run
) -> None:
    paths = ["evaluation.json", "sub-1.json", "README.txt", "CHANGES.tsv", "LICENSE", "sub-1/anat/x.json"]
    outputs = [staged(tmp_path / "w", path, path.encode()) for path in paths]
    store.save_outputs(derivative.path, outputs, message="Save", run_record={"cmd": "true"})
    before = run(derivative.path, "git", "rev-parse", "HEAD")
    for path in paths:
        place = derivative.path / path
        place.unlink()
        place.write_text(path)
    run(derivative.path, "datalad", "save", "-m", "Again")
    assert run(derivative.path, "git", "rev-parse", "HEAD") == before
