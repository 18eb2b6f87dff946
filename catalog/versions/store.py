"""The data store: every dataset at a commit, taken in or left where it lies."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from catalog.model import Problem
from catalog.versions.checks import check_version
from catalog.versions.dataset import BRANCH, dataset_blobs, initialise, locked, refresh_index, remove_tree, try_lock
from catalog.versions.fetching import fetch_content
from catalog.versions.git import Repository, open_repository
from catalog.versions.git_tree import GitTree
from catalog.versions.history import Blob, commit, write_working_tree
from catalog.versions.in_place import make_dataset_here
from catalog.versions.intake import fill_new, fill_next, scan_source
from catalog.versions.model import FetchReport, Progress, Release, Versioned
from catalog.versions.objects import full_disk_reported, synchronise, synchronise_all
from catalog.versions.outputs import Output, save_outputs
from catalog.versions.repositories import kind_of, refer_to, releases_of
from catalog.versions.working_tree import heal
from ontology.errors import InvalidRequestError, NotFoundError, SillageError

_INCOMING = ".incoming-"
_STALE_LOCK_S = 600.0
_NOT_BIDS = "*.html\n**/figures/**\n**/*_desc-*.json\n*.npz\n"
_KEPT_TREES = 4


class DataStore:
    """A folder of DataLad datasets, and references to repositories elsewhere.

    Args:
        root: The folder; it is made when first needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._trees: OrderedDict[tuple[Path, str], GitTree] = OrderedDict()
        self._trees_lock = threading.Lock()

    def kind(self, source: Path) -> str:
        """Return what lies at ``source``: ``folder``, ``datalad``, ``annex`` or ``git``."""
        return kind_of(source.absolute())

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
        return self._at_head(repository.path, scan.problems)

    def releases(self, path: Path) -> list[Release]:
        """Return the release tags of a repository, oldest first: each is a version.

        Raises:
            NotFoundError: There is no repository.
        """
        return releases_of(self._open(path))

    def tree(self, path: Path, commit: str) -> GitTree:
        """Return the files of one commit.

        Raises:
            NotFoundError: There is no repository.
            InvalidRequestError: ``commit`` is not the full name of a commit.
        """
        return GitTree(path, commit)

    def locate(self, path: Path, commit: str, relpath: str) -> Path:
        """Return where the content of a file lies on disk; content that is in git is unpacked once.

        Raises:
            NotFoundError: No such file in this version, or its content is not here.
            InvalidRequestError: It is a link that leaves the dataset.
            StorageFullError: The disk is full.
        """
        return self.locate_many(path, commit, [relpath])[relpath]

    def locate_many(self, path: Path, commit: str, relpaths: Sequence[str]) -> dict[str, Path]:
        """Return where the contents of several files lie; see :meth:`locate`."""
        tree = self._kept_tree(path, commit)
        found: dict[str, Path] = {}
        for relpath in relpaths:
            place = tree.object_path(relpath)
            if place is None:
                place = self._unpacked(tree.resolve(relpath).oid, tree, relpath)
            found[relpath] = place
        return found

    def fetch(self, path: Path, relpaths: Sequence[str], *, timeout_s: float) -> FetchReport:
        """Get annexed content from where git-annex knows it to be, within a time limit.

        Raises:
            NotFoundError: There is no repository, or it has no such file.
            InvalidRequestError: The repository has no annex.
        """
        return fetch_content(self._open(path), relpaths, timeout_s=timeout_s)

    def create_derivative(self, *, name: str, description: Mapping[str, Any]) -> Versioned:
        """Make an empty derivative dataset with its ``dataset_description.json`` (BIDS 1.11, derivatives).

        Args:
            name: What a person calls it.
            description: Members of the description: ``GeneratedBy``, ``SourceDatasets``, ...

        Raises:
            StorageFullError: The disk is full; nothing is left behind.
            BackendUnavailableError: The disk, git or git-annex failed.
        """
        identifier = str(uuid.uuid4())
        members = {"Name": name, "BIDSVersion": "1.11.0", "DatasetType": "derivative", **description}
        text = json.dumps(members, indent=2, ensure_ascii=False) + "\n"
        blobs = [
            *dataset_blobs(identifier),
            Blob("dataset_description.json", "100644", text.encode()),
            # Reports, figures and measures of pipelines have no place of their own in BIDS yet.
            Blob(".bidsignore", "100644", _NOT_BIDS.encode()),
        ]
        with self._incoming(identifier) as building:
            repository = initialise(building)
            commit(repository, branch=BRANCH, parent=None, message="Create the derivative dataset", blobs=blobs)
            write_working_tree(building, blobs)
            refresh_index(repository)
            synchronise_all(building)
        return self._at_head(self.root / identifier, ())

    def save_outputs(
        self, dataset_path: Path, outputs: Sequence[Output], *, message: str, run_record: Mapping[str, Any] | None
    ) -> str:
        """Move staged files into a dataset of the store, in one commit that ``datalad rerun`` can repeat.

        Called again after a crash it completes, or finds that all is done.

        Args:
            dataset_path: Folder of the dataset.
            outputs: Where each is staged, its path in the dataset, its SHA-256.
            message: One line that says what was done.
            run_record: DataLad's run record (``cmd``, ``inputs``, ...); None for a plain commit.

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
        return save_outputs(self._open(dataset_path), outputs, message=message, run_record=run_record)

    def check(self, path: Path, *, commit: str) -> Iterator[Problem]:
        """Yield what is wrong with a version: damaged git objects, contents that do not match their SHA-256."""
        return check_version(path, commit, complete=self.owns(path))

    def datasets(self) -> list[Path]:
        """Return the folders of all datasets that the store has made, for finding those that nothing refers to."""
        listed = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(path for path in listed if not path.name.startswith(".") and path.is_dir())

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

    def owns(self, path: Path) -> bool:
        """Tell whether a folder is a dataset that this store made."""
        return path.absolute().parent == self.root

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

    def _make_root(self) -> None:
        """Make the root for its owner alone: annexed content is readable by all who can reach it."""
        if not self.root.is_dir():
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextlib.contextmanager
    def _incoming(self, identifier: str) -> Iterator[Path]:
        """Build a dataset aside and put it in its place when it is whole; leave nothing when it fails."""
        with full_disk_reported():
            self._make_root()
            aside = self.root / f"{_INCOMING}{identifier}"
            aside.mkdir()
            descriptor = os.open(aside, os.O_RDONLY | os.O_CLOEXEC)
            try:
                try_lock(descriptor)
                yield aside / "dataset"
                os.rename(aside / "dataset", self.root / identifier)
                synchronise(self.root)
            finally:
                remove_tree(aside)
                os.close(descriptor)

    def _remove_abandoned(self, folder: Path) -> bool:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
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

    def _open(self, path: Path) -> Repository:
        repository = open_repository(path.absolute())
        if repository is None:
            raise NotFoundError(f"the data are not at {path}: no git repository is there", field="path")
        return repository

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

    def _kept_tree(self, path: Path, commit: str) -> GitTree:
        """Return a tree from the few used last: what a commit holds never changes, and reading it takes time."""
        with self._trees_lock:
            tree = self._trees.pop((path, commit), None) or GitTree(path, commit)
            self._trees[path, commit] = tree
            if len(self._trees) > _KEPT_TREES:
                self._trees.popitem(last=False)
            return tree

    def _unpacked(self, oid: str, tree: GitTree, relpath: str) -> Path:
        """Return a copy of a git blob in the store, named by its content and write-protected."""
        place = self.root / ".blobs" / oid[:2] / oid[2:]
        if not place.exists():
            with full_disk_reported():
                self._make_root()
                place.parent.mkdir(parents=True, exist_ok=True)
                temporary = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
                try:
                    temporary.write_bytes(tree.read(relpath))
                    temporary.chmod(0o444)
                    temporary.replace(place)
                finally:
                    temporary.unlink(missing_ok=True)
        return place


def _remove_leftovers(repository: Repository) -> None:
    """Remove half-written files, and lock files of git that a power cut has left: no git command runs as long."""
    for half in (repository.git_dir / "sillage" / "incoming").glob("*"):
        half.unlink()
    for lock in [*repository.git_dir.glob("*.lock"), *repository.git_dir.glob("refs/heads/**/*.lock")]:
        if time.time() - lock.stat().st_mtime > _STALE_LOCK_S:
            lock.unlink(missing_ok=True)
