"""The schema of the database, as numbered steps that are only ever added to.

The number of the last step that was taken is recorded in the database, which all its catalogues share. Each statement
may be run again without harm, so that a step that was broken off, or taken by two processes at once, is taken again.
"""

from __future__ import annotations

from catalog.backends.neo4j.connection import Database
from ontology.errors import BackendUnavailableError


def _unique(name: str, label: str, *properties: str) -> str:
    listed = ", ".join(f"n.{one}" for one in properties)
    return f"CREATE CONSTRAINT {name} IF NOT EXISTS FOR (n:{label}) REQUIRE ({listed}) IS UNIQUE"


def _index(name: str, label: str, *properties: str) -> str:
    listed = ", ".join(f"n.{one}" for one in properties)
    return f"CREATE RANGE INDEX {name} IF NOT EXISTS FOR (n:{label}) ON ({listed})"


MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        _unique("sillage_schema", "SillageSchema", "id"),
        _unique("sillage_catalog_number", "SillageCatalog", "catalog"),
        _unique("sillage_catalog_key", "SillageCatalog", "public_key"),
        _unique("sillage_catalog_origin", "SillageCatalog", "origin"),
        _unique("sillage_lock", "SillageLock", "catalog", "stripe"),
        _unique("sillage_node_iri", "SillageNode", "catalog", "iri"),
        _unique("sillage_node_key", "SillageNode", "catalog", "key"),
        _unique("sillage_alias", "SillageAlias", "catalog", "name"),
        _unique("sillage_entry", "SillageEntry", "catalog", "sequence"),
        _unique("sillage_block", "SillageBlock", "catalog", "number"),
        _index("sillage_record_listing", "SillageRecord", "catalog", "type", "state", "key"),
        _index("sillage_file_content", "SillageFile", "catalog", "sha256"),
        _index("sillage_file_key", "SillageFile", "catalog", "key"),
        _index("sillage_entry_subject", "SillageEntry", "catalog", "subject"),
    ),
)
"""Statements of each step; step 1 comes first."""
_AWAIT_SECONDS = 120


def migrate(database: Database) -> None:
    """Take the steps that the database has not taken.

    Raises:
        BackendUnavailableError: The server is away, or the database was made by a newer release.
    """
    present = version(database)
    if present > len(MIGRATIONS):
        raise BackendUnavailableError(
            f"the database at {database.address.url} has schema {present}, and this release knows up to "
            f"{len(MIGRATIONS)}",
            next_step="Use the release of Sillage that the database was last used with, or a newer one.",
        )
    for number, statements in enumerate(MIGRATIONS[present:], present + 1):
        for statement in statements:
            database.alone(statement)
        database.alone("CALL db.awaitIndexes($seconds)", seconds=_AWAIT_SECONDS)
        database.alone(
            "MERGE (s:SillageSchema {id: 1}) SET s.version = CASE WHEN coalesce(s.version, 0) < $number "
            "THEN $number ELSE s.version END",
            number=number,
        )


def version(database: Database) -> int:
    """Return the number of the last step that the database has taken."""
    rows = database.alone("MATCH (s:SillageSchema {id: 1}) RETURN s.version")
    return int(rows[0][0] or 0) if rows else 0


def expected_schema() -> set[str]:
    """Return the names of all constraints and indexes."""
    return {statement.split()[2 if "CONSTRAINT" in statement else 3] for step in MIGRATIONS for statement in step}
