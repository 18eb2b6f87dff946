"""Who belongs together: the same person under several records, and members of one family.

Read from the participants' present records, because who is kin may have become known after a cohort was frozen, and
from the edges that say that two records are about one person. What is read is listed in
``docs/howto/work-with-cohorts.md``; somebody who is not a member can still connect two who are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from catalog.cohorts.freezing import sha256_of_json
from catalog.cohorts.identity import END_PREDICATES
from catalog.model import Record
from catalog.repository import Repository
from catalog.search.names import Level, canonical_name, fold
from catalog.search.projection import Statement, project
from ontology.namespaces import SPECIALIZATION_OF

FAMILY: Final = frozenset(
    [
        "family",
        "family_id",
        "familyid",
        "fam_id",
        "famid",
        "pedigree",
        "pedigree_id",
        "sibship",
        "sibship_id",
        "sibling_group",
        "twin_pair",
        "twin_pair_id",
        "twinpair",
        "litter",
        "litter_id",
        "household",
        "household_id",
        "mother",
        "mother_id",
        "father",
        "father_id",
        "dam",
        "dam_id",
        "sire",
        "sire_id",
    ]
)
"""Who has the same value of one of these, in one dataset, is of one family."""
RELATIVE: Final = frozenset(
    [
        "sibling",
        "siblings",
        "sibling_id",
        "sibling_of",
        "sib_id",
        "twin",
        "twin_id",
        "twin_of",
        "co_twin",
        "cotwin",
        "parent",
        "parents",
        "parent_id",
        "parent_of",
        "child",
        "child_of",
        "mother",
        "mother_id",
        "father",
        "father_id",
        "dam",
        "dam_id",
        "sire",
        "sire_id",
        "relative",
        "relatives",
    ]
)
"""Their value may name other participants of the same dataset."""
PERSON: Final = frozenset({"guid", "subject_guid", "subjectkey"})
"""Identifiers that mean the same person in every dataset."""
SAME_PERSON: Final = ("prov:alternateOf", "owl:sameAs", SPECIALIZATION_OF, *END_PREDICATES)
"""Edges between records of one person, in either direction; or from a statement that they are to both of them."""

_NOBODY: Final = frozenset(
    [
        "0",
        "-1",
        "-",
        "no",
        "none",
        "false",
        "yes",
        "true",
        "n",
        "na",
        "n/a",
        "nan",
        "null",
        "unknown",
        "single",
        "singleton",
        "other",
        "twin",
        "sibling",
        "mz",
        "dz",
    ]
)
_APART: Final = re.compile(r"[;,|\s]+")
_CHUNK: Final = 500
BondName = tuple[str, ...]
"""What several participants can have in common: a family's name, a person's identifier, a label that is referred to."""
_Node = str | BondName


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinship:
    """Members in groups that belong together.

    Attributes:
        groups: Each sorted; in the order of their first member. Everybody is in exactly one.
        asked: The properties that were to keep people together; None for :data:`FAMILY` and :data:`RELATIVE`.
        properties: Property to how many members have a value of it that was used.
        edges: How many edges between records of one person, or statements that they are one, were used.
    """

    groups: tuple[tuple[str, ...], ...]
    asked: tuple[str, ...] | None
    properties: Mapping[str, int]
    edges: int

    @property
    def digest(self) -> str:
        """SHA-256 of who belongs together."""
        return sha256_of_json([list(group) for group in self.groups])


class _Union:
    """Sets of nodes that are joined as pairs become known."""

    def __init__(self) -> None:
        self._above: dict[_Node, _Node] = {}

    def top(self, node: _Node) -> _Node:
        path = []
        while (above := self._above.get(node, node)) != node:
            path.append(node)
            node = above
        for passed in path:
            self._above[passed] = node
        return node

    def join(self, first: _Node, second: _Node) -> None:
        one, two = self.top(first), self.top(second)
        if one != two:
            self._above[two] = one


def kinship(participants: Collection[str], repository: Repository, *, together: Sequence[str] | None = None) -> Kinship:
    """Return who of some participants belongs together.

    Args:
        participants: Their IRIs.
        repository: Whence their present records and edges come.
        together: Properties of which equal values, in one dataset, keep people together, instead of
            :data:`FAMILY` and :data:`RELATIVE`; an empty sequence for none. Records of one person are kept
            together whatever is said here.
    """
    union = _Union()
    used: Counter[str] = Counter()
    families = FAMILY if together is None else {canonical_name(name, Level.PARTICIPANT) for name in together}
    relatives = RELATIVE if together is None else frozenset()
    everybody = sorted(set(participants))
    for record in _records(everybody, repository):
        names = set()
        union.join(record.id, _label_node(record.dataset, str(record.document.get("label"))))
        for statement in project(record).statements:
            for node in _nodes(statement, record.dataset, families, relatives):
                union.join(record.id, node)
                names.add(statement.name)
        used.update(names)
    edges = _join_records(union, everybody, repository)
    groups: dict[_Node, list[str]] = {}
    for iri in everybody:
        groups.setdefault(union.top(iri), []).append(iri)
    listed = sorted(tuple(group) for group in groups.values())
    asked = None if together is None else tuple(together)
    return Kinship(groups=tuple(listed), asked=asked, properties=dict(sorted(used.items())), edges=edges)


def bonds(record: Record) -> Iterator[tuple[bool, BondName]]:
    """Yield what connects a participant to others by the usual properties, each with whether it means the same person.

    Two participants that yield the same name are of one family, or one person.
    """
    yield False, _label_node(record.dataset, str(record.document.get("label")))
    for statement in project(record).statements:
        for node in _nodes(statement, record.dataset, FAMILY, RELATIVE):
            yield statement.name in PERSON, node


def straddling(parts: Mapping[str, str], groups: Iterable[Sequence[str]]) -> Iterator[tuple[Sequence[str], list[str]]]:
    """Yield each group of which some are in one part and some in another, with the names of these parts.

    Args:
        parts: Participant to the name of the part that it is in.
        groups: Who belongs together; who is in no part does not count.
    """
    for group in groups:
        named = sorted({parts[iri] for iri in group if iri in parts})
        if len(named) > 1:
            yield group, named


def _records(participants: Sequence[str], repository: Repository) -> Iterator[Record]:
    for start in range(0, len(participants), _CHUNK):
        found = repository.get_many(participants[start : start + _CHUNK])
        yield from (record for record in found.values() if not record.withdrawn and record.type == "Participant")


def _nodes(
    statement: Statement, dataset: str | None, families: Collection[str], relatives: Collection[str]
) -> Iterator[BondName]:
    """Yield what a value connects its participant to."""
    name = statement.name
    if statement.kind == "boolean" or (name not in PERSON and name not in families and name not in relatives):
        return
    text = fold(str(statement.original or statement.value))
    if text in _NOBODY or not text:
        return
    if name in PERSON:
        yield ("person", text)
    if name in families:
        yield ("family", dataset or "", _kind_of(name), text)
    if name in relatives:
        for label in _APART.split(text):
            if label and label not in _NOBODY:
                yield _label_node(dataset, label)


def _kind_of(name: str) -> str:
    """Return one name for the spellings of a property, so that ``dam`` and ``dam_id`` mean the same."""
    return name.removesuffix("_id")


def _label_node(dataset: str | None, label: str) -> BondName:
    return ("label", dataset or "", fold(label).removeprefix("sub-"))


def _join_records(union: _Union, participants: Sequence[str], repository: Repository) -> int:
    """Join records that are said to be of one person, over any number of records in between."""
    known = set(participants)
    waiting: list[str] = list(participants)
    used: set[tuple[Any, ...]] = set()
    while waiting:
        batch, waiting = waiting[:_CHUNK], waiting[_CHUNK:]
        for edge in [*repository.edges_from(batch, SAME_PERSON), *repository.edges_to(batch, SAME_PERSON)]:
            union.join(edge.source, edge.target)
            stated = edge.predicate in END_PREDICATES
            used.add((edge.source,) if stated else (edge.source, edge.predicate, edge.target))
            fresh = {edge.source, edge.target} - known
            known |= fresh
            waiting += sorted(fresh)
    return len(used)
