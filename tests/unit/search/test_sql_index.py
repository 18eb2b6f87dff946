"""What is particular to the SQL form: its file, damage, other histories, several processes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from catalog.backends.sqlite import SqliteRepository
from catalog.model import Commit, Note, Put
from catalog.search.query import parse
from catalog.search.sqlite import SqlIndex
from catalog.search.testing import MemoryRepository, SmallTerms, World
from ontology.errors import BackendUnavailableError, IntegrityError

PEOPLE = [f"urn:uuid:{number:08x}-0000-4000-8000-00000000000a" for number in range(50)]


def participant(number: int, **properties: Any) -> Put:
    said = {name: [{"value": value}] for name, value in properties.items()}
    return Put(id=PEOPLE[number], type="Participant", document={"label": f"sub-{number}", "properties": said})


def filled(count: int = 5) -> MemoryRepository:
    repository = MemoryRepository()
    repository.put(*(participant(number, age=number) for number in range(count)))
    return repository


def opened(path: Path, repository: MemoryRepository) -> SqlIndex:
    index = SqlIndex.open(path, SmallTerms())
    index.catch_up(repository)
    return index


def count(index: SqlIndex, text: str = "TRUE") -> int:
    return index.find(parse(text), datasets=None).count


@pytest.mark.parametrize("damage", [b"no database at all", b"", b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    path, repository = tmp_path / "search.sqlite", filled()
    opened(path, repository).close()
    path.with_name("search.sqlite-wal").unlink(missing_ok=True)
    path.write_bytes(damage)
    index = opened(path, repository)
    assert count(index) == 5
    assert list(index.check(repository)) == []
    index.close()


def test_damage_that_shows_while_asking_is_said_and_healed_by_a_rebuild(tmp_path: Path) -> None:
    path, repository = tmp_path / "search.sqlite", filled(40)
    opened(path, repository).close()
    with sqlite3.connect(path) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'statement'").fetchone()
    db.close()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = os.urandom(4096)
    path.write_bytes(bytes(data))
    index = SqlIndex.open(path, SmallTerms())
    with pytest.raises(IntegrityError) as caught:
        count(index, "age > 3")
    assert "reindex" in (caught.value.next_step() or "")
    index.catch_up(repository)
    assert count(index, "age > 3") == 36
    index.close()


def test_a_file_of_another_format_is_made_anew(tmp_path: Path) -> None:
    path, repository = tmp_path / "search.sqlite", filled()
    opened(path, repository).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = 'older' WHERE name = 'format'")
        db.execute("CREATE TABLE left_over (x)")
    db.close()
    index = opened(path, repository)
    assert count(index) == 5
    assert list(index.check(repository)) == []
    index.close()


def test_a_file_that_vanishes_under_an_open_index_is_made_anew(tmp_path: Path) -> None:
    path, repository = tmp_path / "search.sqlite", filled()
    index = opened(path, repository)
    for side in ("", "-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    index.catch_up(repository)
    assert count(index) == 5
    index.close()


def test_a_file_that_another_process_put_in_place_is_filled(tmp_path: Path) -> None:
    path, repository = tmp_path / "search.sqlite", filled()
    index = opened(path, repository)
    for side in ("", "-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    SqlIndex.open(path, SmallTerms()).close()
    index.catch_up(repository)
    assert count(index) == 5
    index.close()


def test_another_history_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "search.sqlite"
    opened(path, filled(5)).close()
    shorter = filled(3)
    index = opened(path, shorter)
    assert count(index) == 3
    index.close()
    other = MemoryRepository()
    other.put(*(participant(number, age=99) for number in range(9)))
    index = opened(path, other)
    assert count(index, "age = 99") == 9
    assert list(index.check(other)) == []
    index.close()


def test_a_repository_that_was_set_back_is_noticed_by_an_open_index(tmp_path: Path) -> None:
    index = opened(tmp_path / "search.sqlite", filled(5))
    index.catch_up(filled(2))
    assert count(index) == 2
    index.close()


def test_nothing_is_written_for_entries_that_change_no_record(tmp_path: Path) -> None:
    repository = filled()
    index = opened(tmp_path / "search.sqlite", repository)
    before = sqlite3.connect(tmp_path / "search.sqlite").execute("PRAGMA data_version").fetchone()
    repository.commit(Commit(principal="urn:x", action="a.b", changes=[Note(subject="urn:x")] * 10))
    assert index.catch_up(repository) == repository.sequence == index.applied
    assert sqlite3.connect(tmp_path / "search.sqlite").execute("PRAGMA data_version").fetchone() == before
    index.close()


def test_check_finds_what_was_changed_by_hand(tmp_path: Path) -> None:
    path, repository = tmp_path / "search.sqlite", World(3).repository
    for change in (
        "UPDATE statement SET number = number + 1 WHERE kind = 'number'",
        "DELETE FROM participant_statement",
        "UPDATE participant SET label = 'x' WHERE live = 1",
        "UPDATE acquisition SET participant = NULL",
        "DELETE FROM acquisition WHERE key = (SELECT MIN(key) FROM acquisition)",
        "INSERT INTO participant (iri, live, label) VALUES ('urn:uuid:ghost', 1, 'ghost')",
        "UPDATE property_use SET records = records + 1",
        "UPDATE dataset SET label = 'x' WHERE withdrawn = 0",
        "DELETE FROM form WHERE folded = 't1w'",
    ):
        index = opened(path, repository)
        index.rebuild(repository)
        assert list(index.check(repository)) == []
        with sqlite3.connect(path) as db:
            db.execute(change)
        db.close()
        assert list(index.check(repository)), change
        index.close()


def test_what_was_withdrawn_is_not_in_the_file(tmp_path: Path) -> None:
    path, repository = tmp_path / "search.sqlite", filled()
    repository.put(participant(7, diagnosis="Zebrafinkensyndrom"))
    index = opened(path, repository)
    assert count(index, "diagnosis = 'zebrafinkensyndrom'") == 1
    repository.withdraw(PEOPLE[7])
    index.catch_up(repository)
    assert "diagnosis" not in {info.name for info in index.properties()}
    index.close()
    content = b"".join(found.read_bytes() for found in tmp_path.iterdir())
    assert b"ebrafinkensyndrom" not in content


def test_an_interrupted_catch_up_leaves_the_index_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = filled()
    index = opened(tmp_path / "search.sqlite", repository)
    repository.put(participant(8, age=8), participant(9, age=9))
    monkeypatch.setattr("catalog.search.index_tables.stamp", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        index.catch_up(repository)
    assert (count(index), index.applied) == (5, 4)
    monkeypatch.undo()
    assert index.catch_up(repository) == 6
    assert count(index) == 7
    index.close()


def test_a_locked_file_is_a_service_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.search.index_file.BUSY_SECONDS", 0.1)
    repository = filled()
    index = opened(tmp_path / "search.sqlite", repository)
    other = sqlite3.connect(tmp_path / "search.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    repository.put(participant(8))
    with pytest.raises(BackendUnavailableError):
        index.catch_up(repository)
    assert count(index) == 5
    other.execute("ROLLBACK")
    other.close()
    index.catch_up(repository)
    assert count(index) == 6
    index.close()


FOLLOWER = """
import sys, time
from pathlib import Path
from catalog.backends.sqlite import SqliteRepository
from catalog.search.query import parse
from catalog.search.sqlite import SqlIndex
from catalog.search.testing import SmallTerms
folder = Path(sys.argv[1])
repository = SqliteRepository.open(folder)
index = SqlIndex.open(folder / "search.sqlite", SmallTerms())
while not (folder / "stop").exists():
    index.catch_up(repository)
    index.find(parse("has(suffix = 'T1w')"), datasets=None, explain=True, facets=["sex"])
print(index.catch_up(repository), [str(problem) for problem in index.check(repository)])
"""


def test_several_processes_follow_one_repository(tmp_path: Path) -> None:
    repository = SqliteRepository.create(tmp_path, name="test")
    command = [sys.executable, "-c", FOLLOWER, str(tmp_path)]
    following = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        world = World(11, repository)
        index = opened(tmp_path / "search.sqlite", repository)
        for number in range(40):
            world.change()
            index.rebuild(repository) if number % 10 == 9 else index.catch_up(repository)
    finally:
        (tmp_path / "stop").touch()
        said = [process.communicate(timeout=240) for process in following]
    assert [out.strip() for out, _ in said] == [f"{repository.sequence} []"] * 2, said
    assert list(index.check(repository)) == []
    index.close()
    repository.close()
