"""Cohort queries on Elasticsearch through our backend, beside queries written by hand and the embedded index.

    python -m benchmarks.elasticsearch [--size N] [--questions N] [--url URL] [--quick] [--json]

A world of N participants (``cohort_world``) in each; random questions, each asked of all in turn, and the answers
compared. Ours answers with the count and the first fifty hits; by hand it is asked for the count alone, which is the
least that Elasticsearch can be asked for, and for the same fifty hits (``cohort_elasticsearch``). ``ours`` and
``other`` are 99th percentiles; medians are in the note. Also said: how many requests a question of ours costs, how
fast a catalogue is written, its size, and what one more participant costs. Without ``--url`` the server is started as
for tests (``deploy.services``).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.cohort_elasticsearch import HandWritten, store
from benchmarks.cohort_rivals import Question
from benchmarks.cohort_search import Ask, questions, searching
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
    """Build all, ask, and return rows and facts."""
    terms, repository = TermIndex.open(folder / "terms.sqlite"), WorldRepository(World(args.size))
    url = args.url or url_of("elasticsearch")
    server = Server(address(url), Limits(request_seconds=120))
    embedded = EmbeddedIndex.open(folder / "embedded", terms)
    embedded.catch_up(repository)
    name = f"bench-{uuid4()}"
    by_hand = HandWritten(server, f"hand-{name}")
    ours = ElasticsearchIndex.open(url, terms, name=name)
    try:
        facts = [_filled("by hand", lambda: by_hand.fill(repository.world), args.size, server, by_hand.name)]
        facts += [_filled("ours", lambda: ours.rebuild(repository), args.size, server, f"sillage-{name}")]
        asked = questions(args.questions, terms)
        rows = _asked(ours, embedded, by_hand, asked, args.size)
        facts += [_requests(ours, asked), *(_refined(ours, embedded, text) for text in REFINED), _others(ours)]
        facts += _one_more(ours, by_hand, repository)
    finally:
        ours.drop()
        ours.close()
        by_hand.drop()
        server.close()
        embedded.close()
    return rows, facts


def _filled(whose: str, fill: Callable[[], Any], size: int, server: Server, index: str) -> dict[str, Any]:
    """Return how long it takes to write everybody, and what that becomes."""
    began = time.perf_counter()
    fill()
    seconds = time.perf_counter() - began
    taken = {"seconds": round(seconds, 1), "participants/s": round(size / seconds)}
    return {"what": f"projection, {whose}", **store(server, index), **taken}


def _asked(
    ours: SearchIndex, embedded: SearchIndex, by_hand: HandWritten, asked: Sequence[Question], size: int
) -> list[Row]:
    engines: dict[str, Ask] = {
        "ours": searching(ours),
        "embedded index": searching(embedded),
        "hand-written, count alone": by_hand.count,
        "hand-written, fifty hits": by_hand.page,
    }
    rows = []
    for kind, about_one in (("cohort query", False), ("two attributes of one acquisition", True)):
        taken = _together(engines, [question for question in asked if question.about_one is about_one])
        median, worst = taken.pop("ours")
        rows += [
            Row(
                measure=f"{kind} p99, {size:,} participants, Elasticsearch",
                ours=worst,
                against=against,
                other=other_worst,
                unit="ms",
                note=f"medians {median:.2f} and {other:.2f} ms",
            )
            for against, (other, other_worst) in taken.items()
        ]
    return rows


def _together(engines: Mapping[str, Ask], asked: Sequence[Question]) -> dict[str, tuple[float, float]]:
    """Return median and 99th percentile of the milliseconds that questions take of each engine.

    Each question is asked of all before the next one, so that what else the machine does is shared by all; the first
    of three rounds warms caches and is not counted.
    """
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(3):
        for question in asked:
            counts = {}
            for name, ask in engines.items():
                began = time.perf_counter()
                counts[name] = ask(question)
                if number:
                    taken[name].append((time.perf_counter() - began) * 1000)
            if len(set(counts.values())) > 1:
                sys.exit(f"they answer differently: {question.cql2()}: {counts}")
    ordered = {name: sorted(some) for name, some in taken.items()}
    return {
        name: (some[len(some) // 2], some[min(len(some) - 1, int(len(some) * 0.99))]) for name, some in ordered.items()
    }


def _requests(ours: ElasticsearchIndex, asked: Sequence[Question]) -> dict[str, Any]:
    """Return how many requests a question of ours costs, and the milliseconds of the search alone that it ends with."""
    sent: list[tuple[str, float]] = []
    with watched(ours, sent):
        for question in asked:
            searching(ours)(question)
    searches = sorted(taken for path, taken in sent if path.endswith("_search"))
    return {
        "what": "requests of a question",
        "mean": round(len(sent) / len(asked), 2),
        "its search (ms), median": round(searches[len(searches) // 2], 1),
        "all (ms), mean": round(sum(taken for _, taken in sent) / len(asked), 1),
    }


@contextmanager
def watched(ours: ElasticsearchIndex, sent: list[tuple[str, float]]) -> Iterator[None]:
    """Note path and milliseconds of each request of an index meanwhile."""
    server = ours._server
    ask = server.ask

    def noting(method: str, path: str, body: Any = None, **parameters: str) -> Any:
        began = time.perf_counter()
        try:
            return ask(method, path, body, **parameters)
        finally:
            sent.append((path, (time.perf_counter() - began) * 1000))

    server.ask = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        server.ask = ask  # type: ignore[method-assign]


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


def _one_more(ours: SearchIndex, by_hand: HandWritten, repository: WorldRepository) -> list[dict[str, Any]]:
    """Return how long it takes until one more participant is found, acquisitions and all."""
    taken: dict[str, list[float]] = {"ours": [], "by hand": []}
    for number in range(20):
        place = repository.world.size + number
        repository.put_person(place)
        began = time.perf_counter()
        ours.catch_up(repository)
        between = time.perf_counter()
        by_hand.put(repository.world.person(place))
        taken["ours"].append((between - began) * 1000)
        taken["by hand"].append((time.perf_counter() - between) * 1000)
    ordered = {whose: sorted(some) for whose, some in taken.items()}
    return [
        {"what": f"one more participant (ms), {whose}", "median": round(some[10], 1), "worst": round(some[-1], 1)}
        for whose, some in ordered.items()
    ]


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
