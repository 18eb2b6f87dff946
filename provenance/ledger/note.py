"""Signed notes: a text and one or more signatures under it (C2SP signed-note)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from ontology.errors import IntegrityError, InvalidRequestError
from provenance.ledger.keys import SigningKey, VerifierKey

_MAX_BYTES = 1 << 20
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_PREFIX = "\N{EM DASH} "


def sign_note(text: str, key: SigningKey) -> str:
    """Return ``text`` as a note under one signature.

    Raises:
        InvalidRequestError: ``text`` does not end in a newline, or holds other control characters.
    """
    if not text.endswith("\n") or _CONTROL.search(text):
        raise InvalidRequestError("the text of a note ends in a newline and holds no other control characters")
    signature = base64.b64encode(key.id + key.sign(text.encode())).decode()
    return f"{text}\n{_PREFIX}{key.name} {signature}\n"


def open_note(note: str, keys: Iterable[VerifierKey]) -> str:
    """Return the text of a note that at least one of ``keys`` signed.

    Signatures of unknown keys are passed over, as witnesses add their own.

    Raises:
        InvalidRequestError: It is not a note.
        IntegrityError: A known key's signature is wrong, or no known key signed it.
    """
    text, signatures = _parse(note)
    known = {(key.name, key.id): key for key in keys}
    verified = 0
    for name, raw in signatures:
        key = known.get((name, raw[:4]))
        if key is None:
            continue
        if not key.verify(raw[4:], text.encode()):
            raise IntegrityError(f"the signature of {name} does not fit the note")
        verified += 1
    if not verified:
        raise IntegrityError("no key that is trusted here signed the note")
    return text


def _parse(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    wrong = InvalidRequestError("this is not a signed note", field="checkpoint")
    if len(note) > _MAX_BYTES or _CONTROL.search(note):
        raise wrong
    head, found, tail = note.rpartition("\n\n")
    if not found or not tail.endswith("\n"):
        raise wrong
    signatures = []
    for line in tail[:-1].split("\n"):
        name, _, encoded = line.removeprefix(_PREFIX).partition(" ")
        if not line.startswith(_PREFIX) or not name or "+" in name:
            raise wrong
        try:
            raw = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise wrong from error
        if len(raw) < 5:
            raise wrong
        signatures.append((name, raw))
    return head + "\n", signatures
