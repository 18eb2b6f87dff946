"""From rows, as backends read them, to records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from catalog.commits.bodies import parse_body
from catalog.commits.prepared import FILE
from catalog.model import Record
from ontology.errors import IntegrityError, InvalidRequestError, NotFoundError, WithdrawnError

Row = Sequence[Any]
MAX_PAGE = 1000
"""Records on a page of a listing."""


def record_of(row: Row) -> Record:
    """Return a row of the record query as a record.

    Raises:
        IntegrityError: Its body is missing.
    """
    _, iri, type, version, created, modified, sequence, state, body = row
    if body is None:
        raise IntegrityError(f"the body of entry {sequence} is missing", params={"id": iri})
    return Record(
        id=iri,
        type=type,
        version=version,
        created=created,
        modified=modified,
        sequence=sequence,
        document=parse_body(body)["document"],
        withdrawn=state != 0,
    )


def file_of(row: Row) -> Record:
    """Return a row of the file query as a record of type ``File``; of a withdrawn file, only where it belonged.

    Raises:
        IntegrityError: The body that lists it is missing, or does not.
    """
    iri, position, dataset, owner, version, created, modified, sequence, state, body = row
    document: dict[str, Any] = {}
    if position is not None:
        if body is None:
            raise IntegrityError(f"the body of entry {sequence} is missing", params={"id": iri})
        files = parse_body(body)["document"].get("files", [])
        if position >= len(files) or files[position].get("id") != iri:
            raise IntegrityError(f"entry {sequence} does not list the file", params={"id": iri})
        document = {member: value for member, value in files[position].items() if member != "id"}
    return Record(
        id=iri,
        type=FILE,
        version=version,
        created=created,
        modified=modified,
        sequence=sequence,
        document={**document, "part_of": owner, "dataset": dataset},
        withdrawn=state != 0,
    )


def past_version(
    current: Record, version: int, time: str, sequence: int, body: bytes | None, *, erased: bool
) -> Record:
    """Return a version of a record from its entry; a tombstone with an empty document where the body was erased.

    Raises:
        IntegrityError: The body is missing, and the record was not erased.
    """
    if body is None and not erased:
        raise IntegrityError(f"the body of entry {sequence} is missing", params={"id": current.id})
    content: dict[str, Any] = {"document": {}, "state": "erased"} if body is None else parse_body(body)
    return Record(
        id=current.id,
        type=current.type,
        version=version,
        created=current.created,
        modified=time,
        sequence=sequence,
        document=content["document"],
        withdrawn="state" in content,
    )


def version_of(current: Record, version: int, history: Callable[[], Iterable[Record]]) -> Record:
    """Return one version of a record or file.

    Args:
        current: Its current version.
        version: The one asked for.
        history: Reads all versions of a record.

    Raises:
        NotFoundError: No such version.
        WithdrawnError: Its body was erased.
    """
    if current.version == version:
        return current
    for record in history() if current.type != FILE else ():
        if record.version == version:
            if record.withdrawn and not record.document and version < current.version:
                raise WithdrawnError(f"version {version} of {current.id} was erased", params={"id": current.id})
            return record
    raise NotFoundError(f"{current.id} has no version {version}", field="version")


def page_start(cursor: str | None, limit: int) -> int:
    """Return the key after which a page begins.

    Raises:
        InvalidRequestError: The cursor or limit is not one of ours.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequestError(f"limit is {limit}, not between 1 and {MAX_PAGE}", field="limit")
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidRequestError("this cursor is not from an earlier page", field="cursor")
    return -1 if cursor is None else int(cursor)
