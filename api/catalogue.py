"""A catalogue opened for work: its directory, and the parts that the operations join."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.access import Role
from api.identity import Identity, grant_alias, new_token
from api.settings import Settings, load_settings
from api.task_news import TaskNews
from catalog.backends.sqlite import SqliteRepository
from catalog.doi.registrar import DataCiteRegistrar, OfflineRegistrar, Registrar
from catalog.model import Commit, Put, Record
from catalog.repository import Repository
from catalog.search.index import SearchIndex
from catalog.search.sqlite import SqlIndex
from catalog.versions.store import DataStore
from executors.registry import open_runner
from executors.runner import Runner
from ontology.crosswalk import Crosswalk
from ontology.errors import ConflictError, InvalidRequestError, NotFoundError
from ontology.identifiers import new_iri
from ontology.namespaces import ATTRIBUTED_TO
from ontology.terms import TermIndex

TERMS_FILE = "terms.sqlite"
TOKEN_FILE = Path("keys") / "administrator.token"
CATALOG_ALIAS = "catalog"


@dataclass(slots=True)
class Catalogue:
    """The parts of one catalogue. Make it with :func:`create` or :func:`open_catalogue`; close it when done."""

    directory: Path
    settings: Settings
    repository: Repository
    terms: TermIndex
    search: SearchIndex
    store: DataStore
    identity: Identity
    registrar: Registrar
    record: Record
    task_news: TaskNews = field(default_factory=TaskNews)
    _runners: dict[str, Runner] = field(default_factory=dict)
    _closers: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def iri(self) -> str:
        """IRI of the catalogue's own record."""
        return self.record.id

    @property
    def title(self) -> str:
        """Name of the catalogue: as the settings say, otherwise as it was made."""
        return self.settings.title or str(self.record.document["title"])

    def crosswalk(self) -> Crosswalk:
        """Return a crosswalk over the terms that are loaded now."""
        return Crosswalk(self.terms)

    def data_path(self, dataset: Record) -> Path:
        """Return where a dataset's data lie: inside the catalogue's store, or where they were left in place."""
        return self.store.root / str(dataset.document["data_path"])

    def data_commit(self, dataset: Record) -> str:
        """Return the commit at which a dataset's data are now: of its current version, or of its newest result.

        Raises:
            NotFoundError: It has no data here.
        """
        current = dataset.document.get("current")
        if current:
            dataset = self.repository.get(current)
        else:
            results = [r for t in ("Acquisition", "Entity") for r in self.repository.iterate(t, datasets=[dataset.id])]
            dataset = max(results, key=lambda result: result.sequence, default=dataset)
        commit = dataset.document.get("commit")
        if not commit:
            raise NotFoundError(f"{dataset.id} has no data on this machine", field="id")
        return str(commit)

    def stored_path(self, path: Path) -> str:
        """Return a data path as records keep it: relative when it is inside the store, so that a catalogue moves."""
        resolved, root = path.resolve(), self.store.root.resolve()
        return str(resolved.relative_to(root)) if resolved.is_relative_to(root) else str(resolved)

    def runner(self, name: str | None = None) -> Runner:
        """Return a runner by name, started on first use.

        Raises:
            InvalidRequestError: No runner has this name.
        """
        chosen = name or self.settings.runner
        with self._lock:
            if chosen not in self._runners:
                options = {"slots": self.settings.slots or None, "sandbox": self.settings.sandbox}
                self._runners[chosen] = open_runner(
                    chosen, self.directory / "work" / chosen, **(options if chosen == "local" else {})
                )
            return self._runners[chosen]

    def on_close(self, action: Callable[[], None]) -> None:
        """Have ``action`` called when the catalogue closes, last registered first."""
        self._closers.append(action)

    def refresh_search(self) -> None:
        """Apply to the search index what the ledger has and it has not."""
        self.search.catch_up(self.repository)

    def close(self) -> None:
        """Stop runners and release every file; harmless to repeat."""
        while self._closers:
            self._closers.pop()()
        for runner in self._runners.values():
            runner.close()
        self._runners.clear()
        self.search.close()
        self.terms.close()
        self.repository.close()


