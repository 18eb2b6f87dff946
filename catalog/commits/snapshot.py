"""What the store says about the names in a batch of commits, read inside the transaction that will write them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, Protocol

from catalog.commits.prepared import Kind, PreparedCommit

LIVE, WITHDRAWN, ERASED = 0, 1, 2

Arrow = tuple[int, int]
"""Predicate and target of an edge, by their keys."""


class RecordRow(NamedTuple):
    """The state of a record, without its key. ``dataset`` is the key of the dataset that governs it.

    A stored row need not say its dataset and label: planning asks for neither.
    """

    type: str
    version: int
    first: int
    sequence: int
    state: int
    dataset: int | None
    label: str


NodeRow = tuple[str, int, int | None, RecordRow | None]
"""Name, key, key of the record that lists the file of this name, and the record of this name."""


class Stored(Protocol):
    """What planning asks of a store, inside the transaction that will write."""

    def nodes(self, names: Collection[str]) -> Iterable[NodeRow]:
        """Return those of ``names`` that the store has."""

    def edges_from(self, sources: Collection[int]) -> Iterable[tuple[int, int, int]]:
        """Return the edges (source, predicate, target) that start at some nodes."""

    def aliases_of(self, records: Collection[int]) -> Iterable[tuple[int, str]]:
        """Return record and name of the aliases of some records."""

    def holders(self, names: Collection[str]) -> Iterable[tuple[str, int]]:
        """Return name and record of those of ``names`` that are aliases."""

    def files_of(self, record: int) -> Iterable[tuple[int, str]]:
        """Return key and IRI of all files that the versions of a record ever listed."""

    def body(self, sequence: int) -> bytes | None:
        """Return the body of an entry."""

    def move(self, *, old: int, new: int) -> None:
        """Give a node another key, and with it all edges and records that point at it."""


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

    def __init__(self, stored: Stored, batch: Collection[PreparedCommit], *, next_key: int) -> None:
        self._stored = stored
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

    @property
    def next_key(self) -> int:
        """First key that was not given out."""
        return self._next

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
        yield from self._stored.edges_from(list(sources))

    def files_of(self, record: int) -> list[tuple[int, str]]:
        """Return key and IRI of all files that the stored versions of a record ever listed."""
        return list(self._stored.files_of(record))

    def _key(self) -> int:
        self._next += 1
        return self._next - 1

    def _read_nodes(self, names: set[str]) -> None:
        self._asked |= names
        for iri, key, owner, record in self._stored.nodes(names) if names else ():
            node = self.nodes[iri] = Node(key, iri, stored=True)
            node.owner, node.record = owner, record

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
        self._stored.move(old=old, new=node.key)

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
            for record, name in self._stored.aliases_of(changed):
                aliases[record].add(name)
            self.edges.update((key, frozenset(found)) for key, found in edges.items())
            self.aliases.update((key, frozenset(found)) for key, found in aliases.items())
        names = [name for commit in batch for change in commit.changes for name in change.aliases]
        if names:
            self.holders.update(self._stored.holders(names))


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
