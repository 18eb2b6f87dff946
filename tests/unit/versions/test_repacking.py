"""Datasets of results are repacked when they need it: nothing is lost, no save waits, a crash leaves nothing broken."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.versions import repacking
from catalog.versions.dataset import locked
from catalog.versions.git import Repository, open_repository
from catalog.versions.model import Versioned
from catalog.versions.pack_reading import Packs
from catalog.versions.repacking import Repacker, needs_repacking, remove_half_written, repack
from catalog.versions.store import DataStore
from ontology.errors import BackendUnavailableError


@pytest.fixture
def derivative(store: DataStore) -> Versioned:
    return store.create_derivative(name="Packs", description={})


@pytest.fixture
def repository(derivative: Versioned) -> Repository:
    found = open_repository(derivative.path)
    assert found is not None
    return found


def save(store: DataStore, path: Path, folder: Path, *numbers: int) -> str:
    outputs = []
    folder.mkdir(exist_ok=True)
    for number in numbers:
        content = b"%d\n" % number
        staged = folder / str(number)
        staged.write_bytes(content)
        outputs.append((staged, f"sub-{number:03d}/x.txt", hashlib.sha256(content).hexdigest()))
    return store.save_outputs(path, outputs, message="Run", run_record={"cmd": "true"})


def loose(repository: Repository) -> int:
    return sum(1 for _ in (repository.git_dir / "objects").glob("[0-9a-f][0-9a-f]/*"))


def require_sound(folder: Path, count: int, run) -> None:
    assert run(folder, "git", "fsck", "--full", "--strict").strip() == ""
    assert run(folder, "git", "status", "--porcelain") == ""
    assert run(folder, "git-annex", "fsck", "--quiet") == ""
    assert len(run(folder, "git-annex", "find", "--format", "${file}\\n").splitlines()) == count


def test_loose_objects_become_packs_and_saving_goes_on(
    store: DataStore, repository: Repository, tmp_path: Path, run
) -> None:
    for number in range(12):
        save(store, repository.path, tmp_path / "w", number)
        if number % 4 == 3:
            assert repack(repository)
            assert loose(repository) == 0
    save(store, repository.path, tmp_path / "w", *range(12, 112))
    assert repack(repository)
    assert save(store, repository.path, tmp_path / "w", 112)
    assert len(list((repository.git_dir / "objects/pack").glob("*.pack"))) <= 2
    require_sound(repository.path, 113, run)


def test_it_is_done_when_there_are_many_and_not_before(
    store: DataStore, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run
) -> None:
    repacker = Repacker()
    save(store, repository.path, tmp_path / "w", *range(100))
    save(store, repository.path, tmp_path / "w", *range(100, 200))
    assert not needs_repacking(repository)
    repacker.consider(repository)
    repacker.finish()
    assert len(list((repository.git_dir / "objects/pack").glob("*.pack"))) == 2
    monkeypatch.setattr(repacking, "PACKS", 1)
    assert needs_repacking(repository)
    repacker.consider(repository)
    repacker.finish()
    assert len(list((repository.git_dir / "objects/pack").glob("*.pack"))) == 1
    assert not needs_repacking(repository)
    monkeypatch.setattr(repacking, "LOOSE_BYTES", 0)
    sample = repository.git_dir / "objects/17"
    sample.mkdir(exist_ok=True)
    assert needs_repacking(repository) == bool(os.listdir(sample))
    require_sound(repository.path, 200, run)


def test_nothing_is_removed_while_a_save_goes_on(
    store: DataStore, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run
) -> None:
    save(store, repository.path, tmp_path / "w", 1)
    before = loose(repository)
    with monkeypatch.context() as hasty, locked(repository):
        hasty.setattr("catalog.versions.dataset.LOCK_LIMIT_S", 0.05)
        with pytest.raises(BackendUnavailableError, match="another process"):
            repack(repository)
    assert loose(repository) == before
    assert repack(repository)
    assert loose(repository) == 0
    require_sound(repository.path, 1, run)


KILLED = """
import os, signal, sys
from pathlib import Path
from catalog.versions import repacking
from catalog.versions.git import open_repository
original = repacking.{name}
def replacement(*args, **kwargs):
    if {after}: original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
repacking.{name} = replacement
repacking.repack(open_repository(Path(sys.argv[1])))
"""


@pytest.mark.parametrize(("name", "after"), [("synchronise", False), ("locked", False), ("_remove", True)])
def test_a_repacking_killed_anywhere_leaves_a_sound_dataset(
    name: str, after: bool, store: DataStore, repository: Repository, tmp_path: Path, run
) -> None:
    save(store, repository.path, tmp_path / "w", *range(70))
    save(store, repository.path, tmp_path / "w", *range(70, 140))
    command = [sys.executable, "-c", KILLED.format(name=name, after=after), str(repository.path)]
    assert subprocess.run(command, check=False, timeout=240).returncode == -signal.SIGKILL
    require_sound(repository.path, 140, run)
    save(store, repository.path, tmp_path / "w", 140)
    assert repack(repository)
    assert loose(repository) == 0
    require_sound(repository.path, 141, run)


def test_deltas_of_packs_are_resolved(store: DataStore, repository: Repository, tmp_path: Path, run) -> None:
    for number in range(4):
        save(store, repository.path, tmp_path / "w", *range(number * 70, number * 70 + 70))
    run(repository.path, "git", "repack", "-q", "-a", "-d", "-f", "--depth=50", "--window=50")
    packs = Packs(str(repository.git_dir / "objects"))
    listed = run(repository.path, "git", "cat-file", "--batch-check", "--batch-all-objects").splitlines()
    chains = run(repository.path, "git", "cat-file", "--batch-check=%(deltabase)", "--batch-all-objects").split()
    assert len(set(chains)) > 3
    for line in listed:
        oid, kind, size = line.split()
        found = packs.read(oid)
        assert found is not None
        assert (found[0], len(found[1])) == (kind, int(size))
        whole = b"%b %d\0%b" % (kind.encode(), len(found[1]), found[1])
        assert hashlib.sha1(whole, usedforsecurity=False).hexdigest() == oid
    assert packs.read("1" * 40) is None


def test_what_a_killed_process_was_writing_is_removed_when_it_is_old(repository: Repository) -> None:
    pack = repository.git_dir / "objects/pack"
    pack.mkdir(exist_ok=True)
    old, new = pack / "tmp_pack_old", pack / "tmp_pack_new"
    for half in (old, new):
        half.write_bytes(b"PACK")
    os.utime(old, (0, 0))
    remove_half_written(repository)
    assert not old.exists()
    assert new.exists()
