"""Several conditions on one acquisition, decided for most participants without looking at their acquisitions.

Whoever has an acquisition with one value, and none that lacks the other, has one with both. Scanners and protocols are
much the same for all acquisitions of a participant, so that few are left to be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from catalog.search.embedded.column import Bools, Codes, Column, is_run
from catalog.search.embedded.segment import Segment

MOST_VALUES: Final = 256
"""Of a property with more other values it is not asked who has none of them."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the postings say of the participants: who surely has such an acquisition, and who has to be looked at."""

    sure: Bools
    open: Bools


def judge(conditions: Sequence[tuple[Column, Codes]], segment: Segment) -> Judgement:
    """Return what is known of conditions on one acquisition, each on one value of a column."""
    some = [column.people.mask(codes) for column, codes in conditions]
    every = [_all_of(column, codes, segment) for column, codes in conditions]
    sure = np.zeros(segment.size, np.bool_)
    for place, having in enumerate(some):
        others = (mask for other, mask in enumerate(every) if other != place)
        sure |= np.logical_and.reduce([having, *others])
    return Judgement(sure, np.logical_and.reduce(some) & ~sure)


def _all_of(column: Column, codes: Codes, segment: Segment) -> Bools:
    """Return the participants all of whose acquisitions have one of some values, as far as it is quickly told."""
    rest = np.setdiff1d(np.arange(len(column.keys)), codes, assume_unique=True)
    if len(rest) > MOST_VALUES and not is_run(rest):
        return np.zeros(segment.size, np.bool_)
    found: Bools = ~(column.people.mask(rest) | segment.lacking(column)) if len(rest) else ~segment.lacking(column)
    return found
