"""Whether the view of a record says what the ledger's bodies say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from catalog.commits.bodies import parse_body
from catalog.commits.prepared import listed_files
from catalog.commits.snapshot import ERASED, LIVE, WITHDRAWN
from catalog.model import Problem
from ontology.errors import InvalidRequestError

_STATES = {None: LIVE, "withdrawn": WITHDRAWN, "erased": ERASED}


class StoredRecord(NamedTuple):
    """A record as the view has it, with subject, version and body of the entry that it names as its newest."""

    iri: str
    type: str
    version: int
    state: int
    dataset: str | None
    label: str
    subject: str | None
    entered: int | None
    body: bytes | None


def check_record(
    record: StoredRecord, edges: Collection[tuple[Any, ...]], aliases: set[str]
) -> tuple[list[Problem], int]:
    """Return what is wrong with a record, and how many files its body lists.

    Args:
        record: The record.
        edges: Its edges, as predicate and target.
        aliases: Its aliases.
    """
    where = f"record {record.iri}"
    content = _parsed(record.body)
    if content is None:
        return [Problem(where, "the body of its current version is missing or cannot be read")], 0
    document = content["document"]
    said = {(predicate, target) for predicate, target in content["edges"]}
    tests = (
        (
            (record.iri, record.type, record.version, record.state)
            == (content["id"], content["type"], content["version"], _STATES.get(content.get("state"))),
            "its name, type, version or state is not what the body says",
        ),
        (
            (record.subject, record.entered) == (content["id"], content["version"]),
            "its entry is about something else",
        ),
        (
            (record.dataset, record.label) == (_governing(content), _text(document.get("label"))),
            "its dataset or label is not what the body says",
        ),
        (len(edges) == len(said) and said == set(edges), "its edges are not those of the body"),
        (aliases == set(content["aliases"]), "its aliases are not those of the body"),
    )
    files = content.get("files") or document.get("files")
    return [Problem(where, detail) for holds, detail in tests if not holds], (
        len(files) if isinstance(files, list) else 0
    )


def mentioned_files(body: object) -> Mapping[str, tuple[Any, ...]]:
    """Return for each file of a body what its row should say: record, position, checksum and label."""
    content = _parsed(body)
    if content is None:
        return {}
    if "state" in content:
        return dict.fromkeys(content["files"], (content["id"], None, None, ""))
    files = listed_files(content["document"])
    return {file.id: (content["id"], place, file.sha256, file.label) for place, file in enumerate(files)}


def _parsed(body: object) -> dict[str, Any] | None:
    """Return a body that has the members of a record's; None otherwise."""
    if not isinstance(body, bytes):
        return None
    try:
        content = parse_body(body)
        listed_files(content["document"])
    except (ValueError, TypeError, KeyError, AttributeError, InvalidRequestError):
        return None
    whole = {"id", "type", "version", "edges", "aliases"} <= content.keys()
    return content if whole and isinstance(content["edges"], Sequence) else None


def _governing(content: Mapping[str, Any]) -> str | None:
    if content["type"] == "Dataset":
        return str(content["id"])
    dataset = content["document"].get("dataset")
    return dataset if isinstance(dataset, str) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