def create(directory: Path, *, title: str | None = None) -> dict[str, Any]:
    """Make a new catalogue in ``directory`` and return ``{id, path, token_file}``.

    Raises:
        ConflictError: There is a catalogue already, or the folder holds other things.
        InvalidRequestError: The path is not a folder that can be made.
    """
    if (directory / "catalog.sqlite").exists():
        raise ConflictError(f"{directory} is a catalogue already", field="DIR", next_step="Use it with --catalog.")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConflictError(f"{directory} exists and is not an empty folder", field="DIR")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # What is said of participants is in there, and the keys: for nobody else on this machine.
        directory.chmod(0o700)
    except OSError as error:
        raise InvalidRequestError(f"{directory}: {error.strerror}", field="DIR") from error
    iri = new_iri()
    repository = SqliteRepository.create(directory, name=f"sillage/{iri.removeprefix('urn:uuid:')}")
    try:
        secret, changes = _first_changes(iri, title or directory.resolve().name)
        repository.commit(Commit(principal=iri, action="catalog.create", changes=changes))
    finally:
        repository.close()
    token = directory / TOKEN_FILE
    token.parent.mkdir(exist_ok=True)
    descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    TermIndex.open(directory / TERMS_FILE).close()
    return {"id": iri, "type": "Catalog", "path": str(directory.resolve()), "token_file": str(token)}


def _first_changes(iri: str, title: str) -> tuple[str, Sequence[Put]]:
    administrator = new_iri()
    secret, token = new_token(administrator, label="bootstrap")
    agent = Put(id=administrator, type="Agent", document={"label": "Administrator", "kind": "person"})
    catalog = Put(
        id=iri,
        type="Catalog",
        document={"label": title, "title": title},
        edges=[(ATTRIBUTED_TO, administrator)],
        aliases=[CATALOG_ALIAS],
    )
    return secret, [agent, catalog, token, grant_put(administrator, Role.ADMINISTRATOR, None)]


def grant_put(agent: str, role: Role, dataset: str | None) -> Put:
    """Return the change that gives ``agent`` a role on a dataset, or everywhere."""
    edges = [(ATTRIBUTED_TO, agent)]
    return Put(
        id=new_iri(),
        type="Grant",
        document={
            "label": f"{role} on {dataset or 'everything'}",
            "agent": agent,
            "role": role,
            "dataset": dataset,
        },
        edges=edges,
        aliases=[grant_alias(agent, role, dataset)],
        action="access.grant",
    )


def open_catalogue(directory: Path, *, settings: Settings | None = None) -> Catalogue:
    """Open a catalogue; projections that are missing or behind are brought up to date on first use.

    Raises:
        NotFoundError: No catalogue is there.
        InvalidRequestError: Its settings cannot be read.
    """
    # A task's folder, its mounts and its process each have another working directory than ours.
    directory = directory.resolve()
    if not (directory / "catalog.sqlite").is_file():
        raise NotFoundError(
            f"no catalogue in {directory}", field="catalog", next_step=f"Make one: sillage init {directory}"
        )
    settings = settings or load_settings(directory)
    repository = SqliteRepository.open(directory)
    terms = TermIndex.open(directory / TERMS_FILE)
    iri = repository.find_alias(CATALOG_ALIAS)
    if iri is None:
        raise NotFoundError(f"{directory} was never finished", next_step="Remove it and run sillage init again.")
    return Catalogue(
        directory=directory,
        settings=settings,
        repository=repository,
        terms=terms,
        search=SqlIndex.open(directory / "search.sqlite", terms),
        store=DataStore(directory / "store"),
        identity=Identity(repository),
        registrar=_registrar(settings),
        record=repository.get(iri),
    )


def _registrar(settings: Settings) -> Registrar:
    if not settings.datacite_url:
        return OfflineRegistrar(prefix=settings.doi_prefix)
    if not settings.datacite_repository or settings.datacite_password is None:
        raise InvalidRequestError(
            "datacite_url is set without datacite_repository and datacite_password", field="datacite_repository"
        )
    return DataCiteRegistrar(
        base_url=settings.datacite_url,
        repository_id=settings.datacite_repository,
        password=settings.datacite_password.get_secret_value(),
        prefix=settings.doi_prefix,
    )


def administrator_token(directory: Path) -> str | None:
    """Return the bootstrap token: who can read the catalogue's directory may act as its administrator."""
    file = directory / TOKEN_FILE
    try:
        return file.read_text().strip()
    except OSError:
        return None
