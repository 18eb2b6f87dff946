"""A random catalogue in every search backend that is embedded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.search.embedded import EmbeddedIndex
from catalog.search.index import SearchIndex
from catalog.search.sqlite import SqlIndex
from catalog.search.testing import Questioner, SmallTerms, World


@pytest.fixture(params=["sqlite", "embedded"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SearchIndex]:
    made: SearchIndex
    if request.param == "sqlite":
        made = SqlIndex.open(tmp_path / "search.sqlite", SmallTerms())
    else:
        made = EmbeddedIndex.open(tmp_path / "search", SmallTerms())
    yield made
    made.close()


@pytest.fixture
def world() -> World:
    return World(11)


@pytest.fixture
def questioner(world: World) -> Questioner:
    return Questioner(world.rng)
