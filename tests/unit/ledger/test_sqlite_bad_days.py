"""Bad days of the SQLite store: full disks, locks, damage, wrong permissions; erased bytes are gone."""

from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from catalog.backends.sqlite import SqliteRepository
from catalog.backends.sqlite.connection import connect, translate
from catalog.model import Change, Commit, Committed, Durability, Erase, Note, Put
from ontology.errors import (
    BackendUnavailableError,
    ConflictError,
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    StorageFullError,
)
from ontology.identifiers import new_iri

FILE = "catalog.sqlite"


def do(repository: SqliteRepository, *changes: Change, **members: Any) -> Committed:
    return repository.commit(Commit(principal="urn:me", action="test.write", changes=changes, **members))


def put(size: int = 10) -> Put:
    return Put(id=new_iri(), type="Dataset", document={"text": "x" * size})


@pytest.fixture
def repository(tmp_path: Path) -> Any:
    repository = SqliteRepository.create(tmp_path / "catalog", name="sillage/bad-days")
    yield repository
    repository.close()


def test_what_was_made_is_private(repository: SqliteRepository) -> None:
    do(repository, put())
    for name in (FILE, f"{FILE}-wal", "keys/ledger.pem"):
        assert (repository.directory / name).stat().st_mode & 0o077 == 0, name
    assert repository.name == "sillage/bad-days"
    assert repository.checkpoint().startswith("sillage/bad-days\n")


def test_making_over_a_catalogue_or_a_key_is_refused(repository: SqliteRepository) -> None:
    with pytest.raises(ConflictError):
        SqliteRepository.create(repository.directory, name="again")
    repository.close()
    for leftover in repository.directory.glob(f"{FILE}*"):
        leftover.unlink()
    with pytest.raises(ConflictError):
        SqliteRepository.create(repository.directory, name="again")
    assert (repository.directory / "keys/ledger.pem").exists()


@pytest.mark.parametrize("name", ["", "two words", "a+b", "line\n"])
def test_a_name_that_no_checkpoint_can_bear_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequestError):
        SqliteRepository.create(tmp_path / "catalog", name=name)
    assert not (tmp_path / "catalog").exists()


def test_a_folder_without_a_catalogue_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        SqliteRepository.open(tmp_path)
    with pytest.raises(NotFoundError):
        SqliteRepository.open(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BackendUnavailableError):
        SqliteRepository.create(tmp_path / "file", name="x")


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"", b"SQLite format 3\0" + bytes(4096)])
def test_a_file_that_is_no_store_is_refused(repository: SqliteRepository, content: bytes) -> None:
    repository.close()
    (repository.directory / FILE).write_bytes(content)
    with pytest.raises(IntegrityError):
        SqliteRepository.open(repository.directory)


def test_the_key_of_another_catalogue_is_refused(repository: SqliteRepository, tmp_path: Path) -> None:
    repository.close()
    other = SqliteRepository.create(tmp_path / "other", name="other")
    other.close()
    shutil.copy(tmp_path / "other/keys/ledger.pem", repository.directory / "keys/ledger.pem")
    with pytest.raises(IntegrityError):
        SqliteRepository.open(repository.directory)
    (repository.directory / "keys/ledger.pem").unlink()
    with pytest.raises(BackendUnavailableError):
        SqliteRepository.open(repository.directory)


def test_a_newer_format_is_refused(repository: SqliteRepository) -> None:
    repository.close()
    connection = connect(repository.directory / FILE)
    connection.execute("UPDATE meta SET value = '99' WHERE name = 'format'")
    connection.close()
    with pytest.raises(BackendUnavailableError, match="99"):
        SqliteRepository.open(repository.directory)


def test_a_store_of_limited_size_refuses_what_does_not_fit(repository: SqliteRepository) -> None:
    kept = put()
    do(repository, kept)
    connection = repository._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(StorageFullError):
        do(repository, *(put(10_000) for _ in range(20)))
    assert repository.sequence == 0
    connection.execute("PRAGMA max_page_count = 1000000")
    do(repository, *(put(10_000) for _ in range(20)))
    assert list(repository.check()) == []


