"""The stores over which the repository contract is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog.backends.sqlite import SqliteRepository
from catalog.repository import Repository


@dataclass(frozen=True)
class Store:
    """One store of one backend: ``open`` gives another handle on it, as another process would have."""

    backend: str
    open: Callable[[], Repository]


def _sqlite(directory: Path) -> Store:
    SqliteRepository.create(directory, name="contract").close()
    return Store("sqlite", lambda: SqliteRepository.open(directory))


BACKENDS: dict[str, Callable[[Path], Store]] = {"sqlite": _sqlite}


@pytest.fixture(params=sorted(BACKENDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = BACKENDS[request.param](tmp_path / "catalog")
    with ExitStack() as handles:

        def opened() -> Repository:
            repository = made.open()
            handles.callback(repository.close)
            return repository

        yield Store(made.backend, opened)


@pytest.fixture
def repository(store: Store) -> Repository:
    return store.open()
