"""Which participants are the same person, and which are of one family, as far as their records say.

What is read is what splits keep together (:mod:`catalog.cohorts.kinship`): edges between records of one person,
identifiers that mean a person in every dataset, and families and relatives within a dataset. Here the two are told
apart, because a model that has seen somebody is one thing, and one that has seen the sister another.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from catalog.cohorts.identity import END_PREDICATES
from catalog.cohorts.kinship import SAME_PERSON, bonds
from catalog.model import Record
from catalog.repository import Repository

CHUNK: Final = 500


class Relation(StrEnum):
    """How somebody is related to somebody that a model was trained on, the strongest first."""

    PARTICIPANT = "participant"
    """The same record."""
    PERSON = "person"
    """Another record of the same person."""
    CONTENT = "content"
    """Another record, of which nothing says that it is the same person, with a scan of the same bytes."""
    FAMILY = "family"
    """Another person of the same family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties:
    """What connects a participant to others.

    Attributes:
        person: What only this person has: its records, and its identifiers.
        family: What its family has in common.
    """

    person: frozenset[Hashable]
    family: frozenset[Hashable] = frozenset()


def ties_of(participants: Collection[str], repository: Repository) -> dict[str, Ties]:
    """Return what connects each of some participants to others; in a few queries, however many they are."""
    linked = _linked(participants, repository)
    said = _said(set().union(*linked.values()) if linked else set(), repository)
    found = {}
    for iri in participants:
        person: set[Hashable] = set(linked[iri])
        family: set[Hashable] = set()
        for other in linked[iri]:
            for is_person, name in said.get(other, ()):
                (person if is_person else family).add(name)
        found[iri] = Ties(person=frozenset(person), family=frozenset(family))
    return found


def _linked(participants: Collection[str], repository: Repository) -> dict[str, frozenset[str]]:
    """Return all records of each participant's person, over any number of records in between."""
    groups = _Groups()
    known = set(participants)
    waiting = list(dict.fromkeys(participants))
    while waiting:
        batch, waiting = waiting[:CHUNK], waiting[CHUNK:]
        for edge in [*repository.edges_from(batch, SAME_PERSON), *repository.edges_to(batch, SAME_PERSON)]:
            groups.join(edge.source, edge.target)
            fresh = {edge.source, edge.target} - known
            known |= fresh
            waiting += sorted(fresh)
    together: dict[Hashable, set[str]] = {}
    for iri in known:
        together.setdefault(groups.top(iri), set()).add(iri)
    return {iri: frozenset(together[groups.top(iri)]) for iri in participants}


def identity_path(participant: str, trained_on: str, repository: Repository) -> list[str]:
    """Return the records of one person over which a participant is somebody in a training, from one to the other.

    Statements that two records are one person are gone over and not named. Where an identifier, such as ``guid``, is
    all that connects the two, nothing lies between them, and the path is the one in the training alone.
    """
    here = _reached(participant, repository)
    if trained_on in here:
        return _back(here, trained_on)
    there = _reached(trained_on, repository)
    said = _said({*here, *there}, repository)
    names = {name: iri for iri in reversed(there) for is_person, name in said.get(iri, ()) if is_person}
    for iri in here:
        met = next((names[name] for is_person, name in said.get(iri, ()) if is_person and name in names), None)
        if met is not None:
            way = [*_back(here, iri), *reversed(_back(there, met))]
            return way if len(way) > 2 else [trained_on]
    return [trained_on]


def _reached(start: str, repository: Repository) -> dict[str, str | None]:
    """Return the records of a participant's person, the nearest first, each to the one before it on the way there."""
    before: dict[str, str | None] = {start: None}
    wave = [start]
    while wave:
        onward: list[str] = []
        for one, two in _steps(wave, repository):
            for known, fresh in ((one, two), (two, one)):
                if known in before and fresh not in before:
                    before[fresh] = known
                    onward.append(fresh)
        wave = onward
    return before


