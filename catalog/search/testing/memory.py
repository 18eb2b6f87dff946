"""What a search backend's tests need: a repository in memory that records can be put into and taken from.

Shipped, so that a backend outside this project can run the contract suite's questions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NoReturn

from typing_extensions import override

from catalog.model import Commit, Committed, Edge, Erase, Note, Page, Problem, Put, Record, Withdraw
from catalog.repository import Lineage, Repository, RepositoryCapabilities, StoredBody
from ontology.canonical import canonical_json
from ontology.errors import NotFoundError, UnsupportedError
from provenance.ledger.entry import Entry

_TIME = "2026-01-01T00:00:00.000000Z"


class MemoryRepository(Repository):
    """Records and ledger entries in memory: enough for a projection to follow, and no more."""

    capabilities: ClassVar[RepositoryCapabilities] = RepositoryCapabilities(
        survives_power_cut=False, several_processes=False, supports_backup=False
    )

    def __init__(self) -> None:
        self._records: dict[str, list[Record]] = {}
        self._entries: list[Entry] = []
        self._edges: dict[str, list[Edge]] = {}

    @override
    def commit(self, commit: Commit) -> Committed:
        first = len(self._entries)
        for change in commit.changes:
            subject = change.subject if isinstance(change, Note) else change.id
            version = None if isinstance(change, Note) else self._write(change)
            body = (
                hashlib.sha256(canonical_json(dict(change.document))).hexdigest() if isinstance(change, Put) else None
            )
            self._entries.append(
                Entry(
                    sequence=len(self._entries),
                    time=_TIME,
                    principal=commit.principal,
                    action=change.action or commit.action,
                    subject=subject,
                    version=version,
                    body_digest=body,
                )
            )
        versions = {id: len(found) for id, found in self._records.items()}
        return Committed(first=first, last=self.sequence, time=_TIME, versions=versions)

    def _write(self, change: Put | Withdraw | Erase) -> int:
        before = self._records.setdefault(change.id, [])
        record_type = change.type if isinstance(change, Put) else before[-1].type
        before.append(
            Record(
                id=change.id,
                type=record_type,
                version=len(before) + 1,
                created=_TIME,
                modified=_TIME,
                sequence=len(self._entries),
                document=dict(change.document),
                withdrawn=not isinstance(change, Put),
            )
        )
        if isinstance(change, Put):
            self._edges[change.id] = [Edge(change.id, predicate, target) for predicate, target in change.edges]
        return len(before)

    def put(self, *puts: Put) -> None:
        """Commit some records."""
        self.commit(Commit(principal="urn:uuid:test", action="test.put", changes=puts))

    def withdraw(self, *ids: str) -> None:
        """Withdraw some records."""
        self.commit(Commit(principal="urn:uuid:test", action="test.withdraw", changes=[Withdraw(id=i) for i in ids]))

    @override
    def get(self, id: str, *, version: int | None = None) -> Record:
        found = self._records.get(id)
        if not found or not 0 <= (version or 1) - 1 < len(found):
            raise NotFoundError(f"no record {id}", field="id")
        return found[(version or 0) - 1]

    @override
    def get_many(self, ids: Collection[str]) -> dict[str, Record]:
        return {id: self._records[id][-1] for id in ids if id in self._records}

    @override
    def list_records(
        self,
        type: str,
        *,
        datasets: Collection[str] | None = None,
        part_of: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[Record]:
        live = [found[-1] for found in self._records.values() if found[-1].type == type and not found[-1].withdrawn]
        found = [record for record in live if datasets is None or record.dataset in datasets]
        if part_of is not None:
            found = [r for r in found if any(edge.target == part_of for edge in self._edges.get(r.id, ()))]
        start = int(cursor or 0)
        following = str(start + limit) if start + limit < len(found) else None
        return Page(found[start : start + limit], len(found), following)

    @override
    def versions(self, id: str) -> Sequence[Record]:
        return tuple(self._records[id])

    @override
    def edges_from(self, ids: Collection[str], predicates: Collection[str] | None = None) -> Sequence[Edge]:
        edges = (edge for id in ids for edge in self._edges.get(id, ()))
        return [edge for edge in edges if predicates is None or edge.predicate in predicates]

    @override
    def edges_to(self, ids: Collection[str], predicates: Collection[str] | None = None) -> Sequence[Edge]:
        edges = (edge for found in self._edges.values() for edge in found if edge.target in ids)
        return [edge for edge in edges if predicates is None or edge.predicate in predicates]

    @override
    def records_since(self, sequence: int, *, limit: int = 10_000) -> Sequence[Record]:
        current = (found[-1] for found in self._records.values())
        return sorted((r for r in current if r.sequence > sequence), key=lambda r: r.sequence)[:limit]

    @property
    @override
    def sequence(self) -> int:
        return len(self._entries) - 1

    @override
    def entries(
        self,
        *,
        after: int = -1,
        limit: int = 100,
        subject: str | None = None,
        action: str | None = None,
        principal: str | None = None,
    ) -> Page[Entry]:
        return Page(self._entries[after + 1 : after + 1 + limit], len(self._entries), None)

    @override
    def resolve(self, reference: str) -> NoReturn:
        raise _unsupported()

    @override
    def find_alias(self, alias: str) -> NoReturn:
        raise _unsupported()

    @override
    def files_by_sha256(self, sha256: str) -> NoReturn:
        raise _unsupported()

    @override
    def lineage(self, id: str, *, direction: str, depth: int | None = None, limit: int | None = None) -> Lineage:
        raise _unsupported()

    @override
    def body(self, sequence: int) -> StoredBody | None:
        raise _unsupported()

    @override
    def inclusion_proof(self, sequence: int, tree_size: int | None = None) -> NoReturn:
        raise _unsupported()

    @override
    def consistency_proof(self, first: int, second: int | None = None) -> NoReturn:
        raise _unsupported()

    @override
    def checkpoint(self) -> NoReturn:
        raise _unsupported()

    @override
    def verifier_key(self) -> NoReturn:
        raise _unsupported()

    @override
    def check(self, *, checkpoint: str | None = None) -> Iterator[Problem]:
        return iter(())

    @override
    def backup(self, target: Path) -> NoReturn:
        raise _unsupported()

    @override
    def close(self) -> None:
        return None


def _unsupported() -> UnsupportedError:
    return UnsupportedError("a repository in memory only follows records")
