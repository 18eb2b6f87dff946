"""Envelopes: a payload and the signatures over it (DSSE 1.0, ``envelope.md`` and ``protocol.md``).

What is signed is not the payload alone but its pre-authentication encoding, which binds its type as well.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ontology.canonical import canonical_json
from ontology.errors import InvalidRequestError
from provenance.ledger.keys import SigningKey, VerifierKey

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
"""Type of the payload when it is an in-toto statement (in-toto Attestation Framework 1.0, "Envelope")."""
LARGEST: Final = 16_000_000
"""Bytes of the largest envelope that is read."""
_SPKI: Final = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410, section 4)."""
_BEGIN, _END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed (DSSE 1.0, ``protocol.md``, "Signature Definition")."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key as others know it: in PEM, and named by a digest.

    Attributes:
        raw: 32 bytes (RFC 8032, section 5.1.5).
    """

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read a key in PEM (RFC 7468, section 13), or in the form of notes, ``name+hash+key`` (C2SP signed-note).

        Raises:
            InvalidRequestError: It is no Ed25519 public key.
        """
        stripped = text.strip()
        if not stripped.startswith(_BEGIN):
            return cls(VerifierKey.parse(stripped).public)
        body = "".join(stripped.removeprefix(_BEGIN).partition(_END)[0].split())
        try:
            encoded = base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidRequestError("this is not a public key in PEM", field="key") from error
        if len(encoded) != len(_SPKI) + 32 or not encoded.startswith(_SPKI):
            raise InvalidRequestError("this is not an Ed25519 public key", field="key")
        return cls(encoded[len(_SPKI) :])

    @property
    def id(self) -> str:
        """SHA-256 in hex of the key's SubjectPublicKeyInfo: ``openssl pkey -pubin -outform DER | sha256sum``."""
        return hashlib.sha256(_SPKI + self.raw).hexdigest()

    def pem(self) -> str:
        """Return the key in PEM (RFC 7468, section 13)."""
        return f"{_BEGIN}\n{base64.b64encode(_SPKI + self.raw).decode()}\n{_END}\n"

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether ``signature`` is this key's over ``message``."""
        return VerifierKey(name="attestation", public=self.raw).verify(signature, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload with its signatures (DSSE 1.0, ``envelope.md``).

    Attributes:
        payload_type: Type of the payload.
        payload: The bytes that were signed, and nothing that was made of them.
        signatures: Pairs of key id (a hint, never trusted) and signature.
    """

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    @classmethod
    def parse(cls, source: bytes | str | Mapping[str, Any]) -> Envelope:
        """Read an envelope; unknown members are passed over, as the specification wants it.

        Raises:
            InvalidRequestError: It is no DSSE envelope.
        """
        document = _document(source)
        payload, kind, listed = (document.get(name) for name in ("payload", "payloadType", "signatures"))
        if not isinstance(payload, str) or not isinstance(kind, str) or not isinstance(listed, list) or not listed:
            raise _wrong("it has no payload, payloadType or signatures")
        return cls(payload_type=kind, payload=_decoded(payload), signatures=tuple(map(_signature, listed)))

    @property
    def digest(self) -> str:
        """SHA-256 in hex of the payload."""
        return hashlib.sha256(self.payload).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the envelope as JSON members."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": id, "sig": base64.b64encode(sig).decode()} for id, sig in self.signatures],
        }

    def signed_by(self, key: PublicKey) -> bool:
        """Tell whether one of the signatures is this key's."""
        message = pre_authentication_encoding(self.payload_type, self.payload)
        return any(key.verify(signature, message) for _, signature in self.signatures)


def seal(payload: Mapping[str, Any], key: SigningKey, *, payload_type: str = PAYLOAD_TYPE) -> Envelope:
    """Return a JSON payload under one signature; the bytes are its canonical form (RFC 8785).

    Raises:
        InvalidRequestError: The payload holds something that JSON cannot say.
    """
    content = canonical_json(payload)
    signature = key.sign(pre_authentication_encoding(payload_type, content))
    return Envelope(
        payload_type=payload_type,
        payload=content,
        signatures=((PublicKey(key.verifier().public).id, signature),),
    )


def _document(source: bytes | str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    if len(source) > LARGEST:
        raise _wrong(f"it has more than {LARGEST} bytes")
    try:
        document = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise _wrong("it is not JSON") from error
    if not isinstance(document, dict):
        raise _wrong("it is no JSON object")
    return document


def _signature(item: Any) -> tuple[str, bytes]:
    if not isinstance(item, Mapping) or not isinstance(item.get("sig"), str):
        raise _wrong("a signature has no sig")
    return str(item.get("keyid") or ""), _decoded(item["sig"])


def _decoded(text: str) -> bytes:
    """Return the bytes of base64 in either alphabet (RFC 4648, sections 4 and 5): DSSE lets both be used."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong("something in it is not base64") from error


def _wrong(why: str) -> InvalidRequestError:
    return InvalidRequestError(f"this is not a DSSE envelope: {why}", field="envelope")
