"""Durable, audited writes against the rate at which the disk synchronises.

    python benchmarks/durable_write.py [--directory DIR] [--writes N] [--rounds N] [--json]

``disk`` appends one page of 4 KiB to a file and calls ``fdatasync``, over and over. ``one writer`` commits one
record at a time, each with an edge, an audited entry, a salted body and a signed head, and waits for each.
``64 writers`` is 64 threads of one process that do the same. The three take turns in each round, on the same
disk; reported is the median of the rounds. Everything that was acknowledged is verified at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from catalog.backends.sqlite import SqliteRepository
from catalog.model import Commit, Put
from ontology.identifiers import new_iri
from ontology.namespaces import PART_OF

ME = new_iri()
DATASET = new_iri()
THREADS = 64
BUDGETS = {"one writer": (0.5, 0.9), "64 writers": (3.0, 10.0)}


def disk(directory: Path, count: int) -> float:
    """Return synchronised appends per second."""
    page = os.urandom(4096)
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        start = time.perf_counter()
        for _ in range(count):
            file.write(page)
            os.fdatasync(file.fileno())
        return count / (time.perf_counter() - start)


def write(repository: SqliteRepository, count: int) -> None:
    for number in range(count):
        put = Put(
            id=new_iri(),
            type="Participant",
            document={"label": f"sub-{number:04}", "dataset": DATASET, "properties": {"age": [{"value": 34}]}},
            edges=[(PART_OF, DATASET)],
        )
        repository.commit(Commit(principal=ME, action="participant.register", changes=[put]))


def one_writer(repository: SqliteRepository, count: int) -> float:
    """Return acknowledged entries per second of a single thread."""
    start = time.perf_counter()
    write(repository, count)
    return count / (time.perf_counter() - start)


def many_writers(repository: SqliteRepository, count: int) -> float:
    """Return acknowledged entries per second of 64 threads together."""
    each = max(1, count // 16)
    threads = [threading.Thread(target=write, args=(repository, each)) for _ in range(THREADS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return each * THREADS / (time.perf_counter() - start)


def measure(directory: Path, count: int, rounds: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        repository = SqliteRepository.create(Path(folder) / "catalog", name="benchmark")
        first = Put(id=DATASET, type="Dataset", document={"label": "dataset"})
        repository.commit(Commit(principal=ME, action="dataset.register", changes=[first]))
        calls: dict[str, Callable[[], float]] = {
            "disk": lambda: disk(Path(folder), count),
            "one writer": lambda: one_writer(repository, count),
            "64 writers": lambda: many_writers(repository, count),
        }
        rates: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(rounds):
            for name in list(calls)[:: 1 if number % 2 == 0 else -1]:
                rates[name].append(calls[name]())
        expected = 1 + rounds * (count + max(1, count // 16) * THREADS)
        if repository.sequence + 1 != expected or list(repository.check()):
            sys.exit("what was acknowledged is not what is there")
        repository.close()
    return {name: statistics.median(found) for name, found in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Durable writes against the disk's synchronisation rate.")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="a folder on the disk to measure")
    parser.add_argument("--writes", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measure(asked.directory, asked.writes, asked.rounds)
    rows = [
        {
            "measure": name,
            "entries_per_s": round(found[name]),
            "disk_syncs_per_s": round(found["disk"]),
            "ratio": round(found[name] / found["disk"], 2),
            "pass": least,
            "goal": goal,
        }
        for name, (least, goal) in BUDGETS.items()
    ]
    if asked.json:
        print(json.dumps({"benchmark": "durable_write", "rows": rows}, indent=1))
        return
    print(f"{'measure':12} {'entries/s':>10} {'syncs/s':>10} {'ratio':>7} {'pass':>6} {'goal':>6}")
    for row in rows:
        print(
            f"{row['measure']:12} {row['entries_per_s']:10} {row['disk_syncs_per_s']:10} {row['ratio']:6.2f}x "
            f"{row['pass']:5}x {row['goal']:5}x"
        )


if __name__ == "__main__":
    main()
