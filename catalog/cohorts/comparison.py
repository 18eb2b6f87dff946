"""What has changed since a cohort was frozen: its statement asked again, its members looked at again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from catalog.cohorts.freezing import Member, members_of
from catalog.model import Record
from catalog.repository import Repository
from catalog.search.index import SearchIndex
from catalog.search.query import parse
from ontology.errors import InvalidRequestError, SillageError


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
    current = {member.record.id: member for member in members_of(repository, sorted(frozen))}
    withdrawn = tuple(sorted(frozen.keys() - current.keys()))
    added, removed, error = _asked_again(cohort, index, repository, datasets=datasets, frozen=frozen.keys())
    gone = _withdrawn_acquisitions(repository, cohort["sequence"])
    changed = [
        {
            "participant": iri,
            "was": frozen[iri]["version"],
            "now": member.record.version,
            "what": _what_changed(repository, frozen[iri], member, sequence_of(frozen[iri], cohort), gone.get(iri, ())),
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
    cohort: Mapping[str, Any],
    index: SearchIndex,
    repository: Repository,
    *,
    datasets: Collection[str] | None,
    frozen: Collection[str],
) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    try:
        now = members_now(cohort, index, repository=repository, datasets=datasets)
    except SillageError as error:
        return (), (), error.detail
    return tuple(sorted(now - set(frozen))), tuple(sorted(set(frozen) - now)), None


SET_OPERATIONS: Final[Mapping[str, Callable[..., set[str]]]] = {
    "union": set.union,
    "intersection": set.intersection,
    "difference": set.difference,
}
"""How cohorts can be combined; a difference is the first one without all others."""


def members_now(
    cohort: Mapping[str, Any], index: SearchIndex, *, repository: Repository, datasets: Collection[str] | None
) -> set[str]:
    """Return who would be in a cohort if it were made now.

    A query is asked again. A combination is made of what its parts would be now. A part of a split is not drawn
    again: its members stay in it for as long as the cohort that was split would have them.

    Raises:
        InvalidRequestError: A query cannot be asked any more.
        AmbiguousError: A term of it means several things now.
        NotFoundError: A cohort that it was made of is not there.
    """
    combination = cohort.get("combination")
    if combination is None and cohort.get("part") is None:
        return set(index.members(parse(cohort["query"]), datasets=datasets))
    named = combination["cohorts"] if combination else [cohort["part"]["of"]]
    found = []
    for iri in named:
        document = repository.get(iri).document
        if "members" not in document:
            raise InvalidRequestError(f"cohort {iri} is not there any more", field="query")
        found.append(members_now(document, index, repository=repository, datasets=datasets))
    if combination:
        return SET_OPERATIONS[combination["op"]](*found)
    return found[0] & {member["participant"] for member in cohort["members"]}


def sequence_of(member: Mapping[str, Any], cohort: Mapping[str, Any]) -> int:
    """Return the ledger entry at which a member was frozen; members of a combination have their own."""
    return int(member.get("sequence", cohort["sequence"]))


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
    repository: Repository, frozen: Mapping[str, Any], member: Member, sequence: int, gone: Sequence[str]
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
