"""Whatever somebody changes in the store by hand is found by ``check``: every table, row and column of a small one."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.backends.sqlite import SqliteRepository
from catalog.model import Commit, Erase, Note, Problem, Put, Withdraw
from ontology.errors import SillageError
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM, PART_OF
from provenance.ledger.merkle import BLOCK

FILE = "catalog.sqlite"
TABLES = (
    "meta",
    "entry",
    "body",
    "leaf_block",
    "checkpoint",
    "node",
    "record",
    "alias",
    "predicate",
    "edge",
    "file",
)


def fill(repository: SqliteRepository) -> str:
    """Write at least one of everything; return a checkpoint from before the last commit."""
    dataset, person, gone, hidden = (new_iri() for _ in range(4))
    files = [{"id": new_iri(), "path": f"sub-01/{n}.nii", "sha256": f"{n:064x}", "size": n} for n in range(3)]

    def do(*changes: Any) -> None:
        repository.commit(Commit(principal="urn:me", action="test.write", reason="why", changes=changes))

    of_dataset = [(PART_OF, dataset)]
    do(
        Put(id=dataset, type="Dataset", document={"label": "ds"}, aliases=["datalad:1", "doi:10.1/1"]),
        Put(id=person, type="Participant", document={"label": "sub-01", "dataset": dataset, "files": files}),
        Put(id=gone, type="Participant", document={"label": "sub-02", "dataset": dataset}, edges=of_dataset),
        Put(id=hidden, type="Acquisition", document={"files": [{"id": new_iri(), "path": "x"}]}, edges=of_dataset),
        Note(subject=person, body={"seen": 1}),
        Note(subject=person),
    )
    do(Put(id=person, type="Participant", document={"label": "sub-01", "files": files[:2]}, edges=of_dataset))
    do(Erase(id=gone), Withdraw(id=hidden, document={"label": "withdrawn"}))
    do(*(Put(id=new_iri(), type="Entity", document={}, edges=[(DERIVED_FROM, "urn:away")]) for _ in range(BLOCK)))
    kept = repository.checkpoint()
    do(Put(id=new_iri(), type="Entity", document={"label": "last"}, edges=[("x:own", person)]))
    return kept


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tampering") / "catalog"
    repository = SqliteRepository.create(directory, name="tampering")
    fill(repository)
    assert list(repository.check()) == []
    repository.close()
    return directory


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copy"))


def problems(directory: Path) -> list[Problem]:
    """Return what ``check`` finds; where the store does not even open, the reason."""
    try:
        repository = SqliteRepository.open(directory)
    except SillageError as error:
        return [Problem("open", error.detail)]
    try:
        return list(repository.check())
    finally:
        repository.close()


def alter(directory: Path, statement: str, *parameters: Any) -> int:
    connection = sqlite3.connect(directory / FILE)
    try:
        changed = connection.execute(statement, parameters).rowcount
        connection.commit()
    finally:
        connection.close()
    return changed


def other(value: Any) -> Any:
    """Return a value of the same kind that is not the same."""
    if isinstance(value, int):
        return value + 1000
    if isinstance(value, str):
        return f"{value}x"
    return bytes([value[0] ^ 1]) + value[1:] if value else b"x"


def edits(directory: Path, table: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield a statement for each deletion and each change of a cell in the first and last rows of a table."""
    connection = sqlite3.connect(directory / FILE)
    connection.row_factory = sqlite3.Row
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    keys = [column["name"] for column in columns if column["pk"]]
    rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    connection.close()
    condition = " AND ".join(f"{key} = ?" for key in keys)
    for row in rows[:14] + rows[14:][-2:]:
        which = tuple(row[key] for key in keys)
        yield f"DELETE FROM {table} WHERE {condition}", which
        for column in columns:
            name, value = column["name"], row[column["name"]]
            changed = other(value) if value is not None else {"INTEGER": 5, "TEXT": "5"}[column["type"]]
            yield f"UPDATE OR IGNORE {table} SET {name} = ? WHERE {condition}", (changed, *which)
            if value is not None and not column["notnull"] and name not in keys:
                yield f"UPDATE {table} SET {name} = NULL WHERE {condition}", which


@pytest.mark.parametrize("table", TABLES)
def test_every_edit_of_a_table_is_found(original: Path, tmp_path: Path, table: str) -> None:
    missed, tried = [], 0
    target = tmp_path / "copy"
    shutil.copytree(original, target)
    pristine = (original / FILE).read_bytes()
    for statement, parameters in edits(original, table):
        (target / FILE).write_bytes(pristine)
        if not alter(target, statement, *parameters):
            continue
        tried += 1
        if not problems(target):
            missed.append((statement, parameters))
    assert missed == []
    assert tried >= 3


@pytest.mark.parametrize("table", [t for t in TABLES if t != "meta"])
def test_an_emptied_table_is_found(copy: Path, table: str) -> None:
    assert alter(copy, f"DELETE FROM {table}")
    assert problems(copy)


def test_two_entries_that_change_places_are_found(copy: Path) -> None:
    for old, new in ((3, -1), (4, 3), (-1, 4)):
        alter(copy, "UPDATE entry SET sequence = ? WHERE sequence = ?", new, old)
    assert any(problem.where == "head" for problem in problems(copy))


