"""What planning reads from the store, in the transaction that will write."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator

from catalog.commits.predicates import PART_OF_KEY
from catalog.commits.snapshot import NodeRow, RecordRow

_NODES = """
SELECT n.iri, n.key, f.record, r.type, r.version, r.first, r.sequence, r.state, r.dataset, r.label
FROM json_each(?) AS asked
JOIN node AS n ON n.iri = asked.value
LEFT JOIN record AS r ON r.key = n.key
LEFT JOIN file AS f ON f.key = n.key
"""
_EDGES = "SELECT source, predicate, target FROM edge WHERE source IN (SELECT value FROM json_each(?))"
_ALIASES_OF = "SELECT record, name FROM alias WHERE record IN (SELECT value FROM json_each(?))"
_ALIASES = "SELECT name, record FROM alias WHERE name IN (SELECT value FROM json_each(?))"
_FILES_OF = """
SELECT n.key, n.iri FROM edge AS e JOIN file AS f ON f.key = e.source AND f.record = e.target
JOIN node AS n ON n.key = f.key WHERE e.target = ? AND e.predicate = ?
"""
_BODY = "SELECT body FROM body WHERE sequence = ?"
_MOVES = (
    "UPDATE node SET key = ? WHERE key = ?",
    "UPDATE edge SET target = ? WHERE target = ?",
    "UPDATE record SET dataset = ? WHERE dataset = ?",
)


class StoredRows:
    """The store as :class:`catalog.commits.snapshot.Stored`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def nodes(self, names: Collection[str]) -> Iterator[NodeRow]:
        """Yield those of ``names`` that the store has."""
        for iri, key, owner, *row in self._connection.execute(_NODES, (json.dumps(list(names)),)):
            yield iri, key, owner, None if row[0] is None else RecordRow(*row)

    def edges_from(self, sources: Collection[int]) -> Iterable[tuple[int, int, int]]:
        """Return the edges (source, predicate, target) that start at some nodes."""
        return self._connection.execute(_EDGES, (json.dumps(list(sources)),))

    def aliases_of(self, records: Collection[int]) -> Iterable[tuple[int, str]]:
        """Return record and name of the aliases of some records."""
        return self._connection.execute(_ALIASES_OF, (json.dumps(list(records)),))

    def holders(self, names: Collection[str]) -> Iterable[tuple[str, int]]:
        """Return name and record of those of ``names`` that are aliases."""
        return self._connection.execute(_ALIASES, (json.dumps(list(names)),))

    def files_of(self, record: int) -> Iterable[tuple[int, str]]:
        """Return key and IRI of all files that the versions of a record ever listed."""
        return self._connection.execute(_FILES_OF, (record, PART_OF_KEY))

    def body(self, sequence: int) -> bytes | None:
        """Return the body of an entry."""
        row = self._connection.execute(_BODY, (sequence,)).fetchone()
        return None if row is None else row[0]

    def move(self, *, old: int, new: int) -> None:
        """Give a node another key."""
        for statement in _MOVES:
            self._connection.execute(statement, (new, old))
