"""The file behind the term index: one SQLite database in WAL mode.

``source`` keeps what was loaded, compressed, as it came: when a later version of Sillage arranges the index
otherwise, or ships another starter vocabulary, the file is rebuilt from it. Everything else is derived, and
replaced as a whole in one transaction, so readers see the old index or the new one and nothing between.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from ontology.errors import BackendUnavailableError, IntegrityError, StorageFullError
from ontology.merging import STARTER, Merged, close_over, cycles, merge
from ontology.readers import read_vocabulary
from ontology.readers.vocabulary import Definition, Vocabulary
from ontology.starter import read_starter, starter_digest
from ontology.term_model import Term

FORMAT = 1
"""Raise this when the tables, the readers or the merging change what the index says."""

_SOURCE = """
CREATE TABLE IF NOT EXISTS source (
    name TEXT PRIMARY KEY, file_name TEXT NOT NULL, format TEXT NOT NULL, digest TEXT NOT NULL, content BLOB NOT NULL
) STRICT;
"""
_DERIVED = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE vocabulary (name TEXT PRIMARY KEY, facts TEXT NOT NULL, said BLOB NOT NULL) STRICT;
CREATE TABLE term (
    id INTEGER PRIMARY KEY, iri TEXT NOT NULL UNIQUE, deprecated INTEGER NOT NULL, vocabulary TEXT NOT NULL,
    label TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE TABLE name (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, text TEXT NOT NULL, kind INTEGER NOT NULL, term INTEGER NOT NULL
) STRICT;
CREATE INDEX name_by_key ON name (key, kind, term);
CREATE VIRTUAL TABLE name_text USING fts5 (
    text, content = 'name', content_rowid = 'id', prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TABLE parent (
    child INTEGER NOT NULL, parent INTEGER NOT NULL, PRIMARY KEY (child, parent)
) STRICT, WITHOUT ROWID;
CREATE INDEX child_of ON parent (parent, child);
CREATE TABLE closure (
    ancestor INTEGER NOT NULL, descendant INTEGER NOT NULL, PRIMARY KEY (ancestor, descendant)
) STRICT, WITHOUT ROWID;
"""
_DERIVED_TABLES = ("meta", "vocabulary", "term", "name_text", "name", "parent", "closure")
_CONTENT_TABLES = ("term", "name", "parent", "closure")
_LAST_NAME_KIND = 3


def connect(path: Path, *, write: bool = False) -> sqlite3.Connection:
    """Open the database; the caller sees to locking between threads."""
    db = sqlite3.connect(path, timeout=60.0, isolation_level=None, check_same_thread=False)
    db.execute(f"PRAGMA synchronous = {'FULL' if write else 'NORMAL'}")
    return db


def ensure(path: Path) -> None:
    """Make the file if it is missing; rebuild it if this version of Sillage would make another.

    Raises:
        IntegrityError: The file is not a term index.
        BackendUnavailableError: It cannot be written, or another process holds it for too long.
    """
    with _translated(path):
        if not path.exists():
            _create(path)
            return
        with contextlib.closing(connect(path)) as db:
            if _is_current(db):
                return
        with contextlib.closing(connect(path, write=True)) as db, _transaction(db):
            if not _is_current(db):
                _upgrade(db)


