"""The ledger's entry: who did what to which subject, when, and the digest of the salted body.

The entry is what the chain keeps for ever; the body lies beside it and can be erased (with its salt) when
a person withdraws, after which the digest says nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from json.encoder import encode_basestring as _quote

from ontology.errors import InvalidRequestError

SALT_BYTES = 16

Members = tuple[int, str, str, str, str, int | None, str | None, str | None]
"""The members of an entry, in the order of :class:`Entry`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the ledger.

    Attributes:
        sequence: Position, from 0, without gaps; also the leaf index in the Merkle tree.
        time: UTC, RFC 3339 with microseconds and ``Z``.
        principal: IRI of the caller.
        action: ``noun.verb``, e.g. ``dataset.register``, ``task.start``, ``participant.read``.
        subject: IRI of what was acted on.
        version: The record version that this entry made; None where it changed no record.
        reason: Why, where a reason is owed.
        body_digest: SHA-256 in hex of salt followed by body; None where there is no body.
    """

    sequence: int
    time: str
    principal: str
    action: str
    subject: str
    version: int | None = None
    reason: str | None = None
    body_digest: str | None = None

    def canonical(self) -> bytes:
        """Return the leaf: canonical JSON (RFC 8785) of all members that are not None.

        Raises:
            InvalidRequestError: A text holds half a surrogate pair, which UTF-8 cannot say.
        """
        return leaf_of(
            (
                self.sequence,
                self.time,
                self.principal,
                self.action,
                self.subject,
                self.version,
                self.reason,
                self.body_digest,
            )
        )

    def leaf_hash(self) -> bytes:
        """Return the Merkle leaf hash: SHA-256 of 0x00 and the leaf (RFC 9162, section 2.1.1)."""
        return hashlib.sha256(b"\x00" + self.canonical()).digest()


def leaf_of(members: Members) -> bytes:
    """Return the leaf of an entry that is given by its members, in the order of :class:`Entry`.

    Written out member by member, in the order that RFC 8785 asks for, because a verification does little else. A
    property test holds it against :func:`ontology.canonical.canonical_json`.

    Raises:
        InvalidRequestError: A text holds half a surrogate pair, which UTF-8 cannot say.
    """
    sequence, time, principal, action, subject, version, reason, digest = members
    said = "" if digest is None else f'"body_digest":{_quote(digest)},'
    why = "" if reason is None else f'"reason":{_quote(reason)},'
    made = "" if version is None else f',"version":{version:d}'
    text = (
        f'{{"action":{_quote(action)},{said}"principal":{_quote(principal)},{why}'
        f'"sequence":{sequence:d},"subject":{_quote(subject)},"time":{_quote(time)}{made}}}'
    )
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError("a text of the entry is not valid Unicode", field="reason") from error


def body_digest(salt: bytes, body: bytes) -> str:
    """Return the SHA-256 in hex of ``salt`` followed by ``body``."""
    return hashlib.sha256(salt + body).hexdigest()
