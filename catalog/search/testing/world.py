"""Random catalogues: small, dirty, and alike enough that conditions meet values."""

from __future__ import annotations

import random
from typing import Any, Final

from catalog.model import Change, Commit, Put, Withdraw
from catalog.repository import Repository
from catalog.search.testing.memory import MemoryRepository
from catalog.search.testing.terms import TERMS

TEXTS: Final = [
    *("F", "f", "male", "female", "Straße", "STRASSE", "a b", " A  B ", "100%", "under_score", "it's", 'quo"te'),
    *("x-4", "ms", "é", "e\u0301", "", "   ", "\\", "[a]*", "Motor task", "finger-tapping (motör)", "motion\n2"),
]
NUMBERS: Final[list[int | float]] = [0, 1, 2.5, 3, 30, 34, -1, 50, 52]
DATES: Final = [
    *("2020", "2020-06", "2020-06-01", "2020-06-01T12:00:30", "2020-06-01T12:00:30.25Z", "2020-02-30", "2020-02-29"),
    *("2019-12-31T23:59:59+02:00", "2020-06 or so", "20200601", "2020-13", "2021"),
]
VERSIONS: Final = [["1.0rc1"], ["1.0", "v1", "1.0.0"], ["1.9", "1.9+build"], ["v1.10", "1.10.0"], ["2"]]
"""Versions in order, each in all its spellings."""


