"""Statements: which artefacts, by digest, and what is said of them (in-toto Attestation Framework 1.0, "Statement")."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ontology.errors import InvalidRequestError

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An artefact that a statement is about (in-toto 1.0, ``ResourceDescriptor``).

    Attributes:
        name: Its name within the statement.
        sha256: Digest of its content, in hex.
        media_type: Of its content, where that is told.
    """

    name: str
    sha256: str
    media_type: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return its members."""
        kind = {"mediaType": self.media_type} if self.media_type else {}
        return {"name": self.name, "digest": {"sha256": self.sha256}, **kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A predicate about some artefacts.

    Attributes:
        subjects: The artefacts; at least one.
        predicate_type: URI that says what the predicate's members mean.
        predicate: What is said.
    """

    subjects: Sequence[Subject]
    predicate_type: str
    predicate: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, payload: bytes) -> Statement:
        """Read a statement.

        Raises:
            InvalidRequestError: It is no in-toto Statement v1, or names an artefact without a SHA-256.
        """
        try:
            document = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise _wrong("it is not JSON") from error
        if not isinstance(document, dict) or document.get("_type") != STATEMENT_TYPE:
            raise _wrong(f"its _type is not {STATEMENT_TYPE}")
        listed, kind, predicate = (document.get(name) for name in ("subject", "predicateType", "predicate"))
        if not isinstance(listed, list) or not listed:
            raise _wrong("it has no subject")
        if not isinstance(kind, str) or not kind or not isinstance(predicate, dict):
            raise _wrong("it has no predicateType or no predicate")
        return cls(subjects=tuple(map(_subject, listed)), predicate_type=kind, predicate=predicate)

    def to_json(self) -> dict[str, Any]:
        """Return its members."""
        return {
            "_type": STATEMENT_TYPE,
            "subject": [subject.to_json() for subject in self.subjects],
            "predicateType": self.predicate_type,
            "predicate": dict(self.predicate),
        }


def _subject(item: Any) -> Subject:
    digest = item.get("digest") if isinstance(item, Mapping) else None
    sha256 = digest.get("sha256") if isinstance(digest, Mapping) else None
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise _wrong("a subject has no SHA-256")
    return Subject(name=str(item.get("name") or ""), sha256=sha256, media_type=item.get("mediaType"))


def _wrong(why: str) -> InvalidRequestError:
    return InvalidRequestError(f"this is not an in-toto Statement v1: {why}", field="payload")
