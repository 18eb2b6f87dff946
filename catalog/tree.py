"""A tree of files to be read: a plain folder, or one commit of a git repository with annexed content.

Readers know only this contract, so that a dataset reads the same from a disk, from a DataLad dataset and
from a git-annex clone whose content is elsewhere.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a tree.

    Attributes:
        path: Relative to the root, ``/``-separated, no leading ``./``.
        size: Bytes; None when not known (an annex key without a size).
        sha256: Hex, where known without reading the content (annex keys of the SHA256 backends).
        present: Whether the content can be read here.
        link: True for a symbolic link that is not an annex pointer; its content is never followed out.
    """

    path: str
    size: int | None
    sha256: str | None = None
    present: bool = True
    link: bool = False


class Tree(ABC):
    """A read-only tree of files."""

    @abstractmethod
    def files(self) -> Sequence[TreeFile]:
        """Return all files sorted by path; ``.git``, ``.datalad`` and ``.gitattributes`` left out."""

    @abstractmethod
    def read(self, path: str, *, limit: int = 64 * 1024 * 1024) -> bytes:
        """Return the content of a file.

        Raises:
            NotFoundError: No such file, or its content is not here.
            InvalidRequestError: It is larger than ``limit`` bytes, or is a link that leaves the tree.
        """

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of those of ``paths`` that can be read; backends override it to be fast."""
        from ontology.errors import SillageError

        found: dict[str, bytes] = {}
        for path in paths:
            try:
                found[path] = self.read(path)
            except SillageError:
                continue
        return found

    def checksums(self, paths: Iterable[str]) -> dict[str, str]:
        """Return the SHA-256 in hex of the contents of those of ``paths`` that can be read.

        Backends that hold large files override it, so that nothing is read whole into memory.
        """
        return {path: hashlib.sha256(content).hexdigest() for path, content in self.read_many(paths).items()}
