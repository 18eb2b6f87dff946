"""Which engine holds a catalogue: SQLite and the embedded index in its folder, or servers named by URL.

The folder stays whatever the engines: it holds the keys, terms, settings and data. Its ``catalogue.toml`` says that it
is a catalogue, and whose, so that a folder is never joined to another catalogue's server.
"""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from api.settings import EMBEDDED, PLAIN_SQL, SQLITE, Settings
from catalog.backends.sqlite import SqliteRepository
from catalog.repository import Repository
from catalog.search.index import SearchIndex, Terms
from catalog.search.sqlite import SqlIndex
from ontology.errors import BackendUnavailableError, IntegrityError
from provenance.ledger.keys import SigningKey

MARK: Final = "catalogue.toml"
UNFINISHED: Final = "copying.toml"
"""Is in a folder while a catalogue is copied into it."""
KEYS: Final = "keys"
SQLITE_FILE: Final = "catalog.sqlite"
SQL_INDEX: Final = "search.sqlite"
EMBEDDED_INDEX: Final = "search"
_VIEW_OF: Final = {"sql": SQL_INDEX, "embedded": EMBEDDED_INDEX}
"""What each engine in the folder keeps there; all of it can be made anew."""


@dataclass(frozen=True, slots=True)
class EngineName:
    """An engine as it is shown: its kind, and its address without any account."""

    kind: str
    address: str | None = None


def is_catalogue(directory: Path) -> bool:
    """Tell whether a folder holds a catalogue; those made before there was a mark have the SQLite file."""
    marked = (directory / MARK).is_file() or (directory / SQLITE_FILE).is_file()
    return marked and not is_unfinished(directory)


def is_unfinished(directory: Path) -> bool:
    """Tell whether a folder holds a copy of a catalogue that was broken off."""
    return (directory / UNFINISHED).is_file()


def write_mark(directory: Path, iri: str) -> None:
    """Mark a folder as the catalogue ``iri``."""
    text = f'# This folder is a catalogue. Settings stand in sillage.toml.\nformat = 1\nid = "{iri}"\n'
    (directory / MARK).write_text(text, encoding="utf-8")


def read_mark(directory: Path) -> str | None:
    """Return the IRI of the catalogue to which a folder belongs; None where it was made before there was a mark.

    Raises:
        IntegrityError: The mark cannot be read.
    """
    try:
        return str(tomllib.loads((directory / MARK).read_text(encoding="utf-8"))["id"])
    except FileNotFoundError:
        return None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
        raise IntegrityError(f"{directory / MARK} does not say which catalogue this is") from error


def repository_engine(settings: Settings) -> EngineName:
    """Name the engine of the repository."""
    url = settings.repository_url
    return EngineName("sqlite") if url in (None, SQLITE) else EngineName("neo4j", url)


def search_engine(settings: Settings) -> EngineName:
    """Name the engine of search."""
    url = settings.search_url
    if url in (None, EMBEDDED):
        return EngineName("embedded")
    return EngineName("sql") if url == PLAIN_SQL else EngineName("elasticsearch", url)


def create_repository(directory: Path, settings: Settings, *, name: str, key: SigningKey | None = None) -> Repository:
    """Make an empty repository on the engine that the settings name.

    Args:
        directory: Folder of the catalogue, which keeps the signing key.
        settings: Of the catalogue.
        name: Origin of the ledger in its checkpoints.
        key: Signing key of the ledger that will be loaded; a new one is made without it.

    Raises:
        ConflictError: The engine holds a catalogue already.
        BackendUnavailableError: The engine is away, or refuses the account.
        NotInstalledError: Its client library is missing.
    """
    url = settings.repository_url
    if url is None or url == SQLITE:
        return SqliteRepository.create(directory, name=name, key=key)
    from catalog.backends.neo4j import Neo4jRepository

    user, password = _account(directory, settings, "repository") or (None, None)
    return Neo4jRepository.create(url, directory / KEYS, name=name, user=user, password=password, key=key)


def open_repository(directory: Path, settings: Settings) -> Repository:
    """Open the repository of a catalogue.

    Raises:
        NotFoundError: There is none.
        BackendUnavailableError: The engine is away, or refuses the account.
        IntegrityError: It is damaged, or belongs to another folder.
        NotInstalledError: Its client library is missing.
    """
    url = settings.repository_url
    if url is None or url == SQLITE:
        return SqliteRepository.open(directory)
    from catalog.backends.neo4j import Neo4jRepository

    user, password = _account(directory, settings, "repository") or (None, None)
    return Neo4jRepository.open(url, directory / KEYS, user=user, password=password)


def open_search(directory: Path, settings: Settings, terms: Terms, repository: Repository) -> SearchIndex:
    """Open the search index of a catalogue; one that is not there yet is begun.

    Raises:
        BackendUnavailableError: The engine is away, or refuses the account.
        NotInstalledError: Its client library is missing.
    """
    kind, url = search_engine(settings).kind, settings.search_url
    _remove_views(directory, keep=_VIEW_OF.get(kind))
    if kind == "sql":
        return SqlIndex.open(directory / SQL_INDEX, terms)
    if kind == "embedded":
        from catalog.search.embedded import EmbeddedIndex

        return EmbeddedIndex.open(directory / EMBEDDED_INDEX, terms)
    from catalog.search.elasticsearch import ElasticsearchIndex

    name = origin_of(repository).rpartition("/")[2].lower()
    authorities = settings.search_ca_file
    return ElasticsearchIndex.open(
        str(url),
        terms,
        name=name,
        auth=_account(directory, settings, "search"),
        ca_certs=None if authorities is None else str(directory / authorities),
    )


def _remove_views(directory: Path, *, keep: str | None) -> None:
    """Remove the index of another engine: nobody would take out of it what a participant withdraws."""
    for name in (SQL_INDEX, EMBEDDED_INDEX):
        if name == keep:
            continue
        for path in (directory / name, directory / f"{name}-wal", directory / f"{name}-shm"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def origin_of(repository: Repository) -> str:
    """Return the name of a repository's ledger (C2SP tlog-checkpoint, origin)."""
    return repository.verifier_key().partition("+")[0]


def _account(directory: Path, settings: Settings, part: str) -> tuple[str, str] | None:
    """Return user and password for a server.

    Raises:
        BackendUnavailableError: The file with the password cannot be read.
    """
    user: str | None = getattr(settings, f"{part}_user")
    password: SecretStr | None = getattr(settings, f"{part}_password")
    file: Path | None = getattr(settings, f"{part}_password_file")
    if user is None:
        return None
    if password is not None:
        return user, password.get_secret_value()
    if file is None:
        return user, ""
    try:
        return user, (directory / file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BackendUnavailableError(
            f"the password of the {part} cannot be read from its file",
            field=f"{part}_password_file",
            next_step=f"Mend the setting {part}_password_file, or give SILLAGE_{part.upper()}_PASSWORD.",
        ) from error
