"""Taking a whole catalogue out of a database that others share: after a trial, a test, or a move."""

from __future__ import annotations

from pathlib import Path

from catalog.backends.neo4j.address import Address
from catalog.backends.neo4j.build import find
from catalog.backends.neo4j.connection import Database

_NODES = {
    "SillageEntry": "sequence",
    "SillageAlias": "name",
    "SillageNode": "key",
    "SillageBlock": "number",
    "SillageLock": "stripe",
}
_REMOVE = """
MATCH (n:{label}) USING INDEX n:{label}(catalog, {member}) WHERE n.catalog = $catalog AND n.{member} IS NOT NULL
WITH n LIMIT $limit DETACH DELETE n RETURN count(n)
"""
_ROWS = 5_000


def remove_catalogue(
    url: str, keys_folder: Path, *, user: str | None = None, password: str | None = None, database: str | None = None
) -> None:
    """Delete the catalogue that the signing key in a folder belongs to, ledger and all; the key stays.

    Raises:
        NotFoundError: There is no key, or the database has no catalogue of that key.
        BackendUnavailableError: The server is away.
    """
    opened = Database(Address.parse(url, user=user, password=password, database=database))
    try:
        catalog, _ = find(opened, keys_folder)
        for label, member in _NODES.items():
            query = _REMOVE.format(label=label, member=member)
            while opened.alone(query, catalog=catalog, limit=_ROWS)[0][0]:
                pass
        opened.alone("MATCH (c:SillageCatalog {catalog: $catalog}) DELETE c", catalog=catalog)
    finally:
        opened.close()
