"""Every search backend that can be had here, opened in a folder of a test's own.

The contract suite and the property tests run unchanged over each; a backend from outside adds itself.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from catalog.search.elasticsearch import ElasticsearchIndex
from catalog.search.elasticsearch.connection import Limits
from catalog.search.embedded import EmbeddedIndex
from catalog.search.index import SearchIndex
from catalog.search.sqlite import SqlIndex
from catalog.search.testing.terms import SmallTerms

Opener = Callable[[Path], SearchIndex]
"""Opens the index that lies in a folder, or begins it there; terms are those of :class:`SmallTerms`."""

ORACLE: Final = "sqlite"
"""The backend whose answers all others must give to the letter."""

PATIENT: Final = Limits(request_seconds=120.0)
"""For a server that shares a small machine with all else that is tested."""

SERVERS: Final[dict[str, str]] = {}
"""URLs of servers, by backend; to be told before the backend is opened."""


def _on_elasticsearch(folder: Path) -> SearchIndex:
    """Open an index that stands for a folder; its names begin with ``test-`` and the number of this process."""
    name = f"test-{os.getpid()}-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    return ElasticsearchIndex.open(SERVERS["elasticsearch"], SmallTerms(), name=name, limits=PATIENT)


BACKENDS: Final[dict[str, Opener]] = {
    "sqlite": lambda folder: SqlIndex.open(folder / "search.sqlite", SmallTerms()),
    "embedded": lambda folder: EmbeddedIndex.open(folder / "search", SmallTerms()),
    "embedded-segments": lambda folder: EmbeddedIndex.open(folder / "search", SmallTerms(), fresh_records=5),
    "elasticsearch": _on_elasticsearch,
}
