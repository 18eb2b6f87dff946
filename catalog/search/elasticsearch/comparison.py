"""Whether an index says what the repository says: every record projected again and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from catalog.model import Problem, Record
from catalog.repository import Repository
from catalog.search.elasticsearch.connection import Server
from catalog.search.elasticsearch.documents import dataset_id, person_id, read_dataset, read_person
from catalog.search.elasticsearch.encoding import clipped
from catalog.search.elasticsearch.queries import nested
from catalog.search.elasticsearch.stamp import Stamp
from catalog.search.projection import SEARCHED, AcquisitionEntry, Entry, project

_BATCH: Final = 500


def differences(server: Server, stamp: Stamp, repository: Repository) -> Iterator[Problem]:
    """Yield every way in which the index differs from what it would be if it were built now."""
    live = {"Participant": 0, "Acquisition": 0}
    after = -1
    while records := repository.records_since(after, limit=_BATCH):
        after = records[-1].sequence
        searched = [r for r in records if r.type in SEARCHED and r.sequence <= stamp.applied]
        stored = _stored(server, stamp.index, searched)
        for record in searched:
            kind = "Acquisition" if record.type == "Entity" else record.type
            live[kind] = live.get(kind, 0) + (not record.withdrawn)
            expected = None if record.withdrawn else project(record)
            if stored.get(record.id) != expected:
                yield Problem(record.id, "the search index differs from the record")
    if not repository.records_since(stamp.applied, limit=1):
        yield from _surplus(server, stamp.index, live)


def _stored(server: Server, index: str, records: Sequence[Record]) -> Mapping[str, Entry]:
    """Return what the index has about some records, in the form of their projections."""
    ids = [dataset_id(record.id) if record.type == "Dataset" else person_id(_holder(record)) for record in records]
    found: dict[str, Entry] = {}
    if not ids:
        return found
    for item in server.ask("POST", f"/{index}/_mget", {"ids": sorted(set(ids))})["docs"]:
        if item.get("found"):
            found |= _entries(item["_source"])
    gone = [clipped(record.id) for record in records if record.type in ("Acquisition", "Entity") and record.withdrawn]
    if gone:
        body = {
            "query": nested({"terms": {"acquisitions.iri": gone}}),
            "size": len(gone),
            "_source": ["said", "acquisitions"],
        }
        for hit in server.ask("POST", f"/{index}/_search", body)["hits"]["hits"]:
            found |= _entries(hit["_source"])
    return found


def _entries(source: Mapping[str, Any]) -> Mapping[str, Entry]:
    if source["kind"] == "dataset":
        dataset, live, known = read_dataset(source)
        return {dataset.id: dataset} if live and known else {}
    document = read_person(source)
    people = {document.participant.id: document.participant} if document.participant else {}
    return people | dict(document.acquisitions)


def _holder(record: Record) -> str:
    """Return the key of the document in which a record should be."""
    if record.type == "Participant" or record.withdrawn:
        return record.id
    entry = project(record)
    return (entry.participant if isinstance(entry, AcquisitionEntry) else None) or record.id


def _surplus(server: Server, index: str, live: Mapping[str, int]) -> Iterator[Problem]:
    aggs = {"images": {"nested": {"path": "acquisitions"}}, "people": {"filter": {"term": {"live": True}}}}
    body = {"query": {"term": {"kind": "person"}}, "size": 0, "aggs": aggs}
    found = server.ask("POST", f"/{index}/_search", body)["aggregations"]
    for type, counted in (("Participant", found["people"]), ("Acquisition", found["images"])):
        if counted["doc_count"] != live[type]:
            yield Problem(
                "search index",
                f"it has {counted['doc_count']} records of type {type}, the repository {live[type]}",
            )