FILLING = """
import resource, signal, sys
from pathlib import Path
from catalog.backends.sqlite import SqliteRepository
from catalog.model import Commit, Put
from ontology.errors import StorageFullError
from ontology.identifiers import new_iri
repository = SqliteRepository.open(Path(sys.argv[1]))
if len(sys.argv) > 2:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
written = 0
try:
    for turn in range(100_000):
        changes = [Put(id=new_iri(), type="Dataset", document={"text": "x" * 5000}) for _ in range(turn % 5 + 1)]
        written = repository.commit(Commit(principal="urn:me", action="a.b", changes=changes)).last + 1
except StorageFullError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert repository.sequence + 1 == written, (repository.sequence, written)
    print("full", written, error.next_step())
repository.close()
"""


def fill(directory: Path, *limit: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FILLING, str(directory), *limit],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("full"), done.stdout
    return int(done.stdout.split()[1])


def test_a_limit_on_the_size_of_files_is_a_full_disk(repository: SqliteRepository) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    written = fill(repository.directory, "3000000")
    assert written > 10
    assert repository.sequence + 1 == written
    assert list(repository.check()) == []
    do(repository, put(100_000))
    assert list(repository.check()) == []


def test_a_full_disk(tmp_path: Path) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mounted)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        repository = SqliteRepository.create(mounted / "catalog", name="full")
        written = fill(mounted / "catalog")
        assert repository.sequence + 1 == written > 10
        assert list(repository.check()) == []
        repository.close()
        with suppress(OSError), (mounted / "rest").open("wb", buffering=0) as rest:
            while True:
                rest.write(bytes(4096))
        with pytest.raises(StorageFullError):
            SqliteRepository.create(mounted / "another", name="another")
        (mounted / "rest").unlink()
        repository = SqliteRepository.open(mounted / "catalog")
        assert list(repository.check()) == []
        repository.close()
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_a_lock_held_too_long_is_told(repository: SqliteRepository) -> None:
    holder = connect(repository.directory / FILE)
    holder.execute("BEGIN IMMEDIATE")
    repository._writer._connection.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(BackendUnavailableError) as caught:
        do(repository, put())
    assert caught.value.retryable
    assert repository.list_records("Dataset").total == 0, "readers go on"
    holder.execute("ROLLBACK")
    do(repository, put())
    holder.close()
    assert repository.sequence == 0


def test_readers_keep_their_snapshot_and_hinder_no_writer(repository: SqliteRepository) -> None:
    do(repository, *(put() for _ in range(1500)))
    records = iter(repository.iterate("Dataset"))
    next(records)
    with repository._pool.reading(snapshot=True) as connection:
        before = connection.execute("SELECT count(*) FROM entry").fetchone()
        do(repository, put(), put())
        assert connection.execute("SELECT count(*) FROM entry").fetchone() == before
    assert sum(1 for _ in records) == 1501
    assert repository.sequence == 1501


@pytest.mark.parametrize(
    ("code", "committing", "expected"),
    [
        (sqlite3.SQLITE_FULL, True, StorageFullError),
        (sqlite3.SQLITE_IOERR_WRITE, True, StorageFullError),
        (sqlite3.SQLITE_IOERR_FSYNC, True, OutcomeUnknownError),
        (sqlite3.SQLITE_IOERR_READ, False, BackendUnavailableError),
        (sqlite3.SQLITE_BUSY, False, BackendUnavailableError),
        (sqlite3.SQLITE_READONLY, False, BackendUnavailableError),
        (sqlite3.SQLITE_CANTOPEN, False, BackendUnavailableError),
        (sqlite3.SQLITE_CORRUPT, False, IntegrityError),
        (sqlite3.SQLITE_NOTADB, False, IntegrityError),
    ],
)
def test_what_the_errors_of_sqlite_mean(code: int, committing: bool, expected: type[Exception]) -> None:
    error = sqlite3.OperationalError("it went wrong")
    error.sqlite_errorcode = code
    assert type(translate(error, committing=committing)) is expected


