"""What the tests of a search backend need, shipped so that a backend from outside can be held to the same.

A repository in memory, a term index of eight terms, random catalogues and queries, and a reference that answers
by reading every document for every query.
"""

from catalog.search.testing.memory import MemoryRepository
from catalog.search.testing.questions import FACETS, MEASURED, Questioner
from catalog.search.testing.reference import Reference
from catalog.search.testing.terms import SmallTerms
from catalog.search.testing.world import World

__all__ = ["FACETS", "MEASURED", "MemoryRepository", "Questioner", "Reference", "SmallTerms", "World"]
