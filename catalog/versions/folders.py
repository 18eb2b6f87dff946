"""What a folder of a git tree holds, changed in memory; large ones are remembered from one commit to the next."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections import OrderedDict

SUBFOLDER, SUBDATASET = b"40000 ", b"160000 "
_ENTRY = re.compile(rb"([0-7]+ ([^\0]+)\0.{20})", re.DOTALL)
_LARGE = 256
"""Names; to read fewer takes less than a millisecond."""
_MOST = 200_000
"""So many names are remembered in all: some 40 MB."""


class Folder:
    """What a folder holds: each entry by name, as it stands in a tree (mode, name, object).

    Args:
        entries: By name.
        order: The names in git's order, where it is known.
    """

    __slots__ = ("_order", "entries")

    def __init__(self, entries: dict[bytes, bytes], order: list[bytes] | None = None) -> None:
        self.entries = entries
        self._order = order

    @classmethod
    def of(cls, content: bytes) -> Folder:
        """Return the folder that a tree says."""
        entries = {name: whole for whole, name in _ENTRY.findall(content)}
        return cls(entries, list(entries))

    def copy(self) -> Folder:
        """Return one that can be changed by itself."""
        return Folder(dict(self.entries), None if self._order is None else list(self._order))

    def put(self, name: bytes, entry: bytes) -> None:
        """Have a name mean this entry."""
        before = self.entries.get(name)
        self.entries[name] = entry
        if before is not None and before.startswith(SUBFOLDER) == entry.startswith(SUBFOLDER):
            return
        if before is not None or self._order is None:
            self._order = None
            return
        key = self._key(name)
        self._order.insert(bisect_left(self._order, key, key=self._key), name)

    def content(self) -> bytes:
        """Return the tree as git keeps it: sorted by name, as if those of folders ended in a slash."""
        if self._order is None:
            self._order = sorted(self.entries, key=self._key)
        return b"".join(map(self.entries.__getitem__, self._order))

    def _key(self, name: bytes) -> bytes:
        return name + b"/" if self.entries[name].startswith(SUBFOLDER) else name


class _Remembered:
    """Large folders by the name of their tree; they are never changed, only copies of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: OrderedDict[str, Folder] = OrderedDict()
        self._names = 0

    def get(self, oid: str) -> Folder | None:
        with self._lock:
            found = self._folders.get(oid)
            if found is not None:
                self._folders.move_to_end(oid)
            return found

    def put(self, oid: str, folder: Folder) -> None:
        if not _LARGE <= len(folder.entries) <= _MOST:
            return
        with self._lock:
            if oid not in self._folders:
                self._folders[oid] = folder
                self._names += len(folder.entries)
            while self._names > _MOST:
                self._names -= len(self._folders.popitem(last=False)[1].entries)

    def replace(self, before: str, after: str, folder: Folder) -> None:
        """Remember what a commit made of a folder, rather than what was before it."""
        with self._lock:
            gone = self._folders.pop(before, None)
            self._names -= 0 if gone is None else len(gone.entries)
        self.put(after, folder)


REMEMBERED = _Remembered()
