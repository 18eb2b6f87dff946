"""Verifying a whole ledger against hashing the same bytes with SHA-256.

    python benchmarks/ledger_verify.py [--records N] [--rounds N] [--json]

``bare`` hashes every leaf and every salted body once, from memory, with ``hashlib``. ``ledger`` reads the store
and verifies entries, order, times, bodies, the Merkle tree, its blocks and the signed head. ``everything`` is what
``sillage check`` does: that, the integrity of the file, and every record, edge, alias and file against the bodies.
The three take turns; reported is the median of the rounds. Bodies are those of acquisitions with a sidecar.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from catalog.backends.sqlite import SqliteRepository
from catalog.backends.sqlite.check import check_ledger
from catalog.model import Commit, Put
from ontology.identifiers import new_iri
from ontology.namespaces import PART_OF
from provenance.ledger.keys import VerifierKey

BUDGET = (0.25, 0.6)
_SIDECAR = {f"Parameter{number:02}": [number / 7, f"value {number}", True] for number in range(40)}


def fill(repository: SqliteRepository, count: int) -> None:
    dataset = new_iri()
    changes = [Put(id=dataset, type="Dataset", document={"label": "dataset"})]
    for number in range(count):
        document = {
            "label": f"sub-{number:06}_T1w",
            "dataset": dataset,
            "metadata": {**_SIDECAR, "SeriesNumber": number},
            "files": [{"id": new_iri(), "path": f"sub-{number:06}_T1w.nii.gz", "sha256": None, "size": number}],
        }
        changes.append(Put(id=new_iri(), type="Acquisition", document=document, edges=[(PART_OF, dataset)]))
    for start in range(0, len(changes), 5_000):
        part = changes[start : start + 5_000]
        repository.commit(Commit(principal=new_iri(), action="dataset.register", changes=part))


def hashed_bytes(repository: SqliteRepository) -> list[bytes]:
    """Return the leaves and salted bodies that a verification hashes."""
    found: list[bytes] = []
    after = -1
    while page := repository.entries(after=after, limit=1_000).items:
        for entry in page:
            found.append(b"\x00" + entry.canonical())
            stored = repository.body(entry.sequence)
            if stored is not None:
                found.append(stored.salt + stored.body)
        after = page[-1].sequence
    return found


def bare(texts: list[bytes]) -> None:
    sha256 = hashlib.sha256
    for text in texts:
        sha256(text).digest()


def ledger(repository: SqliteRepository) -> None:
    key = VerifierKey.parse(repository.verifier_key())
    with repository.reading() as connection:
        if list(check_ledger(connection, key, trusted=None)):
            sys.exit("the ledger does not verify")


def everything(repository: SqliteRepository) -> None:
    if list(repository.check()):
        sys.exit("the catalogue does not verify")


def measure(count: int, rounds: int) -> tuple[dict[str, float], int, int]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        repository = SqliteRepository.create(Path(folder) / "catalog", name="benchmark")
        fill(repository, count)
        texts = hashed_bytes(repository)
        calls: dict[str, Callable[[], None]] = {
            "bare": lambda: bare(texts),
            "ledger": lambda: ledger(repository),
            "everything": lambda: everything(repository),
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(rounds):
            for name in list(calls)[:: 1 if number % 2 == 0 else -1]:
                start = time.perf_counter()
                calls[name]()
                times[name].append(time.perf_counter() - start)
        entries = repository.sequence + 1
        repository.close()
    return {name: statistics.median(taken) for name, taken in times.items()}, entries, sum(map(len, texts))


def main() -> None:
    parser = argparse.ArgumentParser(description="Ledger verification against bare SHA-256.")
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    median, entries, size = measure(asked.records, asked.rounds)
    rows = [
        {
            "measure": name,
            "entries": entries,
            "seconds": round(median[name], 4),
            "bare_seconds": round(median["bare"], 4),
            "mb_per_s": round(size / median[name] / 1e6, 1),
            "ratio": round(median["bare"] / median[name], 3),
            "pass": BUDGET[0] if name == "ledger" else None,
            "goal": BUDGET[1] if name == "ledger" else None,
        }
        for name in ("bare", "ledger", "everything")
    ]
    if asked.json:
        print(json.dumps({"benchmark": "ledger_verify", "rows": rows}, indent=1))
        return
    print(f"{entries} entries, {size / 1e6:.1f} MB hashed; pass {BUDGET[0]}, goal {BUDGET[1]} for the ledger")
    for row in rows:
        print(f"{row['measure']:12} {row['seconds']:8.3f} s {row['mb_per_s']:8.1f} MB/s {row['ratio']:7.3f}x")


if __name__ == "__main__":
    main()
