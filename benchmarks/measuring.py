"""What the benchmarks share: taking turns, medians, and one table of ratios beside their budgets."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure: ours against another's, both in absolute values, and their ratio beside the budget.

    Attributes:
        measure: What was measured.
        ours: Our median.
        against: What it is compared with.
        other: The other's median.
        unit: Of both values.
        passes: Ratio (ours to other) that ships; None when there is no budget.
        goal: Ratio that is aimed at.
        higher_is_better: For rates.
        note: What a reader must know beside it.
    """

    measure: str
    ours: float
    against: str
    other: float
    unit: str
    passes: float | None = None
    goal: float | None = None
    higher_is_better: bool = False
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ours to the other's."""
        return self.ours / self.other

    def verdict(self) -> str:
        """Say which budget it meets."""
        if self.passes is None:
            return ""
        met = [self.ratio >= b if self.higher_is_better else self.ratio <= b for b in (self.goal, self.passes) if b]
        return "goal" if met[0] and self.goal else "pass" if met[-1] else "SHORT"

    def to_json(self) -> dict[str, Any]:
        """Return its members, ratio and verdict included."""
        return {
            "measure": self.measure,
            "ours": round(self.ours, 4),
            "against": self.against,
            "other": round(self.other, 4),
            "unit": self.unit,
            "ratio": float(f"{self.ratio:.3g}"),
            "pass": self.passes,
            "goal": self.goal,
            "verdict": self.verdict(),
            "note": self.note,
        }


def alternate(rounds: int, calls: Mapping[str, Callable[[], object]], *, warm_up: int = 1) -> dict[str, list[float]]:
    """Return the seconds that each call takes in each round; the order is reversed every other round."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-warm_up, rounds):
        for name in list(calls) if number % 2 == 0 else reversed(list(calls)):
            began = time.perf_counter()
            calls[name]()
            if number >= 0:
                taken[name].append(time.perf_counter() - began)
    return taken


def medians(taken: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median of each series."""
    return {name: statistics.median(values) for name, values in taken.items()}


def options(description: str, *, rounds: int, quick_rounds: int = 5) -> argparse.Namespace:
    """Read the options that every benchmark takes: ``--rounds``, ``--quick``, ``--json``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=None, help=f"default {rounds}, quick {quick_rounds}")
    parser.add_argument("--quick", action="store_true", help="small data: to see that it runs, not how fast")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.rounds is None:
        asked.rounds = quick_rounds if asked.quick else rounds
    return asked


def report(name: str, rows: Sequence[Row], *, as_json: bool) -> None:
    """Print rows as a table, or as one JSON document."""
    if as_json:
        print(json.dumps({"benchmark": name, "rows": [row.to_json() for row in rows]}, indent=1))
        return
    for row in rows:
        print(line(row.to_json()))


def line(row: Mapping[str, Any]) -> str:
    """Return one row for people."""
    budget = "" if row["pass"] is None else f"  (pass {row['pass']:.3g}, goal {row['goal']:.3g}: {row['verdict']})"
    note = f"  [{row['note']}]" if row.get("note") else ""
    return (
        f"{row['measure']:<44} {row['ours']:>10.4g} {row['unit']:<5} against {row['other']:>10.4g} {row['unit']:<5} "
        f"{row['against']:<28} ratio {row['ratio']:<7.3g}{budget}{note}"
    )
