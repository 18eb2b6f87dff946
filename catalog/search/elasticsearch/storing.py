"""Writing: one batch of records into documents, in bulk, so that repeating it changes nothing.

A document's version is the ledger entry up to which its writer had read. A write that comes late, from a process that
was taken for dead, finds a newer version and is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from catalog.model import Record
from catalog.search.documents import ParticipantDocument, assemble
from catalog.search.elasticsearch.connection import LostRaceError, Server, meaning
from catalog.search.elasticsearch.documents import (
    dataset_document,
    dataset_id,
    long_names,
    mentioned_dataset,
    person_document,
    person_id,
    read_person,
)
from catalog.search.elasticsearch.encoding import clipped
from catalog.search.elasticsearch.schema import writing
from ontology.errors import BackendUnavailableError

_MANY: Final = 500
_TRIES: Final = 6
_CONFLICT: Final = 409
_BUSY: Final = 429
_LISTED: Final = 20


class Store:
    """The documents of one generation, for whoever writes to it.

    Args:
        server: Where they are.
        index: The generation.
        request_bytes: About how much is written in one request.
        fresh: Whether no acquisition can be there yet that is written now.
        alive: Called between requests.
    """

    def __init__(
        self, server: Server, index: str, *, request_bytes: int, fresh: bool = False, alive: Callable[[], None]
    ) -> None:
        self._server = server
        self._index = index
        self._request_bytes = request_bytes
        self._alive = alive
        self.fresh = fresh
        self.long: set[tuple[str, str]] = set()
        self._strays: dict[str, set[str]] = {}
        self._known_datasets: set[str] = set()

    def apply(self, records: Collection[Record], *, version: int) -> bool:
        """Bring the documents to what these records now say; tell whether a dataset has changed.

        Raises:
            LostRaceError: Somebody has written newer documents.
            BackendUnavailableError: Some documents were not taken; ``params['problems']`` says which and why.
        """
        self._strays = {}
        changes = assemble(records, self)
        documents = {key: change.after for key, change in changes.documents.items()}
        self._clear_strays(documents)
        mentioned = self._mentioned(documents.values()) - changes.datasets.keys()
        new = self._new_datasets(mentioned)
        self._write(self._lines(documents, version))
        datasets = {iri: dataset_document(entry, iri) for iri, entry in changes.datasets.items()}
        self._write((_line(dataset_id(iri), found, version) for iri, found in datasets.items()))
        self._write(_line(dataset_id(iri), mentioned_dataset(iri), None) for iri in sorted(new))
        self._known_datasets |= mentioned | datasets.keys()
        return bool(datasets or new)

    def load(self, keys: Collection[str]) -> dict[str, ParticipantDocument]:
        """Return those of some documents that are there, by key."""
        found: dict[str, ParticipantDocument] = {}
        for some in _batches(keys, _MANY):
            body = {"ids": [person_id(key) for key in some]}
            for item in self._server.ask("POST", f"/{self._index}/_mget", body)["docs"]:
                if item.get("found"):
                    document = read_person(item["_source"])
                    found[document.key] = document
            self._alive()
        return found

    def holders(self, acquisitions: Collection[str]) -> dict[str, str]:
        """Return, for those of some acquisitions that are there, the key of the document that holds each.

        Where a batch was cut short, two may hold one; the others are kept in mind and cleared.
        """
        found: dict[str, str] = {}
        wanted = set(acquisitions)
        for some in () if self.fresh else _batches(sorted(wanted), _MANY):
            for key, image in self._held(some):
                if image in wanted and found.setdefault(image, key) != key:
                    self._strays.setdefault(key, set()).add(image)
        return found

    def _held(self, images: Collection[str]) -> Iterator[tuple[str, str]]:
        named = {clipped(iri): iri for iri in images}
        inside = {"terms": {"acquisitions.iri": list(named)}}
        query = {"bool": {"filter": [{"nested": {"path": "acquisitions", "query": inside}}]}}
        body = {"query": query, "size": 2 * _MANY, "_source": ["said", "acquisitions.iri"], "track_total_hits": False}
        for hit in self._server.ask("POST", f"/{self._index}/_search", body)["hits"]["hits"]:
            key = orjson.loads(hit["_source"]["said"])[0]
            found = (image["iri"] for image in hit["_source"]["acquisitions"])
            yield from ((key, named[iri]) for iri in found if iri in named)
        self._alive()

    def _clear_strays(self, documents: dict[str, ParticipantDocument]) -> None:
        """Take acquisitions out of documents that should have lost them already."""
        others = self.load(self._strays.keys() - documents.keys()) if self._strays else {}
        for key, images in self._strays.items():
            document = documents.get(key) or others[key]
            right = {
                iri: image
                for iri, image in document.acquisitions.items()
                if iri not in images or (image.participant or iri) == key
            }
            documents[key] = ParticipantDocument(key, document.participant, right)

    def _mentioned(self, documents: Iterable[ParticipantDocument]) -> set[str]:
        found: set[str | None] = set()
        for document in documents:
            found.add(document.participant.dataset if document.participant else None)
            found.update(image.dataset for image in document.acquisitions.values())
        return {iri for iri in found if iri}

    def _new_datasets(self, mentioned: Collection[str]) -> set[str]:
        """Return those of some datasets that have no document yet."""
        unknown = set(mentioned) - self._known_datasets
        missing: set[str] = set()
        for some in _batches(unknown, _MANY):
            body = {"docs": [{"_id": dataset_id(iri), "_source": False} for iri in some]}
            items = self._server.ask("POST", f"/{self._index}/_mget", body)["docs"]
            missing |= {iri for iri, item in zip(some, items, strict=True) if not item.get("found")}
        return missing

    def _lines(self, documents: Mapping[str, ParticipantDocument], version: int) -> Iterator[bytes]:
        for key, document in documents.items():
            self.long |= long_names(document)
            yield _line(person_id(key), person_document(document), version)

    def _write(self, lines: Iterable[bytes]) -> None:
        """Write documents in requests of bearable size."""
        pending: list[bytes] = []
        size = 0
        for line in lines:
            pending.append(line)
            size += len(line)
            if size >= self._request_bytes:
                self._send(pending)
                pending, size = [], 0
        if pending:
            self._send(pending)

    def _send(self, lines: list[bytes]) -> None:
        """Send a request; what the server is too busy for is sent again, a little later each time."""
        for attempt in range(_TRIES):
            lines, refused = self._sent(lines)
            self._alive()
            if refused:
                raise _not_taken(refused)
            if not lines:
                return
            time.sleep(0.1 * 2**attempt)
        raise BackendUnavailableError(
            f"Elasticsearch at {self._server.at} has too much to do: {len(lines)} documents were not taken",
            next_step="Try again later.",
        )

    def _sent(self, lines: list[bytes]) -> tuple[list[bytes], list[tuple[str, str]]]:
        """Return what is to be sent again, and what was refused with the reasons."""
        path = f"/{writing(self._index)}/_bulk"
        answer = self._server.ask("POST", path, b"".join(lines), require_alias="true")
        if not answer["errors"]:
            return [], []
        again: list[bytes] = []
        refused: list[tuple[str, str]] = []
        for line, item in zip(lines, answer["items"], strict=True):
            ((operation, result),) = item.items()
            status = result["status"]
            if status == _CONFLICT and operation == "create":
                continue  # somebody else has mentioned the dataset too
            if status == _CONFLICT:
                raise LostRaceError("another process has written newer documents to the search index")
            if status == _BUSY and "block" not in result["error"]["type"]:
                again.append(line)
            elif status >= 300:
                error = meaning(status, result, self._server.at)
                if type(error) is not BackendUnavailableError:
                    raise error
                refused.append((result["_id"][2:], error.detail))
        return again, refused


def _batches(items: Collection[str], size: int) -> Iterator[list[str]]:
    """Yield items in lists of bearable size, in order."""
    ordered = sorted(items)
    yield from (ordered[start : start + size] for start in range(0, len(ordered), size))


def _not_taken(refused: list[tuple[str, str]]) -> BackendUnavailableError:
    reasons = "; ".join(dict.fromkeys(reason for _, reason in refused[:3]))
    return BackendUnavailableError(
        f"{len(refused)} documents were not taken: {reasons}",
        next_step="Run `sillage reindex`. The catalogue itself is whole.",
        params={"problems": [{"id": iri, "detail": reason} for iri, reason in refused[:_LISTED]]},
    )


def _line(id: str, document: dict[str, Any], version: int | None) -> bytes:
    """Return a document as two lines of a bulk request; without a version it is written only where there is none."""
    if version is None:
        action: dict[str, Any] = {"create": {"_id": id}}
    else:
        action = {"index": {"_id": id, "version": version, "version_type": "external_gte"}}
    return orjson.dumps(action) + b"\n" + orjson.dumps(document) + b"\n"
