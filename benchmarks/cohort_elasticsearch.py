"""What somebody who knows Elasticsearch writes for the same world: a mapping of its own, and queries by hand.

The document is the same as ours, a participant with its acquisitions nested in it; but each field has the type of its
values, which somebody decided on beforehand, and what lies under a term is listed in the query. All conditions are
filters, nothing is scored or explained, and no value can be asked for that the mapping does not foresee.
"""

from __future__ import annotations

import time
from typing import Any, Final

import orjson

from benchmarks.cohort_rivals import Question, Wanted
from benchmarks.cohort_world import DIAGNOSES, Person, World
from catalog.search.elasticsearch.connection import Server

_WORD: Final = {"type": "keyword"}
_NUMBER: Final = {"type": "double"}
MAPPINGS: Final[dict[str, Any]] = {
    "dynamic": "strict",
    "properties": {
        "label": _WORD,
        "site": _WORD,
        "age": _NUMBER,
        "sex": _WORD,
        "diagnosis": _WORD,
        "mmse": _NUMBER,
        "handedness": _WORD,
        "note": {"type": "text"},
        "acquisitions": {
            "type": "nested",
            "properties": {
                "suffix": _WORD,
                "tesla": _NUMBER,
                "echo_time": _NUMBER,
                "maker": _WORD,
                "task": _WORD,
                "session": _WORD,
                "time": {"type": "date"},
            },
        },
    },
}
_SETTINGS: Final = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1"}
_BATCH: Final = 2_000
_PAGE: Final = 50


class HandWritten:
    """An index that was made for this world alone."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name

    def fill(self, world: World) -> float:
        """Make the index and write everybody; return the seconds."""
        began = time.perf_counter()
        self.server.ask("PUT", f"/{self.name}", {"settings": _SETTINGS, "mappings": MAPPINGS})
        lines: list[bytes] = []
        for person in world.people():
            lines.append(_lines(person))
            if len(lines) == _BATCH:
                self._write(lines)
                lines = []
        if lines:
            self._write(lines)
        self.server.ask("POST", f"/{self.name}/_refresh")
        return time.perf_counter() - began

    def _write(self, lines: list[bytes]) -> None:
        if self.server.ask("POST", f"/{self.name}/_bulk", b"".join(lines))["errors"]:
            raise RuntimeError("some documents were not taken")

    def put(self, person: Person) -> None:
        """Write one more participant, so that the next query finds it."""
        self.server.ask("PUT", f"/{self.name}/_doc/{person.number}", document(person), refresh="true")

    def count(self, question: Question) -> int:
        """Return how many fulfil a question; what was kept of the same question is not used."""
        return self._asked(question, {"size": 0}, request_cache="false")

    def page(self, question: Question) -> int:
        """Return the same with the first fifty by site and label, as ours does."""
        body = {"size": _PAGE, "sort": ["site", "label"], "_source": False, "stored_fields": "_none_"}
        return self._asked(question, body)

    def _asked(self, question: Question, body: dict[str, Any], **parameters: str) -> int:
        body = {"query": query(question), "track_total_hits": True, **body}
        return int(self.server.ask("POST", f"/{self.name}/_search", body, **parameters)["hits"]["total"]["value"])

    def drop(self) -> None:
        """Remove the index."""
        self.server.ask("DELETE", f"/{self.name}")


def query(question: Question) -> dict[str, Any]:
    """Return a question in Elasticsearch's own words."""
    filters: list[dict[str, Any]] = []
    if question.term:
        filters.append({"terms": {"diagnosis": [DIAGNOSES[place][0] for place in question.covered]}})
    if question.ages:
        filters.append({"range": {"age": {"gte": question.ages[0], "lte": question.ages[1]}}})
    if question.sex:
        filters.append({"term": {"sex": question.sex}})
    return {"bool": {"filter": filters + [_nested(image) for image in question.images]}}


def _nested(image: Wanted) -> dict[str, Any]:
    filters: list[dict[str, Any]] = [{"term": {"acquisitions.suffix": image.suffix}}]
    if image.tesla is not None:
        filters.append({"range": {"acquisitions.tesla": {"gte": image.tesla}}})
    if image.echo_time is not None:
        filters.append({"range": {"acquisitions.echo_time": {"lte": image.echo_time}}})
    return {"nested": {"path": "acquisitions", "query": {"bool": {"filter": filters}}, "score_mode": "none"}}


def document(person: Person) -> dict[str, Any]:
    """Return a participant as the mapping has it."""
    found = {
        "label": f"sub-{person.number:07}",
        "site": f"{person.site:08}",
        "age": person.age,
        "sex": person.sex,
        "diagnosis": [DIAGNOSES[place][0] for place in person.diagnoses],
        "mmse": person.mmse,
        "handedness": person.handedness,
        "note": person.note,
    }
    images = [
        {name: getattr(image, name) for name in ("suffix", "tesla", "echo_time", "maker", "task", "session", "time")}
        for image in person.images
    ]
    return {name: value for name, value in found.items() if value is not None} | {"acquisitions": images}


def _lines(person: Person) -> bytes:
    return b"\n".join((orjson.dumps({"index": {"_id": str(person.number)}}), orjson.dumps(document(person)), b""))


def store(server: Server, index: str) -> dict[str, Any]:
    """Return how many Lucene documents an index has, and its megabytes on disk."""
    found = server.ask("GET", f"/{index}/_stats/docs,store")["_all"]["primaries"]
    return {"documents": found["docs"]["count"], "MB": round(found["store"]["size_in_bytes"] / 1e6)}
