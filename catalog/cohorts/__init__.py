"""Cohorts: answers held still, and what can be made of them (``docs/explanation/cohorts.md``).

A cohort is frozen from a query, combined from other cohorts, or is one part of a split. Whatever its origin it is a
record of type ``Cohort`` with the same members, so that everything that takes a cohort takes any.
"""

from catalog.cohorts.comparison import CohortDiff, diff
from catalog.cohorts.freezing import CohortDraft, cohort_digest, freeze

__all__ = ["CohortDiff", "CohortDraft", "cohort_digest", "diff", "freeze"]
