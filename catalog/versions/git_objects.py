"""Reads and writes git objects without a process of git (gitrepository-layout(5)).

A few objects are written loose, as ``git hash-object -w`` does; many of them as one pack.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
import zlib

from catalog.versions.folders import REMEMBERED, SUBDATASET, SUBFOLDER, Folder
from catalog.versions.git import Repository
from catalog.versions.git_tree import parse_batch
from catalog.versions.pack_reading import Packs
from catalog.versions.pack_writing import PackWriter, deflated
from ontology.errors import BackendUnavailableError

_OID = re.compile(r"[0-9a-f]{40}")
_REMEMBERED_SIZE = 64 * 1024


class GitObjects:
    """The objects of one repository that uses SHA-1, as those do that the store makes.

    Args:
        repository: The repository.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._folder = f"{repository.common_dir}/objects"
        self._packs = Packs(self._folder)
        self._known: dict[str, bytes] = {}
        self._pack: PackWriter | None = None
        self._loose: list[str] = []

    def read(self, oid: str) -> bytes:
        """Return the content of an object.

        Raises:
            BackendUnavailableError: It is not there, or damaged.
        """
        content = self._known.get(oid)
        if content is None:
            content = self._read_loose(oid)
        if content is None:
            content = self._read_packed(oid)
        if content is None:
            content = self._ask_git(oid)
        if len(content) <= _REMEMBERED_SIZE:
            self._known[oid] = content
        return content

    def write_one_pack(self) -> None:
        """Write what follows as one pack.

        Raises:
            OSError: The disk refused.
        """
        if self._pack is None:
            self._pack = PackWriter(self._folder)

    def write(self, kind: str, content: bytes) -> str:
        """Write an object that is not there yet, and return its name.

        Raises:
            OSError: The disk refused.
        """
        head = b"%b %d\0" % (kind.encode(), len(content))
        oid = hashlib.sha1(head + content, usedforsecurity=False).hexdigest()
        if self._pack is not None:
            self._pack.add(oid, kind, content)
        else:
            self._write_loose(oid, head + content)
        return oid

    def unsynchronised(self) -> list[str]:
        """Return the files and folders that the disk must be told to keep before :meth:`publish`.

        Raises:
            OSError: The disk refused.
        """
        return self._loose if self._pack is None else self._pack.finish()

    def publish(self) -> None:
        """Have git see what was written as a pack; the disk keeps it.

        Raises:
            OSError: The disk refused.
        """
        if self._pack is not None:
            self._pack.publish()
            self._pack = None

    def discard(self) -> None:
        """Remove what was written and not published."""
        if self._pack is not None:
            self._pack.discard()

    def tree_of(self, commit: str) -> str:
        """Return the name of a commit's tree.

        Raises:
            BackendUnavailableError: There is no such commit.
        """
        line = self.read(commit)[:45].decode("ascii", "replace")
        if not line.startswith("tree ") or not _OID.fullmatch(line[5:]):
            raise BackendUnavailableError(f"git object {commit} is no commit")
        return line[5:]

    def folder(self, tree: str) -> Folder:
        """Return what a tree holds; a copy of it may be changed.

        Raises:
            BackendUnavailableError: It is not there, or damaged.
        """
        found = REMEMBERED.get(tree)
        if found is None:
            found = Folder.of(self.read(tree))
            REMEMBERED.put(tree, found)
        return found

    def _place(self, oid: str) -> str:
        return f"{self._folder}/{oid[:2]}/{oid[2:]}"

    def _write_loose(self, oid: str, whole: bytes) -> None:
        place = self._place(oid)
        if not os.path.exists(place):
            # A name that `git gc` sweeps up, should we not live to rename it.
            temporary = f"{self._folder}/tmp_obj_{uuid.uuid4().hex}"  # noqa: S108
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444), "wb") as file:
                file.write(deflated(whole))
            try:
                os.rename(temporary, place)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.rename(temporary, place)
        # Whoever wrote one that is there already may not have had time to have the disk keep it.
        self._loose += [place, os.path.dirname(place)]

    def _read_loose(self, oid: str) -> bytes | None:
        try:
            with open(self._place(oid), "rb", buffering=0) as file:
                whole = zlib.decompress(file.read())
        except FileNotFoundError:
            return None
        except (OSError, zlib.error) as error:
            raise BackendUnavailableError(f"git object {oid} cannot be read", next_step="Run: git fsck") from error
        return _verified(oid, whole).partition(b"\0")[2]

    def _read_packed(self, oid: str) -> bytes | None:
        found = self._packs.read(oid)
        if found is None:
            return None
        _verified(oid, b"%b %d\0" % (found[0].encode(), len(found[1])) + found[1])
        return found[1]

    def _ask_git(self, oid: str) -> bytes:
        """Have git look where we do not: in what another repository lends, and in packs of other forms."""
        output = self._repository.try_git("cat-file", "--batch", "--buffer", given=f"{oid}\n".encode())
        found = dict(parse_batch(output.stdout)) if output.status == 0 else {}
        if oid not in found:
            raise BackendUnavailableError(f"git object {oid} is missing", next_step="Run: git fsck")
        return found[oid]


