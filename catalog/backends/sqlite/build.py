"""Making an empty store, so that a crash in the middle leaves no half of one."""

from __future__ import annotations

import os
import re
import sqlite3
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from catalog.backends.sqlite.connection import translate
from catalog.commits.predicates import PREDICATES
from ontology.errors import ConflictError
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.keys import SigningKey
from provenance.ledger.merkle import EMPTY_ROOT

FORMAT = "1"
_COMMENT = re.compile(r"--[^\n]*")


def create_store(directory: Path, file_name: str, key_file: str, *, key: SigningKey) -> None:
    """Make an empty store and the file of its signing key; the store gets its name only when it is whole.

    Raises:
        ConflictError: A signing key is there without a store: it belongs to a ledger somewhere.
        StorageFullError: The disk is full.
        OSError: The directory cannot be written.
    """
    building, key_path = directory / f"{file_name}.new", directory / key_file
    key_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if building.exists():
        building.unlink()
        key_path.unlink(missing_ok=True)
    elif key_path.exists():
        raise ConflictError(
            f"there is a signing key in {directory}, and no catalogue",
            field="directory",
            next_step="Restore the catalogue that the key belongs to, or choose another directory.",
        )
    os.close(os.open(building, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    key.save(key_path)
    _fill(building, key)
    for folder in (key_path.parent, directory):
        _synchronise(folder)
    building.rename(directory / file_name)
    _synchronise(directory)


def _fill(path: Path, key: SigningKey) -> None:
    head = Checkpoint(origin=key.name, size=0, root=EMPTY_ROOT).sign(key)
    meta = [("format", FORMAT), ("verifier_key", key.verifier().line())]
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(f"BEGIN;\n{_schema()}")
        connection.executemany("INSERT INTO predicate VALUES (?, ?)", enumerate(PREDICATES, 1))
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta)
        connection.execute("INSERT INTO checkpoint VALUES (1, 0, '', x'', ?)", (head,))
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise translate(error) from error
    finally:
        connection.close()


def _schema() -> str:
    return files("catalog.backends.sqlite").joinpath("schema.sql").read_text(encoding="utf-8")


def read_schema(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """Return kind, name and definition of everything that a store defines, apart from spaces and comments."""
    rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master")
    return {(kind, name, " ".join(_COMMENT.sub("", sql).split())) for kind, name, sql in rows}


@lru_cache(maxsize=1)
def expected_schema() -> set[tuple[str, str, str]]:
    """Return what :func:`read_schema` gives for a store of this format."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(_schema())
        return read_schema(connection)
    finally:
        connection.close()


def _synchronise(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
