"""Names of git-annex: keys, pointers, and where an object lies (git-annex, "internals" and "backends")."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

POINTER_LIMIT = 1024
"""Pointer files are one line of about 100 bytes; a larger file is not looked into."""

_KEY = re.compile(r"([A-Z0-9_]+)((?:-[A-Za-z][0-9]+)*)--([^/\0\n]+)")
_USUAL = re.compile(r"SHA256E?-s([0-9]+)--([0-9a-f]{64})(?:\.[^/\0\n]*)?")
_SIZE = re.compile(r"-s([0-9]+)")
_SHA256 = re.compile(r"([0-9a-f]{64})(?:\.[^/]*)?")
_MIXED = "0123456789zqjxkmvwgpfZQJXKMVWGPF"
_MAX_EXTENSION = 4
_MAX_EXTENSIONS = 2


@dataclass(frozen=True, slots=True)
class Key:
    """A git-annex key as it stands in a file name.

    Attributes:
        name: The whole key, e.g. ``SHA256E-s3--2c26....txt``.
        size: Bytes, where the key says so.
        sha256: Hex, for keys of the SHA256 and SHA256E backends.
    """

    name: str
    size: int | None
    sha256: str | None


def parse_key(name: str) -> Key | None:
    """Return the key that ``name`` spells, or None."""
    usual = _USUAL.fullmatch(name)
    if usual is not None:
        return Key(name, int(usual[1]), usual[2])
    found = _KEY.fullmatch(name)
    if found is None:
        return None
    backend, fields, rest = found.groups()
    size = _SIZE.search(fields)
    digest = _SHA256.fullmatch(rest) if backend in ("SHA256", "SHA256E") else None
    return Key(name, int(size[1]) if size else None, digest[1] if digest else None)


def sha256e_key(path: str, *, sha256: str, size: int) -> str:
    """Return the SHA256E key of content, with the extension that git-annex takes from ``path``."""
    return f"SHA256E-s{size}--{sha256}{key_extension(path)}"


def key_extension(path: str) -> str:
    """Return up to two extensions of up to four letters or digits (``.nii.gz``), as git-annex does."""
    name = path.rpartition("/")[2]
    kept: list[str] = []
    for part in reversed(name.split(".")[1:]):
        if len(part.encode()) > _MAX_EXTENSION:
            break
        if part and all(c.isalnum() for c in part):
            kept.append(part)
        if len(kept) == _MAX_EXTENSIONS:
            break
    return "".join(f".{part}" for part in reversed(kept))


def key_of_link(target: str) -> Key | None:
    """Return the key that a symbolic link's target points to, or None for any other link."""
    head, _, name = target.rpartition("/")
    return parse_key(name) if "annex/objects/" in head else None


def key_of_pointer(content: bytes) -> Key | None:
    """Return the key in an unlocked file's pointer, or None for any other content."""
    if not content.startswith(b"/annex/objects/"):
        return None
    line = content.split(b"\n", 1)[0].decode("utf-8", "surrogateescape")
    head, _, name = line.rpartition("/")
    return parse_key(name) if head == "/annex/objects" else None


@lru_cache(maxsize=65536)
def hash_dirs(name: str) -> tuple[str, str]:
    """Return the mixed-case and the lower-case folders of a key (git-annex, "hashing")."""
    digest = hashlib.md5(os.fsencode(name), usedforsecurity=False).digest()
    word = struct.unpack("<I", digest[:4])[0]
    a, b, c, d = (_MIXED[word >> shift & 31] for shift in (0, 6, 12, 18))
    text = digest[:3].hex()
    return f"{b}{a}/{d}{c}", f"{text[:3]}/{text[3:]}"


def object_path(objects: Path, name: str) -> Path:
    """Return where a repository with a working tree keeps the content of a key."""
    return objects / hash_dirs(name)[0] / name / name


def link_target(path: str, name: str) -> str:
    """Return the target of the symbolic link that stands for a key at ``path`` of the working tree."""
    return f"{'../' * path.count('/')}.git/annex/objects/{hash_dirs(name)[0]}/{name}/{name}"


def location_log(name: str) -> str:
    """Return the path of a key's location log on the branch ``git-annex``."""
    return f"{hash_dirs(name)[1]}/{name}.log"


def find_object(objects: str, name: str) -> str | None:
    """Return the path of a key's content in either layout, or None when it is not here."""
    for folder in hash_dirs(name):
        path = f"{objects}/{folder}/{name}/{name}"
        try:
            if stat.S_ISREG(os.lstat(path).st_mode):
                return path
        except OSError:
            continue
    return None


def open_object(objects: str, name: str) -> int | None:
    """Return a descriptor for reading a key's content, or None when it is not here."""
    for folder in hash_dirs(name):
        try:
            return os.open(f"{objects}/{folder}/{name}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
    return None
