"""What can be done for a commit before the write lock is taken: validation, canonical JSON, file lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from catalog.model import Change, Commit, Durability, Erase, Note, Put, Requirement, Withdraw
from ontology.canonical import canonical_json
from ontology.errors import InvalidRequestError

FILE = "File"


class Kind(Enum):
    """The four kinds of change."""

    PUT = "put"
    WITHDRAW = "withdraw"
    ERASE = "erase"
    NOTE = "note"


class ListedFile(NamedTuple):
    """A member of a document's ``files``."""

    id: str
    sha256: str | None
    label: str


@dataclass(slots=True)
class PreparedChange:
    """A change with its JSON written out.

    Attributes:
        kind: What it does.
        id: IRI that it is about.
        action: Of its entry.
        reason: Of its entry.
        document: The document (or body of a note) as given.
        type: Record type (of a Put).
        edges: Pairs without repetition.
        aliases: Without repetition.
        files: Of the document.
        head: Canonical JSON of the body up to ``edges`` (of a Put), or the whole body (of a note).
    """

    kind: Kind
    id: str
    action: str
    reason: str | None
    document: Mapping[str, Any] | None
    type: str = ""
    edges: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()
    files: tuple[ListedFile, ...] = ()
    head: bytes | None = None


@dataclass(slots=True)
class PreparedCommit:
    """A commit with its changes prepared."""

    principal: str
    requirements: Sequence[Requirement]
    changes: list[PreparedChange]
    durability: Durability


def prepare(commit: Commit) -> PreparedCommit:
    """Prepare a commit.

    Raises:
        InvalidRequestError: A change cannot be written down, or names nothing.
    """
    if not commit.changes:
        raise InvalidRequestError("a commit holds at least one change", field="changes")
    _name(commit.principal, "principal")
    return PreparedCommit(
        principal=commit.principal,
        requirements=commit.requirements,
        changes=[_prepare(change, commit) for change in commit.changes],
        durability=commit.durability,
    )


def _name(value: object, field: str) -> str:
    """Check a text by which something is found again: not empty, valid Unicode, no NUL (at which SQL texts end)."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise InvalidRequestError(f"{field} is a text, not empty and without NUL", field=field)
    return _unicode(value, field)


def _unicode(value: str, field: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{field} is not valid Unicode", field=field) from error
    return value


def _prepare(change: Change, commit: Commit) -> PreparedChange:
    action = _name(change.action or commit.action, "action")
    reason = commit.reason if change.reason is None else change.reason
    if reason is not None:
        _unicode(reason, "reason")
    if isinstance(change, Put):
        return _prepare_put(change, action, reason)
    if isinstance(change, Note):
        body = None if change.body is None else canonical_json(change.body)
        subject = _name(change.subject, "subject")
        return PreparedChange(Kind.NOTE, subject, action, reason, change.body, head=body)
    if not isinstance(change, Withdraw | Erase):
        raise InvalidRequestError(f"{type(change).__name__} is no change", field="changes")
    kind = Kind.ERASE if isinstance(change, Erase) else Kind.WITHDRAW
    if change.document.get("files"):
        raise InvalidRequestError("a tombstone lists no files", field="files")
    _check_dataset(change.document)
    return PreparedChange(kind, _name(change.id, "id"), action, reason, change.document)


def _prepare_put(change: Put, action: str, reason: str | None) -> PreparedChange:
    if _name(change.type, "type") == FILE:
        raise InvalidRequestError("a file is written with the record that lists it", field="type")
    edges = tuple(dict.fromkeys((predicate, target) for predicate, target in change.edges))
    for predicate, target in edges:
        _name(predicate, "edges")
        _name(target, "edges")
    aliases = tuple(dict.fromkeys(_name(alias, "aliases") for alias in change.aliases))
    _check_dataset(change.document)
    return PreparedChange(
        Kind.PUT,
        _name(change.id, "id"),
        action,
        reason,
        change.document,
        type=change.type,
        edges=edges,
        aliases=aliases,
        files=listed_files(change.document),
        head=body_head(change.document, edges, aliases),
    )


def _check_dataset(document: Mapping[str, Any]) -> None:
    if isinstance(document.get("dataset"), str):
        _name(document["dataset"], "dataset")


def body_head(document: Mapping[str, Any], edges: Sequence[tuple[str, str]], aliases: Sequence[str]) -> bytes:
    """Return the first three members of a body, which do not depend on the state of the store."""
    return b'{"aliases":%b,"document":%b,"edges":%b' % (
        quoted_list(aliases),
        canonical_json(document),
        b"[%b]" % b",".join([quoted_list(pair) for pair in edges]),
    )


def quoted(text: str) -> bytes:
    """Return a text as canonical JSON (RFC 8785, section 3.2.2.2), which is how Python writes it as well."""
    return encode_basestring(text).encode()


def quoted_list(texts: Iterable[str]) -> bytes:
    """Return a list of texts as canonical JSON."""
    return f"[{','.join(map(encode_basestring, texts))}]".encode()


def listed_files(document: Mapping[str, Any]) -> tuple[ListedFile, ...]:
    """Return the files that a document lists.

    Raises:
        InvalidRequestError: A member of ``files`` has no ``id``, or two have the same.
    """
    files = document.get("files")
    if not isinstance(files, Sequence) or isinstance(files, str) or not files:
        return ()
    listed = tuple(_listed_file(file) for file in files)
    if len({file.id for file in listed}) != len(listed):
        raise InvalidRequestError("a file is listed twice in one record", field="files")
    return listed


def _listed_file(file: Any) -> ListedFile:
    if not isinstance(file, Mapping) or "id" not in file:
        raise InvalidRequestError("each member of `files` is an object with an `id`", field="files")
    sha256, path = file.get("sha256"), file.get("path")
    if sha256 is not None and not isinstance(sha256, str):
        raise InvalidRequestError("`sha256` of a file is a text or null", field="files")
    label = path.rpartition("/")[2] if isinstance(path, str) else ""
    return ListedFile(_name(file["id"], "files"), sha256, label)
