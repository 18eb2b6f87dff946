"""A plain folder as a tree: walked once, links never followed out, git-annex pointers recognised."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from typing_extensions import override

from catalog.tree import Tree, TreeFile
from catalog.versions.annex import POINTER_LIMIT, key_of_link, key_of_pointer
from ontology.errors import InvalidRequestError, NotFoundError

LEFT_OUT = frozenset({".git", ".datalad", ".gitattributes"})
_CHUNK = 1024 * 1024


class FolderTree(Tree):
    """A folder on disk.

    Regular files are read, and so are links to files inside the folder. Any other link, and anything that is
    no file (a socket, a device, a folder that may not be opened), is listed as a ``link`` whose content is not
    present, and left alone. Folders behind links are not walked, so a loop does no harm.

    Args:
        path: The folder.

    Raises:
        InvalidRequestError: ``path`` is not a folder.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            what = "is not a folder" if path.exists() else "does not exist"
            raise InvalidRequestError(
                f"{path} {what}", field="path", next_step="Give the folder that holds dataset_description.json."
            )
        self._root = os.path.realpath(path)
        self._unlocked_annex = os.path.isdir(os.path.join(self._root, ".git", "annex"))
        self._listed: dict[str, TreeFile] | None = None

    @override
    def files(self) -> Sequence[TreeFile]:
        return list(self._index().values())

    @override
    def read(self, path: str, *, limit: int = 64 * 1024 * 1024) -> bytes:
        descriptor = self._open(path)
        try:
            size = os.fstat(descriptor).st_size
            if size > limit:
                raise InvalidRequestError(f"{path} has {size} bytes; at most {limit} are read", field="path")
            content = os.read(descriptor, size + 1)
            while len(content) < size:
                more = os.read(descriptor, size - len(content))
                if not more:
                    break
                content += more
        except OSError as error:
            raise NotFoundError(f"{path} cannot be read: {error.strerror}", field="path") from error
        finally:
            os.close(descriptor)
        return content

    @override
    def checksums(self, paths: Iterable[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for path in paths:
            try:
                found[path] = self._checksum(path)
            except (NotFoundError, InvalidRequestError, OSError):
                continue
        return found

    def _checksum(self, path: str) -> str:
        descriptor = self._open(path)
        digest = hashlib.sha256()
        try:
            while chunk := os.read(descriptor, _CHUNK):
                digest.update(chunk)
        finally:
            os.close(descriptor)
        return digest.hexdigest()

    def _open(self, path: str) -> int:
        entry = self._index().get(path)
        if entry is None:
            raise NotFoundError(f"no file {path} in the folder", field="path")
        if entry.link and not entry.present:
            raise InvalidRequestError(f"{path} is a link that is not followed", field="path")
        if not entry.present:
            raise NotFoundError(f"the content of {path} is not here", field="path")
        full = os.path.join(self._root, path)
        if not self._inside(full):
            raise InvalidRequestError(f"{path} has become a link that leaves the folder", field="path")
        try:
            return os.open(full, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise NotFoundError(f"{path} cannot be read: {error.strerror}", field="path") from error

    def _inside(self, full: str) -> bool:
        return os.path.realpath(full).startswith(self._root + os.sep)

    def _index(self) -> dict[str, TreeFile]:
        if self._listed is None:
            found = sorted((self._file(*entry) for entry in self._walk()), key=lambda file: file.path)
            self._listed = {file.path: file for file in found}
        return self._listed

    def _walk(self) -> Iterator[tuple[str, os.DirEntry[str] | None]]:
        """Yield every entry that is no folder; a folder that cannot be opened comes with None."""
        pending = [""]
        while pending:
            below = pending.pop()
            try:
                with os.scandir(self._root + "/" + below) as entries:
                    listed = list(entries)
            except OSError:
                yield below.rstrip("/"), None
                continue
            for entry in listed:
                if entry.name in LEFT_OUT:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{below}{entry.name}/")
                else:
                    yield below + entry.name, entry

    def _file(self, relative: str, entry: os.DirEntry[str] | None) -> TreeFile:
        if entry is None:
            return TreeFile(relative, None, present=False, link=True)
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            if self._unlocked_annex and status.st_size <= POINTER_LIMIT:
                return self._unlocked(relative, entry.path, status.st_size)
            return TreeFile(relative, status.st_size)
        if stat.S_ISLNK(status.st_mode):
            return self._linked(relative, entry.path)
        return TreeFile(relative, None, present=False, link=True)

    def _linked(self, relative: str, full: str) -> TreeFile:
        key = key_of_link(os.readlink(full))
        status = None
        if self._inside(full):
            with contextlib.suppress(OSError):
                status = os.stat(full)
        regular = status is not None and stat.S_ISREG(status.st_mode)
        if key is not None:
            return TreeFile(relative, key.size, key.sha256, present=regular)
        if status is not None and regular:
            return TreeFile(relative, status.st_size, link=True)
        return TreeFile(relative, None, present=False, link=True)

    @staticmethod
    def _unlocked(relative: str, full: str, size: int) -> TreeFile:
        """Recognise the pointer that stands for an unlocked annexed file whose content is elsewhere."""
        try:
            with open(full, "rb") as stream:
                content = stream.read(POINTER_LIMIT)
        except OSError:
            return TreeFile(relative, size, present=False)
        key = key_of_pointer(content)
        if key is None:
            return TreeFile(relative, size)
        return TreeFile(relative, key.size, key.sha256, present=False)