def test_a_read_only_store_refuses_writes(repository: SqliteRepository) -> None:
    do(repository, put())
    repository._writer._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(BackendUnavailableError):
        do(repository, put())
    assert repository.sequence == 0


def test_a_head_that_is_gone_stops_writers(repository: SqliteRepository) -> None:
    do(repository, put())
    repository._writer._connection.execute("DELETE FROM checkpoint")
    with pytest.raises(IntegrityError):
        do(repository, put())
    with pytest.raises(IntegrityError):
        repository.checkpoint()
    assert [p.where for p in repository.check()] == ["head"]


@pytest.mark.parametrize("concurrently", [False, True])
def test_erased_bytes_are_nowhere_in_the_files(repository: SqliteRepository, concurrently: bool) -> None:
    secret, path = "Wilhelmina-Sekret-4711", "sub-secret-9876_T1w.nii.gz"
    victim = Put(
        id=new_iri(),
        type="Participant",
        document={"label": secret, "notes": secret * 500, "files": [{"id": new_iri(), "path": path}]},
        aliases=[f"name:{secret}"],
    )
    do(repository, *(put(100) for _ in range(50)), victim, *(put(100) for _ in range(50)))
    do(repository, Put(id=victim.id, type=victim.type, document=victim.document, aliases=victim.aliases))
    salts = [body.salt for n in (50, 101) if (body := repository.body(n)) is not None]
    assert found(repository.directory, secret.encode())
    if concurrently:
        repository._writer._connection.execute("PRAGMA busy_timeout = 50")
        with repository._pool.reading(snapshot=True) as connection:
            connection.execute("SELECT count(*) FROM entry").fetchone()
            do(repository, Erase(id=victim.id))
        do(repository, Note(subject="urn:x"))
    else:
        do(repository, Erase(id=victim.id))
    assert len(salts) == 2
    for trace in (secret.encode(), path.encode(), *salts):
        assert not found(repository.directory, trace)
    assert list(repository.check()) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_scrubbing_takes_away_what_moved_cells_left_behind(repository: SqliteRepository, seed: int) -> None:
    chance, ids = random.Random(seed), [new_iri() for _ in range(400)]

    def person(number: int, longer: int) -> Put:
        secret = f"SECRET-{number:04}-"
        document = {"label": secret + "x" * longer, "notes": secret * chance.randrange(1, 20)}
        return Put(id=ids[number], type="Participant", document=document, aliases=[f"{secret}{new_iri()}"])

    for start in range(0, 400, 50):
        do(repository, *(person(n, 0) for n in range(start, start + 50)))
    order = chance.sample(range(400), 400)
    for number in order[:200]:
        do(repository, person(number, chance.randrange(60)), durability=Durability.PROCESS)
    gone = chance.sample(range(400), 250)
    do(repository, *(Erase(id=ids[number]) for number in gone))
    repository.scrub()
    content = b"".join(path.read_bytes() for path in repository.directory.rglob("*") if path.is_file())
    assert [number for number in gone if f"SECRET-{number:04}-".encode() in content] == []
    assert sum(f"SECRET-{n:04}-".encode() in content for n in range(400)) == 150
    assert list(repository.check()) == []
    do(repository, put())
    repository.close()
    with pytest.raises(BackendUnavailableError):
        repository.scrub()


def found(directory: Path, trace: bytes) -> bool:
    return any(trace in path.read_bytes() for path in directory.rglob("*") if path.is_file())


def test_a_backup_is_whole_though_others_write(repository: SqliteRepository, tmp_path: Path) -> None:
    do(repository, *(put(500) for _ in range(500)))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            do(repository, put(500), durability=Durability.PROCESS)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        repository.backup(tmp_path / "backup.sqlite")
    finally:
        stop.set()
        thread.join()
    restored = tmp_path / "restored"
    shutil.copytree(repository.directory / "keys", restored / "keys")
    shutil.copy(tmp_path / "backup.sqlite", restored / FILE)
    again = SqliteRepository.open(restored)
    assert list(again.check()) == []
    assert again.sequence >= 499
    assert list(repository.check(checkpoint=again.checkpoint())) == []
    do(again, put())
    assert list(again.check()) == []
    again.close()
