"""Making an empty catalogue in the database, and finding the one that a signing key belongs to."""

from __future__ import annotations

import base64
import errno
from pathlib import Path
from typing import NamedTuple

from catalog.backends.neo4j.connection import STRIPES, Database
from ontology.errors import (
    BackendUnavailableError,
    ConflictError,
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    StorageFullError,
)
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.keys import SigningKey, VerifierKey
from provenance.ledger.merkle import EMPTY_ROOT

KEY_FILE = "ledger.pem"
_CREATE = """
MERGE (s:SillageSchema {id: 1}) SET s.catalogs = coalesce(s.catalogs, 0) + 1
WITH s.catalogs AS number
MERGE (c:SillageCatalog {public_key: $public_key})
ON CREATE SET c += {catalog: number, origin: $origin, verifier_key: $verifier_key, size: 0, time: '', peaks: $peaks,
  note: $note, next_key: 1, held: true}
REMOVE c.held
WITH c UNWIND range(0, $stripes - 1) AS stripe
MERGE (l:SillageLock {catalog: c.catalog, stripe: stripe})
RETURN DISTINCT c.catalog
"""
_FIND = "MATCH (c:SillageCatalog {public_key: $public_key}) RETURN c.catalog, c.verifier_key"


class Found(NamedTuple):
    """A catalogue of the database."""

    catalog: int
    key: SigningKey


def create(database: Database, folder: Path, *, name: str, key: SigningKey | None = None) -> Found:
    """Make an empty catalogue and the file of its key. The key is kept first: without it nothing could be signed.

    Raises:
        InvalidRequestError: ``name`` cannot name a key.
        ConflictError: There is a signing key in the folder, or a catalogue of this name in the database.
        StorageFullError: The disk of the folder is full.
        BackendUnavailableError: The server is away, or the folder cannot be written.
    """
    key = key or SigningKey.generate(name)
    if database.alone("MATCH (c:SillageCatalog {origin: $origin}) RETURN 1", origin=name):
        raise ConflictError(f"there is a catalogue named {name} in that database already", field="name")
    path = folder / KEY_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key.save(path)
    except FileExistsError as error:
        raise ConflictError(
            f"there is a signing key in {folder} already: it belongs to a catalogue",
            field="keys",
            next_step="Open the catalogue that the key belongs to, or choose another folder.",
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError("the disk is full") from error
        raise BackendUnavailableError(f"the signing key cannot be kept there: {error.strerror}") from error
    try:
        rows = database.alone(
            _CREATE,
            origin=name,
            public_key=_public(key.verifier()),
            verifier_key=key.verifier().line(),
            peaks=b"",
            note=Checkpoint(origin=name, size=0, root=EMPTY_ROOT).sign(key),
            stripes=STRIPES,
        )
    except BackendUnavailableError:
        raise  # it may have been made all the same: the key stays, and opening tells
    except BaseException:
        path.unlink()
        raise
    return Found(int(rows[0][0]), key)


def find(database: Database, folder: Path) -> Found:
    """Return the catalogue that the signing key in a folder belongs to.

    Raises:
        NotFoundError: There is no key, or no catalogue of that key.
        BackendUnavailableError: The server is away, or the key cannot be read.
        IntegrityError: Key or catalogue is damaged.
    """
    path = folder / KEY_FILE
    if not path.is_file():
        raise NotFoundError(
            f"there is no signing key in {folder}", field="keys", next_step="Name the folder with the catalogue's keys."
        )
    key = SigningKey.load(path, "unknown")
    rows = database.alone(_FIND, public_key=_public(key.verifier()))
    if not rows:
        raise NotFoundError(
            f"no catalogue in the database at {database.address.url} belongs to the signing key in {folder}",
            field="catalog",
            next_step="Check the URL and the folder of keys; a new catalogue is made by `sillage init`.",
        )
    number, line = rows[0]
    try:
        public = VerifierKey.parse(line or "")
    except InvalidRequestError as error:
        raise IntegrityError("the catalogue has lost its verifier key") from error
    signing = SigningKey(public.name, key.private)
    if signing.verifier() != public:
        raise IntegrityError("the signing key is not the one of this catalogue")
    return Found(int(number), signing)


def _public(key: VerifierKey) -> str:
    return base64.b64encode(key.public).decode()
