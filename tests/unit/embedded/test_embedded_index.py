"""What is particular to the embedded index: its folder, damage, other histories, several processes."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from catalog.backends.sqlite import SqliteRepository
from catalog.model import Commit, Note, Put
from catalog.search.embedded import EmbeddedIndex
from catalog.search.query import parse
from catalog.search.testing import MemoryRepository, SmallTerms, World
from ontology.errors import BackendUnavailableError, IntegrityError

PEOPLE = [f"urn:uuid:{number:08x}-0000-4000-8000-00000000000a" for number in range(500)]


def participant(number: int, **properties: Any) -> Put:
    said = {name: [{"value": value}] for name, value in properties.items()}
    return Put(id=PEOPLE[number], type="Participant", document={"label": f"sub-{number}", "properties": said})


def filled(count: int = 5) -> MemoryRepository:
    repository = MemoryRepository()
    repository.put(*(participant(number, age=number) for number in range(count)))
    return repository


def opened(folder: Path, repository: MemoryRepository, fresh_records: int = 3) -> EmbeddedIndex:
    index = EmbeddedIndex.open(folder, SmallTerms(), fresh_records=fresh_records)
    index.catch_up(repository)
    return index


def count(index: EmbeddedIndex, text: str = "TRUE") -> int:
    return index.find(parse(text), datasets=None).count


def generation(folder: Path) -> Path:
    return folder / (folder / "current").read_text().strip()


def segments(folder: Path) -> list[Path]:
    return sorted(generation(folder).glob("*.segment"))


def replace(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    replace(path, bytes(data))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no pointer": lambda folder: (folder / "current").unlink(),
    "a pointer to nothing": lambda folder: (folder / "current").write_text("nothing\n"),
    "a pointer out of the folder": lambda folder: (folder / "current").write_text("../../etc\n"),
    "no dictionary": lambda folder: (generation(folder) / "index.sqlite").write_bytes(b"no database at all"),
    "an empty segment": lambda folder: replace(segments(folder)[0], b""),
    "a short segment": lambda folder: replace(segments(folder)[0], segments(folder)[0].read_bytes()[:-64]),
    "no segment": lambda folder: segments(folder)[0].unlink(),
    "a changed header": lambda folder: flip(segments(folder)[0], 40),
    "a header longer than memory": lambda folder: flip(segments(folder)[0], 15),
    "a header longer than the file": lambda folder: flip(segments(folder)[0], 10),
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_damaged_folder_is_made_anew(tmp_path: Path, damage: str) -> None:
    folder, repository = tmp_path / "search", filled(40)
    opened(folder, repository).close()
    for side in generation(folder).glob("index.sqlite-*"):
        side.unlink()
    DAMAGES[damage](folder)
    index = EmbeddedIndex.open(folder, SmallTerms(), fresh_records=3)
    with suppress(IntegrityError):
        index.find(parse("age > 3"), datasets=None)
    index.catch_up(repository)
    assert count(index, "age > 3") == 36
    assert list(index.check(repository)) == []
    index.close()
    assert [path.name for path in folder.iterdir() if path.is_dir()] == [generation(folder).name]


def test_a_folder_that_is_taken_away_while_it_is_open_is_made_anew(tmp_path: Path) -> None:
    folder, repository = tmp_path / "search", filled(40)
    index = opened(folder, repository)
    shutil.rmtree(folder)
    index.catch_up(repository)
    assert count(index, "age > 3") == 36
    shutil.rmtree(folder)
    folder.write_text("no folder")
    with pytest.raises(BackendUnavailableError):
        index.catch_up(repository)
    folder.unlink()
    index.catch_up(repository)
    assert count(index, "age > 3") == 36
    index.close()


def test_a_changed_byte_in_a_column_is_noticed_when_it_is_used(tmp_path: Path) -> None:
    folder, repository = tmp_path / "search", filled(400)
    opened(folder, repository).close()
    largest = max(segments(folder), key=lambda path: path.stat().st_size)
    header = int.from_bytes(largest.read_bytes()[8:16], "little")
    for at in range((20 + header + 64) // 64 * 64, largest.stat().st_size, 64):
        flip(largest, at)
    index = EmbeddedIndex.open(folder, SmallTerms())
    with pytest.raises(IntegrityError, match="other bytes") as caught:
        count(index, "age > 3")
    assert "reindex" in (caught.value.next_step() or "")
    index.catch_up(repository)
    assert count(index, "age > 3") == 396
    index.close()


def test_an_index_of_another_format_is_made_anew(tmp_path: Path) -> None:
    folder, repository = tmp_path / "search", filled()
    opened(folder, repository).close()
    with sqlite3.connect(generation(folder) / "index.sqlite") as db:
        db.execute("UPDATE meta SET value = 'older' WHERE name = 'format'")
    db.close()
    index = opened(folder, repository)
    assert count(index) == 5
    index.close()


def test_a_restart_reads_what_is_there(tmp_path: Path) -> None:
    folder, repository = tmp_path / "search", filled(40)
    opened(folder, repository).close()
    before = generation(folder), segments(folder)
    index = EmbeddedIndex.open(folder, SmallTerms())
    assert (index.applied, count(index)) == (39, 40)
    assert index.catch_up(repository) == 39
    assert (generation(folder), segments(folder)) == before
    index.close()


def test_another_history_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "search"
    opened(folder, filled(5)).close()
    index = opened(folder, filled(3))
    assert count(index) == 3
    other = MemoryRepository()
    other.put(*(participant(number, age=99) for number in range(9)))
    index.close()
    index = opened(folder, other)
    assert count(index, "age = 99") == 9
    index.catch_up(filled(2))
    assert count(index) == 2
    index.close()


def test_nothing_is_written_for_entries_that_change_no_record(tmp_path: Path) -> None:
    folder, repository = tmp_path / "search", filled()
    index = opened(folder, repository)
    path = generation(folder) / "index.sqlite"
    before = sqlite3.connect(path).execute("PRAGMA data_version").fetchone()
    repository.commit(Commit(principal="urn:x", action="a.b", changes=[Note(subject="urn:x")] * 10))
    assert index.catch_up(repository) == repository.sequence == index.applied
    assert sqlite3.connect(path).execute("PRAGMA data_version").fetchone() == before
    index.close()


def test_segments_stay_few_and_nobody_is_lost_while_one_after_another_comes(tmp_path: Path) -> None:
    repository = MemoryRepository()
    index = EmbeddedIndex.open(tmp_path / "search", SmallTerms(), fresh_records=3)
    for number in range(150):
        repository.put(participant(number, age=number % 7))
        index.catch_up(repository)
        assert count(index) == number + 1
    assert count(index, "age = 3") == 21
    assert len(segments(tmp_path / "search")) < 16
    assert list(index.check(repository)) == []
    index.close()


@pytest.mark.parametrize("fresh_records", [3, 1000])
def test_what_was_withdrawn_is_in_no_file(tmp_path: Path, fresh_records: int) -> None:
    folder, repository = tmp_path / "search", filled(20)
    said = {"diagnosis": [{"value": "Zebrafinkensyndrom"}]}
    document = {"label": "sub-Zebrafinkenfreund", "properties": said}
    repository.put(Put(id=PEOPLE[30], type="Participant", document=document))
    index = opened(folder, repository, fresh_records)
    assert count(index, "diagnosis = 'zebrafinkensyndrom'") == 1
    repository.withdraw(PEOPLE[30])
    index.catch_up(repository)
    assert "diagnosis" not in {info.name for info in index.properties()}
    index.scrub()
    assert count(index) == 20
    index.close()
    content = b"".join(found.read_bytes() for found in folder.rglob("*") if found.is_file())
    assert b"ebrafinken" not in content


def test_check_finds_what_was_changed_by_hand(tmp_path: Path) -> None:
    folder, repository = tmp_path / "search", World(3).repository
    for change in (
        "UPDATE statement SET number = number + 1 WHERE kind = 'number'",
        "DELETE FROM segment",
        "INSERT INTO buried SELECT MIN(key), 0, 0 FROM segment",
        "UPDATE dataset SET label = 'x' WHERE withdrawn = 0",
        "DELETE FROM form WHERE folded = 't1w'",
        "DELETE FROM word",
    ):
        index = opened(folder, repository)
        index.rebuild(repository)
        assert list(index.check(repository)) == []
        index.close()
        with sqlite3.connect(generation(folder) / "index.sqlite") as db:
            db.execute(change)
        db.close()
        index = EmbeddedIndex.open(folder, SmallTerms())
        assert list(index.check(repository)), change
        index.close()


def test_an_interrupted_catch_up_leaves_the_index_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = filled()
    index = opened(tmp_path / "search", repository)
    repository.put(participant(8, age=8), participant(9, age=9))
    monkeypatch.setattr("catalog.search.index_tables.stamp", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        index.catch_up(repository)
    assert (count(index), index.applied) == (5, 4)
    monkeypatch.undo()
    assert index.catch_up(repository) == 6
    assert count(index) == 7
    assert list(index.check(repository)) == []
    index.close()


def test_an_interrupted_rebuild_leaves_the_index_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = filled()
    index = opened(tmp_path / "search", repository)
    monkeypatch.setattr("catalog.search.index_tables.stamp", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        index.rebuild(repository)
    monkeypatch.undo()
    assert (count(index), index.catch_up(repository)) == (5, 4)
    assert len([path for path in (tmp_path / "search").iterdir() if path.is_dir()]) == 1
    index.close()


def test_an_index_that_another_process_built_anew_is_taken_up(tmp_path: Path) -> None:
    repository = filled()
    one, other = (opened(tmp_path / "search", repository) for _ in range(2))
    other.rebuild(repository)
    assert count(one) == 5
    repository.put(participant(9, age=9))
    one.catch_up(repository)
    other.catch_up(repository)
    assert count(one) == count(other) == 6
    one.close()
    other.close()


def test_a_held_index_is_a_service_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.search.index_file.BUSY_SECONDS", 0.1)
    repository = filled()
    index = opened(tmp_path / "search", repository)
    other = sqlite3.connect(generation(tmp_path / "search") / "index.sqlite", isolation_level=None)
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
import sys
from pathlib import Path
from catalog.backends.sqlite import SqliteRepository
from catalog.search.embedded import EmbeddedIndex
from catalog.search.query import parse
from catalog.search.testing import SmallTerms
folder = Path(sys.argv[1])
repository = SqliteRepository.open(folder)
index = EmbeddedIndex.open(folder / "search", SmallTerms(), fresh_records=4)
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
        for _ in range(40):
            world.change()
    finally:
        (tmp_path / "stop").touch()
        told = [process.communicate(timeout=240) for process in following]
    assert told == [(f"{repository.sequence} []\n", "")] * 2
    repository.close()
