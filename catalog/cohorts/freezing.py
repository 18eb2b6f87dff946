"""Cohorts: the answer to a query, frozen so that it can be cited, and compared with the answer of today.

A cohort copies no data. It states the query, the version of the ontology, the ledger entry up to which the
catalogue was read, and each member with the digest of what was known of it; see ``docs/explanation/cohorts.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from catalog.model import Record
from catalog.repository import Repository
from catalog.search.index import SearchIndex
from catalog.search.projection import SEARCHED
from catalog.search.query import Query
from ontology.canonical import canonical_json
from ontology.errors import ConflictError
from ontology.namespaces import DERIVED_FROM, HAD_MEMBER

_CHUNK: Final = 500
_ATTEMPTS: Final = 10
_LABEL: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortDraft:
    """A cohort ready to be written: document and edges of the record (``docs/reference/records.md``)."""

    document: Mapping[str, Any]
    edges: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Member:
    """A participant with its raw acquisitions, as they are now."""

    record: Record
    acquisitions: Sequence[Record] = field(default=())

    @property
    def digest(self) -> str:
        """SHA-256 of what is known of the participant: its document, and those of its raw acquisitions.

        Derived acquisitions are left out: running a pipeline on a cohort does not change the cohort.
        """
        acquisitions = sorted([record.id, sha256_of_json(dict(record.document))] for record in self.acquisitions)
        return sha256_of_json(
            {"participant": self.record.id, "document": dict(self.record.document), "acquisitions": acquisitions}
        )

    def entry(self) -> dict[str, Any]:
        """Return the member as the cohort's document lists it."""
        return {
            "participant": self.record.id,
            "version": self.record.version,
            "dataset": self.record.dataset,
            "digest": self.digest,
        }


def freeze(
    query: Query,
    index: SearchIndex,
    *,
    repository: Repository,
    terms_digest: str,
    datasets: Collection[str] | None,
    label: str | None = None,
) -> CohortDraft:
    """Return the present answer to a query as a cohort, all of it read from one state of the catalogue.

    Args:
        query: What the members fulfil.
        index: Where it is asked.
        repository: Whence the members' records come.
        terms_digest: Version of the ontology (:attr:`ontology.terms.TermIndex.digest`).
        datasets: Only participants and acquisitions of these datasets exist; None for all.
        label: What a person reads; the query when not given.

    Raises:
        InvalidRequestError: The query names an unknown property or term.
        AmbiguousError: A term of the query means several things.
        ConflictError: Others kept writing participants or acquisitions meanwhile.
    """
    sequence, found = _settled_members(query, index, repository=repository, datasets=datasets)
    members = [member.entry() for member in found]
    document = {
        "label": label or shortened(query.text),
        "query": query.text,
        "query_json": query.json,
        "ontology": terms_digest,
        "sequence": sequence,
        "count": len(members),
        "digest": cohort_digest(query.text, terms_digest, members),
        "members": members,
    }
    return CohortDraft(document=document, edges=[(HAD_MEMBER, member["participant"]) for member in members])


def cohort_digest(query: str, ontology: str | None, members: Sequence[Mapping[str, Any]]) -> str:
    """Return the digest of a cohort: SHA-256 over query, ontology and each member's digest, by IRI.

    The sequence number is left out, so that the same answer has the same digest whenever it was frozen.
    """
    listed = sorted([member["participant"], member["digest"]] for member in members)
    return sha256_of_json({"query": query, "ontology": ontology, "members": listed})


def _settled_members(
    query: Query, index: SearchIndex, *, repository: Repository, datasets: Collection[str] | None
) -> tuple[int, list[Member]]:
    """Return the members, and the ledger entry at which all that was read of them was true at once."""
    for _ in range(_ATTEMPTS):
        sequence = index.catch_up(repository)
        members = list(members_of(repository, index.members(query, datasets=datasets)))
        if not any(record.type in SEARCHED for record in repository.records_since(sequence)):
            return sequence, members
    raise ConflictError(
        "participants or acquisitions were written all the while",
        next_step="Freeze the cohort again when the registration that is under way has ended.",
    )


def members_of(repository: Repository, participants: Sequence[str]) -> Iterator[Member]:
    """Yield those of some participants that are not withdrawn, with their raw acquisitions."""
    for start in range(0, len(participants), _CHUNK):
        chunk = participants[start : start + _CHUNK]
        records = repository.get_many(chunk)
        sources = {edge.source for edge in repository.edges_to(chunk, {DERIVED_FROM})}
        acquisitions: dict[str, list[Record]] = {}
        for record in repository.get_many(sources).values():
            if record.type == "Acquisition" and not record.withdrawn and not record.document.get("derived"):
                acquisitions.setdefault(str(record.document.get("participant")), []).append(record)
        for iri in chunk:
            if iri in records and not records[iri].withdrawn:
                yield Member(records[iri], acquisitions.get(iri, ()))


def sha256_of_json(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON (RFC 8785), in hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def shortened(text: str) -> str:
    """Return a text short enough for a label."""
    return text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"
