"""The tables that every index in an SQLite file has, whatever else it has: what it covers, and distinct statements."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from importlib.resources import files
from typing import Final

from catalog.repository import Repository
from catalog.search import index_file
from catalog.search.coverage import entry_hash
from catalog.search.names import Level, fold
from catalog.search.projection import DatasetEntry, Statement, from_row

FACTS: Final = "s.kind, s.text, s.number, s.unit, s.term, s.label, s.original, s.source, s.session"
"""The columns of ``statement s`` that follow the name in a :class:`Statement`."""

_INSERT: Final = (
    "INSERT INTO statement (digest, property, kind, text, folded, number, unit, term, label, original, source, session,"
    " facet) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def make(db: sqlite3.Connection, *, backend: str, format: str, **meta: str) -> None:
    """Make every table anew, those that ``schema.sql`` of a backend's package adds included.

    Args:
        db: Inside a transaction that writes.
        backend: The package.
        format: How the index is laid out.
        meta: What else is to be known of it at first.
    """
    scripts = (files("catalog.search") / "index_tables.sql", files(backend) / "schema.sql")
    schema = "\n".join(script.read_text(encoding="utf-8") for script in scripts)
    index_file.make_tables(db, schema=schema, meta={"format": format, "applied": "-1", "entry": "", **meta})


def applied(db: sqlite3.Connection) -> int:
    """Return the ledger entry up to which the index covers the repository; -1 when empty."""
    return int(_meta(db, "applied") or -1)


def covered(db: sqlite3.Connection) -> tuple[int, str]:
    """Return the ledger entry up to which the index covers a repository, and that entry's hash."""
    return applied(db), _meta(db, "entry")


def stamp(db: sqlite3.Connection, repository: Repository, applied: int) -> None:
    """Write what the index covers, in the transaction that makes it so."""
    values = [(str(applied), "applied"), (entry_hash(repository, applied), "entry")]
    db.executemany("UPDATE meta SET value = ? WHERE name = ?", values)


def _meta(db: sqlite3.Connection, name: str) -> str:
    row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else ""


def dataset_entry(iri: str, label: str | None, title: str | None, statements: str) -> DatasetEntry:
    """Return a dataset from its row; one that was only mentioned so far is called by its IRI."""
    return DatasetEntry(iri, label or iri, title, frozenset(map(from_row, json.loads(statements))))


def property_key(db: sqlite3.Connection, level: Level, name: str) -> int | None:
    """Return the key of a property that has values."""
    row = db.execute("SELECT key FROM property WHERE level = ? AND name = ?", (level, name)).fetchone()
    return row[0] if row else None


def add_property(db: sqlite3.Connection, level: Level, name: str) -> int:
    """Write a property that is not there; return its key."""
    return db.execute("INSERT INTO property (level, name) VALUES (?, ?)", (level, name)).lastrowid or 0


def count_facets(db: sqlite3.Connection, prop: int | None, most: int) -> int:
    """Return under how many facets the values of a property are counted, counting to ``most``."""
    facets = "SELECT DISTINCT facet FROM statement WHERE property = ? LIMIT ?"
    return int(db.execute(f"SELECT COUNT(*) FROM ({facets})", (prop, most)).fetchone()[0])  # noqa: S608


def statement_key(db: sqlite3.Connection, digest: bytes) -> int | None:
    """Return the key of a statement that is there, by its :func:`digest`."""
    row = db.execute("SELECT key FROM statement WHERE digest = ?", (digest,)).fetchone()
    return row[0] if row else None


def digest(prop: int, statement: Statement) -> bytes:
    """Return what makes a statement unique, NULLs included, which a unique index over the columns would not."""
    s = statement
    facts = (prop, s.kind, s.text, s.number, s.unit, s.term, s.label, s.original, s.source, s.session)
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).digest()


def add_statement(db: sqlite3.Connection, digest: bytes, prop: int, statement: Statement) -> int:
    """Write a statement that is not there, and the forms by which it may be asked for; return its key."""
    s = statement
    folded = fold(s.text) if s.text is not None else None
    facts = (s.kind, s.text, folded, s.number, s.unit, s.term, s.label, s.original, s.source, s.session, s.facet)
    key = db.execute(_INSERT, (digest, prop, *facts)).lastrowid or 0
    db.executemany("INSERT INTO form VALUES (?, ?, ?)", [(prop, form, key) for form in s.forms()])
    return key