def test_two_bodies_that_change_places_are_found(copy: Path) -> None:
    for old, new in ((0, -1), (1, 0), (-1, 1)):
        alter(copy, "UPDATE body SET sequence = ? WHERE sequence = ?", new, old)
    assert {"entry 0", "entry 1"} <= {problem.where for problem in problems(copy)}


def test_a_back_dated_entry_is_found(copy: Path) -> None:
    alter(copy, "UPDATE entry SET time = '2001-01-01T00:00:00.000000Z' WHERE sequence = 5")
    assert any(problem.where == "entry 5" for problem in problems(copy))


def test_a_body_that_should_have_been_erased_is_found(copy: Path) -> None:
    alter(copy, "INSERT INTO body VALUES (2, x'00', x'00')")
    assert any(problem.where == "entry 2" for problem in problems(copy))


def test_a_body_without_an_entry_is_found(copy: Path) -> None:
    alter(copy, "INSERT INTO body VALUES (99999, x'00', x'00')")
    assert [problem.where for problem in problems(copy)] == ["body 99999"]


def test_invented_rows_are_found(copy: Path) -> None:
    for statement in (
        "INSERT INTO alias SELECT 'stolen', min(key) FROM record",
        "INSERT INTO alias VALUES ('nobody', 99999)",
        "INSERT INTO edge SELECT max(source), min(target), 1 FROM edge",
        "INSERT INTO edge VALUES (99999, 1, 1)",
        "INSERT INTO leaf_block VALUES (99, x'00')",
        "INSERT INTO record SELECT 99999, type, version, first, sequence, state, dataset, label FROM record LIMIT 1",
        "INSERT INTO file SELECT 99999, record, sequence, position, sha256, label FROM file LIMIT 1",
    ):
        shutil.copy(copy / FILE, copy / "before")
        assert alter(copy, statement) == 1
        assert problems(copy), statement
        shutil.copy(copy / "before", copy / FILE)


def test_a_tail_cut_off_with_everything_that_belongs_to_it_is_found(copy: Path) -> None:
    """Somebody takes the last commit out of every table and puts the size right, but cannot sign."""
    repository = SqliteRepository.open(copy)
    last = repository.sequence
    victim = repository.entries(after=last - 1).items[0].subject
    repository.close()
    for statement in (
        f"DELETE FROM entry WHERE sequence = {last}",
        f"DELETE FROM body WHERE sequence = {last}",
        f"DELETE FROM edge WHERE source = (SELECT key FROM node WHERE iri = '{victim}')",
        f"DELETE FROM record WHERE key = (SELECT key FROM node WHERE iri = '{victim}')",
        f"UPDATE checkpoint SET size = {last}",
    ):
        alter(copy, statement)
    assert any("signed checkpoint" in problem.detail for problem in problems(copy))


def test_a_store_rolled_back_to_an_older_copy_is_found_with_a_kept_checkpoint(tmp_path: Path) -> None:
    directory = tmp_path / "catalog"
    repository = SqliteRepository.create(directory, name="sillage/rolled-back")
    repository.commit(Commit(principal="urn:me", action="a.b", changes=[Note(subject="urn:x")]))
    repository.backup(tmp_path / "older")
    repository.commit(Commit(principal="urn:me", action="a.b", changes=[Note(subject="urn:y")]))
    kept = repository.checkpoint()
    repository.close()
    shutil.copy(tmp_path / "older", directory / FILE)
    repository = SqliteRepository.open(directory)
    assert list(repository.check()) == []
    assert [p.where for p in repository.check(checkpoint=kept)] == ["ledger"]
    repository.commit(Commit(principal="urn:me", action="a.b", changes=[Note(subject="urn:z")]))
    assert list(repository.check()) == []
    assert ["checkpoint given" in p.detail for p in repository.check(checkpoint=kept)] == [True]
    repository.close()


def content_of(directory: Path) -> list[str]:
    connection = sqlite3.connect(directory / FILE)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_byte_is_found_or_changes_nothing(original: Path, tmp_path: Path, seed: int) -> None:
    """A rotten disk: any byte; those in unused space and in comments of the schema mean nothing."""
    target, chance = Path(shutil.copytree(original, tmp_path / "copy")), random.Random(seed)
    pristine, said = (original / FILE).read_bytes(), content_of(original)
    found = 0
    for _ in range(60):
        place = chance.randrange(100, len(pristine))
        if not any(pristine[place - 4 : place + 5]):
            continue
        (target / FILE).write_bytes(pristine[:place] + bytes([pristine[place] ^ 0x55]) + pristine[place + 1 :])
        for leftover in ("-wal", "-shm"):
            (target / f"{FILE}{leftover}").unlink(missing_ok=True)
        if problems(target):
            found += 1
        else:
            assert [line.split("--")[0] for line in content_of(target)] == [line.split("--")[0] for line in said]
    assert found > 20


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER quiet AFTER INSERT ON entry BEGIN DELETE FROM body; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE extra (x)",
        "DROP INDEX entry_subject",
        "ALTER TABLE record ADD COLUMN more TEXT",
    ],
)
def test_a_changed_schema_is_found(copy: Path, statement: str) -> None:
    alter(copy, statement)
    assert "schema" in {problem.where for problem in problems(copy)}
