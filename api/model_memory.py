"""What a process remembers of models, so that leakage is decided without reading the same again for every task.

All of it follows from the ledger. Before it is used, the records that were written since the last time are looked at:
a changed participant may be known as somebody's sister now, two records may have been said to be one person, and a new
model may be what a file has been all along.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from catalog.cohorts.identity import TYPE as IDENTITY_LINK
from catalog.leakage.ancestry import Ancestry, Reach
from catalog.leakage.exposure import Exposure, exposure_of
from catalog.leakage.scans import scans_of
from catalog.model import Record
from catalog.repository import Repository

LOOKED_AT: Final = 10_000
"""If more records were written since the last time, everything is read anew."""
KEPT: Final = 16
"""Models, and training tasks, whose people are kept."""


@dataclass(slots=True)
class ModelMemory:
    """The models of a catalogue, whom they have seen, and what their training read.

    Attributes:
        models: Model records by IRI.
        by_digest: SHA-256 of weights to the model.
    """

    models: dict[str, Record] = field(default_factory=dict)
    by_digest: dict[str, str] = field(default_factory=dict)
    _sequence: int = -2
    _exposures: OrderedDict[str, Exposure] = field(default_factory=OrderedDict)
    _scans: OrderedDict[str, Mapping[str, Collection[str]]] = field(default_factory=OrderedDict)
    _trainings: OrderedDict[str, Reach] = field(default_factory=OrderedDict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def refresh(self, repository: Repository) -> None:
        """Take in what was written since the last time."""
        with self._lock:
            now = repository.sequence
            if now == self._sequence:
                return
            changed = repository.records_since(self._sequence, limit=LOOKED_AT) if self._sequence >= -1 else None
            if changed is None or len(changed) == LOOKED_AT:
                self._exposures.clear()
                self._scans.clear()
                self.models, self.by_digest = {}, {}
                changed = list(repository.iterate("Model"))
            for record in changed:
                if record.type == "Model":
                    self.models[record.id] = record
                    self.by_digest[str(record.document.get("digest"))] = record.id
                if record.type in ("Model", "Participant", IDENTITY_LINK):
                    self._exposures.clear()
                    self._scans.clear()
                elif record.type == "Acquisition" and not record.document.get("derived"):
                    self._scans.clear()
            self._sequence = max([now, *(record.sequence for record in changed)])

    def model_of(self, record: Record) -> str | None:
        """Return the model that a file is, or that an output holds; by content, wherever it lies."""
        if record.type == "Model":
            return record.id
        if record.type == "File":
            return self.by_digest.get(str(record.document.get("sha256")))
        if record.type != "Entity":
            return None
        digests = (str(file.get("sha256")) for file in record.document.get("files") or ())
        return next((self.by_digest[digest] for digest in digests if digest in self.by_digest), None)

    def ancestry(self, repository: Repository) -> Ancestry:
        """Return walks through the catalogue that stop at these models."""
        return Ancestry(repository, self.model_of)

    def exposure(self, model: str, repository: Repository) -> Exposure:
        """Return whom a model has seen."""
        with self._lock:
            if model not in self._exposures:
                self._exposures[model] = exposure_of(model, self.models, repository)
                _forget(self._exposures)
            self._exposures.move_to_end(model)
            return self._exposures[model]

    def scans(self, model: str, repository: Repository) -> Mapping[str, Collection[str]]:
        """Return the SHA-256 of each scan of everybody whom a model has seen, with whose it is."""
        with self._lock:
            if model not in self._scans:
                self._scans[model] = scans_of(self.exposure(model, repository).through, repository)
                _forget(self._scans)
            self._scans.move_to_end(model)
            return self._scans[model]

    def training(self, task: Record, repository: Repository) -> Reach:
        """Return what the inputs of a training task rest on; a task's inputs never change."""
        with self._lock:
            if task.id not in self._trainings:
                starts = [item["id"] for item in task.document.get("inputs") or ()]
                self._trainings[task.id] = self.ancestry(repository).rests_on(starts)
                _forget(self._trainings)
            self._trainings.move_to_end(task.id)
            return self._trainings[task.id]


def _forget(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > KEPT:
        kept.popitem(last=False)
