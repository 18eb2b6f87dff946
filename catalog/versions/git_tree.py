"""One commit of a git repository as a tree of files, annexed content included where it is here."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from catalog.tree import Tree, TreeFile
from catalog.versions.annex import POINTER_LIMIT, Key, find_object, key_of_link, key_of_pointer, open_object
from catalog.versions.git import Repository, open_repository
from ontology.errors import IntegrityError, InvalidRequestError, NotFoundError

LINK: Final = "120000"
SUBMODULE: Final = "160000"
_HIDDEN = (".git/", ".datalad/")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MAX_LINKS = 40
_BATCH_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class GitEntry:
    """One path of a commit.

    Attributes:
        mode: Git's mode, six digits.
        oid: Name of the git object.
        size: Size of the git object in bytes; 0 for a submodule.
        key: The annex key that it stands for, if it does.
        target: The target of a symbolic link that is no annex pointer.
    """

    mode: str
    oid: str
    size: int
    key: Key | None = None
    target: str | None = None


class GitTree(Tree):
    """One commit, read with git's plumbing; nothing in the repository is written and none of its programs run.

    Args:
        repository: Folder of the repository.
        commit: Full name of the commit.

    Raises:
        NotFoundError: There is no repository, or it has no such commit.
        InvalidRequestError: ``commit`` is not the full name of a commit.
    """

    def __init__(self, repository: Path, commit: str) -> None:
        if not _COMMIT.fullmatch(commit):
            raise InvalidRequestError(f"{commit!r} is not the full name of a commit", field="commit")
        opened = open_repository(repository)
        if opened is None:
            raise NotFoundError(
                f"the data are not at {repository}: no git repository is there",
                field="path",
                next_step="Put the dataset back where it was registered, or register it again.",
            )
        self.commit = commit
        self.repository: Repository = opened
        self._objects = str(opened.annex / "objects")
        self._kept: dict[str, bytes] = {}
        self._entries: dict[str, GitEntry] | None = None
        self._files: list[TreeFile] | None = None

    @property
    def entries(self) -> dict[str, GitEntry]:
        """All paths of the commit, git's and DataLad's own included."""
        if self._entries is None:
            self._entries = self._load()
        return self._entries

    @property
    def tree_hash(self) -> str:
        """Name of the commit's git tree: equal for equal content, whatever the history.

        Raises:
            NotFoundError: The repository has no such commit.
        """
        output = self.repository.try_git("rev-parse", "--verify", "-q", f"{self.commit}^{{tree}}")
        if output.status:
            raise NotFoundError(f"the repository has no commit {self.commit}", field="commit")
        return output.stdout.decode().strip()

    def files(self) -> Sequence[TreeFile]:
        """Return all files sorted by path; submodules, ``.datalad`` and ``.gitattributes`` left out."""
        if self._files is None:
            has_annex = os.path.isdir(self._objects)
            shown = ((p, e) for p, e in self.entries.items() if e.mode != SUBMODULE and not _is_hidden(p))
            self._files = sorted((self._describe(p, e, has_annex) for p, e in shown), key=lambda file: file.path)
        return self._files

    def submodules(self) -> list[str]:
        """Return the paths of subdatasets: they are datasets of their own and not part of this tree."""
        return sorted(path for path, entry in self.entries.items() if entry.mode == SUBMODULE)

    def read(self, path: str, *, limit: int = 64 * 1024 * 1024) -> bytes:
        """Return the content of a file, from git or from the annex.

        Raises:
            NotFoundError: No such file, or its content is not here.
            InvalidRequestError: It is larger than ``limit`` bytes, or a link that leaves the tree.
            IntegrityError: An annexed file is not as large as its key says.
        """
        entry = self.resolve(path)
        if entry.key is not None:
            return self._read_annexed(path, entry.key, limit)
        if entry.size > limit:
            raise _too_large(path, entry.size, limit)
        content = self.contents([entry]).get(entry.oid)
        if content is None:
            raise NotFoundError(f"{path}: git does not have its content", field="path")
        return content

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of those of ``paths`` that can be read, with one git process for all of them."""
        found: dict[str, bytes] = {}
        wanted: dict[str, GitEntry] = {}
        for path in paths:
            try:
                entry = self.resolve(path)
                if entry.key is None:
                    wanted[path] = entry
                else:
                    found[path] = self._read_annexed(path, entry.key, _BATCH_BYTES)
            except (NotFoundError, InvalidRequestError, IntegrityError):
                continue
        small = {path: entry for path, entry in wanted.items() if entry.size <= _BATCH_BYTES}
        contents = self.contents(small.values())
        found.update((path, contents[entry.oid]) for path, entry in small.items() if entry.oid in contents)
        return found

    def object_path(self, path: str) -> Path | None:
        """Return where the annexed content of ``path`` lies on disk; None when the file is in git itself.

        Raises:
            NotFoundError: No such file, or its content is not here.
            InvalidRequestError: It is a link that leaves the tree.
        """
        key = self.resolve(path).key
        if key is None:
            return None
        found = find_object(self._objects, key.name)
        if found is None:
            raise _not_here(path)
        return Path(found)

    def resolve(self, path: str) -> GitEntry:
        """Return the entry that ``path`` means, links within the tree followed.

        Raises:
            NotFoundError: No such file.
            InvalidRequestError: A link leaves the tree or goes round in a circle.
        """
        at = path
        for _ in range(_MAX_LINKS):
            entry = self.entries.get(at)
            if entry is None or entry.mode == SUBMODULE:
                raise NotFoundError(f"{path}: no such file in this version", field="path")
            if entry.target is None:
                return entry
            at = posixpath.normpath(posixpath.join(posixpath.dirname(at), entry.target))
            if at.startswith(("../", "/")) or at == "..":
                raise InvalidRequestError(f"{path} is a link that leaves the dataset", field="path")
        raise InvalidRequestError(f"{path} is a link that goes round in a circle", field="path")

    def _read_annexed(self, path: str, key: Key, limit: int) -> bytes:
        if key.size is not None and key.size > limit:
            raise _too_large(path, key.size, limit)
        descriptor = open_object(self._objects, key.name)
        if descriptor is None:
            raise _not_here(path)
        try:
            content = os.read(descriptor, min(limit, key.size or limit) + 1)
            while more := os.read(descriptor, limit + 1 - len(content)):
                content += more
        except OSError as error:
            raise NotFoundError(f"{path}: its content cannot be read: {error.strerror}", field="path") from error
        finally:
            os.close(descriptor)
        if len(content) > limit:
            raise _too_large(path, key.size, limit)
        if key.size is not None and len(content) != key.size:
            raise IntegrityError(f"{path}: {len(content)} bytes where its key says {key.size}", field="path")
        return content

    def _describe(self, path: str, entry: GitEntry, has_annex: bool) -> TreeFile:
        link = entry.target is not None
        if link:
            try:
                entry = self.resolve(path)
            except (NotFoundError, InvalidRequestError):
                return TreeFile(path, None, None, False, True)
        if entry.key is None:
            return TreeFile(path, entry.size, None, True, link)
        present = has_annex and find_object(self._objects, entry.key.name) is not None
        return TreeFile(path, entry.key.size, entry.key.sha256, present, link)

    def _load(self) -> dict[str, GitEntry]:
        output = self.repository.try_git("ls-tree", "-r", "-z", "-l", "--full-tree", f"{self.commit}^{{commit}}")
        if output.status:
            raise NotFoundError(f"the repository has no commit {self.commit}", field="commit")
        listed = []
        for line in output.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            head, _, path = line.partition("\t")
            mode, _, oid, size = head.split()
            listed.append((path, mode, oid, int(size) if size.isdigit() else 0))
        small = {oid: size for _, mode, oid, size in listed if mode != SUBMODULE and size <= POINTER_LIMIT}
        self._kept = self._read_blobs(small)
        return {path: self._entry(mode, oid, size) for path, mode, oid, size in listed}

    def _entry(self, mode: str, oid: str, size: int) -> GitEntry:
        """Return an entry; links, and files as small as a pointer, are looked into for what they stand for."""
        content = self._kept.get(oid)
        if mode != LINK:
            return GitEntry(mode, oid, size, None if content is None else key_of_pointer(content))
        target = "/" if content is None else content.decode("utf-8", "surrogateescape")
        key = key_of_link(target)
        return GitEntry(mode, oid, size, key, target if key is None else None)

    def contents(self, entries: Iterable[GitEntry]) -> dict[str, bytes]:
        """Return git objects by name; those that git does not have are left out.

        Raises:
            IntegrityError: One of them is damaged.
        """
        wanted = {entry.oid: entry.size for entry in entries}
        found = {oid: self._kept[oid] for oid in wanted if oid in self._kept}
        return found | self._read_blobs({oid: size for oid, size in wanted.items() if oid not in found})

    def _read_blobs(self, wanted: Mapping[str, int]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for batch in _batches(wanted):
            given = "".join(f"{oid}\n" for oid in batch).encode()
            output = self.repository.try_git("cat-file", "--batch", "--buffer", given=given)
            if output.status:
                raise IntegrityError(f"the git repository is damaged: {output.complaint}")
            found.update(parse_batch(output.stdout))
        return found


def parse_batch(stream: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each object of ``git cat-file --batch``; missing ones are left out."""
    at = 0
    while at < len(stream):
        end = stream.index(b"\n", at)
        head = stream[at:end].split(b" ")
        at = end + 1
        if len(head) != 3 or head[1] == b"missing":
            continue
        size = int(head[2])
        yield head[0].decode(), stream[at : at + size]
        at += size + 1


def _batches(wanted: Mapping[str, int]) -> Iterator[list[str]]:
    """Split object names so that no batch holds much more than :data:`_BATCH_BYTES` in memory."""
    batch: list[str] = []
    held = 0
    for oid, size in wanted.items():
        if batch and held + size > _BATCH_BYTES:
            yield batch
            batch, held = [], 0
        batch.append(oid)
        held += size
    if batch:
        yield batch


def _not_here(path: str) -> NotFoundError:
    advice = f"Get it first: datalad get {path}"
    return NotFoundError(f"{path}: its content is not here", field="path", next_step=advice)


def _too_large(path: str, size: int | None, limit: int) -> InvalidRequestError:
    return InvalidRequestError(
        f"{path} is larger than the {limit} bytes that are read of one file", field="path", params={"size": size}
    )


def _is_hidden(path: str) -> bool:
    return path.startswith(_HIDDEN) or path == ".gitattributes" or path.endswith("/.gitattributes")
