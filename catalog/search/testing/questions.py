"""Random questions about the catalogues of :class:`catalog.search.testing.world.World`."""

from __future__ import annotations

import random
from typing import Any, Final

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
    Matches,
    Under,
    Within,
    all_of,
    any_of,
    negation,
)
from catalog.search.query import Query
from catalog.search.testing.terms import OBO, TERMS
from catalog.search.testing.world import DATES, NUMBERS, TEXTS, VERSIONS

LITERALS: Final[list[Any]] = [
    *(*TEXTS, *NUMBERS, *(term.curie for term in TERMS.values()), True, False, OBO + "X_6", "boys", "cold"),
    *(
        "FLAIR",
        "t1w",
        "01",
        "1",
        "ses-1",
        "ds1",
        "sub-03",
        "03",
        "QC",
        "mask",
        "1.0",
        "json",
        "femal",
        "fmale",
        "A stdy",
    ),
]
PATTERNS: Final = [
    *("%", "_", "%a%", "a_b", "100\\%", "un%", "%\\_%", "F", "%ss%", "\\\\", "m_le", "%e", "", "a b%", "x\\"),
    *("2020%", "cc%", "10.%"),
]
SEARCHED: Final = [
    *("motor", "MOTOR task", "mot*", "motör", "f", "strasse", "finger tapping", "male", "study", "hand*", "b"),
    *("tapping hand", "ses 1", "2020", "cortex motor", "t1w", "x*", "3T", "diseas*", "under_score"),
]
PERIODS: Final = [
    *("2020", "2020-06/2020-07-01", "../2020-06-01T12:00", "2020-01-01T00:00/..", "2020-02-29/2020-06-01T12:00:30"),
    *("P30Y/P50Y", "P6M/P2Y", "../P1Y", "P10D/..", "P1Y6M/P34Y", "P52W/P52W"),
]
OF_PARTICIPANTS: Final = ["age", "sex", "diagnosis", "note", "height", "scanned"]
OF_ACQUISITIONS: Final = [
    *("suffix", "run", "magnetic_field_strength", "image_type", "derived", "session", "nested.part", "contrast"),
    *("pipeline", "pipeline_version", "pipeline_version", "measure.snr", "measure.tool", "result"),
]
OF_DATASETS: Final = {
    "dataset.title": ["A study", "b STUDY", "A stdy"],
    "dataset.description": ["Tapping of a finger", "x"],
    "dataset.keyword": ["hand", "Motor Cortex", "haand"],
    "dataset.license": ["CC0", "CC BY 4.0", "https://creativecommons.org/publicdomain/zero/1.0/", "own terms"],
    "dataset.data_use": ["X:4", "X:6", "general use", "ms"],
    "dataset.doi": ["10.1234/abc", "doi:10.1234/ABC", "https://doi.org/10.5678/x", "10.9999/none"],
    "dataset.access_rights": ["public", "Restricted", "publc"],
}
"""Of each property that a record has from its dataset, what is asked of it."""
FACETS: Final = (
    *("sex", "suffix", "age", "dataset", "contrast", "pipeline", "pipeline_version", "dataset.license"),
    *("dataset.keyword", "dataset.data_use", "measure.snr", "result"),
)
MEASURED: Final = ("age", "height", "magnetic_field_strength", "run", "measure.snr", "sex")
"""Properties whose range is asked for."""


class Questioner:
    """Asks about one catalogue.

    Args:
        rng: Where chance comes from.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def query(self) -> Query:
        """Return a random query about participants."""
        return Query(self._condition(3, OF_PARTICIPANTS))

    def on_acquisitions(self) -> Query:
        """Return a random condition on one acquisition."""
        return Query(self._condition(2, OF_ACQUISITIONS))

    def _condition(self, depth: int, names: list[str]) -> Condition:
        kind = self.rng.random()
        if depth == 0 or kind < 0.3:
            return self._leaf([*names, *names, *OF_DATASETS, "id", "label", "dataset"])
        if kind < 0.75:
            joined = all_of if kind < 0.5 else any_of
            return joined([self._condition(depth - 1, names) for _ in range(self.rng.choice([2, 3]))])
        if kind < 0.85 or names is OF_ACQUISITIONS:
            return negation(self._condition(depth - 1, names))
        inner = self._condition(depth - 1, OF_ACQUISITIONS)
        if kind < 0.88:
            inner = all_of((Comparison("derived", "=", True), inner))
        return Has(inner) if kind < 0.94 else Count(inner, self.rng.choice(COMPARISONS), self.rng.randrange(4))

    def _leaf(self, names: list[str]) -> Condition:
        if self.rng.random() < 0.08:
            return Matches(None, self.rng.choice(SEARCHED))
        name = self.rng.choice(names)
        if name == "pipeline_version":
            return self._on_version(name)
        if self.rng.random() < 0.08 and name not in ("id", "label", "dataset"):
            return Matches(name, self.rng.choice(SEARCHED))
        dates = self.rng.random() < (0.5 if name == "scanned" else 0.06)
        if dates or (name == "age" and self.rng.random() < 0.2):
            return Within(name, self.rng.choice([p for p in PERIODS if name in ("age", "height") or "P" not in p]))
        return self._plain(name, OF_DATASETS.get(name, LITERALS))

    def _on_version(self, name: str) -> Condition:
        ordered = [self.rng.choice(same) for same in VERSIONS]
        kind = self.rng.randrange(6)
        if kind == 0:
            return IsNull(name)
        if kind == 1:
            low, high = sorted(self.rng.sample(range(len(ordered)), 2))
            return Between(name, ordered[low], ordered[high])
        if kind == 2:
            return In(name, tuple(dict.fromkeys([self.rng.choice(ordered), "main", 2])))
        if kind == 3:
            return Like(name, self.rng.choice(PATTERNS))
        op = self.rng.choice(COMPARISONS)
        texts = [*ordered, "main", "nightly"] if op in ("=", "<>") else ordered
        return Comparison(name, op, self.rng.choice(texts))

    def _plain(self, name: str, literals: list[Any]) -> Condition:
        kind = self.rng.randrange(7)
        if kind == 0:
            return self._between(name)
        if kind == 1:
            values = [self.rng.choice(literals) for _ in range(3)]
            return In(name, tuple({(isinstance(value, bool), value): value for value in values}.values()))
        if kind == 2:
            return Like(name, self.rng.choice(PATTERNS))
        if kind == 3:
            return IsNull(name)
        if kind == 4:
            return Under(name, self.rng.choice([*(term.curie for term in TERMS.values()), "ms", "Disease"]))
        value = self.rng.choice(literals)
        return Comparison(name, self.rng.choice(COMPARISONS[:2] if isinstance(value, bool) else COMPARISONS), value)

    def _between(self, name: str) -> Condition:
        if self.rng.random() < 0.3:
            return Between(name, *sorted(self.rng.sample(DATES, 2)))
        return Between(name, *sorted(self.rng.sample(NUMBERS, 2)))
