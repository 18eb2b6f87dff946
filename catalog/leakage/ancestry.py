"""What files rest on: whose data they are, and which models had a part in them.

Two questions, answered by two walks. *Whose* data something is follows ``prov:wasDerivedFrom``, and believes a record
that says whom it is about: a scan that was brought onto a template of other people is still one person's scan. What
something *rests on* follows everything that was used in making it, those other people included, because a model has
seen them. Neither walk goes through a model: who stands behind one is asked of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from catalog.leakage.scans import scans_among
from catalog.model import Record
from catalog.repository import Repository
from ontology.namespaces import DERIVED_FROM, GENERATED_BY, INFORMED_BY, PART_OF, USED

CHUNK: Final = 500
_ALL: Final = (DERIVED_FROM, GENERATED_BY, USED, INFORMED_BY, PART_OF)
_PASSED: Final = frozenset({"File", "Acquisition", "Entity", "Task"})
"""Types through which a walk goes; it stops at people and models, and datasets say nothing of one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a walk came to.

    Attributes:
        people: Participants.
        models: Models.
        before: Each thing that was reached to the one whence it was reached, for :meth:`path`.
    """

    people: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    before: Mapping[str, str] = field(default_factory=dict)

    def path(self, reached: str) -> list[str]:
        """Return the shortest way to something, from it to where the walk began."""
        way = [reached]
        while way[-1] in self.before:
            way.append(self.before[way[-1]])
        return way


class Ancestry:
    """Walks through one state of a catalogue; what was read is not read again.

    Args:
        repository: Whence records and edges come.
        model_of: Returns the model that a record is (a file or output with its weights), or None.
    """

    def __init__(self, repository: Repository, model_of: Callable[[Record], str | None]) -> None:
        self._repository, self._model_of = repository, model_of
        self._records: dict[str, Record | None] = {}
        self._causes: dict[str, list[tuple[str, str]]] = {}

    def know(self, records: Iterable[Record]) -> None:
        """Take records that were read elsewhere, so that they are not read again."""
        self._records.update((record.id, record) for record in records)

    def models_at(self, ids: Collection[str]) -> dict[str, str]:
        """Return those of some files or outputs that are models, each with the model that it is."""
        self._load(ids)
        known = ((iri, record) for iri in ids if (record := self._records[iri]) is not None)
        return {iri: model for iri, record in known if (model := self._model_of(record)) is not None}

    def whose(self, starts: Collection[str]) -> dict[str, frozenset[str]]:
        """Return for each of some files or outputs the participants whose data it is."""
        self._load(starts)
        return {iri: frozenset(self._walk([iri], self._owners_of).people) for iri in starts}

    def rests_on(self, starts: Collection[str]) -> Reach:
        """Return everybody, and every model, that some files or outputs rest on together."""
        return self._walk(starts, self._all_of)

    def scans(self, starts: Collection[str], reach: Reach, participants: Collection[str]) -> dict[str, set[str]]:
        """Return the SHA-256 of each scan of some participants that a walk came to, each with whose it is."""
        passed = (self._records.get(iri) for iri in {*starts, *reach.before})
        return scans_among((record for record in passed if record is not None), participants)

    def _walk(self, starts: Collection[str], onward: Callable[[list[str]], Mapping[str, list[str]]]) -> Reach:
        before: dict[str, str] = {}
        seen, wave = set(starts), list(dict.fromkeys(starts))
        people, models = set(), set()
        while wave:
            self._load(wave)
            going = []
            for iri in wave:
                record = self._records[iri]
                model = None if record is None else self._model_of(record)
                if model is not None:
                    models.add(model)
                    if model != iri:
                        before.setdefault(model, iri)
                elif record is not None and record.type == "Participant":
                    people.add(iri)
                elif record is not None and record.type in _PASSED:
                    going.append(iri)
            found, wave = onward(going), []
            for iri in going:
                for target in found.get(iri, ()):
                    if target not in seen:
                        seen.add(target)
                        before[target] = iri
                        wave.append(target)
        return Reach(people=frozenset(people), models=frozenset(models), before=before)

    def _owners_of(self, wave: list[str]) -> Mapping[str, list[str]]:
        """Return whom things are about, as they say or as what they derive from says."""
        found: dict[str, list[str]] = {}
        asked = []
        for iri in wave:
            record = self._records[iri]
            about = record.document.get("participant") if record is not None else None
            if about and record is not None and record.type != "Task":
                found[iri] = [str(about)]
            else:
                asked.append(iri)
        causes = self._causes_of(asked)
        for iri in asked:
            found[iri] = [target for predicate, target in causes[iri] if predicate in (DERIVED_FROM, PART_OF)]
        return found

    def _all_of(self, wave: list[str]) -> Mapping[str, list[str]]:
        causes = self._causes_of(wave)
        found = {iri: [target for _, target in causes[iri]] for iri in wave}
        for iri in wave:
            record = self._records[iri]
            about = record.document.get("participant") if record is not None else None
            if about:
                found[iri].insert(0, str(about))
        return found

    def _causes_of(self, ids: Collection[str]) -> Mapping[str, list[tuple[str, str]]]:
        missing = [iri for iri in ids if iri not in self._causes]
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            self._causes.update((iri, []) for iri in chunk)
            for edge in self._repository.edges_from(chunk, _ALL):
                self._causes[edge.source].append((edge.predicate, edge.target))
        return self._causes

    def _load(self, ids: Collection[str]) -> None:
        missing = [iri for iri in ids if iri not in self._records]
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            self._records.update(dict.fromkeys(chunk))
            self._records.update(self._repository.get_many(chunk))
