"""The stores over which the repository contract is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from catalog.backends.neo4j import Neo4jRepository
from catalog.backends.neo4j.removal import remove_catalogue
from catalog.backends.sqlite import SqliteRepository
from catalog.repository import Repository

if TYPE_CHECKING:
    from deploy.services.server import Server
    from executors.slurm.runner import SlurmRunner


@dataclass(frozen=True)
class Store:
    """One store of one backend: ``open`` gives another handle on it, as another process would have."""

    backend: str
    open: Callable[[], Repository]
    remove: Callable[[], None] = lambda: None


def _sqlite(directory: Path, _: pytest.FixtureRequest) -> Store:
    SqliteRepository.create(directory, name="contract").close()
    return Store("sqlite", lambda: SqliteRepository.open(directory))


def _neo4j(directory: Path, request: pytest.FixtureRequest) -> Store:
    url = request.getfixturevalue("neo4j_url")
    Neo4jRepository.create(url, directory, name=f"contract/{uuid4()}").close()
    return Store("neo4j", lambda: Neo4jRepository.open(url, directory), lambda: remove_catalogue(url, directory))


BACKENDS: dict[str, Callable[[Path, pytest.FixtureRequest], Store]] = {"neo4j": _neo4j, "sqlite": _sqlite}


@pytest.fixture(params=sorted(BACKENDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = BACKENDS[request.param](tmp_path / "catalog", request)
    with ExitStack() as handles:
        handles.callback(made.remove)

        def opened() -> Repository:
            repository = made.open()
            handles.callback(repository.close)
            return repository

        yield Store(made.backend, opened)


@pytest.fixture
def repository(store: Store) -> Repository:
    return store.open()


@pytest.fixture
def calm_conf(slurm_cluster: Server) -> Iterator[Path]:
    """Configuration of a cluster of the tests' own, on which nothing runs, and nothing stays."""
    from tests.contract.slurm_world import calm

    conf = Path(str(slurm_cluster.url))
    calm(conf)
    yield conf
    calm(conf)


@pytest.fixture
def slurm_runner(tmp_path: Path, calm_conf: Path) -> Iterator[SlurmRunner]:
    """A runner over that cluster."""
    from tests.contract.slurm_world import opened

    made = opened(tmp_path / "runner", calm_conf)
    yield made
    made.close()
