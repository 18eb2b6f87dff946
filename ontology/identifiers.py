"""Identifiers: record IRIs, content names and DOIs.

A record is named by a version-4 UUID as a URN (RFC 9562, RFC 8141): unique without a registry, free of
meaning (so that nothing about a participant can be guessed from it), and unchanged when a catalogue moves.
Content is named by its SHA-256 (RFC 6920, ``ni:``). See ``docs/decisions/0002-identifiers.md``.
"""

from __future__ import annotations

import base64
import os
import re

from ontology.errors import InvalidRequestError

URN = "urn:uuid:"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX256 = re.compile(r"[0-9a-f]{64}")
_DOI = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:)?(10\.\d{4,9}(?:\.\d+)*/\S+)", re.IGNORECASE)


def new_iri() -> str:
    """Return a fresh record IRI, ``urn:uuid:`` and a random UUID."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    h = raw.hex()
    return f"{URN}{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def is_record_iri(text: str) -> bool:
    """Tell whether ``text`` is a whole record IRI."""
    return text.startswith(URN) and _UUID.fullmatch(text[len(URN) :]) is not None


def last_part(iri: str) -> str:
    """Return the part of an IRI that a person types: what follows the last ``:``, ``/``, ``;`` or ``#``."""
    return re.split(r"[:/;#]", iri)[-1]


def content_iri(sha256: str) -> str:
    """Return the ``ni:`` name (RFC 6920, section 3) of content with this SHA-256 in hex.

    Raises:
        InvalidRequestError: ``sha256`` is not 64 hexadecimal digits.
    """
    if not _HEX256.fullmatch(sha256):
        raise InvalidRequestError(f"{sha256!r} is not a SHA-256 in lower-case hexadecimal", field="sha256")
    return "ni:///sha-256;" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()


def sha256_of(iri: str) -> str:
    """Return the SHA-256 in hex that an ``ni:`` name carries; a bare hex digest is passed through.

    Raises:
        InvalidRequestError: ``iri`` is neither.
    """
    if _HEX256.fullmatch(iri):
        return iri
    prefix, _, digest = iri.partition(";")
    if prefix != "ni:///sha-256" or len(digest) != 43:
        raise InvalidRequestError(f"{iri!r} is not a SHA-256 content name", field="id")
    return base64.urlsafe_b64decode(digest + "=").hex()


def normalise_doi(text: str) -> str:
    """Return a DOI in lower case without resolver or scheme (DOI Handbook, section 2.4).

    Raises:
        InvalidRequestError: ``text`` is not a DOI.
    """
    found = _DOI.fullmatch(text.strip())
    if found is None:
        raise InvalidRequestError(f"{text!r} is not a DOI", field="doi", next_step="Give it as 10.prefix/suffix.")
    return found.group(1).lower()