class World:
    """A random catalogue, written over several commits with revisions and withdrawals.

    Attributes:
        repository: Where it was written.
        datasets: IRIs of all datasets that ever were.
        people: IRIs of all participants that ever were.
        documents: What a reader of the repository finds now: IRI to type and document.
    """

    def __init__(self, seed: int, repository: Repository | None = None) -> None:
        self.rng = random.Random(seed)  # noqa: S311  repeatable, and no secret
        self.repository: Repository = repository or MemoryRepository()
        self.documents: dict[str, tuple[str, dict[str, Any]]] = {}
        self.datasets = [_iri("d", number) for number in range(3)]
        self.people = [_iri("a", number) for number in range(12)]
        for number, iri in enumerate(self.datasets):
            self._put("Dataset", iri, self._dataset(number))
        for number, iri in enumerate(self.people):
            self._put("Participant", iri, self._participant(number))
        for number in range(40):
            self._put("Acquisition", _iri("c", number), self._acquisition(number))
        for number in range(self.rng.choice([0, 8])):
            self._put("Entity", _iri("e", number), self._result(number))
        for _ in range(8):
            self.change()

    def visible(self) -> set[str] | None:
        """Return a random choice of datasets, or None for all."""
        if self.rng.random() < 0.6:
            return None
        return {dataset for dataset in self.datasets if self.rng.random() < 0.6}

    def change(self) -> None:
        """Revise or withdraw a record."""
        iri = self.rng.choice(sorted(self.documents))
        type, _ = self.documents[iri]
        if self.rng.random() < (0.1 if type == "Dataset" else 0.4):
            self._commit(Withdraw(id=iri))
            del self.documents[iri]
            return
        made = {
            "Dataset": self._dataset,
            "Participant": self._participant,
            "Acquisition": self._acquisition,
            "Entity": self._result,
        }
        self._put(type, iri, made[type](self.rng.randrange(80)))

    def _put(self, type: str, iri: str, document: dict[str, Any]) -> None:
        self.documents[iri] = (type, document)
        self._commit(Put(id=iri, type=type, document=document))

    def _commit(self, change: Change) -> None:
        self.repository.commit(Commit(principal="urn:uuid:world", action="world.change", changes=[change]))

    def _value(self, name: str) -> dict[str, Any]:
        if name == "age":
            value: Any = self.rng.choice([*NUMBERS, None, "unknown"])
            original, unit = self.rng.choice(["34", "n/a", None]), self.rng.choice(["a", "wk", None, "weird"])
            return {"value": value, "original": original, "unit": unit}
        if name in ("sex", "diagnosis", "contrast", "data_use"):
            term = self.rng.choice([None, *TERMS])
            value = self.rng.choice([None, *TEXTS])
            return {"value": value, "original": value, "term": term, "label": TERMS[term].label if term else None}
        if name == "scanned":
            return {"value": self.rng.choice([*DATES, *DATES, None, 2020])}
        if name == "snr":
            return {"value": self.rng.choice([*NUMBERS, None]), "unit": "1"}
        return {"value": self.rng.choice([None, *TEXTS, *NUMBERS, True, False])}

    def _values(self, *names: str) -> dict[str, Any]:
        chosen = [name for name in names if self.rng.random() < 0.7]
        return {name: [self._value(name) for _ in range(self.rng.choice([0, 1, 1, 2]))] for name in chosen}

    def _dataset(self, number: int) -> dict[str, Any]:
        names = ["qc", "Mask", "qc"]
        versions = [None, "main", *(version for same in VERSIONS for version in same)]
        made = [{"Name": name, "Version": self.rng.choice(versions)} for name in names]
        licence, spdx = self.rng.choice([("CC0", None), ("CC BY 4.0", "CC-BY-4.0"), ("own terms", None), (None, None)])
        return {
            "label": f"ds{number}",
            "title": self.rng.choice(["A study", "B study", "Motor cortex"]),
            "description": self.rng.choice([None, "Tapping of a finger, by hand", " "]),
            "keywords": self.rng.sample(["hand", "motor cortex", "Straße"], self.rng.randrange(3)),
            "license": licence,
            "license_id": spdx,
            "data_use": self._values("data_use").get("data_use", []),
            "doi": self.rng.choice([None, "doi:10.1234/Abc"]),
            "published_as": self.rng.choice([[], ["10.5678/x"]]),
            "access_rights": self.rng.choice(["public", "restricted", None]),
            "generated_by": self.rng.sample(made, self.rng.randrange(3)),
        }

    def _participant(self, number: int) -> dict[str, Any]:
        sessions = range(self.rng.choice([0, 0, 2]))
        return {
            "label": f"sub-{number % 20:02}",
            "dataset": self.rng.choice(self.datasets),
            "properties": self._values("age", "sex", "diagnosis", "note", "scanned"),
            "sessions": [{"label": f"ses-{i}", "properties": self._values("age", "note")} for i in sessions],
        }

    def _acquisition(self, number: int) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "MagneticFieldStrength": self.rng.choice([1.5, 3, 7, "3T", None]),
            "ImageType": self.rng.sample(TEXTS, 2),
        }
        if self.rng.random() < 0.3:
            metadata["Nested"] = {"Part": self.rng.choice([*TEXTS, *NUMBERS])}
        return {
            "label": f"acq-{number}",
            "dataset": self.rng.choice(self.datasets),
            "participant": self.rng.choice([*self.people, None]),
            "session": self.rng.choice([None, "ses-1", "ses-2"]),
            "suffix": self.rng.choice(["T1w", "FLAIR", "bold"]),
            "derived": self.rng.random() < 0.2,
            "bids_entities": {"run": self.rng.choice(["01", "1", "2"])} if self.rng.random() < 0.5 else {},
            "properties": self._values("contrast"),
            "metadata": metadata,
            "measures": self._values("snr", "tool") if self.rng.random() < 0.2 else {},
        }

    def _result(self, number: int) -> dict[str, Any]:
        """Return a result that is no image."""
        return {
            "label": f"result-{number}",
            "dataset": self.rng.choice(self.datasets),
            "participant": self.rng.choice([*self.people, None]),
            "session": self.rng.choice([None, "ses-1"]),
            "suffix": self.rng.choice(["T1w", "FLAIR", None]),
            "files": [{"path": self.rng.choice(["out/a_T1w.json", "out/sub-01.HTML", "out/nothing"])}],
            "measures": self._values("snr", "tool"),
        }


def _iri(kind: str, number: int) -> str:
    return f"urn:uuid:{number:08x}-0000-4000-8000-00000000000{kind}"
