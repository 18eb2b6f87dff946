"""Evidence packs: built here, verified by anyone.

``verify_pack`` runs the very code that travels in the pack; only the Ed25519 signature is checked by the library
that is installed anyway instead of by the command ``openssl``.
"""

from __future__ import annotations

from pathlib import Path

from provenance.evidence import verifier
from provenance.evidence.archive import Problem
from provenance.evidence.pack import PackEntry, PackFile, build_pack, standalone_verifier
from provenance.evidence.report import Report
from provenance.ledger.keys import VerifierKey

__all__ = ["PackEntry", "PackFile", "Problem", "Report", "build_pack", "standalone_verifier", "verify_pack"]


def verify_pack(path: Path, *, key: str | None = None) -> list[Problem]:
    """Return everything that is wrong with an evidence pack; nothing when it is sound.

    Args:
        path: The pack.
        key: The verifier key that is trusted (``name+hash+key``); None to take the pack's own.

    Raises:
        OSError: The file cannot be read.
    """
    return verifier.verify(path, key, _fits).problems


def _fits(public: bytes, signature: bytes, message: bytes) -> bool:
    return VerifierKey(name="checkpoint", public=public).verify(signature, message)
