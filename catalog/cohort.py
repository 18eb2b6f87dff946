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
from catalog.search.query import Query, parse
from ontology.canonical import canonical_json
from ontology.errors import ConflictError, InvalidRequestError, SillageError
from ontology.namespaces import DERIVED_FROM, HAD_MEMBER

_CHUNK: Final = 500
_ATTEMPTS: Final = 10
_LABEL: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortDraft:
    """A cohort ready to be written: document and edges of the record (``docs/reference/records.md``)."""

    document: Mapping[str, Any]
    edges: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortDiff:
    """What has changed since a cohort was frozen, among what the caller may see.

    Attributes:
        added: Participants that the query finds now and did not find then.
        removed: Members that are still there and that the query does not find any more.
        changed: Members of which something else is known now: ``{participant, was, now, what}``, with the
            versions of the participant's record and, in words, what changed.
        withdrawn: Members that were withdrawn.
        query_now_error: Why the query cannot be asked any more; ``added`` and ``removed`` are then empty.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[Mapping[str, Any], ...] = ()
    withdrawn: tuple[str, ...] = ()
    query_now_error: str | None = None


@dataclass(frozen=True, slots=True)
class _Member:
    """A participant with its raw acquisitions, as they are now."""

    record: Record
    acquisitions: Sequence[Record] = field(default=())

    @property
    def digest(self) -> str:
        """SHA-256 of what is known of the participant: its document, and those of its raw acquisitions.

        Derived acquisitions are left out: running a pipeline on a cohort does not change the cohort.
        """
        acquisitions = sorted([record.id, _sha256(dict(record.document))] for record in self.acquisitions)
        return _sha256(
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
        "label": label or _shortened(query.text),
        "query": query.text,
        "query_json": query.json,
        "ontology": terms_digest,
        "sequence": sequence,
        "count": len(members),
        "digest": cohort_digest(query.text, terms_digest, members),
        "members": members,
    }
    return CohortDraft(document=document, edges=[(HAD_MEMBER, member["participant"]) for member in members])


def cohort_digest(query: str, ontology: str, members: Sequence[Mapping[str, Any]]) -> str:
    """Return the digest of a cohort: SHA-256 over query, ontology and each member's digest, by IRI.

    The sequence number is left out, so that the same answer has the same digest whenever it was frozen.
    """
    listed = sorted([member["participant"], member["digest"]] for member in members)
    return _sha256({"query": query, "ontology": ontology, "members": listed})


def diff(
    cohort: Mapping[str, Any],
    index: SearchIndex,
    repository: Repository,
    datasets: Collection[str] | None,
) -> CohortDiff:
    """Return what has changed since a cohort was frozen.

    Args:
        cohort: The cohort's document.
        index: Where its query is asked again.
        repository: Whence records come.
        datasets: Only what belongs to these datasets is compared; None for all.
    """
    index.catch_up(repository)
    frozen = {m["participant"]: m for m in cohort["members"] if datasets is None or m["dataset"] in datasets}
    current = {member.record.id: member for member in _members(repository, sorted(frozen))}
    withdrawn = tuple(sorted(frozen.keys() - current.keys()))
    added, removed, error = _asked_again(cohort, index, datasets, frozen.keys())
    gone = _withdrawn_acquisitions(repository, cohort["sequence"])
    changed = [
        {
            "participant": iri,
            "was": frozen[iri]["version"],
            "now": member.record.version,
            "what": _what_changed(repository, frozen[iri], member, cohort["sequence"], gone.get(iri, ())),
        }
        for iri, member in current.items()
        if member.digest != frozen[iri]["digest"]
    ]
    return CohortDiff(
        added=added,
        removed=tuple(iri for iri in removed if iri in current),
        changed=tuple(changed),
        withdrawn=withdrawn,
        query_now_error=error,
    )


def _asked_again(
    cohort: Mapping[str, Any], index: SearchIndex, datasets: Collection[str] | None, frozen: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    try:
        now = index.members(parse(cohort["query"]), datasets=datasets)
    except InvalidRequestError as error:
        return (), (), error.detail
    return tuple(sorted(set(now) - set(frozen))), tuple(sorted(set(frozen) - set(now))), None


def _settled_members(
    query: Query, index: SearchIndex, *, repository: Repository, datasets: Collection[str] | None
) -> tuple[int, list[_Member]]:
    """Return the members, and the ledger entry at which all that was read of them was true at once."""
    for _ in range(_ATTEMPTS):
        sequence = index.catch_up(repository)
        members = list(_members(repository, index.members(query, datasets=datasets)))
        if not any(record.type in SEARCHED for record in repository.records_since(sequence)):
            return sequence, members
    raise ConflictError(
        "participants or acquisitions were written all the while",
        next_step="Freeze the cohort again when the registration that is under way has ended.",
    )


def _members(repository: Repository, participants: Sequence[str]) -> Iterator[_Member]:
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
                yield _Member(records[iri], acquisitions.get(iri, ()))


def _withdrawn_acquisitions(repository: Repository, sequence: int) -> dict[str, list[str]]:
    """Return participant to labels of its acquisitions that were withdrawn after a ledger entry."""
    found: dict[str, list[str]] = {}
    while records := repository.records_since(sequence):
        sequence = records[-1].sequence
        for record in records:
            if record.type == "Acquisition" and record.withdrawn:
                for version in reversed(repository.versions(record.id)):
                    if version.document.get("participant"):
                        label = str(version.document.get("label") or record.id)
                        found.setdefault(version.document["participant"], []).append(label)
                        break
    return found


def _what_changed(
    repository: Repository, frozen: Mapping[str, Any], member: _Member, sequence: int, gone: Sequence[str]
) -> list[str]:
    """Return in words what is different about a member."""
    changes = []
    if member.record.version != frozen["version"]:
        changes += _changed_members(_document_at(repository, frozen), member.record.document)
    for record in sorted(member.acquisitions, key=lambda r: str(r.document.get("label"))):
        verb = _what_happened(repository, record, sequence)
        if verb:
            changes.append(f"acquisition {record.document.get('label', record.id)} {verb}")
    changes += [f"acquisition {label} withdrawn" for label in gone]
    return changes or ["acquisitions"]


def _what_happened(repository: Repository, record: Record, sequence: int) -> str | None:
    """Return what became of an acquisition after a ledger entry; None where it says what it said then."""
    if record.sequence <= sequence:
        return None
    before = [version for version in repository.versions(record.id) if version.sequence <= sequence]
    if not before or before[-1].withdrawn:
        return "added"
    return "revised" if before[-1].document != record.document else None


def _document_at(repository: Repository, frozen: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        return repository.get(frozen["participant"], version=frozen["version"]).document
    except SillageError:
        return None  # that version was erased; what it said is not to be known


def _changed_members(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[str]:
    if before is None:
        return ["participant"]
    old, new = before.get("properties") or {}, after.get("properties") or {}
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    others = sorted(m for m in {*before, *after} - {"properties"} if before.get(m) != after.get(m))
    return [f"property {name}" for name in names] + others


def _sha256(value: Any) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _shortened(text: str) -> str:
    return text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"