def _verified(oid: str, whole: bytes) -> bytes:
    if hashlib.sha1(whole, usedforsecurity=False).hexdigest() != oid:
        raise BackendUnavailableError(f"git object {oid} is damaged", next_step="Run: git fsck")
    return whole


class Snapshot:
    """The tree of one commit: read as far as it is asked for, changed in memory, written when all is changed."""

    def __init__(self, objects: GitObjects, commit: str) -> None:
        self.commit = commit
        self._objects = objects
        self._trees: dict[str, str | None] = {}
        self._folders: dict[str, Folder | None] = {}
        self._changed: set[str] = set()

    def find(self, path: str) -> tuple[str, str] | None:
        """Return kind and name of the object at a path; None where there is none, or a subdataset.

        Raises:
            BackendUnavailableError: git's objects cannot be read.
        """
        folder, _, name = path.rpartition("/")
        held = self._folder(folder)
        entry = None if held is None else held.entries.get(os.fsencode(name))
        if entry is None or entry.startswith(SUBDATASET):
            return None
        return ("tree" if entry.startswith(SUBFOLDER) else "blob"), entry[-20:].hex()

    def put(self, path: str, mode: str, oid: str) -> None:
        """Change one path."""
        folder, _, name = path.rpartition("/")
        raw = os.fsencode(name)
        self._own(folder).put(raw, b"%b %b\0%b" % (mode.encode(), raw, bytes.fromhex(oid)))

    def write(self) -> str:
        """Write the trees that changed and return the name of the whole.

        Raises:
            OSError: The disk refused.
        """
        oid = ""
        for path in sorted(self._changed, key=lambda path: (path.count("/") + bool(path), path), reverse=True):
            folder = self._own(path)
            oid = self._objects.write("tree", folder.content())
            REMEMBERED.replace(self._trees[path] or "", oid, folder)
            if path:
                self.put(path, "40000", oid)
        return oid

    def _own(self, path: str) -> Folder:
        """Return a folder that may be changed, and will be written, as will all above it."""
        found = self._folder(path)
        if path in self._changed and found is not None:
            return found
        own = self._folders[path] = Folder({}, []) if found is None else found.copy()
        self._changed.add(path)
        if path:
            self._own(path.rpartition("/")[0])
        return own

    def _folder(self, path: str) -> Folder | None:
        if path not in self._folders:
            oid = self._trees[path] = self._tree_at(path)
            self._folders[path] = None if oid is None else self._objects.folder(oid)
        return self._folders[path]

    def _tree_at(self, path: str) -> str | None:
        if not path:
            return self._objects.tree_of(self.commit)
        found = self.find(path)
        return found[1] if found is not None and found[0] == "tree" else None
