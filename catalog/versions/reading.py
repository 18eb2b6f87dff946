"""The reading half of the data store: versions, their files, and where contents lie."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from catalog.model import Problem
from catalog.versions.checks import check_version
from catalog.versions.git import Repository, open_repository
from catalog.versions.git_tree import GitTree
from catalog.versions.history import tip
from catalog.versions.model import Release
from catalog.versions.objects import full_disk_reported
from catalog.versions.repositories import kind_of, releases_of
from catalog.versions.results import object_of
from ontology.errors import NotFoundError

_KEPT_TREES = 4


class DataReader:
    """A folder of DataLad datasets, and references to repositories elsewhere, as far as they are read.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._trees: OrderedDict[tuple[Path, str], GitTree] = OrderedDict()
        self._trees_lock = threading.Lock()
        self.making = threading.Lock()
        """Held by whoever makes a dataset of results until the first are in it."""

    def kind(self, source: Path) -> str:
        """Return what lies at ``source``: ``folder``, ``datalad``, ``annex`` or ``git``."""
        return kind_of(source.absolute())

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

    def saved_output(self, dataset_path: Path, relpath: str, *, sha256: str, size: int) -> Path:
        """Return where the content of an output lies that was saved; unlike :meth:`locate`, in constant time.

        Raises:
            NotFoundError: It is not here.
        """
        return object_of(self._open(dataset_path), relpath, sha256=sha256, size=size)

    def newest(self, path: Path) -> str:
        """Return the full name of the commit that a repository is at.

        Raises:
            NotFoundError: There is no repository, or it has no commit.
        """
        found = tip(self._open(path))
        if found is None:
            raise NotFoundError(f"{path} has no commit", field="path")
        return found

    def check(self, path: Path, *, commit: str) -> Iterator[Problem]:
        """Yield what is wrong with a version: damaged git objects, contents that do not match their SHA-256."""
        return check_version(path, commit, complete=self.owns(path))

    def datasets(self) -> list[Path]:
        """Return the folders of all datasets that the store has made, for finding those that nothing refers to."""
        listed = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(path for path in listed if not path.name.startswith(".") and path.is_dir())

    def owns(self, path: Path) -> bool:
        """Tell whether a folder is a dataset that this store made."""
        return path.absolute().parent == self.root

    def _open(self, path: Path) -> Repository:
        repository = open_repository(path.absolute())
        if repository is None:
            raise NotFoundError(f"the data are not at {path}: no git repository is there", field="path")
        return repository

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

    def _make_root(self) -> None:
        """Make the root for its owner alone: annexed content is readable by all who can reach it."""
        if not self.root.is_dir():
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
