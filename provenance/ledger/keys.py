"""Ed25519 keys of the ledger's checkpoints (RFC 8032), and their names in notes (C2SP signed-note).

The private key lies in its own file, PKCS #8 in PEM (RFC 5958, RFC 7468), readable by its owner alone; the public
key travels as one line, ``name+hash+key``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ontology.errors import BackendUnavailableError, IntegrityError, InvalidRequestError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
"""Signature type of Ed25519 (C2SP signed-note, "Signature types")."""
_NAME = re.compile(r"[^\s+]+")


def key_id(name: str, public: bytes) -> bytes:
    """Return the four bytes that stand for a key in signatures (C2SP signed-note, "Signatures")."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(f"{name!r} cannot name a key: no spaces and no plus sign", field="name")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key with its name.

    Attributes:
        name: Key name; the origin of the ledger.
        public: 32 bytes (RFC 8032, section 5.1.5).
    """

    name: str
    public: bytes

    @classmethod
    def parse(cls, line: str) -> VerifierKey:
        """Read ``name+hash+key``.

        Raises:
            InvalidRequestError: It is not the line of an Ed25519 key, or its hash is not that of the key.
        """
        wrong = InvalidRequestError("this is not an Ed25519 verifier key (name+hash+key)", field="verifier_key")
        parts = line.strip().split("+", 2)
        if len(parts) != 3:
            raise wrong
        try:
            raw = base64.b64decode(parts[2], validate=True)
        except binascii.Error as error:
            raise wrong from error
        name, public = _checked(parts[0]), raw[1:]
        if raw[:1] != ED25519 or len(public) != 32 or parts[1] != key_id(name, public).hex():
            raise wrong
        return cls(name=name, public=public)

    @property
    def id(self) -> bytes:
        """The four bytes that stand for this key in signatures."""
        return key_id(self.name, self.public)

    def line(self) -> str:
        """Return ``name+hash+key``, in one line without a newline."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether ``signature`` is this key's over ``message``."""
        from cryptography.exceptions import InvalidSignature

        try:
            _public_key(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its name."""

    name: str
    private: Ed25519PrivateKey = field(repr=False)
    id: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", key_id(_checked(self.name), self.private.public_key().public_bytes_raw()))

    @classmethod
    def generate(cls, name: str) -> SigningKey:
        """Make a new key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path, name: str) -> SigningKey:
        """Read a key that :meth:`save` wrote.

        Raises:
            BackendUnavailableError: The file cannot be read, or others than its owner may read it.
            IntegrityError: It holds no Ed25519 key.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            if path.stat().st_mode & 0o077:
                raise BackendUnavailableError(
                    f"the signing key {path.name} can be read by others than its owner",
                    next_step=f"Find out who read it, then `chmod 600 {path}`.",
                )
            content = path.read_bytes()
        except OSError as error:
            raise BackendUnavailableError(f"the signing key cannot be read: {error.strerror}") from error
        try:
            key = load_pem_private_key(content, password=None)
        except (ValueError, TypeError) as error:
            raise IntegrityError(f"the signing key {path.name} is damaged") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise IntegrityError(f"{path.name} holds a key of another kind than Ed25519")
        return cls(name, key)

    def save(self, path: Path) -> None:
        """Write the key to a new file that only its owner may read.

        Raises:
            FileExistsError: There is such a file.
        """
        from cryptography.hazmat.primitives import serialization

        content = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def verifier(self) -> VerifierKey:
        """Return the public half."""
        return VerifierKey(name=self.name, public=self.private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature over ``message`` (RFC 8032, section 5.1.6)."""
        return self.private.sign(message)


def _public_key(raw: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(raw)
