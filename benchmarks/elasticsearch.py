"""Cohort queries on Elasticsearch, beside the embedded index: how fast a catalogue is projected, and answers.

    python -m benchmarks.elasticsearch [--size N] [--questions N] [--url URL] [--quick] [--json]

A world of N participants (``cohort_world``) in both; random questions, each asked of both in turn, answers compared to
the letter. ``ours`` and ``other`` are 99th percentiles; medians are in the note. Without ``--url`` the server is
started as for tests (``deploy.services``).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.cohort_rivals import Question
from benchmarks.cohort_search import percentiles, questions, searching
from benchmarks.cohort_world import World, WorldRepository
from benchmarks.measuring import Row, line
from catalog.search.elasticsearch import ElasticsearchIndex
from catalog.search.elasticsearch.connection import Limits, Server, address
from catalog.search.embedded import EmbeddedIndex
from catalog.search.histogram import histogram
from catalog.search.index import SearchIndex
from catalog.search.query import parse
from deploy.services.server import url_of
from ontology.terms import TermIndex

FACETS = ("sex", "diagnosis", "suffix", "manufacturer")
REFINED = (
    "TRUE",
    "sex = 'female'",
    "under(diagnosis, 'DOID:863') AND age >= 30",
    "sex = 'female' AND age BETWEEN 30 AND 50 AND has(suffix = 'T1w')",
    "count(suffix = 'bold') >= 3",
)


def measure(args: argparse.Namespace, folder: Path) -> tuple[list[Row], list[dict[str, Any]]]:
    """Build both, ask, and return rows and facts."""
    terms, repository = TermIndex.open(folder / "terms.sqlite"), WorldRepository(World(args.size))
    url = args.url or url_of("elasticsearch")
    embedded = EmbeddedIndex.open(folder / "embedded", terms)
    embedded.catch_up(repository)
    name = f"bench-{uuid4()}"
    ours = ElasticsearchIndex.open(url, terms, name=name)
    try:
        began = time.perf_counter()
        ours.rebuild(repository)
        seconds = time.perf_counter() - began
        facts = [_size(url, name) | {"seconds": round(seconds, 1), "participants/s": round(args.size / seconds)}]
        rows = [_asked(ours, embedded, questions(args.questions, terms), args)]
        facts += [_refined(ours, embedded, text) for text in REFINED]
        facts += [_others(ours), _one_more(ours, repository)]
    finally:
        ours.drop()
        ours.close()
        embedded.close()
    return rows, facts


def _size(url: str, name: str) -> dict[str, Any]:
    server = Server(address(url), Limits())
    found = server.ask("GET", f"/sillage-{name}/_stats/docs,store")["_all"]["primaries"]
    server.close()
    return {
        "what": "projection",
        "documents": found["docs"]["count"],
        "MB": round(found["store"]["size_in_bytes"] / 1e6),
    }


def _asked(ours: SearchIndex, embedded: SearchIndex, asked: Sequence[Question], args: argparse.Namespace) -> Row:
    median, worst, counts = percentiles(searching(ours), asked)
    other, other_worst, others = percentiles(searching(embedded), asked)
    if counts != others:
        sys.exit("the two indexes answer differently")
    return Row(
        measure=f"cohort query p99, {args.size:,} participants, Elasticsearch",
        ours=worst,
        against="embedded index",
        other=other_worst,
        unit="ms",
        note=f"medians {median:.2f} and {other:.2f} ms",
    )


def _refined(ours: SearchIndex, embedded: SearchIndex, text: str) -> dict[str, Any]:
    """Return what a page asks for after each click: hits with reasons, facets and a histogram."""
    query = parse(text)
    page: dict[str, Any] = {"datasets": None, "explain": True, "limit": 25, "facets": FACETS}
    if ours.find(query, **page) != embedded.find(query, **page):
        sys.exit(f"the two indexes answer differently: {text}")
    taken = {
        "count and page": _median(lambda: ours.find(query, datasets=None, limit=25)),
        "with reasons and four facets": _median(lambda: ours.find(query, **page)),
        "histogram": _median(lambda: histogram(ours, query, "age", datasets=None)),
        "members": _median(lambda: ours.members(query, datasets=None), times=3),
    }
    return {"what": "refinement (ms)", "query": text, **taken}


def _others(ours: SearchIndex) -> dict[str, Any]:
    """Return how long what is asked once after a write takes."""
    questions: dict[str, Callable[[], Any]] = {
        "properties": ours.properties,
        "facet_properties": ours.facet_properties,
        "extent": lambda: ours.extent("echo_time"),
    }
    return {"what": "first time after a write (ms)", **{name: _median(ask, times=1) for name, ask in questions.items()}}


def _one_more(ours: SearchIndex, repository: WorldRepository) -> dict[str, Any]:
    """Return how long it takes until one more participant is found, acquisitions and all."""
    taken: list[float] = []
    for number in range(20):
        repository.put_person(repository.world.size + number)
        began = time.perf_counter()
        ours.catch_up(repository)
        taken.append((time.perf_counter() - began) * 1000)
    return {"what": "one more participant (ms)", "median": round(sorted(taken)[10], 1), "worst": round(max(taken), 1)}


def _median(ask: Callable[[], Any], *, times: int = 7) -> float:
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - began) * 1000)
    return round(sorted(taken)[times // 2], 1)


def _printed(rows: Sequence[Row], facts: Sequence[dict[str, Any]], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {"benchmark": "elasticsearch", "rows": [row.to_json() for row in rows], "facts": facts}, indent=1
        )
    return "\n".join([*(line(row.to_json()) for row in rows), *map(json.dumps, facts)])


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--url")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.quick:
        args.size, args.questions = 1_000, 40
    with tempfile.TemporaryDirectory() as folder:
        print(_printed(*measure(args, Path(folder)), as_json=args.json))


if __name__ == "__main__":
    main()
