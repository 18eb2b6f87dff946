"""Contents of a tree's files, read in batches, with the SHA-256 of whatever passes by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from catalog.readers.problems import ProblemLog
from catalog.tree import Tree, TreeFile

BATCH = 4_096
"""Files in memory at a time."""


class Contents:
    """Reads files of a tree and knows their checksums.

    Args:
        tree: Where the files are.
        problems: Where unreadable files are noted.
    """

    def __init__(self, tree: Tree, problems: ProblemLog) -> None:
        self._tree = tree
        self._problems = problems
        self._sha256: dict[str, str] = {}

    def read(self, files: Iterable[TreeFile], *, limit: int) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of those of ``files`` that can be read; the others are noted as problems."""
        readable = (file for file in files if self._readable(file, limit))
        while known := {file.path: file.sha256 for file in islice(readable, BATCH)}:
            found = self._tree.read_many(known)
            for path in known:
                content = found.pop(path, None)
                if content is None:
                    self._problems.add(path, "could not be read")
                    continue
                if known[path] is None:
                    self._sha256[path] = hashlib.sha256(content).hexdigest()
                yield path, content

    def complete(self, files: Sequence[TreeFile]) -> None:
        """Work out the checksums of those of ``files`` whose content is here and whose checksum is not known."""
        wanted = [f.path for f in files if f.sha256 is None and f.present]
        self._sha256 |= self._tree.checksums(path for path in wanted if path not in self._sha256)

    def sha256(self, file: TreeFile) -> str | None:
        """Return the SHA-256 of a file's content, as far as it is known."""
        return file.sha256 or self._sha256.get(file.path)

    def _readable(self, file: TreeFile, limit: int) -> bool:
        if not file.present:
            self._problems.add(file.path, "its content is not here; it was not read")
            return False
        if file.size is not None and file.size > limit:
            self._problems.add(file.path, f"has more than {limit // 1024**2} MiB; it was not read")
            return False
        return True
