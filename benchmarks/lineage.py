"""Lineage over a million results and ten million edges.

    python benchmarks/lineage.py [--results N] [--rounds N] [--json]

The graph: studies of 5,000 results, each result derived from ten that came before it in its study, so that the first
file of a study has 3 to 6 thousand descendants; and one chain of 10,000 derivations. It is written
straight into the tables of the view (the ledger plays no part in lineage). ``sql`` is the bare recursive query that
counts the descendants; ``lineage`` is the answer of the repository: every node once with type, label and least
depth, and all edges between them. Both take turns over the same starts, and their counts are compared.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from catalog.backends.sqlite import SqliteRepository
from catalog.commits.predicates import LAST_LINEAGE_KEY, PREDICATES
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM

STUDY = 5_000
INPUTS = 10
CHAIN = 10_000
_PREDICATE = PREDICATES.index(DERIVED_FROM) + 1
_SQL = f"""
WITH RECURSIVE reached(key) AS (
  SELECT key FROM node WHERE iri = ?
  UNION
  SELECT e.source FROM reached JOIN edge AS e ON e.target = reached.key
  WHERE e.predicate <= {LAST_LINEAGE_KEY}
) SELECT count(*) FROM reached
"""


def edges(results: int) -> Iterator[tuple[int, int, int]]:
    """Yield (source, target, predicate); keys from 1, the chain behind the studies."""
    chance = random.Random(1)
    for start in range(1, results + 1, STUDY):
        for place in range(1, min(STUDY, results + 1 - start)):
            for target in sorted({chance.randrange(place) for _ in range(INPUTS)}):
                yield start + place, start + target, _PREDICATE
    for key in range(results + 2, results + CHAIN + 1):
        yield key, key - 1, _PREDICATE


def fill(repository: SqliteRepository, results: int) -> list[str]:
    """Write the graph; return the IRI of each key."""
    names = ["", *(new_iri() for _ in range(results + CHAIN))]
    with repository.reading() as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO node VALUES (?, ?)", ((k, n) for k, n in enumerate(names) if k))
        connection.executemany(
            "INSERT INTO record VALUES (?, 'Entity', 1, 0, 0, 0, NULL, ?)",
            ((key, f"result {key}") for key in range(1, len(names))),
        )
        connection.execute("DROP INDEX edge_target")
        connection.executemany("INSERT INTO edge (source, target, predicate) VALUES (?, ?, ?)", edges(results))
        connection.execute("CREATE INDEX edge_target ON edge (target)")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return names


def compare(repository: SqliteRepository, starts: list[str]) -> tuple[list[float], list[float], list[int]]:
    """Return the times of the bare query and of the repository, and the numbers of descendants."""
    bare, ours, counts = [], [], []
    for number, start in enumerate(starts):
        found: dict[str, int] = {}
        for who in ("sql", "lineage") if number % 2 == 0 else ("lineage", "sql"):
            began = time.perf_counter()
            if who == "sql":
                with repository.reading() as connection:
                    found[who] = connection.execute(_SQL, (start,)).fetchone()[0]
                bare.append(time.perf_counter() - began)
            else:
                found[who] = len(repository.lineage(start, direction="down").nodes)
                ours.append(time.perf_counter() - began)
        if found["sql"] != found["lineage"]:
            sys.exit(f"{found['sql']} descendants by the query, {found['lineage']} by the repository")
        counts.append(found["sql"] - 1)
    return bare, ours, counts


def measure(results: int, rounds: int) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        repository = SqliteRepository.create(Path(folder) / "catalog", name="benchmark")
        began = time.perf_counter()
        names = fill(repository, results)
        print(f"filled in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        chance = random.Random(2)
        studies = [1 + STUDY * chance.randrange(max(1, results // STUDY)) for _ in range(10 * rounds)]
        rows = []
        for name, starts in (
            ("impact of one raw file", [names[key] for key in studies]),
            (f"chain of {CHAIN}", [names[results + 1]] * rounds),
        ):
            compare(repository, starts[:2])
            bare, ours, counts = compare(repository, starts)
            rows.append(
                {
                    "measure": name,
                    "descendants": f"{min(counts)} to {max(counts)}",
                    "sql_ms": round(statistics.median(bare) * 1e3, 2),
                    "lineage_ms": round(statistics.median(ours) * 1e3, 2),
                    "ratio": round(statistics.median(ours) / statistics.median(bare), 2),
                }
            )
        repository.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Lineage in SQL at scale.")
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows = measure(asked.results, asked.rounds)
    if asked.json:
        print(json.dumps({"benchmark": "lineage", "results": asked.results, "rows": rows}, indent=1))
        return
    print(f"{'measure':24} {'descendants':>14} {'sql':>10} {'lineage':>10} {'ratio':>7}")
    for row in rows:
        print(
            f"{row['measure']:24} {row['descendants']:>14} {row['sql_ms']:8} ms {row['lineage_ms']:8} ms "
            f"{row['ratio']:6}x"
        )


if __name__ == "__main__":
    main()