def replace_vocabulary(path: Path, vocabulary: Vocabulary, *, data: bytes, digest: str, file_name: str) -> list[str]:
    """Put a vocabulary into the index in place of the one of its name; return what is odd about the whole.

    Raises:
        StorageFullError: The disk is full; nothing was changed.
        BackendUnavailableError: Another process holds the file for too long; nothing was changed.
    """
    content = zlib.compress(data, 6)
    with _translated(path), contextlib.closing(connect(path, write=True)) as db, _transaction(db):
        db.execute(
            "INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?, ?)",
            (vocabulary.name, file_name, vocabulary.format, digest, content),
        )
        _store_vocabulary(db, vocabulary, digest)
        return _rebuild(db)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors into ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise StorageFullError(f"no room for the term index {path.name}") from error
        raise BackendUnavailableError(f"the term index {path.name} cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise IntegrityError(
            f"{path.name} is not a sound term index: {error}",
            next_step="Move the file away; it is made anew, and your ontologies can be loaded again.",
        ) from error
    except OSError as error:
        raise BackendUnavailableError(f"the term index {path.name} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _is_current(db: sqlite3.Connection) -> bool:
    if db.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
        return False
    row = db.execute("SELECT value FROM meta WHERE key = 'starter'").fetchone()
    return row is not None and row[0] == starter_digest()


def _create(path: Path) -> None:
    """Build the file beside its place and move it there, so that nobody ever opens half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with contextlib.closing(connect(draft, write=True)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            with _transaction(db):
                _upgrade(db)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was faster; its file says the same
        except OSError:
            draft.rename(path)  # a file system without hard links
    finally:
        for leftover in (draft, Path(f"{draft}-wal"), Path(f"{draft}-shm")):
            leftover.unlink(missing_ok=True)


def _upgrade(db: sqlite3.Connection) -> None:
    """Make every derived table from the starter vocabulary and the kept sources."""
    for table in _DERIVED_TABLES:
        db.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in (_SOURCE + _DERIVED).split(";\n"):
        if statement.strip():
            db.execute(statement)
    starter = read_starter()
    _store_vocabulary(db, starter, starter_digest())
    for name, file_name, format, digest, content in db.execute("SELECT * FROM source").fetchall():
        vocabulary = read_vocabulary(zlib.decompress(content), name=Path(file_name).stem, format=format)
        if vocabulary.name != name:
            db.execute("UPDATE OR REPLACE source SET name = ? WHERE name = ?", (vocabulary.name, name))
        _store_vocabulary(db, vocabulary, digest)
    _rebuild(db)
    db.execute("INSERT OR REPLACE INTO meta VALUES ('starter', ?)", (starter_digest(),))
    db.execute(f"PRAGMA user_version = {FORMAT}")


def _store_vocabulary(db: sqlite3.Connection, vocabulary: Vocabulary, digest: str) -> None:
    facts = {
        "name": vocabulary.name,
        "version": vocabulary.version,
        "digest": digest,
        "format": vocabulary.format,
        "terms": len(vocabulary.definitions),
        "deprecated": sum(d.deprecated for d in vocabulary.definitions),
        "starter": vocabulary.name == STARTER,
    }
    said = {"prefixes": dict(vocabulary.prefixes), "definitions": [_members(d) for d in vocabulary.definitions]}
    db.execute(
        "INSERT OR REPLACE INTO vocabulary VALUES (?, ?, ?)",
        (vocabulary.name, json.dumps(facts), zlib.compress(json.dumps(said).encode(), 1)),
    )


def _vocabularies(db: sqlite3.Connection) -> Iterator[Vocabulary]:
    for facts_text, said_text in db.execute("SELECT facts, said FROM vocabulary ORDER BY name"):
        facts, said = json.loads(facts_text), json.loads(zlib.decompress(said_text))
        yield Vocabulary(
            name=facts["name"],
            version=facts["version"],
            format=facts["format"],
            prefixes=said["prefixes"],
            definitions=tuple(_definition(d) for d in said["definitions"]),
        )


def _definition(members: dict[str, Any]) -> Definition:
    synonyms = tuple((text, scope) for text, scope in members.pop("synonyms"))
    lists = {key: tuple(value) for key, value in members.items() if isinstance(value, list)}
    return Definition(**{**members, **lists, "synonyms": synonyms})


def _rebuild(db: sqlite3.Connection) -> list[str]:
    """Derive terms, names and hierarchy from all vocabularies; return the cycles found."""
    for table in _CONTENT_TABLES:
        db.execute(f"DELETE FROM {table}")  # noqa: S608  table names are ours
    merged = merge(_vocabularies(db))
    numbers = {item.term.iri: number for number, item in enumerate(merged, 1)}
    digest = _insert_terms(db, merged)
    db.executemany(
        "INSERT INTO name (key, text, kind, term) VALUES (?, ?, ?, ?)",
        ((n.key, n.text, int(n.kind), number) for number, item in enumerate(merged, 1) for n in item.names),
    )
    db.execute("INSERT INTO name_text (name_text) VALUES ('delete-all')")
    db.execute(f"INSERT INTO name_text (rowid, text) SELECT id, text FROM name WHERE kind <= {_LAST_NAME_KIND}")  # noqa: S608
    parents = {item.term.iri: item.term.parents for item in merged}
    db.executemany(
        "INSERT INTO parent VALUES (?, ?)",
        ((numbers[child], numbers[parent]) for child, of_child in parents.items() for parent in of_child),
    )
    closure = close_over(parents)
    pairs = ((numbers[a], numbers[d]) for d, ancestors in closure.items() for a in ancestors | {d})
    db.executemany("INSERT INTO closure VALUES (?, ?)", sorted(pairs))
    db.execute("INSERT OR REPLACE INTO meta VALUES ('digest', ?)", (digest,))
    curies = {item.term.iri: item.term.curie for item in merged}
    return [f"cycle: {', '.join(curies[iri] for iri in cycle)} are each other's ancestors" for cycle in cycles(closure)]


def _insert_terms(db: sqlite3.Connection, merged: Sequence[Merged]) -> str:
    """Write the terms; return the digest of all that they say."""
    digest = hashlib.sha256(f"sillage terms {FORMAT}\n".encode())
    rows = []
    for number, item in enumerate(merged, 1):
        body = encode(item.term)
        keys = "\t".join(name.key for name in item.names)
        digest.update(f"{body}\t{keys}\n".encode())
        rows.append((number, item.term.iri, int(item.term.deprecated), item.term.vocabulary, item.term.label, body))
    db.executemany("INSERT INTO term VALUES (?, ?, ?, ?, ?, ?)", rows)
    return digest.hexdigest()


def _members(value: Definition | Term) -> dict[str, Any]:
    """Return the attributes of a flat dataclass; a fifth of the time of ``asdict``, which copies deeply."""
    kind: Any = type(value)
    return {name: getattr(value, name) for name in _field_names(kind)}


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def encode(term: Term) -> str:
    """Return a term as the JSON that the index stores."""
    return json.dumps(_members(term), ensure_ascii=False, separators=(",", ":"))


def decode(body: str) -> Term:
    """Return the term that :func:`encode` wrote."""
    members = json.loads(body)
    for key in ("synonyms", "parents", "xrefs", "consider"):
        members[key] = tuple(members[key])
    return Term(**members)
