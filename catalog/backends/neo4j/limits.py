"""What Neo4j's indexes cannot hold is refused before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from catalog.commits.prepared import Kind, PreparedCommit
from ontology.errors import InvalidRequestError

LONGEST_NAME = 4_000
"""Bytes of a name in UTF-8. A key of a range index has at most about 8,000, shared by its properties."""


def refuse_long_names(commit: PreparedCommit) -> InvalidRequestError | None:
    """Return the error if a commit holds a name that no index can hold, or a body that no index must."""
    for field, name in _names(commit):
        if _is_long(name):
            return _refusal(field)
    return None


def refuse_long(names: Iterable[str]) -> InvalidRequestError | None:
    """Return the error if one of the names cannot be held by any index."""
    return _refusal("id") if any(map(_is_long, names)) else None


def _is_long(name: str) -> bool:
    return len(name) > LONGEST_NAME // 4 and len(name.encode()) > LONGEST_NAME


def _refusal(field: str) -> InvalidRequestError:
    return InvalidRequestError(f"a name of more than {LONGEST_NAME} bytes cannot be stored", field=field)


def _names(commit: PreparedCommit) -> Iterator[tuple[str, str]]:
    for change in commit.changes:
        yield "subject" if change.kind is Kind.NOTE else "id", change.id
        yield "type", change.type
        yield from (("edges", target) for _, target in change.edges)
        yield from (("aliases", alias) for alias in change.aliases)
        for file in change.files:
            yield "files", file.id
            yield "files", file.sha256 or ""
        dataset = None if change.document is None else change.document.get("dataset")
        if isinstance(dataset, str):
            yield "dataset", dataset
