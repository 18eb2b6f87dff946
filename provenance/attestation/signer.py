"""The key that signs attestations: kept as the ledger keeps its own, made when it is first needed."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from provenance.attestation.dsse import PublicKey
from provenance.ledger.keys import SigningKey


def signing_key(path: Path, name: str) -> SigningKey:
    """Return the key in a file, made there if there is none; of several makers one wins.

    Raises:
        BackendUnavailableError: The file cannot be read, or others than its owner may read it.
        IntegrityError: It holds no Ed25519 key.
        OSError: It cannot be written.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
        try:
            SigningKey.generate(name).save(partial)
            with suppress(FileExistsError):
                os.link(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return SigningKey.load(path, name)


def public_key(path: Path) -> PublicKey | None:
    """Return the public half of the key in a file; None when there is no such file.

    Raises:
        BackendUnavailableError: As for :func:`signing_key`.
        IntegrityError: As for :func:`signing_key`.
    """
    try:
        changed = path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return _read(path, changed)


@lru_cache(maxsize=16)
def _read(path: Path, changed: int) -> PublicKey:
    return PublicKey(SigningKey.load(path, "attestations").verifier().public)
