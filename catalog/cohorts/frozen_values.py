"""What was known of a cohort's members when it was frozen: their properties, read from the versions frozen.

A participant that was withdrawn since says nothing any more, and neither does one whose frozen version was erased.
Acquisitions are those raw ones that were there at the frozen ledger entry and still are, each as it was then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final

from catalog.cohorts.comparison import sequence_of
from catalog.model import Record
from catalog.repository import Repository
from catalog.search.index import PropertyInfo, SearchIndex
from catalog.search.names import Level, canonical_name, well_known
from catalog.search.projection import Statement, project
from ontology.errors import InvalidRequestError, SillageError
from ontology.namespaces import DERIVED_FROM

_CHUNK: Final = 500
DATASET: Final = "dataset"


class State(StrEnum):
    """What has become of a member since it was frozen."""

    PRESENT = "present"
    WITHDRAWN = "withdrawn"
    ERASED = "erased"
    """The participant is there, and the version that was frozen is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A property that is read of each member.

    Attributes:
        name: Its canonical name.
        level: Whom it describes.
        kinds: Of its values, as :class:`catalog.search.index.PropertyInfo` says.
    """

    name: str
    level: Level
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenMember:
    """A member as it was frozen.

    Attributes:
        participant: IRI.
        label: Its label then, or the one on its tombstone; None when neither is known.
        dataset: IRI of its dataset.
        version: Version of its record that was frozen.
        digest: What was known of it, in one number.
        state: What has become of it.
        document: Its record as it was; empty unless it is present.
        acquisitions: Its raw acquisitions as they were, when asked for.
    """

    participant: str
    label: str | None
    dataset: str
    version: int
    digest: str
    state: State
    document: Mapping[str, Any] = field(default_factory=dict)
    acquisitions: Sequence[Record] = ()

    def values(self, columns: Sequence[Column]) -> list[list[Statement]]:
        """Return the values of each property, in a fixed order, each once."""
        own: Iterable[Statement] = project(self._record()).statements if self.state is State.PRESENT else ()
        levels: dict[Level, dict[str, set[Statement]]] = {Level.PARTICIPANT: {}, Level.ACQUISITION: {}}
        for statement in own:
            levels[Level.PARTICIPANT].setdefault(statement.name, set()).add(statement)
        if any(column.level is Level.ACQUISITION for column in columns):
            for record in self.acquisitions:
                for statement in project(record).statements:
                    levels[Level.ACQUISITION].setdefault(statement.name, set()).add(statement)
        return [sorted(levels[column.level].get(column.name, ()), key=_order) for column in columns]

    def _record(self) -> Record:
        return Record(
            id=self.participant,
            type="Participant",
            version=self.version,
            created="",
            modified="",
            sequence=0,
            document=self.document,
        )


def _order(statement: Statement) -> tuple[str, str, str, str]:
    return statement.session or "", str(statement.value), statement.label or "", repr(statement)


def columns_of(
    names: Iterable[str], index: SearchIndex, *, datasets: Collection[str] | None, field: str
) -> list[Column]:
    """Return the properties that some names mean, participants' before acquisitions'.

    Args:
        names: As somebody writes them.
        index: Knows what there is.
        datasets: Only what these datasets say is known; None for all.
        field: Named when a name means nothing.

    Raises:
        InvalidRequestError: Nobody has such a property; ``params['candidates']`` lists what is spelled like it.
    """
    known = {(info.name, Level(info.level)): info for info in index.properties(datasets=datasets)}
    return [_column(name.strip(), known, field) for name in dict.fromkeys(names)]


def _column(name: str, known: Mapping[tuple[str, Level], PropertyInfo], field: str) -> Column:
    for level in Level:
        spelt = canonical_name(name, level)
        if spelt == DATASET:
            return Column(name=DATASET, level=Level.PARTICIPANT, kinds=frozenset({"text"}))
        if (spelt, level) in known:
            return Column(name=spelt, level=level, kinds=frozenset(known[spelt, level].kinds))
    # What was said when a cohort was frozen may be said of nobody any more.
    spelt = canonical_name(name, Level.PARTICIPANT)
    if spelt in well_known(Level.PARTICIPANT):
        return Column(name=spelt, level=Level.PARTICIPANT)
    candidates = get_close_matches(name.casefold(), sorted({name for name, _ in known}), n=5)
    raise InvalidRequestError(
        f"no member has a property {name!r}",
        field=field,
        next_step=f"Did you mean {', '.join(candidates)}?"
        if candidates
        else "GET /api/v1/cohorts/properties says what there is.",
        params={"candidates": candidates},
    )


def frozen_members(
    cohort: Mapping[str, Any], repository: Repository, *, acquisitions: bool = False
) -> Iterator[FrozenMember]:
    """Yield the members of a cohort as they were frozen, in the order of its document.

    Args:
        cohort: The cohort's document.
        repository: Whence records come.
        acquisitions: Whether their raw acquisitions are read as well.
    """
    members = cohort["members"]
    for start in range(0, len(members), _CHUNK):
        chunk = members[start : start + _CHUNK]
        current = repository.get_many([member["participant"] for member in chunk])
        taken = _acquisitions(repository, chunk, cohort) if acquisitions else {}
        for member in chunk:
            yield _as_frozen(repository, member, current.get(member["participant"]), taken)


def _as_frozen(
    repository: Repository,
    member: Mapping[str, Any],
    current: Record | None,
    acquisitions: Mapping[str, Sequence[Record]],
) -> FrozenMember:
    iri, version = member["participant"], member["version"]
    state, document = State.PRESENT, None
    if current is None or current.withdrawn:
        state = State.WITHDRAWN
    else:
        document = current.document if current.version == version else _document_at(repository, iri, version)
        state = State.PRESENT if document else State.ERASED
    present = state is State.PRESENT
    label = (document or (current.document if current else {})).get("label")
    return FrozenMember(
        participant=iri,
        label=None if label is None else str(label),
        dataset=member["dataset"],
        version=version,
        digest=member["digest"],
        state=state,
        document=document or {},
        acquisitions=acquisitions.get(iri, ()) if present else (),
    )


def _document_at(repository: Repository, iri: str, version: int) -> Mapping[str, Any] | None:
    try:
        return repository.get(iri, version=version).document
    except SillageError:
        return None  # that version was erased; what it said is not to be known


def _acquisitions(
    repository: Repository, members: Sequence[Mapping[str, Any]], cohort: Mapping[str, Any]
) -> dict[str, list[Record]]:
    """Return the raw acquisitions of some members as they were at the ledger entry of each."""
    sequences = {member["participant"]: sequence_of(member, cohort) for member in members}
    sources = {edge.source for edge in repository.edges_to(list(sequences), {DERIVED_FROM})}
    found: dict[str, list[Record]] = {}
    for record in repository.get_many(sources).values():
        owner = str(record.document.get("participant"))
        if record.type != "Acquisition" or record.withdrawn or owner not in sequences:
            continue
        then = _record_at(repository, record, sequences[owner])
        if then is not None and not then.document.get("derived"):
            found.setdefault(owner, []).append(then)
    return found


def _record_at(repository: Repository, record: Record, sequence: int) -> Record | None:
    """Return a record as it was at a ledger entry; None where it was not there."""
    if record.sequence <= sequence:
        return record
    before = [version for version in repository.versions(record.id) if version.sequence <= sequence]
    return before[-1] if before and not before[-1].withdrawn and before[-1].document else None
