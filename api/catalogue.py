"""A catalogue opened for work: its directory, and the parts that the operations join."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.access import Role
from api.batch_memory import BatchMemory
from api.engines import (
    create_repository,
    is_catalogue,
    is_unfinished,
    open_repository,
    open_search,
    read_mark,
    write_mark,
)
from api.identity import Identity, grant_alias, new_token
from api.model_memory import ModelMemory
from api.rebuilding import Rebuilding
from api.settings import Settings, load_settings, refusal_of, split_account, write_engines
from api.task_news import TaskNews
from api.task_paces import Paces
from catalog.doi.registrar import DataCiteRegistrar, OfflineRegistrar, Registrar
from catalog.model import Commit, Put, Record
from catalog.repository import Repository
from catalog.search.index import SearchIndex
from catalog.versions.store import DataStore
from executors.registry import open_runner
from executors.runner import Runner
from ontology.crosswalk import Crosswalk
from ontology.errors import BackendUnavailableError, ConflictError, InvalidRequestError, NotFoundError, SillageError
from ontology.identifiers import new_iri
from ontology.namespaces import ATTRIBUTED_TO
from ontology.terms import TermIndex

TERMS_FILE = "terms.sqlite"
TOKEN_FILE = Path("keys") / "administrator.token"
CATALOG_ALIAS = "catalog"
SEARCH_AWAY = "Ask again in a moment; records, lineage and pages answer meanwhile, and /ready says when search is back."


@dataclass(slots=True)
class Catalogue:
    """The parts of one catalogue. Make it with :func:`create` or :func:`open_catalogue`; close it when done."""

    directory: Path
    settings: Settings
    repository: Repository
    terms: TermIndex
    store: DataStore
    identity: Identity
    registrar: Registrar
    record: Record
    task_news: TaskNews = field(default_factory=TaskNews)
    paces: Paces = field(default_factory=Paces)
    model_memory: ModelMemory = field(default_factory=ModelMemory)
    batch_memory: BatchMemory = field(default_factory=BatchMemory)
    before_close: list[Callable[[], None]] = field(default_factory=list)
    rebuilding: Rebuilding = field(default_factory=Rebuilding)
    _search: SearchIndex | None = None
    _runners: dict[str, Runner] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def iri(self) -> str:
        """IRI of the catalogue's own record."""
        return self.record.id

    @property
    def title(self) -> str:
        """Name of the catalogue: as the settings say, otherwise as it was made."""
        return self.settings.title or str(self.record.document["title"])

    @property
    def search(self) -> SearchIndex:
        """The search index, opened on first use: without it the rest of the catalogue works.

        Raises:
            BackendUnavailableError: Its service is away.
            NotInstalledError: Its client library is missing.
        """
        if self._search is None:
            with self._lock:
                if self._search is None:
                    self._search = open_search(self.directory, self.settings, self.terms, self.repository)
        return self._search

    def crosswalk(self) -> Crosswalk:
        """Return a crosswalk over the terms that are loaded now."""
        return Crosswalk(self.terms)

    def data_path(self, dataset: Record) -> Path:
        """Return where a dataset's data lie: inside the catalogue's store, or where they were left in place."""
        return self.store.root / str(dataset.document["data_path"])

    def data_commit(self, dataset: Record) -> str:
        """Return the commit at which a dataset's data are now: of its current version, or what its results came to.

        Raises:
            NotFoundError: It has no data here.
        """
        current = dataset.document.get("current")
        if current:
            dataset = self.repository.get(current)
        elif dataset.document.get("data_path"):
            # Results of tasks have no versions of their own: each commit of the store is one.
            return self.store.newest(self.data_path(dataset))
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
                folder = self.settings.runner_folder(chosen) or self.directory / "work" / chosen
                self._runners[chosen] = open_runner(chosen, folder, **self.settings.runner_options(chosen))
            return self._runners[chosen]

    def refresh_search(self) -> None:
        """Apply to the search index what the ledger has and it has not.

        Raises:
            BackendUnavailableError: Search is away; everything that does not ask it goes on.
        """
        try:
            self.search.catch_up(self.repository)
        except BackendUnavailableError as error:
            if error.next_step() is None:
                raise BackendUnavailableError(error.detail, next_step=SEARCH_AWAY, params=error.params) from error
            raise

    @contextmanager
    def another_search(self) -> Iterator[SearchIndex]:
        """Lend another handle on the search index, as another process would have, so that questions do not wait.

        Raises:
            BackendUnavailableError: Search is away.
        """
        other = open_search(self.directory, self.settings, self.terms, self.repository)
        try:
            yield other
        finally:
            other.close()

    def close(self) -> None:
        """Stop runners and release every file; harmless to repeat."""
        while self.before_close:
            self.before_close.pop()()
        for runner in self._runners.values():
            runner.close()
        self._runners.clear()
        if self._search is not None:
            self._search.close()
        self.terms.close()
        self.repository.close()


