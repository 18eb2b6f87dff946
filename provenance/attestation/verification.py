"""Verifying an attestation with nothing but the file and a public key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ontology.errors import InvalidRequestError
from provenance.attestation.dsse import LARGEST, PAYLOAD_TYPE, Envelope, PublicKey
from provenance.attestation.statement import Statement

BESIDE = ".pub"
"""What is put behind an envelope's file name for its public key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What became of verifying an envelope.

    Attributes:
        problems: Pairs of where and what; none when it is sound.
        statement: What it says; None when that cannot be read.
        key: The key that it was held against; None when there was none.
        own_key: Whether that key only came with the envelope, so that anybody could have made both.
    """

    problems: tuple[tuple[str, str], ...] = ()
    statement: Statement | None = None
    key: PublicKey | None = None
    own_key: bool = False


def verify_envelope(path: Path, *, key: str | None = None) -> Attested:
    """Verify the envelope in a file.

    Args:
        path: The envelope.
        key: The public key that is trusted, in PEM or as ``name+hash+key``; None to take the one beside the file.

    Raises:
        InvalidRequestError: ``key`` is no key.
        OSError: The file cannot be read.
    """
    trusted = PublicKey.parse(key) if key is not None else _beside(path)
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    try:
        envelope = Envelope.parse(content)
        statement = Statement.parse(envelope.payload)
    except InvalidRequestError as error:
        return Attested(problems=((error.field or "", error.detail),), key=trusted, own_key=key is None)
    return Attested(
        problems=tuple(_problems(envelope, trusted, path)), statement=statement, key=trusted, own_key=key is None
    )


def _problems(envelope: Envelope, key: PublicKey | None, path: Path) -> list[tuple[str, str]]:
    found = []
    if envelope.payload_type != PAYLOAD_TYPE:
        found.append(("payloadType", f"it is {envelope.payload_type!r} and not {PAYLOAD_TYPE!r}"))
    if key is None:
        found.append(
            ("signatures", f"there is no key to hold it against: give one, or put it into {path.name}{BESIDE}")
        )
    elif not envelope.signed_by(key):
        found.append(("signatures", f"no signature is that of the key {key.id[:16]}..."))
    return found


def _beside(path: Path) -> PublicKey | None:
    beside = path.with_name(path.name + BESIDE)
    return PublicKey.parse(beside.read_text(encoding="utf-8", errors="replace")) if beside.is_file() else None
