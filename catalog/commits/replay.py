"""Taking over entries of another store's ledger as they are: what they did is planned from their bodies.

Nothing is decided anew, neither times nor salts nor whether a commit may be: that was done where they were written. A
body that was erased is not there to be read; its entry holds the place of the record until the tombstone comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from catalog.commits.batch import Head, Planned
from catalog.commits.bodies import parse_body
from catalog.commits.plan import FileRow, Plan, label_of
from catalog.commits.predicates import Numbering
from catalog.commits.prepared import Kind, PreparedChange, PreparedCommit, listed_files
from catalog.commits.snapshot import ERASED, LIVE, WITHDRAWN, Node, RecordRow, Snapshot, Stored
from catalog.model import Durability
from catalog.repository import Entered
from ontology.errors import IntegrityError, SillageError
from provenance.ledger.entry import Entry, body_digest

BATCH = 1_000
"""Entries that are taken over in one transaction."""

_STATES = {None: LIVE, "withdrawn": WITHDRAWN, "erased": ERASED}


@dataclass(frozen=True, slots=True)
class _Given:
    """An entry with its body as read: the change that it made, its state, and the files that a tombstone hides."""

    entered: Entered
    change: PreparedChange
    state: int = LIVE
    hidden: tuple[str, ...] = ()


def in_batches(entered: Iterable[Entered]) -> Iterator[list[Entered]]:
    """Yield entries in lists of at most :data:`BATCH`."""
    waiting = iter(entered)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def replay_batch(stored: Stored, predicates: Numbering, head: Head, entered: Sequence[Entered]) -> Planned:
    """Plan a batch of entries that follow the head.

    Raises:
        IntegrityError: An entry does not follow the one before it, or a body is not the one whose digest it holds.
    """
    given = [_read(each) for each in entered]
    changes = [each.change for each in given]
    batch = PreparedCommit(principal="", requirements=(), changes=changes, durability=Durability.FULL)
    snapshot = Snapshot(stored, [batch], next_key=head.next_key)
    plan = Replay(stored, snapshot, predicates, size=head.size, time=head.time)
    for each in given:
        plan.take(each)
    return Planned([], plan if plan.entries else None, snapshot)


class Replay(Plan):
    """A plan whose entries were written elsewhere."""

    def take(self, given: _Given) -> None:
        """Add an entry and what it did.

        Raises:
            IntegrityError: It does not follow the one before it.
        """
        entry, body = given.entered.entry, given.entered.body
        self._follow(entry)
        self.entries.append(entry)
        if body is not None:
            self.bodies.append((entry.sequence, body.salt, body.body))
        if entry.version is not None:
            self._become(given, self._node(entry.subject), entry.version)

    def _follow(self, entry: Entry) -> None:
        expected = self._size + len(self.entries)
        last = self.entries[-1].time if self.entries else self._time
        if entry.sequence != expected or entry.time < last:
            raise IntegrityError(f"entry {entry.sequence} does not follow entry {expected - 1}")

    def _become(self, given: _Given, node: Node, version: int) -> None:
        """Bring a record to the version that an entry made."""
        sequence, change = given.entered.entry.sequence, given.change
        previous = self._record(node)
        first = sequence if previous is None else previous.first
        if change.document is None:
            state = LIVE if previous is None else previous.state
            type = "" if previous is None else previous.type
            self.records[node.key] = RecordRow(type, version, first, sequence, state, None, "")
            return
        governing = self._governing(change.type, node.key, change.document)
        label = label_of(change.document)
        self.records[node.key] = RecordRow(change.type, version, first, sequence, given.state, governing, label)
        self._connect(node.key, change.edges)
        self._name(node.key, change.id, frozenset(change.aliases))
        self._list_files(node.key, change.files, sequence)
        self._hide(node.key, given.hidden, sequence)
        if given.state == ERASED and (previous is None or previous.state != ERASED):
            self.erased.append((change.id, version))

    def _hide(self, record: int, names: Iterable[str], sequence: int) -> None:
        """Keep files that only a tombstone still names, without what was said of them."""
        for name in names:
            node = self._node(name)
            known = self.files.get(node.key)
            if (node.owner if known is None else known.record) is None:
                self.memberships[node.key] = record
                self._file_names[node.key] = name
            self.files[node.key] = FileRow(record, sequence, None, None, "")


def _read(entered: Entered) -> _Given:
    entry, body = entered.entry, entered.body
    if body is not None and body_digest(body.salt, body.body) != entry.body_digest:
        raise IntegrityError(f"the body of entry {entry.sequence} is not the one whose digest it holds")
    if entry.version is None:
        return _Given(entered, _change(Kind.NOTE, entry, None))
    if body is None:
        return _Given(entered, _change(Kind.PUT, entry, None))
    try:
        return _read_body(entered, parse_body(body.body))
    except (ValueError, TypeError, KeyError, AttributeError, SillageError) as error:
        raise IntegrityError(f"the body of entry {entry.sequence} is not that of a record") from error


def _read_body(entered: Entered, content: Mapping[str, Any]) -> _Given:
    state = _STATES[content.get("state")]
    change = _change(Kind.PUT, entered.entry, content["document"])
    change.type = content["type"]
    change.edges = tuple((predicate, target) for predicate, target in content["edges"])
    change.aliases = tuple(content["aliases"])
    change.files = listed_files(content["document"]) if state == LIVE else ()
    return _Given(entered, change, state, tuple(content["files"]) if state != LIVE else ())


def _change(kind: Kind, entry: Entry, document: Mapping[str, Any] | None) -> PreparedChange:
    return PreparedChange(kind, entry.subject, entry.action, entry.reason, document)