def create(
    directory: Path,
    *,
    title: str | None = None,
    repository_url: str | None = None,
    search_url: str | None = None,
) -> dict[str, Any]:
    """Make a new catalogue in ``directory`` and return ``{id, path, token_file}``.

    Args:
        directory: A new or empty folder.
        title: Name of the catalogue.
        repository_url: Server for records and ledger; unset: as the environment says, else SQLite in the folder.
        search_url: Server for search; unset: as the environment says, else the index in the folder.

    Raises:
        ConflictError: There is a catalogue already, or the folder or server holds other things.
        InvalidRequestError: The path is not a folder that can be made, or a URL is not one of an engine.
        BackendUnavailableError: A server is away.
    """
    prepare_folder(directory)
    engines = checked_engines(repository_url=repository_url, search_url=search_url)
    settings = load_settings(directory, overrides=engines)
    iri = new_iri()
    try:
        repository = create_repository(directory, settings, name=f"sillage/{iri.removeprefix('urn:uuid:')}")
        try:
            secret, changes = _first_changes(iri, title or directory.resolve().name)
            repository.commit(Commit(principal=iri, action="catalog.create", changes=changes))
        finally:
            repository.close()
    except SillageError:
        _empty(directory)
        raise
    token = directory / TOKEN_FILE
    token.parent.mkdir(exist_ok=True)
    descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    TermIndex.open(directory / TERMS_FILE).close()
    write_engines(directory, settings)
    write_mark(directory, iri)
    return {"id": iri, "type": "Catalog", "path": str(directory.resolve()), "token_file": str(token)}


def prepare_folder(directory: Path) -> None:
    """Make the folder of a catalogue, for nobody else on this machine.

    Raises:
        ConflictError: There is a catalogue already, or the folder holds other things.
        InvalidRequestError: The path is not a folder that can be made.
    """
    if is_catalogue(directory):
        raise ConflictError(f"{directory} is a catalogue already", field="DIR", next_step="Use it with --catalog.")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConflictError(f"{directory} exists and is not an empty folder", field="DIR")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # What is said of participants is in there, and the keys.
        directory.chmod(0o700)
    except OSError as error:
        raise InvalidRequestError(f"{directory}: {error.strerror}", field="DIR") from error


def checked_engines(*, repository_url: str | None, search_url: str | None) -> dict[str, str]:
    """Return the addresses of engines that somebody typed, by the names of their settings.

    Raises:
        InvalidRequestError: One is not the address of an engine, or holds a password, which others could read in the
            list of processes.
    """
    given = {"repository_url": repository_url, "search_url": search_url}
    for name, url in given.items():
        if url is None:
            continue
        part = name.removesuffix("_url")
        if split_account(url)[1] is not None:
            raise InvalidRequestError(
                f"--{part} holds an account",
                field=f"--{part}",
                next_step=f"Give SILLAGE_{part.upper()}_USER and SILLAGE_{part.upper()}_PASSWORD instead.",
            )
        if (why := refusal_of(name, url)) is not None:
            raise InvalidRequestError(f"--{part} is not the address of an engine", field=f"--{part}", next_step=why)
    return {name: url for name, url in given.items() if url is not None}


def _empty(directory: Path) -> None:
    """Take away what was made of a catalogue that could not be finished."""
    for path in directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


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
        ConflictError: Its settings name a repository that holds another catalogue.
        BackendUnavailableError: The repository is away.
    """
    # A task's folder, its mounts and its process each have another working directory than ours.
    directory = directory.resolve()
    if is_unfinished(directory):
        raise NotFoundError(
            f"the copy in {directory} is not finished", field="catalog", next_step="Give the same `sillage copy` again."
        )
    if not is_catalogue(directory):
        raise NotFoundError(
            f"no catalogue in {directory}", field="catalog", next_step=f"Make one: sillage init {directory}"
        )
    settings = settings or load_settings(directory)
    registrar = _registrar(settings)
    repository = open_repository(directory, settings)
    try:
        iri = _own_record(directory, repository)
        return _joined(directory, settings, repository, registrar, iri)
    except BaseException:
        repository.close()
        raise


def _own_record(directory: Path, repository: Repository) -> str:
    """Return the IRI of the catalogue that a repository holds.

    Raises:
        NotFoundError: It holds none.
        ConflictError: It holds another one than the folder's.
    """
    iri, marked = repository.find_alias(CATALOG_ALIAS), read_mark(directory)
    if iri is None:
        raise NotFoundError(f"{directory} was never finished", next_step="Remove it and run sillage init again.")
    if marked is not None and marked != iri:
        raise ConflictError(
            f"the repository holds another catalogue than {directory}",
            field="repository_url",
            next_step=f"Mend the setting repository_url: the catalogue's IRI is {marked}.",
        )
    return iri


def _joined(directory: Path, settings: Settings, repository: Repository, registrar: Registrar, iri: str) -> Catalogue:
    return Catalogue(
        directory=directory,
        settings=settings,
        repository=repository,
        terms=TermIndex.open(directory / TERMS_FILE),
        store=DataStore(directory / "store"),
        identity=Identity(repository),
        registrar=registrar,
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
