"""Puts content into the annex of a repository that the store owns: by reflink, copy, hard link or move."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import errno
import fcntl
import hashlib
import os
import stat
import threading
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from catalog.versions.annex import find_object, hash_dirs, sha256e_key
from ontology.errors import BackendUnavailableError, IntegrityError, NotFoundError, StorageFullError

_FICLONE = 0x40049409
_CHUNK = 1024 * 1024
_LOCKS = 64
_READABLE = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
_SEARCHABLE = _READABLE | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_NO_CLONE = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.ETXTBSY})

_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})


_FEW = 8
"""So many files are synchronised one by one; of more, all that the file system holds back is written at once."""

_TOGETHER = 16
"""So many files are synchronised at a time."""

_IN_A_ROW = 4
"""So many are left to one thread: the first one's wait is for what the others need as well."""

Fingerprint = tuple[int, ...]
"""Device, inode, size, time of modification, time of change: as long as they stay, so does the content."""


def fingerprint(about: os.stat_result) -> Fingerprint:
    """Return what tells whether a file has changed since it was looked at."""
    return (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)


@contextlib.contextmanager
def full_disk_reported() -> Iterator[None]:
    """Turn the operating system's word for a full disk into :class:`StorageFullError`.

    Raises:
        StorageFullError: The disk or the quota is full.
        BackendUnavailableError: Any other failure of the disk.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError("the disk of the data store is full") from error
        raise BackendUnavailableError(f"the data store cannot be written: {error.strerror}") from error


class AnnexObjects:
    """The object folder of one annex, written as git-annex writes it (content and its folder write-protected).

    Args:
        annex: The folder ``annex`` of the git directory.

    Several threads may put content in at the same time.
    """

    def __init__(self, annex: Path) -> None:
        self._objects = f"{annex}/objects"
        self._incoming = f"{annex.parent}/sillage/incoming"
        os.makedirs(self._incoming, exist_ok=True)
        self._locks = [threading.RLock() for _ in range(_LOCKS)]
        self._folders: set[str] = set()
        self._adopted: list[str] = []
        self._here: set[str] = set()
        self._can_clone = True

    def has(self, key: str) -> bool:
        """Tell whether the content of a key is here."""
        return find_object(self._objects, key) is not None

    def take(self, source: Path, path: str, *, link: bool = False) -> tuple[str, int]:
        """Take a copy of ``source`` in and return its key and size; the source is only read, unless linked.

        Raises:
            NotFoundError: The source is gone or is no regular file any more.
            OSError: The disk refused.
        """
        try:
            descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise NotFoundError(f"{path} cannot be read: {error.strerror}", field="path") from error
        with open(descriptor, "rb", buffering=0) as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise NotFoundError(f"{path} is no longer a file", field="path")
            temporary = self._temporary()
            try:
                if link:
                    os.link(source, temporary)
                    digest, size = _digest(temporary)
                else:
                    digest, size = self._copy(file.fileno(), temporary, found.st_size)
                key = sha256e_key(path, sha256=digest, size=size)
                self._settle(temporary, key)
            finally:
                _remove(temporary)
        return key, size

    def adopt(self, staged: Path, path: str, *, sha256: str, seen: Fingerprint | None = None) -> str | None:
        """Make a staged file, which is ours, an object: by a second name where that is possible.

        It is read only where its inode is not as it was ``seen`` when its digest was taken.

        Returns:
            The key; None where there is no such file.

        Raises:
            IntegrityError: The staged file does not have the given SHA-256.
            OSError: The disk refused.
        """
        try:
            about = os.lstat(staged)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(about.st_mode):
            return None
        if fingerprint(about) != seen:
            _require_digest(_digest(str(staged))[0], sha256, path)
        key = sha256e_key(path, sha256=sha256, size=about.st_size)
        with self._locks[hash(key) % _LOCKS]:
            if key in self._here:
                return key
            mode = _SEARCHABLE if about.st_mode & stat.S_IXUSR else _READABLE
            folder = f"{self._objects}/{hash_dirs(key)[0]}/{key}"
            if not self._make_folder(folder) or not self._link(staged, f"{folder}/{key}", mode):
                self._adopt_carefully(staged, key, about, sha256=sha256, path=path)
            else:
                os.chmod(folder, _SEARCHABLE)
                self._adopted.append(folder)
            self._here.add(key)
        return key

    def write(self, content: bytes, path: str) -> str:
        """Make bytes an object and return its key.

        Raises:
            OSError: The disk refused.
        """
        key = sha256e_key(path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        if not self.has(key):
            temporary = self._temporary()
            try:
                with open(temporary, "xb") as file:
                    file.write(content)
                self._settle(temporary, key)
                self._adopted.append(f"{self._objects}/{hash_dirs(key)[0]}/{key}")
            finally:
                _remove(temporary)
        return key

    def _make_folder(self, folder: str) -> bool:
        """Make the folder of a key; tell whether it was not there."""
        try:
            os.mkdir(folder)
        except FileExistsError:
            return False
        except FileNotFoundError:
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            return self._make_folder(folder)
        return True

    def _link(self, staged: Path, place: str, mode: int) -> bool:
        """Give a file a second, write-protected name; tell whether the disk can."""
        try:
            os.link(staged, place)
        except OSError as error:
            if error.errno not in (*_NO_LINK, errno.EEXIST):
                raise
            return False
        os.chmod(place, mode)
        return True

    def _adopt_carefully(self, staged: Path, key: str, about: os.stat_result, *, sha256: str, path: str) -> None:
        """Copy a file that cannot be linked; and trust an object that is there only if it is whole.

        A power cut may have left one whose content never reached the disk.
        """
        folder = f"{self._objects}/{hash_dirs(key)[0]}/{key}"
        place = f"{folder}/{key}"
        self._adopted.append(folder)
        with contextlib.suppress(FileNotFoundError):
            there = os.stat(place)
            if os.path.samestat(there, about) or (there.st_size == about.st_size and _digest(place)[0] == sha256):
                os.chmod(place, stat.S_IMODE(there.st_mode) & ~_WRITE)
                os.chmod(folder, _SEARCHABLE)
                return
            os.chmod(folder, _SEARCHABLE | stat.S_IWUSR)
            os.unlink(place)
        temporary = self._temporary()
        try:
            with staged.open("rb", buffering=0) as file:
                _require_digest(self._copy(file.fileno(), temporary, about.st_size)[0], sha256, path)
            self._settle(temporary, key)
        finally:
            _remove(temporary)

    def share(self, source: Path, key: str) -> bool:
        """Have an object of another annex here as well, without a second copy: by reflink, else by hard link.

        One that can be written to is not hard-linked: it could change under us. Return False where the disk cannot
        share it.

        Raises:
            OSError: The disk refused for another reason.
        """
        temporary = self._temporary()
        try:
            if self._reflink(source, temporary):
                self._settle(temporary, key)
                return True
            if os.stat(source).st_mode & _WRITE:
                return False
            try:
                os.link(source, temporary)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                return False
            self._settle(temporary, key, protect=False)
            return True
        finally:
            _remove(temporary)

    def _reflink(self, source: Path, target: str) -> bool:
        if not self._can_clone:
            return False
        with source.open("rb", buffering=0) as file, open(target, "xb", buffering=0) as copy:
            if self._clone(file.fileno(), copy.fileno()):
                return True
        _remove(target)
        return False

    def synchronise(self) -> None:
        """Have the disk keep what was adopted, with its names: one call for many files.

        Raises:
            OSError: The disk refused.
        """
        if len(self._adopted) > _FEW:
            synchronise_all(Path(self._objects))
        else:
            synchronise_each(self.unsynchronised())
        self.synchronised()

    def synchronised(self) -> None:
        """Note that the disk keeps all that was adopted until now."""
        self._adopted.clear()

    def unsynchronised(self) -> list[str]:
        """Return the files and folders that the disk must keep for what was adopted."""
        folders = {str(above) for folder in self._adopted for above in (folder, *Path(folder).parents[:3])}
        return [*(f"{folder}/{os.path.basename(folder)}" for folder in self._adopted), *sorted(folders)]

    def _copy(self, source: int, target: str, size: int) -> tuple[str, int]:
        """Clone where the disk can share blocks, else copy; the digest is that of what was written."""
        with open(target, "xb", buffering=0) as file:
            if size and self._can_clone and self._clone(source, file.fileno()):
                return _digest(target)
            digest = hashlib.sha256()
            written = 0
            while chunk := _read_chunk(source):
                digest.update(chunk)
                _write_all(file.fileno(), chunk)
                written += len(chunk)
        return digest.hexdigest(), written

    def _clone(self, source: int, target: int) -> bool:
        try:
            fcntl.ioctl(target, _FICLONE, source)
        except OSError as error:
            if error.errno not in _NO_CLONE:
                raise
            self._can_clone = False
            return False
        return True

    def _settle(self, temporary: str, key: str, *, protect: bool = True) -> None:
        upper, lower = hash_dirs(key)[0].split("/")
        above = f"{self._objects}/{upper}/{lower}"
        folder = f"{above}/{key}"
        place = f"{folder}/{key}"
        if protect:
            os.chmod(temporary, 0o444)
        with self._locks[hash(key) % len(self._locks)]:
            if os.path.exists(place):
                return
            if above not in self._folders:
                os.makedirs(above, exist_ok=True)
                self._folders.add(above)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder)
            mode = stat.S_IMODE(os.stat(folder).st_mode)
            os.chmod(folder, mode | stat.S_IWUSR)
            os.rename(temporary, place)
            os.chmod(folder, mode & ~_WRITE)

    def _temporary(self) -> str:
        return f"{self._incoming}/{uuid.uuid4().hex}"


def _require_digest(found: str, sha256: str, path: str) -> None:
    if found != sha256:
        raise IntegrityError(f"output {path} has SHA-256 {found}, not {sha256} as recorded", field="sha256")


def _read_chunk(source: int) -> bytes:
    """Read on; a source that fails is told apart from a store that does."""
    try:
        return os.read(source, _CHUNK)
    except OSError as error:
        raise NotFoundError(f"the file cannot be read: {error.strerror}", field="path") from error


def _write_all(target: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(target, view) :]


def synchronise(path: str | Path) -> None:
    """Have the disk keep a file's content, or a folder's entries."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def synchronise_each(paths: Iterable[str | Path]) -> None:
    """Have the disk keep several files and folders: all at a time, because most of it is waiting for the same writes.

    Raises:
        OSError: The disk refused.
    """
    listed = list(dict.fromkeys(map(str, paths)))
    parts = min(_TOGETHER, -(-len(listed) // _IN_A_ROW))
    if parts > 1:
        for _ in _synchronisers().map(_synchronise_row, [listed[part::parts] for part in range(parts)]):
            pass
    else:
        _synchronise_row(listed)


def _synchronise_row(paths: Iterable[str]) -> None:
    for path in paths:
        synchronise(path)


@cache
def _synchronisers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_TOGETHER, thread_name_prefix="synchronise")


os.register_at_fork(after_in_child=_synchronisers.cache_clear)


def synchronise_all(path: Path) -> None:
    """Have the disk keep everything written to the file system of ``path``: one call for thousands of files."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not hasattr(libc, "syncfs"):
            os.sync()
        elif libc.syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _digest(path: str) -> tuple[str, int]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()