def _steps(wave: list[str], repository: Repository) -> list[tuple[str, str]]:
    """Return the pairs of records of one person of which one is in a wave."""
    edges = [*repository.edges_from(wave, SAME_PERSON), *repository.edges_to(wave, SAME_PERSON)]
    links = sorted({edge.source for edge in edges if edge.predicate in END_PREDICATES})
    ends: dict[str, list[str]] = {}
    for edge in repository.edges_from(links, END_PREDICATES) if links else ():
        ends.setdefault(edge.source, []).append(edge.target)
    pairs = [(pair[0], pair[1]) for pair in ends.values() if len(pair) > 1]
    return sorted({*pairs, *((edge.source, edge.target) for edge in edges if edge.predicate not in END_PREDICATES)})


def _back(before: Mapping[str, str | None], reached: str) -> list[str]:
    """Return the way to a record from where it began."""
    way, at = [reached], before[reached]
    while at is not None:
        way.append(at)
        at = before[at]
    return way[::-1]


def _said(ids: Collection[str], repository: Repository) -> Mapping[str, list[tuple[bool, Hashable]]]:
    listed, found = sorted(ids), {}
    for start in range(0, len(listed), CHUNK):
        for record in repository.get_many(listed[start : start + CHUNK]).values():
            if record.type == "Participant" and not record.withdrawn:
                found[record.id] = _bonds(record)
    return found


def _bonds(record: Record) -> list[tuple[bool, Hashable]]:
    return list(bonds(record))


class Circle:
    """Some people, so that it can be told of anybody else how he or she is related to them.

    Somebody is related to a member over any number of other members, and over nobody else: the answer for one person
    does not depend on who else is asked about.

    Args:
        ties: The members, with what connects each to others.
    """

    def __init__(self, ties: Mapping[str, Ties]) -> None:
        self._members = frozenset(ties)
        self._person, self._family = _Groups(), _Groups()
        self._first: dict[Relation, dict[Hashable, str]] = {Relation.PERSON: {}, Relation.FAMILY: {}}
        for iri, tie in ties.items():
            for name in tie.person:
                self._person.join(iri, name)
            for name in tie.person | tie.family:
                self._family.join(iri, name)
        for iri in sorted(ties):
            self._first[Relation.PERSON].setdefault(self._person.top(iri), iri)
            self._first[Relation.FAMILY].setdefault(self._family.top(iri), iri)

    def related(self, participant: str, ties: Ties, twins: Collection[str] = ()) -> tuple[Relation, str] | None:
        """Return how somebody is related to a member, and to which; the strongest relation, None when there is none.

        Args:
            participant: The somebody.
            ties: What connects him or her to others.
            twins: Members who have a scan of the same bytes.
        """
        if participant in self._members:
            return Relation.PARTICIPANT, participant
        person = self._found(Relation.PERSON, self._person, ties.person)
        if person is not None:
            return Relation.PERSON, person
        if twins:
            return Relation.CONTENT, min(twins)
        kin = self._found(Relation.FAMILY, self._family, ties.person | ties.family)
        return None if kin is None else (Relation.FAMILY, kin)

    def _found(self, relation: Relation, groups: _Groups, names: Iterable[Hashable]) -> str | None:
        firsts = self._first[relation]
        found = {firsts[top] for name in names if (top := groups.top(name)) in firsts}
        return min(found, default=None)


class _Groups:
    """Sets that are joined as pairs become known."""

    def __init__(self) -> None:
        self._above: dict[Hashable, Hashable] = {}

    def top(self, name: Hashable) -> Hashable:
        passed = []
        while (above := self._above.get(name, name)) != name:
            passed.append(name)
            name = above
        for each in passed:
            self._above[each] = name
        return name

    def join(self, first: Hashable, second: Hashable) -> None:
        one, two = self.top(first), self.top(second)
        if one != two:
            self._above[two] = one
