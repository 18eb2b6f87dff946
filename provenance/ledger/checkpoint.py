"""Checkpoints: size and root of the ledger as a signed note (C2SP tlog-checkpoint)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from ontology.errors import InvalidRequestError
from provenance.ledger.keys import SigningKey, VerifierKey
from provenance.ledger.merkle import HASH_BYTES
from provenance.ledger.note import open_note, sign_note

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The head of a ledger.

    Attributes:
        origin: Name of the ledger.
        size: Entries.
        root: Root of the Merkle tree over them (RFC 9162, section 2.1.1).
    """

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a checkpoint's note; extension lines are passed over.

        Raises:
            InvalidRequestError: It is not the text of a checkpoint.
        """
        wrong = InvalidRequestError("this is not a checkpoint", field="checkpoint")
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]) or not _SIZE.fullmatch(lines[1]):
            raise wrong
        try:
            root = base64.b64decode(lines[2], validate=True)
        except binascii.Error as error:
            raise wrong from error
        if len(root) != HASH_BYTES:
            raise wrong
        return cls(origin=lines[0], size=int(lines[1]), root=root)

    @classmethod
    def open(cls, note: str, key: VerifierKey) -> Checkpoint:
        """Read a signed checkpoint of the ledger that ``key`` belongs to.

        Raises:
            InvalidRequestError: It is not a checkpoint, or one of another ledger.
            IntegrityError: ``key`` did not sign it.
        """
        checkpoint = cls.parse(open_note(note, [key]))
        if checkpoint.origin != key.name:
            raise InvalidRequestError(f"this is a checkpoint of {checkpoint.origin}, not of {key.name}")
        return checkpoint

    def text(self) -> str:
        """Return the text that is signed: three lines (C2SP tlog-checkpoint, "Note text")."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def sign(self, key: SigningKey) -> str:
        """Return this checkpoint as a signed note."""
        return sign_note(self.text(), key)
