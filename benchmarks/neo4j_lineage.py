"""The repository on SQLite and on Neo4j side by side: lineage, and commits.

    python -m benchmarks.neo4j_lineage [--rounds N] [--quick] [--json]

Both hold the same graph, written by the same commits: a study of results each derived from ten that came before it,
so that its first file has all others as descendants, and one chain of 10,000 derivations. The answers are compared.
Neo4j is the server of SILLAGE_TEST_NEO4J, else one that is started here (``python -m deploy.services``).
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from benchmarks.measuring import Row, alternate, medians, options, report
from catalog.backends.neo4j import Neo4jRepository
from catalog.backends.neo4j.removal import remove_catalogue
from catalog.backends.sqlite import SqliteRepository
from catalog.model import Commit, Note, Put
from catalog.repository import Repository
from deploy.services.server import url_of
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM

INPUTS = 10
_PER_COMMIT = 1_000


def study(results: int) -> list[Put]:
    """Return results, each derived from up to ten earlier ones."""
    chance, names = random.Random(1), [new_iri() for _ in range(results)]
    edges = [
        [(DERIVED_FROM, names[target]) for target in sorted({chance.randrange(place) for _ in range(INPUTS)})]
        for place in range(1, results)
    ]
    return [Put(id=name, type="Entity", document={}, edges=own) for name, own in zip(names, [[], *edges], strict=True)]


def chain(length: int) -> list[Put]:
    """Return results, each derived from the one before it."""
    names = [new_iri() for _ in range(length)]
    return [
        Put(id=name, type="Entity", document={}, edges=[(DERIVED_FROM, names[place - 1])] if place else [])
        for place, name in enumerate(names)
    ]


def write(repository: Repository, puts: list[Put]) -> float:
    """Write records by the thousand; return records per second."""
    began = time.perf_counter()
    for start in range(0, len(puts), _PER_COMMIT):
        changes = puts[start : start + _PER_COMMIT]
        repository.commit(Commit(principal="urn:me", action="benchmark.write", changes=changes))
    return len(puts) / (time.perf_counter() - began)


def notes(repository: Repository, count: int, threads: int) -> float:
    """Write entries, one per commit; return commits per second."""

    def one(_: int) -> None:
        repository.commit(Commit(principal="urn:me", action="benchmark.note", changes=[Note(subject="urn:x")]))

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, range(count)))
    return count / (time.perf_counter() - began)


@contextmanager
def repositories() -> Iterator[dict[str, Repository]]:
    """Lend an empty repository of each kind."""
    url = url_of("neo4j")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        lite = SqliteRepository.create(Path(folder) / "sqlite", name="benchmark")
        graph = Neo4jRepository.create(url, Path(folder) / "neo4j", name=f"benchmark/{uuid4()}")
        try:
            yield {"neo4j": graph, "sqlite": lite}
        finally:
            lite.close()
            graph.close()
            remove_catalogue(url, Path(folder) / "neo4j")


def lineage(stores: dict[str, Repository], name: str, start: str, direction: str, rounds: int) -> Row:
    """Compare one lineage on both."""
    answers = {which: store.lineage(start, direction=direction) for which, store in stores.items()}
    found = [({node.id: node.depth for node in one.nodes}, set(one.edges)) for one in answers.values()]
    if found[0] != found[1]:
        sys.exit(f"{name}: the two do not answer the same")
    taken = medians(
        alternate(
            rounds,
            {which: lambda store=store: store.lineage(start, direction=direction) for which, store in stores.items()},
        )
    )
    return Row(
        measure=name,
        ours=taken["neo4j"] * 1e3,
        against="SQLite",
        other=taken["sqlite"] * 1e3,
        unit="ms",
        note=f"{len(found[0][0]) - 1} nodes, {len(found[0][1])} edges",
    )


def main() -> None:
    asked = options("The repository on Neo4j against SQLite.", rounds=9)
    results, length, commits = (500, 1_000, 50) if asked.quick else (5_000, 10_000, 400)
    with repositories() as stores:
        made, row = study(results), chain(length)
        speed = {which: write(store, made) for which, store in stores.items()}
        for store in stores.values():
            write(store, row)
        rows = [
            lineage(stores, "impact of one raw file", made[0].id, "down", asked.rounds),
            lineage(stores, "origins of one result", made[-1].id, "up", asked.rounds),
            lineage(stores, f"chain of {length}", row[0].id, "down", asked.rounds),
        ]
        rates = {
            threads: {which: notes(store, commits * min(threads, 8), threads) for which, store in stores.items()}
            for threads in (1, 64)
        }
        figures = [("records written, 1,000 per commit", speed)]
        figures += [(f"commits of one entry, {threads} threads", rate) for threads, rate in rates.items()]
        rows += [
            Row(
                measure=name,
                ours=rate["neo4j"],
                against="SQLite",
                other=rate["sqlite"],
                unit="/s",
                higher_is_better=True,
            )
            for name, rate in figures
        ]
    report("neo4j_lineage", rows, as_json=asked.json)


if __name__ == "__main__":
    main()
