"""The data store: every dataset at a commit, taken in or left where it lies."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from catalog.model import Problem
from catalog.versions.dataset import lasting_id, locked, remove_tree, try_lock
from catalog.versions.fetching import fetch_content
from catalog.versions.git import Repository, open_repository
from catalog.versions.in_place import make_dataset_here
from catalog.versions.intake import fill_new, fill_next, scan_source
from catalog.versions.model import FetchReport, Progress, Subdataset, Versioned
from catalog.versions.objects import full_disk_reported, synchronise
from catalog.versions.outputs import Output, save_outputs
from catalog.versions.reading import DataReader
from catalog.versions.repacking import Repacker, remove_half_written
from catalog.versions.repositories import point_at, public_url, refer_to
from catalog.versions.results import create_results, describe_results, is_unused
from catalog.versions.surroundings import NOTHING, Surroundings
from catalog.versions.working_tree import heal
from ontology.errors import BackendUnavailableError, InvalidRequestError, SillageError

_INCOMING = ".incoming-"
_STALE_LOCK_S = 600.0
_KEPT_TREES = 4
_REPACKER = Repacker()


class DataStore(DataReader):
    """A folder of DataLad datasets, and references to repositories elsewhere.

    Args:
        root: The folder; it is made when first needed.
    """

    def take_in(
        self, source: Path, *, in_place: bool = False, link: bool = False, progress: Progress | None = None
    ) -> Versioned:
        """Put data under version control and return them at a commit.

        A repository stays where it is and is not written to. A folder is copied into a new DataLad dataset of
        the store (by reflink where the disk can) and is not changed, unless ``in_place`` makes it a dataset
        itself, or ``link`` shares its files, which then become write-protected
        (``docs/decisions/0004-taking-data-in.md``).

        Raises:
            NotFoundError: There is nothing at ``source``.
            InvalidRequestError: It is no folder, is empty, overlaps the store, or has no commit.
            StorageFullError: The disk is full; nothing is left behind.
            BackendUnavailableError: The disk, git, git-annex or DataLad failed.
        """
        source = source.absolute()
        marker = self._in_place_marker(source)
        repository = open_repository(source)
        if repository is not None and not marker.exists():
            return refer_to(repository, in_store=self.owns(source))
        scan = scan_source(source)
        self._refuse_overlap(source)
        if in_place or marker.exists():
            return self._take_in_place(source, marker, scan.problems)
        identifier = str(uuid.uuid4())
        with self._incoming(identifier) as building:
            fill_new(building, source, scan, datalad_id=identifier, link=link, progress=progress)
        return self._at_head(self.root / identifier, scan.problems)

    def update(self, dataset_path: Path, source: Path, *, progress: Progress | None = None) -> Versioned:
        """Take in what has changed in a folder; for a repository outside the store, return its present HEAD.

        Raises:
            NotFoundError: The dataset or the source is not there.
            InvalidRequestError: The source holds no files.
            StorageFullError: The disk is full; the dataset is as it was.
            BackendUnavailableError: The disk or git failed, or another process holds the dataset.
        """
        repository = self._open(dataset_path)
        if not self.owns(dataset_path):
            return refer_to(repository, in_store=False)
        scan = scan_source(source.absolute())
        with full_disk_reported(), locked(repository):
            heal(repository)
            fill_next(repository, source.absolute(), scan, progress=progress)
        _REPACKER.consider(repository)
        return self._at_head(repository.path, scan.problems)

    def fetch(self, path: Path, relpaths: Sequence[str], *, timeout_s: float) -> FetchReport:
        """Get annexed content from where git-annex knows it to be, within a time limit.

        Raises:
            NotFoundError: There is no repository, or it has no such file.
            InvalidRequestError: The repository has no annex.
        """
        return fetch_content(self._open(path), relpaths, timeout_s=timeout_s)

    def create_derivative(
        self,
        *,
        name: str,
        description: Mapping[str, Any],
        identifier: str | None = None,
        surroundings: Surroundings = NOTHING,
    ) -> Versioned:
        """Make an empty derivative dataset with its ``dataset_description.json`` (BIDS 1.11, derivatives).

        Args:
            name: What a person calls it.
            description: Members of the description: ``GeneratedBy``, ``SourceDatasets``, ...
            identifier: Its UUID; one that is there already is returned as it is.
            surroundings: What it holds beside results.

        Raises:
            StorageFullError: The disk is full; nothing is left behind.
            BackendUnavailableError: The disk, git or git-annex failed.
        """
        identifier = identifier or str(uuid.uuid4())
        if not (self.root / identifier).exists():
            try:
                with self._incoming(identifier) as building:
                    create_results(building, identifier, describe_results(name, description), surroundings)
            except BackendUnavailableError:
                # Somebody else may have made it meanwhile; a folder is never renamed over one that is not empty.
                if not (self.root / identifier).exists():
                    raise
        return self._at_head(self.root / identifier, ())

    def save_outputs(
        self,
        dataset_path: Path,
        outputs: Sequence[Output | tuple[Path, str, str]],
        *,
        message: str,
        run_record: Mapping[str, Any] | None,
        surroundings: Surroundings = NOTHING,
        notes: Mapping[str, bytes] | None = None,
        keep_staged: bool = False,
    ) -> str:
        """Move staged files into a dataset of the store, in one commit that ``datalad rerun`` can repeat.

        Called again after a crash it completes, or finds that all is done.

        Args:
            dataset_path: Folder of the dataset.
            outputs: The files.
            message: One line that says what was done.
            run_record: DataLad's run record (``cmd``, ``inputs``, ...); None for a plain commit.
            surroundings: What must be there before; where it is not as it is to be, it gets a commit of its own.
            notes: Small files of the same commit, by path; they are kept in git itself.
            keep_staged: Leave the staged names to the caller, who may have to find them again after a crash.

        Returns:
            The full name of the commit that holds them.

        Raises:
            NotFoundError: The dataset, or a staged file, is not there.
            InvalidRequestError: A path or digest is malformed, or the dataset is not the store's.
            ConflictError: A path is a folder where a file is to be, or the reverse.
            IntegrityError: A staged file does not have its SHA-256.
            ValidationFailedError: The run record cannot be written.
            StorageFullError: The disk is full; the dataset is as it was.
            BackendUnavailableError: The disk or git failed, or another process holds the dataset.
        """
        if not self.owns(dataset_path):
            raise InvalidRequestError(f"{dataset_path} is not a dataset of this store", field="path")
        repository = self._open(dataset_path)
        saved = save_outputs(
            repository,
            [Output(*output) for output in outputs],
            message=message,
            run_record=run_record,
            surroundings=surroundings,
            notes=notes or {},
            keep_staged=keep_staged,
        )
        _REPACKER.consider(repository)
        return saved

    def subdataset(self, path: Path, commit: str, *, name: str) -> Subdataset:
        """Return how a dataset of the store points at one that is registered: by its place beside it.

        One that lies elsewhere is given a place beside it, so that no path of this machine is told to anybody.

        Args:
            path: Folder of the dataset that is pointed at.
            commit: Full name of its commit.
            name: What to call the place of one that lies elsewhere.

        Raises:
            NotFoundError: There is no repository.
            StorageFullError: The disk is full.
        """
        repository = self._open(path)
        url = f"../{path.name}"
        if not self.owns(path):
            with full_disk_reported():
                self._make_root()
                url = f"../{point_at(self.root, path, name)}"
        return Subdataset(
            url=url,
            commit=commit,
            datalad_id=lasting_id(repository),
            public_url=public_url(repository),
        )

    def discard(self, path: Path) -> None:
        """Remove a dataset that this store made and that nothing refers to; harmless when it is gone already.

        Raises:
            InvalidRequestError: The store did not make it.
            BackendUnavailableError: The disk refused, or another process is writing to it.
        """
        path = path.absolute()
        if not self.owns(path) or path.name.startswith("."):
            raise InvalidRequestError(f"{path} is not a dataset of this store", field="path")
        if not path.is_dir():
            return
        aside = self.root / f"{_INCOMING}{uuid.uuid4()}"
        with full_disk_reported(), locked(self._open(path)):
            os.rename(path, aside)
            remove_tree(aside)

    def discard_unused(self, path: Path) -> bool:
        """Remove a dataset of results that holds none; tell whether it was removed.

        Raises:
            InvalidRequestError: The store did not make it.
            BackendUnavailableError: The disk refused, or another process is writing to it.
        """
        if not path.is_dir() or not is_unused(self._open(path)):
            return False
        self.discard(path)
        return True

    def recover(self) -> list[Path]:
        """Remove what interrupted calls have left and finish what they had committed; return what was removed.

        Raises:
            BackendUnavailableError: The disk refused.
        """
        removed: list[Path] = []
        with full_disk_reported():
            for folder in sorted(self.root.iterdir()) if self.root.is_dir() else ():
                if folder.name.startswith(_INCOMING):
                    if self._remove_abandoned(folder):
                        removed.append(folder)
                elif (folder / ".git" / "sillage").is_dir():
                    self._heal(folder)
        return removed

    def _take_in_place(self, source: Path, marker: Path, problems: Sequence[Problem]) -> Versioned:
        with full_disk_reported():
            self._make_root()
            marker.parent.mkdir(exist_ok=True)
            marker.write_text(f"{source}\n")
            make_dataset_here(source)
            marker.unlink()
        return self._at_head(source, problems)

    def _in_place_marker(self, source: Path) -> Path:
        name = hashlib.sha256(os.fsencode(source)).hexdigest()[:32]
        return self.root / ".in-place" / name

    def _refuse_overlap(self, source: Path) -> None:
        real, root = source.resolve(), self.root.resolve()
        if real == root or real in root.parents or root in real.parents:
            raise InvalidRequestError(f"{source} overlaps the catalogue's own data store", field="path")

    @contextlib.contextmanager
    def _incoming(self, identifier: str) -> Iterator[Path]:
        """Build a dataset aside and put it in its place when it is whole; leave nothing when it fails."""
        with full_disk_reported():
            self._make_root()
            aside, descriptor = self._make_aside()
            try:
                yield aside / "dataset"
                os.rename(aside / "dataset", self.root / identifier)
                synchronise(self.root)
            finally:
                remove_tree(aside)
                os.close(descriptor)

    def _make_aside(self) -> tuple[Path, int]:
        """Make a folder and lock it; one that is new and not locked may be taken by another process for abandoned."""
        while True:
            aside = self.root / f"{_INCOMING}{uuid.uuid4()}"
            aside.mkdir()
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(aside, os.O_RDONLY | os.O_CLOEXEC)
                if try_lock(descriptor) and aside.exists():
                    return aside, descriptor
                os.close(descriptor)

    def _remove_abandoned(self, folder: Path) -> bool:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False  # Whoever built a dataset there has put it in its place since.
        try:
            if not try_lock(descriptor):
                return False
            remove_tree(folder)
            return True
        finally:
            os.close(descriptor)

    def _heal(self, folder: Path) -> None:
        with contextlib.suppress(SillageError):
            repository = self._open(folder)
            with locked(repository):
                _remove_leftovers(repository)
                heal(repository)
            _REPACKER.consider(repository)

    def _at_head(self, path: Path, problems: Sequence[Problem]) -> Versioned:
        found = refer_to(self._open(path), in_store=self.owns(path))
        return Versioned(
            path=found.path,
            datalad_id=found.datalad_id,
            commit=found.commit,
            tree_hash=found.tree_hash,
            in_store=found.in_store,
            problems=tuple(problems) or tuple(found.problems),
        )


def _remove_leftovers(repository: Repository) -> None:
    """Remove half-written files, and lock files of git that a power cut has left: no git command runs as long."""
    for half in (repository.git_dir / "sillage" / "incoming").glob("*"):
        half.unlink()
    remove_half_written(repository)
    for lock in [*repository.git_dir.glob("*.lock"), *repository.git_dir.glob("refs/heads/**/*.lock")]:
        with contextlib.suppress(FileNotFoundError):
            if time.time() - lock.stat().st_mtime > _STALE_LOCK_S:
                lock.unlink()
