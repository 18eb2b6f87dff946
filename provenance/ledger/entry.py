"""The ledger's entry: who did what to which subject, when, and the digest of the salted body.

The entry is what the chain keeps for ever; the body lies beside it and can be erased (with its salt) when
a person withdraws, after which the digest says nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ontology.canonical import canonical_json

SALT_BYTES = 16


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
        """Return the leaf: canonical JSON (RFC 8785) of all members that are not None."""
        members = {
            "action": self.action,
            "body_digest": self.body_digest,
            "principal": self.principal,
            "reason": self.reason,
            "sequence": self.sequence,
            "subject": self.subject,
            "time": self.time,
            "version": self.version,
        }
        return canonical_json({k: v for k, v in members.items() if v is not None})

    def leaf_hash(self) -> bytes:
        """Return the Merkle leaf hash: SHA-256 of 0x00 and the leaf (RFC 9162, section 2.1.1)."""
        return hashlib.sha256(b"\x00" + self.canonical()).digest()


def body_digest(salt: bytes, body: bytes) -> str:
    """Return the SHA-256 in hex of ``salt`` followed by ``body``."""
    return hashlib.sha256(salt + body).hexdigest()
