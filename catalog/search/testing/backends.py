"""Every search backend that can be had here, opened in a folder of a test's own.

The contract suite and the property tests run unchanged over each; a backend from outside adds itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from catalog.search.index import SearchIndex
from catalog.search.sqlite import SqlIndex
from catalog.search.testing.terms import SmallTerms

Opener = Callable[[Path], SearchIndex]
"""Opens the index that lies in a folder, or begins it there; terms are those of :class:`SmallTerms`."""

ORACLE: Final = "sqlite"
"""The backend whose answers all others must give to the letter."""

BACKENDS: Final[dict[str, Opener]] = {
    "sqlite": lambda folder: SqlIndex.open(folder / "search.sqlite", SmallTerms()),
}
