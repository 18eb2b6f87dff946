"""Attestations: signed statements about artefacts that other people's tools verify (DSSE 1.0, in-toto Statement v1)."""

from __future__ import annotations

from provenance.attestation.dsse import PAYLOAD_TYPE, Envelope, PublicKey, pre_authentication_encoding, seal
from provenance.attestation.signer import public_key, signing_key
from provenance.attestation.statement import STATEMENT_TYPE, Statement, Subject
from provenance.attestation.verification import Attested, verify_envelope

__all__ = [
    "PAYLOAD_TYPE",
    "STATEMENT_TYPE",
    "Attested",
    "Envelope",
    "PublicKey",
    "Statement",
    "Subject",
    "pre_authentication_encoding",
    "public_key",
    "seal",
    "signing_key",
    "verify_envelope",
]
