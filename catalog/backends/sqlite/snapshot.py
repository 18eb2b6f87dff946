"""What the store says about the names in a batch of commits, read inside the transaction that will write them."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from catalog.backends.sqlite.predicates import PART_OF_KEY
from catalog.backends.sqlite.prepared import Kind, PreparedCommit

LIVE, WITHDRAWN, ERASED = 0, 1, 2

Arrow = tuple[int, int]
"""Predicate and target of an edge, by their keys."""

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


class RecordRow(NamedTuple):
    """A row of the table ``record``, without its key."""

    type: str
    version: int
    first: int
    sequence: int
    state: int
    dataset: int | None
    label: str


class Node:
    """An IRI with its key, and what has it.

    Attributes:
        key: Key in the store.
        iri: Its name.
        stored: Whether the store has it yet.
        record: The record of this name, if there is one.
        owner: Key of the record that lists the file of this name, if there is one.
    """

    __slots__ = ("iri", "key", "owner", "record", "stored")

    def __init__(self, key: int, iri: str, *, stored: bool) -> None:
        self.key = key
        self.iri = iri
        self.stored = stored
        self.record: RecordRow | None = None
        self.owner: int | None = None


class Snapshot:
    """Nodes, edges and aliases that a batch touches. Keys of new records are given out in the order of the batch.

    Attributes:
        nodes: By IRI; only names that were asked for.
        edges: Stored edges of the records that the batch changes, by source.
        aliases: Stored aliases of those records.
        holders: Key of the record that holds each alias that the batch mentions.
    """

    def __init__(self, connection: sqlite3.Connection, batch: Collection[PreparedCommit], *, next_key: int) -> None:
        self._connection = connection
        self.nodes: dict[str, Node] = {}
        self.edges: defaultdict[int, frozenset[Arrow]] = defaultdict(frozenset)
        self.aliases: defaultdict[int, frozenset[str]] = defaultdict(frozenset)
        self.holders: dict[str, int] = {}
        self._moved: set[int] = set()
        self._asked: set[str] = set()
        self._first_new = self._next = next_key
        self._read_nodes(set(_names(batch)))
        self._number_records(batch)
        self._read_changed(batch)

    def node(self, iri: str) -> Node:
        """Return the node of a name; a new one if the store has none."""
        if iri not in self._asked:
            self._read_nodes({iri})
        node = self.nodes.get(iri)
        if node is None:
            node = self.nodes[iri] = Node(self._key(), iri, stored=False)
        return node

    def is_new(self, key: int) -> bool:
        """Tell whether no stored edge can start or end at this key."""
        return key >= self._first_new and key not in self._moved

    def edges_from(self, sources: Iterable[int]) -> Iterator[tuple[int, int, int]]:
        """Yield stored edges (source, predicate, target)."""
        yield from self._connection.execute(_EDGES, (json.dumps(list(sources)),))

    def files_of(self, record: int) -> list[tuple[int, str]]:
        """Return key and IRI of all files that the stored versions of a record ever listed."""
        return self._connection.execute(_FILES_OF, (record, PART_OF_KEY)).fetchall()

    def _key(self) -> int:
        self._next += 1
        return self._next - 1

    def _read_nodes(self, names: set[str]) -> None:
        self._asked |= names
        for iri, key, owner, *row in self._connection.execute(_NODES, (json.dumps(list(names)),)):
            node = self.nodes[iri] = Node(key, iri, stored=True)
            node.owner = owner
            if row[0] is not None:
                node.record = RecordRow(*row)

    def _number_records(self, batch: Collection[PreparedCommit]) -> None:
        """Give new records their keys, so that the order of keys is the order in which records were made.

        A name that was only pointed at so far moves to a new key when its record arrives.
        """
        for commit in batch:
            for change in commit.changes:
                if change.kind is not Kind.PUT:
                    continue
                node = self.nodes.get(change.id)
                if node is None:
                    self.node(change.id)
                elif not self.is_new(node.key) and node.record is None and node.owner is None:
                    self._move(node)

    def _move(self, node: Node) -> None:
        old, node.key = node.key, self._key()
        self._moved.add(node.key)
        for statement in ("UPDATE node SET key = ? WHERE key = ?", "UPDATE edge SET target = ? WHERE target = ?",
                          "UPDATE record SET dataset = ? WHERE dataset = ?"):  # fmt: skip
            self._connection.execute(statement, (node.key, old))

    def _read_changed(self, batch: Collection[PreparedCommit]) -> None:
        changed = {
            node.key
            for commit in batch
            for change in commit.changes
            if (node := self.nodes.get(change.id)) is not None and node.record is not None
        }
        if changed:
            edges, aliases = defaultdict(set), defaultdict(set)
            for source, predicate, target in self.edges_from(changed):
                edges[source].add((predicate, target))
            for record, name in self._connection.execute(_ALIASES_OF, (json.dumps(list(changed)),)):
                aliases[record].add(name)
            self.edges.update((key, frozenset(found)) for key, found in edges.items())
            self.aliases.update((key, frozenset(found)) for key, found in aliases.items())
        names = [name for commit in batch for change in commit.changes for name in change.aliases]
        if names:
            self.holders.update(self._connection.execute(_ALIASES, (json.dumps(names),)))


def _names(batch: Iterable[PreparedCommit]) -> Iterator[str]:
    for commit in batch:
        for requirement in commit.requirements:
            yield requirement.id
        for change in commit.changes:
            if change.kind is Kind.NOTE:
                continue
            yield change.id
            for _, target in change.edges:
                yield target
            for file in change.files:
                yield file.id
            dataset = None if change.document is None else change.document.get("dataset")
            if isinstance(dataset, str):
                yield dataset
