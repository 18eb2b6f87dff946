"""Cohort queries on the embedded index, against SQLite joins, DuckDB, tantivy and our own plain SQL form.

    python -m benchmarks.cohort_search [--size N] [--questions N] [--oracle] [--folder DIR] [--quick] [--json]

A world of N participants (``cohort_world``) in each engine; random questions, each asked of every engine in turn. Ours
answers with the count, the first fifty hits and whatever a query needs besides (terms looked up, properties checked);
the others count alone. Counts are compared. ``ours`` and ``other`` are 99th percentiles over the questions; medians are
in the note. ``--folder`` keeps what was built, for the next time; ``--oracle`` builds the plain SQL form too, which
takes long. Also said: size on disk, resident memory, and what one more participant costs.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cohort_rivals import Question, Tantivy, Wanted, duckdb_engine, sqlite_engine, write_tables
from benchmarks.cohort_world import DIAGNOSES, OBO, World, WorldRepository
from benchmarks.measuring import Row, line
from catalog.search.embedded import EmbeddedIndex
from catalog.search.histogram import histogram
from catalog.search.index import SearchIndex
from catalog.search.query import parse
from catalog.search.rollup import term_tree
from catalog.search.sqlite import SqlIndex
from ontology.terms import TermIndex

Ask = Callable[[Question], int]


TERMS = ("DOID:3213", "DOID:863", "DOID:10652", "DOID:5419", "DOID:1470", "DOID:150", None)
"""Terms that are asked for."""


def questions(number: int, terms: TermIndex) -> list[Question]:
    """Draw questions: three in four cohorts, one in four on two attributes of one acquisition."""
    rng = random.Random(7)
    covered: dict[str | None, tuple[int, ...]] = {None: ()}
    for term in filter(None, TERMS):
        below = terms.descendants(terms.resolve(term).term.iri)
        covered[term] = tuple(place for place, found in enumerate(DIAGNOSES) if OBO + found[0] in below)
    return [_on_one_acquisition(rng) if place % 4 == 3 else _cohort(rng, covered) for place in range(number)]


def _cohort(rng: random.Random, covered: Mapping[str | None, tuple[int, ...]]) -> Question:
    low = rng.randrange(5, 70)
    images = [Wanted(rng.choice(("T1w", "FLAIR", "bold", "dwi")), tesla=rng.choice((1.5, 3.0, 7.0)))]
    images += [Wanted("T1w")] if rng.random() < 0.5 else []
    term = rng.choice(TERMS)
    return Question(
        ages=(low, low + rng.randrange(5, 30)) if rng.random() < 0.8 else None,
        sex=rng.choice(("F", "M", None)),
        term=term,
        covered=covered[term],
        images=tuple(images),
    )


def _on_one_acquisition(rng: random.Random) -> Question:
    suffix = rng.choice(("T1w", "FLAIR", "pet", "dwi", "UNIT1"))
    tesla, echo_time = rng.choice(((3.0, None), (7.0, None), (None, 0.01), (1.5, 0.05)))
    return Question(None, None, None, (), (Wanted(suffix, tesla=tesla, echo_time=echo_time),))


def searching(index: SearchIndex) -> Ask:
    """Return what an index of ours answers, parsed anew each time."""
    return lambda question: index.find(parse(question.cql2()), datasets=None, limit=50).count


def percentiles(ask: Ask, asked: Sequence[Question]) -> tuple[float, float, list[int]]:
    """Return median and 99th percentile of the milliseconds that questions take, and the counts.

    Every question is asked once a round, so that none is answered from what was kept of itself; the first of three
    rounds warms caches and is not counted.
    """
    taken, counts = [], []
    for number in range(3):
        counts = []
        for question in asked:
            began = time.perf_counter()
            counts.append(ask(question))
            if number:
                taken.append((time.perf_counter() - began) * 1000)
    ordered = sorted(taken)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], counts


def measure(args: argparse.Namespace, folder: Path) -> tuple[list[Row], list[dict[str, Any]]]:
    """Build what is not there, ask, and return rows and facts."""
    world = World(args.size)
    terms = TermIndex.open(folder / "terms.sqlite")
    facts: list[dict[str, Any]] = []
    repository = WorldRepository(world)
    ours = EmbeddedIndex.open(folder / "embedded", terms)
    began = time.perf_counter()
    ours.catch_up(repository)
    facts.append({"what": "embedded index built", "seconds": round(time.perf_counter() - began, 1)})
    if not (folder / "acquisition.csv").exists():
        write_tables(world, folder)
    engines: dict[str, Ask] = {"SQLite joins": sqlite_engine(folder), "DuckDB": duckdb_engine(folder)}
    engines["tantivy"] = Tantivy(world, folder)
    if args.oracle:
        plain = SqlIndex.open(folder / "search.sqlite", terms)
        plain.catch_up(repository)
        engines["plain SQL form"] = searching(plain)
    asked = questions(args.questions, terms)
    rows = _rows(searching(ours), engines, asked, args.size)
    facts += _refinements(ours, terms)
    ours.close()
    facts += _one_more(folder, terms, repository)
    facts.append({"what": "on disk (MB)", **{p.name: _megabytes(p) for p in sorted(folder.iterdir())}})
    facts.append(
        {"what": "peak memory of all (MB)", "value": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    )
    return rows, facts


def _rows(ours: Ask, engines: Mapping[str, Ask], asked: Sequence[Question], size: int) -> list[Row]:
    rows = []
    kinds = {
        "cohort query": ([q for q in asked if not q.about_one], 1 / 20, 1 / 100),
        "two attributes of one acquisition": ([q for q in asked if q.about_one], 1 / 2, 1 / 10),
    }
    for kind, (some, passes, goal) in kinds.items():
        median, worst, counts = percentiles(ours, some)
        for name, engine in engines.items():
            other, other_worst, others = percentiles(engine, some)
            counted_otherwise = name == "tantivy" and kind != "cohort query"
            if counts != others and not counted_otherwise:
                differing = [found for found in zip(counts, others, some, strict=True) if found[0] != found[1]]
                sys.exit(f"{name} answers differently: {differing[:2]}")
            budget = name == "SQLite joins" or kind != "cohort query"
            rows.append(
                Row(
                    measure=f"{kind} p99, {size:,} participants",
                    ours=worst,
                    against=name,
                    other=other_worst,
                    unit="ms",
                    passes=passes if budget else None,
                    goal=goal if budget else None,
                    note=f"medians {median:.2f} and {other:.2f} ms"
                    + (", which counts acquisitions" if counted_otherwise else ""),
                )
            )
    return rows


FACETS = ("sex", "handedness", "dataset", "suffix", "datatype", "manufacturer", "magnetic_field_strength", "task")


def _refinements(ours: EmbeddedIndex, terms: TermIndex) -> list[dict[str, Any]]:
    """Return how long the page waits after each click: hits with reasons, facets, a tree and histograms."""
    queries = [
        "TRUE",
        "sex = 'female'",
        "sex = 'female' AND age >= 30",
        "under(diagnosis, 'DOID:863') AND age >= 30",
        "has(suffix = 'FLAIR' AND magnetic_field_strength >= 3)",
        "sex = 'female' AND age BETWEEN 30 AND 50 AND has(suffix = 'T1w')",
    ]
    taken: dict[str, list[float]] = {text: [] for text in queries}
    for number in range(6):
        for text in queries:
            # Another bound each time, so that nothing is answered from what was kept.
            query = parse(f"{text} AND NOT mmse = {100 + number}")
            began = time.perf_counter()
            ours.find(query, datasets=None, explain=True, limit=25, facets=FACETS)
            term_tree(ours, terms, query, "diagnosis", datasets=None)
            for name in ("age", "mmse", "echo_time"):
                histogram(ours, query, name, datasets=None)
            taken[text].append((time.perf_counter() - began) * 1000)
    of = [{"query": text, "ms": round(sorted(some[1:])[2], 1)} for text, some in taken.items()]
    return [{"what": "refinement: 25 hits with reasons, 8 facets, a term tree, 3 histograms", "of": of}]


def _one_more(folder: Path, terms: TermIndex, repository: WorldRepository) -> list[dict[str, Any]]:
    """Return what the index pays for one more participant; on a copy, for who keeps the folder."""
    shutil.copytree(folder / "embedded", folder / "grown")
    ours = EmbeddedIndex.open(folder / "grown", terms)
    ours.catch_up(repository)
    taken = []
    for number in range(30):
        repository.put_person(repository.world.size + number)
        began = time.perf_counter()
        ours.catch_up(repository)
        taken.append((time.perf_counter() - began) * 1000)
    ours.close()
    shutil.rmtree(folder / "grown")
    return [{"what": "one more participant (ms)", "median": round(sorted(taken)[15], 1), "worst": round(max(taken), 1)}]


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return round(sum(file.stat().st_size for file in files) / 1e6, 1)


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.quick:
        args.size, args.questions, args.oracle = 1_000, 40, True
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        rows, facts = measure(args, folder)
    if args.json:
        print(
            json.dumps(
                {"benchmark": "cohort_search", "rows": [row.to_json() for row in rows], "facts": facts}, indent=1
            )
        )
        return
    for row in rows:
        print(line(row.to_json()))
    for fact in facts:
        print(json.dumps(fact))


if __name__ == "__main__":
    main()
