"""Random catalogues and random queries: small, dirty, and alike enough that conditions meet values."""

from __future__ import annotations

import random
from typing import Any, Final

from catalog.model import Change, Commit, Put, Withdraw
from catalog.repository import Repository
from catalog.search.conditions import (
    COMPARISONS,
    Between,
    Comparison,
    Condition,
    Count,
    Has,
    In,
    IsNull,
    Like,
    Under,
    all_of,
    any_of,
    negation,
)
from catalog.search.query import Query
from catalog.search.testing.memory import MemoryRepository
from catalog.search.testing.terms import OBO, TERMS

TEXTS: Final = [
    *("F", "f", "male", "Straße", "STRASSE", "a b", " A  B ", "100%", "under_score", "it's", 'quo"te'),
    *("x-4", "ms", "é", "e\u0301", "", "   ", "\\", "[a]*"),
]
NUMBERS: Final[list[int | float]] = [0, 1, 2.5, 3, 30, 34, -1, 50, 52]
LITERALS: Final[list[Any]] = [
    *(*TEXTS, *NUMBERS, *(term.curie for term in TERMS.values()), True, False, OBO + "X_6", "boys", "cold"),
    *("FLAIR", "t1w", "01", "1", "ses-1", "ds1", "sub-03", "03", "QC", "mask", "1.0"),
]
PATTERNS: Final = [
    *("%", "_", "%a%", "a_b", "100\\%", "un%", "%\\_%", "F", "%ss%", "\\\\", "m_le", "%e", "", "a b%", "x\\"),
]
OF_PARTICIPANTS: Final = ["age", "sex", "diagnosis", "note", "height"]
OF_ACQUISITIONS: Final = [
    *("suffix", "run", "magnetic_field_strength", "image_type", "derived", "session", "nested.part", "contrast"),
    *("pipeline", "pipeline_version"),
]
FACETS: Final = ("sex", "suffix", "age", "dataset", "contrast", "pipeline")


class World:
    """A random catalogue, written over several commits with revisions and withdrawals.

    Attributes:
        repository: Where it was written.
        datasets: IRIs of all datasets that ever were.
        documents: What a reader of the repository finds now: IRI to type and document.
    """

    def __init__(self, seed: int, repository: Repository | None = None) -> None:
        self.rng = random.Random(seed)  # noqa: S311  repeatable, and no secret
        self.repository: Repository = repository or MemoryRepository()
        self.documents: dict[str, tuple[str, dict[str, Any]]] = {}
        self.datasets = [_iri("d", number) for number in range(3)]
        self._people = [_iri("a", number) for number in range(12)]
        for number, iri in enumerate(self.datasets):
            made = [{"Name": "qc", "Version": "1.0"}, {"Name": "Mask", "Version": None}, {"Name": "qc", "Version": "2"}]
            self._put(
                "Dataset",
                iri,
                {
                    "label": f"ds{number}",
                    "title": self.rng.choice(["A study", "B study"]),
                    "generated_by": self.rng.sample(made, self.rng.randrange(3)),
                },
            )
        for number, iri in enumerate(self._people):
            self._put("Participant", iri, self._participant(number))
        for number in range(40):
            self._put("Acquisition", _iri("c", number), self._acquisition(number))
        for _ in range(8):
            self.change()

    def query(self) -> Query:
        """Return a random query."""
        return Query(self._condition(3, OF_PARTICIPANTS))

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
        elif type == "Participant":
            self._put(type, iri, self._participant(self.rng.randrange(20)))
        elif type == "Acquisition":
            self._put(type, iri, self._acquisition(self.rng.randrange(80)))

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
        if name in ("sex", "diagnosis", "contrast"):
            term = self.rng.choice([None, *TERMS])
            value = self.rng.choice([None, *TEXTS])
            return {"value": value, "original": value, "term": term, "label": TERMS[term].label if term else None}
        return {"value": self.rng.choice([None, *TEXTS, *NUMBERS, True, False])}

    def _values(self, *names: str) -> dict[str, Any]:
        chosen = [name for name in names if self.rng.random() < 0.7]
        return {name: [self._value(name) for _ in range(self.rng.choice([0, 1, 1, 2]))] for name in chosen}

    def _participant(self, number: int) -> dict[str, Any]:
        sessions = range(self.rng.choice([0, 0, 2]))
        return {
            "label": f"sub-{number:02}",
            "dataset": self.rng.choice(self.datasets),
            "properties": self._values("age", "sex", "diagnosis", "note"),
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
            "participant": self.rng.choice([*self._people, None]),
            "session": self.rng.choice([None, "ses-1", "ses-2"]),
            "suffix": self.rng.choice(["T1w", "FLAIR", "bold"]),
            "derived": self.rng.random() < 0.2,
            "bids_entities": {"run": self.rng.choice(["01", "1", "2"])} if self.rng.random() < 0.5 else {},
            "properties": self._values("contrast"),
            "metadata": metadata,
        }

    def _condition(self, depth: int, names: list[str]) -> Condition:
        kind = self.rng.random()
        if depth == 0 or kind < 0.3:
            return self._leaf(self.rng.choice([*names, *names, "id", "label", "dataset"]))
        if kind < 0.75:
            joined = all_of if kind < 0.5 else any_of
            return joined([self._condition(depth - 1, names) for _ in range(self.rng.choice([2, 3]))])
        if kind < 0.85 or names is OF_ACQUISITIONS:
            return negation(self._condition(depth - 1, names))
        inner = self._condition(depth - 1, OF_ACQUISITIONS)
        return Has(inner) if kind < 0.94 else Count(inner, self.rng.choice(COMPARISONS), self.rng.randrange(4))

    def _leaf(self, name: str) -> Condition:
        if name == "pipeline_version":
            return Comparison(name, "=", self.rng.choice(["1.0", "2", "QC"]))
        kind = self.rng.randrange(7)
        if kind == 0:
            return Between(name, *sorted(self.rng.sample(NUMBERS, 2)))
        if kind == 1:
            values = [self.rng.choice(LITERALS) for _ in range(3)]
            return In(name, tuple({(isinstance(value, bool), value): value for value in values}.values()))
        if kind == 2:
            return Like(name, self.rng.choice(PATTERNS))
        if kind == 3:
            return IsNull(name)
        if kind == 4:
            return Under(name, self.rng.choice([*(term.curie for term in TERMS.values()), "ms", "Disease"]))
        value = self.rng.choice(LITERALS)
        return Comparison(name, self.rng.choice(COMPARISONS[:2] if isinstance(value, bool) else COMPARISONS), value)


def _iri(kind: str, number: int) -> str:
    return f"urn:uuid:{number:08x}-0000-4000-8000-00000000000{kind}"
