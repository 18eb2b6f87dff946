"""Adds paths to git's index without a process of git (gitformat-index(5), version 2).

A large index is split by git: what is common lies in a shared file, and the file ``index`` holds only what was added
since. That file is small, and is all that is read and written here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Mapping
from pathlib import Path

LARGE_INDEX = 1000
"""Paths; an index that holds more by itself is given to git, which splits it."""

_HEAD = struct.Struct(">4sII")
_STAT = bytes(24)
_FIXED = 62
_LONG_NAME = 0xFFF
_SHARED = b"link"


def add_to_index(git_dir: Path, added: Mapping[bytes, tuple[str, str]]) -> bool:
    """Add paths, which the index does not have, or replace those that were added since it was last split.

    Args:
        git_dir: The git directory.
        added: Mode and object name by path.

    Returns:
        Whether it was done; if not, the index is as it was, and git has to do it.

    Raises:
        OSError: The disk refused.
    """
    index, lock = git_dir / "index", git_dir / "index.lock"
    if not index.exists() or len(added) > LARGE_INDEX or paths_in(index) > LARGE_INDEX:
        return False
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False
    content = None
    try:
        with open(descriptor, "wb") as file:
            content = _with(index.read_bytes(), added)
            file.write(content or b"")
        if content is not None:
            os.rename(lock, index)
        else:
            os.unlink(lock)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(lock)
        raise
    return content is not None


def paths_in(index: Path) -> int:
    """Return how many paths an index holds by itself, those in a shared file left out; 0 where there is none."""
    try:
        with index.open("rb", buffering=0) as file:
            head = file.read(_HEAD.size)
    except FileNotFoundError:
        return 0
    return int(_HEAD.unpack(head)[2]) if len(head) == _HEAD.size else 0


def _with(content: bytes, added: Mapping[bytes, tuple[str, str]]) -> bytes | None:
    """Return an index with more paths in it; None for one of a form that is not known here."""
    body = content[:-20]
    if len(content) < _HEAD.size + 20 or _sha1(body) != content[-20:]:
        return None
    magic, version, count = _HEAD.unpack_from(body)
    if magic != b"DIRC" or version != 2:
        return None
    read = _entries(body, count)
    shared = None if read is None else _extension(body, read[2])
    if read is None or shared is None:
        return None
    replaced, entries, _ = read
    for path, (mode, oid) in added.items():
        entries[path] = _entry(path, mode, oid)
    # What replaces an entry of the shared file bears no name, and comes first.
    listed = [*replaced, *(entries[path] for path in sorted(entries))]
    whole = _HEAD.pack(b"DIRC", 2, len(listed)) + b"".join(listed) + shared
    return whole + _sha1(whole)


def _entries(body: bytes, count: int) -> tuple[list[bytes], dict[bytes, bytes], int] | None:
    """Return entries without a name, those with one, and where they end; None while a merge is going on."""
    replaced: list[bytes] = []
    entries: dict[bytes, bytes] = {}
    at = _HEAD.size
    for _ in range(count):
        flags = body[at + 60] << 8 | body[at + 61]
        length = flags & 0xFFF
        if flags & 0x7000:
            return None
        if length == _LONG_NAME:
            length = body.index(b"\0", at + _FIXED) - at - _FIXED
        end = at + (_FIXED + length + 8) // 8 * 8
        if length:
            entries[body[at + _FIXED : at + _FIXED + length]] = body[at:end]
        else:
            replaced.append(body[at:end])
        at = end
    return replaced, entries, at


def _extension(body: bytes, at: int) -> bytes | None:
    """Return the extension that names the shared file, as it is, or nothing; None where git needs to keep others.

    What begins with a capital letter is a cache, which git fills again.
    """
    shared = b""
    while at < len(body):
        name, size = body[at : at + 4], int.from_bytes(body[at + 4 : at + 8], "big")
        whole = body[at : at + 8 + size]
        at += 8 + size
        if name == _SHARED:
            shared = whole
        elif not 0x41 <= name[0] <= 0x5A:
            return None
    return shared


def _entry(path: bytes, mode: str, oid: str) -> bytes:
    """Return an entry as ``git update-index --cacheinfo`` writes it: git looks at the file when it is next asked."""
    flags = min(len(path), _LONG_NAME)
    whole = _STAT + struct.pack(">I", int(mode, 8)) + bytes(12) + bytes.fromhex(oid) + struct.pack(">H", flags) + path
    return whole + bytes(8 - len(whole) % 8)


def _sha1(content: bytes) -> bytes:
    return hashlib.sha1(content, usedforsecurity=False).digest()
