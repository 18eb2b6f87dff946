"""Whether two repositories hold the same: digests over ledger, records, edges and aliases, by the contract alone.

A ledger that was handed over is the same ledger when every entry, salt and body is the same; a store holds it soundly
when it also answers alike. Both are compared, so that an engine that stores something a little differently is found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from catalog.model import Edge, Record
from catalog.repository import Repository
from ontology.canonical import canonical_json
from ontology.namespaces import PART_OF
from provenance.ledger.merkle import Frontier

BATCH: Final = 1_000
_NO_ALIASES: Final = b'{"aliases":[],'
"""How a body without aliases begins: members of canonical JSON are sorted (RFC 8785, section 3.2.3)."""

Tell = Callable[[int, int], None]
"""Is told how many entries are done, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """What a repository holds, in a few lines; all digests are SHA-256 in hex.

    Attributes:
        entries: Length of the ledger.
        root: Root of the Merkle tree over its entries (RFC 9162, section 2.1.1).
        checkpoint: Its signed head (C2SP tlog-checkpoint).
        bodies: Over every salt and body, and where there is none.
        records: Over the current version of every record and file, tombstones included.
        edges: Over every edge.
        aliases: Over every alias and what it means.
    """

    entries: int
    root: str
    checkpoint: str
    bodies: str
    records: str
    edges: str
    aliases: str

    def to_json(self) -> dict[str, Any]:
        """Return the digests as they are shown."""
        return asdict(self)

    def differences(self, other: Digests) -> list[str]:
        """Return the names of those that differ."""
        mine, others = asdict(self), asdict(other)
        return [name for name, value in mine.items() if others[name] != value]


def digests(repository: Repository, tell: Tell = lambda done, of: None) -> Digests:
    """Read a whole repository and return its digests; nobody may write to it meanwhile.

    Raises:
        IntegrityError: It is damaged.
        BackendUnavailableError: It is away.
    """
    ledger = _LedgerDigest()
    whole = 2 * (repository.sequence + 1)
    for done, entered in enumerate(repository.export(), 1):
        ledger.add(entered.entry.leaf_hash(), entered.body.salt + entered.body.body if entered.body else None)
        if entered.body is not None and entered.entry.version is not None:
            ledger.note_aliases(entered.entry.subject, entered.body.body)
        if done % BATCH == 0:
            tell(done, whole)
    records, edges = hashlib.sha256(), hashlib.sha256()
    for batch in _batches(repository):
        for record in _with_files(repository, batch):
            records.update(_line(_record(record)))
        for edge in _edges(repository, [record.id for record in batch]):
            edges.update(_line(edge))
        tell(whole // 2 + batch[-1].sequence, whole)
    return Digests(
        entries=ledger.frontier.size,
        root=ledger.frontier.root().hex(),
        checkpoint=repository.checkpoint(),
        bodies=ledger.bodies.hexdigest(),
        records=records.hexdigest(),
        edges=edges.hexdigest(),
        aliases=_aliases(repository, ledger.aliases),
    )


class _LedgerDigest:
    """One reading of the ledger."""

    def __init__(self) -> None:
        self.frontier = Frontier()
        self.bodies = hashlib.sha256()
        self.aliases: dict[str, list[str]] = {}

    def add(self, leaf: bytes, salted: bytes | None) -> None:
        self.frontier.extend([leaf])
        self.bodies.update(b"\x00" if salted is None else b"\x01" + hashlib.sha256(salted).digest())

    def note_aliases(self, subject: str, body: bytes) -> None:
        """Keep the aliases of the newest version of a record."""
        if not body.startswith(_NO_ALIASES):
            self.aliases[subject] = json.loads(body)["aliases"]
        elif subject in self.aliases:
            del self.aliases[subject]


def _batches(repository: Repository) -> Iterator[list[Record]]:
    reached = -1
    while batch := list(repository.records_since(reached, limit=BATCH)):
        yield batch
        reached = batch[-1].sequence


def _with_files(repository: Repository, batch: Collection[Record]) -> Iterator[Record]:
    """Yield each record, and the files that it lists as the repository knows them by themselves."""
    listed = [file["id"] for record in batch for file in record.document.get("files") or () if "id" in file]
    known = repository.get_many(listed) if listed else {}
    for record in batch:
        yield record
        for file in record.document.get("files") or ():
            if (found := known.get(file.get("id"))) is not None:
                yield found


def _edges(repository: Repository, ids: Collection[str]) -> list[tuple[str, str, str]]:
    """Return the edges of some records, and those by which files belong to them, hidden ones included."""
    found: set[Edge] = {*repository.edges_from(ids), *repository.edges_to(ids, [PART_OF])}
    return sorted((edge.source, edge.predicate, edge.target) for edge in found)


def _aliases(repository: Repository, held: dict[str, list[str]]) -> str:
    names = sorted({name for aliases in held.values() for name in aliases})
    digest = hashlib.sha256()
    for name in names:
        digest.update(_line([name, repository.find_alias(name)]))
    return digest.hexdigest()


def _record(record: Record) -> dict[str, Any]:
    return asdict(record) | {"document": record.document}


def _line(value: Any) -> bytes:
    return bytes(canonical_json(value)) + b"\n"
