"""Deciding what a batch of commits does, before a single row is written.

Planning works on a snapshot and an overlay in memory, so that a commit that fails leaves nothing behind and the
others of its batch go on. Rows are written only from a finished plan.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from catalog.commits.bodies import parse_body
from catalog.commits.cycles import find_cycle
from catalog.commits.predicates import LAST_LINEAGE_KEY, PART_OF_KEY, Numbering
from catalog.commits.prepared import (
    Kind,
    ListedFile,
    PreparedChange,
    PreparedCommit,
    body_head,
    quoted,
    quoted_list,
)
from catalog.commits.snapshot import ERASED, LIVE, WITHDRAWN, Arrow, Node, RecordRow, Snapshot, Stored
from catalog.model import Committed, MustBeAbsent
from ontology.errors import ConflictError, IntegrityError, NotFoundError, RequirementFailedError
from provenance.ledger.entry import SALT_BYTES, Entry, body_digest


class FileRow(NamedTuple):
    """The state of a file, without its key: the record, entry and place that mention it last."""

    record: int
    sequence: int
    position: int | None
    sha256: str | None
    label: str


class Plan:
    """The rows that a batch adds and changes, after those of its commits that were accepted.

    Attributes:
        entries: New ledger entries.
        bodies: ``(sequence, salt, body)`` of those that have one.
        nodes: IRIs of new nodes, by key.
        records: New state of records, by key.
        edges: New edges of records, by source.
        memberships: Record of each file that is new, by the file's key.
        aliases: New aliases of records, by key.
        holders: New holder of each alias, None where it was given up.
        files: New state of files, by key.
        predicates: Keys of predicates that the store has not met.
        erased: ``(IRI, version of the tombstone)`` of records to erase.
    """

    def __init__(
        self,
        stored: Stored,
        snapshot: Snapshot,
        predicates: Numbering,
        *,
        size: int,
        time: str,
    ) -> None:
        self._stored = stored
        self._snapshot = snapshot
        self._predicates = predicates
        self._size = size
        self._time = time
        self._salts = b""
        self._added: list[tuple[int, int]] = []
        self._rested_on: set[int] = set()
        self._file_names: dict[int, str] = {}
        self.entries: list[Entry] = []
        self.bodies: list[tuple[int, bytes, bytes]] = []
        self.nodes: dict[int, str] = {}
        self.records: dict[int, RecordRow] = {}
        self.edges: dict[int, frozenset[Arrow]] = {}
        self.memberships: dict[int, int] = {}
        self.aliases: dict[int, frozenset[str]] = {}
        self.holders: dict[str, int | None] = {}
        self.files: dict[int, FileRow] = {}
        self.predicates: dict[str, int] = {}
        self.erased: list[tuple[str, int]] = []

    def admit(self, commit: PreparedCommit) -> None:
        """Check the requirements of a commit.

        Raises:
            RequirementFailedError: One does not hold.
        """
        for requirement in commit.requirements:
            node = self._snapshot.nodes.get(requirement.id)
            record = None if node is None else self._record(node)
            if isinstance(requirement, MustBeAbsent):
                if record is not None:
                    raise RequirementFailedError(
                        f"{requirement.id} exists already", params={"id": requirement.id, "version": record.version}
                    )
                continue
            version = None if record is None else record.version
            if version != requirement.version:
                raise RequirementFailedError(
                    f"{requirement.id} is at version {version}, not {requirement.version}"
                    if version is not None
                    else f"{requirement.id} is not there",
                    params={"id": requirement.id, "version": version},
                )

    def apply(self, commit: PreparedCommit) -> Committed:
        """Add what a commit does. After an error the plan is spoilt and has to be made again without it.

        Raises:
            ConflictError: See :meth:`catalog.repository.Repository.commit`.
            NotFoundError: See there.
        """
        first = self._size + len(self.entries)
        versions: dict[str, int] = {}
        self._added = []
        for change in commit.changes:
            if change.kind is Kind.NOTE:
                self._enter(commit, change, None, change.head)
            elif change.kind is Kind.PUT:
                versions[change.id] = self._put(commit, change)
            else:
                versions[change.id] = self._bury(commit, change)
        self._refuse_cycles()
        return Committed(first=first, last=self._size + len(self.entries) - 1, time=self._time, versions=versions)

    def edge_changes(self) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """Return the edges (source, predicate, target) to take away and to add."""
        removed: list[tuple[int, int, int]] = []
        added: list[tuple[int, int, int]] = []
        for source, after in self.edges.items():
            before = self._snapshot.edges[source]
            removed.extend((source, *arrow) for arrow in before - after)
            added.extend((source, *arrow) for arrow in after - before)
        added.extend((file, PART_OF_KEY, record) for file, record in self.memberships.items())
        return removed, added

    def alias_changes(self) -> tuple[list[tuple[str]], list[tuple[str, int]]]:
        """Return the aliases to take away, and those to give to a record."""
        given_up = [(name,) for name, holder in self.holders.items() if holder is None]
        return given_up, [(name, holder) for name, holder in self.holders.items() if holder is not None]

    def _put(self, commit: PreparedCommit, change: PreparedChange) -> int:
        node = self._node(change.id)
        previous = self._record(node)
        sequence = self._size + len(self.entries)
        self._refuse_put(node, previous, change)
        version = 1 if previous is None else previous.version + 1
        self.records[node.key] = RecordRow(
            change.type,
            version,
            sequence if previous is None else previous.first,
            sequence,
            LIVE,
            self._governing(change.type, node.key, change.document or {}),
            label_of(change.document or {}),
        )
        self._connect(node.key, change.edges)
        if change.aliases or previous is not None:
            self._name(node.key, change.id, frozenset(change.aliases))
        if change.files:
            self._list_files(node.key, change.files, sequence)
        body = b'%b,"id":%b,"type":%b,"version":%d}' % (
            change.head or b"",
            quoted(change.id),
            quoted(change.type),
            version,
        )
        self._enter(commit, change, version, body)
        return version

    def _refuse_put(self, node: Node, previous: RecordRow | None, change: PreparedChange) -> None:
        if previous is None:
            if node.owner is not None or node.key in self.files:
                raise ConflictError(f"{change.id} is the name of a file", field="id")
        elif previous.state == ERASED:
            raise ConflictError(
                f"{change.id} was erased and cannot come back", next_step="Register it anew, under a new identifier."
            )
        elif previous.type != change.type:
            raise ConflictError(f"{change.id} is a {previous.type} and cannot become a {change.type}", field="type")

    def _bury(self, commit: PreparedCommit, change: PreparedChange) -> int:
        """Write a tombstone: edges stay, since lineage must still tell what rests on the record."""
        node = self._snapshot.nodes.get(change.id)
        previous = None if node is None else self._record(node)
        if node is None or previous is None:
            raise NotFoundError(f"there is no record {change.id}", field="id")
        erase = change.kind is Kind.ERASE or previous.state == ERASED
        before = self._body(previous.sequence)
        document = dict(change.document or {})
        if isinstance(before["document"].get("dataset"), str):
            document.setdefault("dataset", before["document"]["dataset"])
        sequence, version = self._size + len(self.entries), previous.version + 1
        self.records[node.key] = RecordRow(
            previous.type,
            version,
            previous.first,
            sequence,
            ERASED if erase else WITHDRAWN,
            self._governing(previous.type, node.key, document),
            label_of(document),
        )
        aliases = [] if erase else before["aliases"]
        self._name(node.key, change.id, frozenset(aliases))
        files = self._hide_files(node.key, sequence)
        body = b'%b,"files":%b,"id":%b,"state":%b,"type":%b,"version":%d}' % (
            body_head(document, before["edges"], aliases),
            quoted_list(files),
            quoted(change.id),
            b'"erased"' if erase else b'"withdrawn"',
            quoted(previous.type),
            version,
        )
        self._enter(commit, change, version, body)
        if change.kind is Kind.ERASE:
            self.erased.append((change.id, version))
        return version

    def _enter(self, commit: PreparedCommit, change: PreparedChange, version: int | None, body: bytes | None) -> None:
        sequence = self._size + len(self.entries)
        digest = None
        if body is not None:
            if len(self._salts) < SALT_BYTES:
                self._salts = os.urandom(SALT_BYTES * max(1, min(len(commit.changes), 4096)))
            salt, self._salts = self._salts[:SALT_BYTES], self._salts[SALT_BYTES:]
            digest = body_digest(salt, body)
            self.bodies.append((sequence, salt, body))
        self.entries.append(
            Entry(
                sequence=sequence,
                time=self._time,
                principal=commit.principal,
                action=change.action,
                subject=change.id,
                version=version,
                reason=change.reason,
                body_digest=digest,
            )
        )

    def _node(self, iri: str) -> Node:
        node = self._snapshot.node(iri)
        if not node.stored:
            self.nodes[node.key] = iri
        return node

    def _record(self, node: Node) -> RecordRow | None:
        return self.records.get(node.key, node.record)

    def _governing(self, type: str, key: int, document: Any) -> int | None:
        """Return the key of the dataset that governs a record (:attr:`catalog.model.Record.dataset`)."""
        if type == "Dataset":
            return key
        dataset = document.get("dataset")
        return self._node(dataset).key if isinstance(dataset, str) else None

    def _connect(self, source: int, pairs: Iterable[tuple[str, str]]) -> None:
        before = self.edges.get(source)
        if before is None:
            before = self._snapshot.edges[source]
        after = frozenset((self._predicate(predicate), self._node(target).key) for predicate, target in pairs)
        if after == before:
            return
        self.edges[source] = after
        for arrow in after:
            if arrow[0] <= LAST_LINEAGE_KEY and arrow not in before:
                self._added.append((source, arrow[1]))

    def _predicate(self, curie: str) -> int:
        key = self.predicates.get(curie) or self._predicates.find(curie)
        if key is None:
            key = self.predicates[curie] = self._predicates.next() + len(self.predicates)
        return key

    def _name(self, key: int, iri: str, names: frozenset[str]) -> None:
        before = self.aliases.get(key)
        if before is None:
            before = self._snapshot.aliases[key]
        for name in names - before:
            holder = self.holders[name] if name in self.holders else self._snapshot.holders.get(name)
            if holder is not None and holder != key:
                raise ConflictError(f"another record than {iri} is already known as {name}", field="aliases")
            self.holders[name] = key
        for name in before - names:
            self.holders[name] = None
        self.aliases[key] = names

    def _list_files(self, record: int, files: Iterable[ListedFile], sequence: int) -> None:
        for position, file in enumerate(files):
            node = self._node(file.id)
            if self._record(node) is not None:
                raise ConflictError(f"{file.id} is a record and cannot be listed as a file", field="files")
            known = self.files.get(node.key)
            owner = node.owner if known is None else known.record
            if owner is None:
                self.memberships[node.key] = record
                self._file_names[node.key] = file.id
                self._added.append((node.key, record))
            elif owner != record:
                raise ConflictError(f"the file {file.id} belongs to another record", field="files")
            self.files[node.key] = FileRow(record, sequence, position, file.sha256, file.label)

    def _hide_files(self, record: int, sequence: int) -> list[str]:
        found = dict(self._snapshot.files_of(record))
        found.update((key, self._file_names[key]) for key, owner in self.memberships.items() if owner == record)
        for key in found:
            self.files[key] = FileRow(record, sequence, None, None, "")
        return [found[key] for key in sorted(found)]

    def _body(self, sequence: int) -> Any:
        if sequence >= self._size:
            return parse_body(next(body for at, _, body in reversed(self.bodies) if at == sequence))
        body = self._stored.body(sequence)
        if body is None:
            raise IntegrityError(f"the body of entry {sequence} is missing")
        return parse_body(body)

    def _refuse_cycles(self) -> None:
        self._rested_on.update(target for _, target in self._added)
        sources = dict.fromkeys(source for source, _ in self._added)
        cycle = find_cycle((key for key in sources if self._may_be_rested_on(key)), self._causes)
        if cycle is None:
            return
        names = {node.key: node.iri for node in self._snapshot.nodes.values()}
        raise ConflictError(
            "these edges would let a thing rest on itself: "
            + " -> ".join(names.get(key, "a stored record") for key in cycle),
            field="edges",
        )

    def _may_be_rested_on(self, key: int) -> bool:
        return key in self._rested_on or not self._snapshot.is_new(key)

    def _causes(self, keys: Iterable[int]) -> dict[int, list[int]]:
        """Return what each of ``keys`` directly rests on, as it will be after this plan."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        stored: list[int] = []
        for key in keys:
            if key in self.edges:
                found[key].extend(target for predicate, target in self.edges[key] if predicate <= LAST_LINEAGE_KEY)
            elif not self._snapshot.is_new(key):
                stored.append(key)
            if key in self.memberships:
                found[key].append(self.memberships[key])
        for source, predicate, target in self._snapshot.edges_from(stored) if stored else ():
            if predicate <= LAST_LINEAGE_KEY:
                found[source].append(target)
        return found


def label_of(document: Any) -> str:
    """Return a document's label, empty where it has none."""
    label = document.get("label")
    return label if isinstance(label, str) else ""
