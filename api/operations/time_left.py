"""How long a batch will still take: an interval from what its tasks took, or nothing while too little is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

FEWEST = 5
"""Ended tasks below which nothing is said."""
FEWEST_PIECES = 2
"""Pieces of planning below which nothing is said while a batch is planned."""
SPREAD = 1.645
"""Standard deviations to either side: nine of ten, were the sum of many durations normal, which it nearly is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Seconds that a batch will still take: nine times of ten between these two, if it goes on as it did."""

    low_s: float
    high_s: float

    def to_json(self) -> dict[str, float]:
        """Return the wire form."""
        return {"low_s": round(self.low_s, 1), "high_s": round(self.high_s, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What is left to plan of a batch; what is not planned cannot run.

    Attributes:
        items: Items that nobody has looked at yet.
        paces: Seconds for each item of the newest pieces, from one piece to the next: what is done between them counts.
    """

    items: int
    paces: Sequence[float]

    def estimate(self) -> Estimate | None:
        """Return how long planning will still take; None while that is not known."""
        if not self.items:
            return Estimate(low_s=0.0, high_s=0.0)
        if len(self.paces) < FEWEST_PIECES:
            return None
        mean, doubt = fmean(self.paces), SPREAD * stdev(self.paces)
        return Estimate(low_s=self.items * max(0.0, mean - doubt), high_s=self.items * (mean + doubt))


NOTHING_LEFT = Planning(items=0, paces=())


def time_left(
    durations: Sequence[float],
    *,
    waiting: int,
    ages: Sequence[float],
    parallel: int,
    planning: Planning = NOTHING_LEFT,
) -> Estimate | None:
    """Return how long the rest will take; None while that is not known.

    The work that is left, were it done one by one, is the mean duration for each waiting task and what is left of it
    for each running one. Two things make it uncertain: durations differ, and their mean is known from few. Both are
    divided by the number that run at one time; the end cannot come before the last one that began has had its time,
    nor before all are planned and the last of them has run.

    Args:
        durations: Seconds from start to end of tasks that ended.
        waiting: Tasks that have not begun, those not planned yet included.
        ages: Seconds for which running tasks have run.
        parallel: How many run now.
        planning: What is left to plan; its items are among ``waiting``.
    """
    if waiting == 0 and parallel == 0:
        return Estimate(low_s=0.0, high_s=0.0)
    if len(durations) < FEWEST or parallel < 1:
        return None
    mean, spread = fmean(durations), stdev(durations)
    begun = [max(0.0, mean - age) for age in ages] or [mean / 2] * parallel
    running = fmean(begun) * parallel
    count = waiting + parallel
    work = waiting * mean + running
    doubt = SPREAD * spread * math.sqrt(count + count * count / len(durations))
    last = mean if waiting else fmean(begun)
    low = max(0.0, work - doubt) / parallel
    high = max((work + doubt) / parallel, last + SPREAD * spread)
    found = Estimate(low_s=min(low, high), high_s=high)
    planned = planning.estimate()
    if planned is None or not planning.items:
        return found if planned is not None else None
    after = max(0.0, mean - SPREAD * spread), mean + SPREAD * spread
    return replace(
        found, low_s=max(found.low_s, planned.low_s + after[0]), high_s=max(found.high_s, planned.high_s + after[1])
    )
