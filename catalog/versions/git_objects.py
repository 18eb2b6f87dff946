"""Reads and writes git objects without a process of git, for commits of a few files (gitrepository-layout(5)).

Objects are written loose, as ``git hash-object -w`` does. Those that lie in a pack are asked of git, all of a commit's
in one run.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
import zlib
from collections.abc import Iterable, Iterator

from catalog.versions.git import Repository
from catalog.versions.git_tree import parse_batch
from ontology.errors import BackendUnavailableError

_FOLDER, _SUBDATASET = b"40000 ", b"160000 "
_ENTRY = re.compile(rb"([0-7]+ ([^\0]+)\0.{20})", re.DOTALL)
_OID = re.compile(r"[0-9a-f]{40}")

Entries = dict[bytes, bytes]
"""What a folder holds, by name, each as it stands in a tree: mode, name, object. There may be ten thousand."""


class GitObjects:
    """The objects of one repository that uses SHA-1, as those do that the store makes."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._folder = f"{repository.common_dir}/objects"
        self._known: dict[str, bytes] = {}
        self.written: list[str] = []
        """Files that were written and that the disk has not been told to keep yet."""

    def read(self, oid: str) -> bytes:
        """Return the content of an object.

        Raises:
            BackendUnavailableError: It is not there, or damaged.
        """
        if oid not in self._known:
            self._known[oid] = self._read_loose(oid) or self._read_packed(oid)
        return self._known[oid]

    def prefetch(self, names: Iterable[str]) -> None:
        """Have git look up what some names mean (gitrevisions(7)), in one run."""
        given = "".join(f"{name}\n" for name in names).encode()
        output = self._repository.try_git("cat-file", "--batch", "--buffer", given=given)
        if output.status == 0:
            self._known.update(parse_batch(output.stdout))

    def has_loose(self, oid: str) -> bool:
        """Tell whether an object can be read without git."""
        return oid in self._known or os.path.exists(self._place(oid))

    def write(self, kind: str, content: bytes) -> str:
        """Write an object that is not there yet, and return its name.

        Raises:
            OSError: The disk refused.
        """
        whole = b"%b %d\0%b" % (kind.encode(), len(content), content)
        oid = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        place = self._place(oid)
        if not os.path.exists(place):
            # A name that `git gc` sweeps up, should we not live to rename it.
            temporary = f"{self._folder}/tmp_obj_{uuid.uuid4().hex}"  # noqa: S108
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444), "wb") as file:
                file.write(zlib.compress(whole, 1))
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.rename(temporary, place)
        # Whoever wrote one that is there already may not have had time to have the disk keep it.
        self.written += [place, os.path.dirname(place)]
        self._known[oid] = content
        return oid

    def tree_of(self, commit: str) -> str:
        """Return the name of a commit's tree.

        Raises:
            BackendUnavailableError: There is no such commit.
        """
        line = self.read(commit)[:45].decode("ascii", "replace")
        if not line.startswith("tree ") or not _OID.fullmatch(line[5:]):
            raise BackendUnavailableError(f"git object {commit} is no commit")
        return line[5:]

    def entries(self, tree: str) -> Entries:
        """Return what a tree holds.

        Raises:
            BackendUnavailableError: It is not there, or damaged.
        """
        return {name: whole for whole, name in _ENTRY.findall(self.read(tree))}

    def _place(self, oid: str) -> str:
        return f"{self._folder}/{oid[:2]}/{oid[2:]}"

    def _read_loose(self, oid: str) -> bytes | None:
        try:
            with open(self._place(oid), "rb") as file:
                whole = zlib.decompress(file.read())
        except FileNotFoundError:
            return None
        except (OSError, zlib.error) as error:
            raise BackendUnavailableError(f"git object {oid} cannot be read", next_step="Run: git fsck") from error
        if hashlib.sha1(whole, usedforsecurity=False).hexdigest() != oid:
            raise BackendUnavailableError(f"git object {oid} is damaged", next_step="Run: git fsck")
        return whole.partition(b"\0")[2]

    def _read_packed(self, oid: str) -> bytes:
        self.prefetch([oid])
        found = self._known.get(oid)
        if found is None:
            raise BackendUnavailableError(f"git object {oid} is missing", next_step="Run: git fsck")
        return found


class Snapshot:
    """The tree of one commit: read as far as it is asked for, changed in memory, written when all is changed."""

    def __init__(self, objects: GitObjects, commit: str) -> None:
        self.commit = commit
        self._objects = objects
        self._folders: dict[str, Entries] = {}
        self._changed: set[str] = set()

    def prepare(self, paths: Iterable[str]) -> None:
        """Have git read the folders of some paths at once, if there is any that it must be asked for."""
        folders = {folder for path in paths for folder in above(path)}
        if not all(self._is_near(folder) for folder in sorted(folders)):
            self._objects.prefetch([self.commit, *(f"{self.commit}:{folder}" for folder in sorted({"", *folders}))])

    def find(self, path: str) -> tuple[str, str] | None:
        """Return kind and name of the object at a path; None where there is none, or a subdataset.

        Raises:
            BackendUnavailableError: git's objects cannot be read.
        """
        folder, _, name = path.rpartition("/")
        entry = (self._folder(folder) or {}).get(os.fsencode(name))
        if entry is None or entry.startswith(_SUBDATASET):
            return None
        return ("tree" if entry.startswith(_FOLDER) else "blob"), entry[-20:].hex()

    def put(self, path: str, mode: str, oid: str) -> None:
        """Change one path."""
        self._set(path, mode, oid)
        self._changed |= {"", *above(path)}

    def write(self) -> str:
        """Write the trees that changed and return the name of the whole.

        Raises:
            OSError: The disk refused.
        """
        oid = ""
        for folder in sorted(self._changed, key=lambda path: (path.count("/") + bool(path), path), reverse=True):
            oid = self._objects.write("tree", _tree(self._folders[folder]))
            if folder:
                self._set(folder, "40000", oid)
        return oid

    def _set(self, path: str, mode: str, oid: str) -> None:
        folder, _, name = path.rpartition("/")
        found = self._folder(folder)
        if found is None:
            found = self._folders[folder] = {}
        found[os.fsencode(name)] = b"%b %b\0%b" % (mode.encode(), os.fsencode(name), bytes.fromhex(oid))

    def _folder(self, path: str) -> Entries | None:
        if path not in self._folders:
            oid = self._tree_at(path)
            if oid is None:
                return None
            self._folders[path] = self._objects.entries(oid)
        return self._folders[path]

    def _tree_at(self, path: str) -> str | None:
        if not path:
            return self._objects.tree_of(self.commit)
        found = self.find(path)
        return found[1] if found is not None and found[0] == "tree" else None

    def _is_near(self, path: str) -> bool:
        """Tell whether a folder, all above it having been asked before, can be read without git."""
        if not self._objects.has_loose(self.commit) or not self._objects.has_loose(self._objects.tree_of(self.commit)):
            return False
        oid = self._tree_at(path)
        return oid is None or self._objects.has_loose(oid)


def above(path: str) -> Iterator[str]:
    """Yield the folders above a path, the outermost first."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def _tree(entries: Entries) -> bytes:
    """Return a tree as git keeps it: sorted by name, as if those of folders ended in a slash."""
    order = sorted(entries, key=lambda name: name + b"/" if entries[name].startswith(_FOLDER) else name)
    return b"".join([entries[name] for name in order])
