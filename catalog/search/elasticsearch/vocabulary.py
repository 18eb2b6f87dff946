"""What is known of an index as it is at one stamp: its datasets, and the terms that are in its fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import orjson

from catalog.search.elasticsearch.connection import Server, meaning
from catalog.search.elasticsearch.documents import read_dataset
from catalog.search.elasticsearch.queries import Query
from catalog.search.elasticsearch.stamp import Stamp
from catalog.search.projection import DatasetEntry

_PAGE: Final = 10_000
_AT_ONCE: Final = 200
_FEWEST: Final = 8


class Datasets:
    """All datasets of an index, as they were at one stamp.

    Attributes:
        live: Those that are not withdrawn, by IRI; also those that records only mention.
        withdrawn: IRIs of the others.
    """

    def __init__(self, server: Server, stamp: Stamp) -> None:
        self.live: dict[str, DatasetEntry] = {}
        self.withdrawn: set[str] = set()
        after: list[Any] = []
        while True:
            body: dict[str, Any] = {"query": {"term": {"kind": "dataset"}}, "size": _PAGE, "sort": ["key"]}
            body |= {"track_total_hits": False, "_source": ["said"]} | ({"search_after": after} if after else {})
            hits = server.ask("POST", f"/{stamp.index}/_search", body)["hits"]["hits"]
            for hit in hits:
                entry, live, _ = read_dataset(hit["_source"])
                if live:
                    self.live[entry.id] = entry
                else:
                    self.withdrawn.add(entry.id)
            if len(hits) < _PAGE:
                return
            after = hits[-1]["sort"]


class Vocabulary:
    """What was learnt about the values of an index, true as long as its stamp stays as it is.

    Attributes:
        kept: Answers, by what was asked.
    """

    def __init__(self, server: Server, stamp: Stamp, datasets: Datasets) -> None:
        self.server = server
        self.stamp = stamp
        self.datasets = datasets
        self.kept: dict[Any, Any] = {}

    def search(self, body: dict[str, Any]) -> Any:
        """Ask the generation of the stamp.

        Raises:
            BackendUnavailableError: The server is away, or the generation is.
        """
        return self.server.ask("POST", f"/{self.stamp.index}/_search", body)

    def exist(self, queries: Iterable[Query]) -> Iterator[bool]:
        """Tell of each of some queries whether any document fulfils it: a few at first, then more at once.

        Raises:
            BackendUnavailableError: As for :meth:`search`.
        """
        pending, size = iter(queries), _FEWEST
        while some := list(islice(pending, size)):
            asked = [("exists", orjson.dumps(query)) for query in some]
            new = [query for query, key in zip(some, asked, strict=True) if key not in self.kept]
            for query, found in zip(new, self._exist(new) if new else (), strict=True):
                self.kept["exists", orjson.dumps(query)] = found
            yield from (self.kept[key] for key in asked)
            size = min(4 * size, _AT_ONCE)

    def _exist(self, queries: Sequence[Query]) -> Iterator[bool]:
        lines = [line for query in queries for line in (b"{}", orjson.dumps(_any(query)))]
        answer = self.server.ask("POST", f"/{self.stamp.index}/_msearch", b"\n".join(lines) + b"\n")
        for found in answer["responses"]:
            if "error" in found:
                raise meaning(found["status"], found, self.server.at)
            yield bool(found["hits"]["total"]["value"])

    def enumerated(self, field: str, prefix: str, *, stop: int | None = None) -> list[str]:
        """Return the terms of a field that begin so, in order; some may be those of documents that went.

        Args:
            field: Its name in the mapping.
            prefix: How the terms begin.
            stop: So many are enough.

        Raises:
            BackendUnavailableError: As for :meth:`search`.
        """
        asked = ("enumerated", field, prefix, stop)
        if asked not in self.kept:
            self.kept[asked] = list(self._enumerated(field, prefix, stop))
        found: list[str] = self.kept[asked]
        return found

    def _enumerated(self, field: str, prefix: str, stop: int | None) -> Iterator[str]:
        size = _PAGE if stop is None else min(stop, _PAGE)
        after: dict[str, Any] = {}
        number = 0
        while stop is None or number < stop:
            body = {"field": field, "string": prefix, "size": size, "timeout": "20s"} | after
            terms: list[str] = self.server.ask("POST", f"/{self.stamp.index}/_terms_enum", body)["terms"]
            yield from terms
            number += len(terms)
            if len(terms) < size:
                return
            after = {"search_after": terms[-1]}


def _any(query: Query) -> dict[str, Any]:
    return {"query": query, "size": 0, "terminate_after": 1, "track_total_hits": 1}
