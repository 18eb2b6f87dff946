"""Writes one pack of git objects and its index, without deltas (gitformat-pack(5), version 2)."""

from __future__ import annotations

import hashlib
import os
import struct
import uuid
import zlib

from catalog.versions.objects import synchronise

_KINDS = {"commit": 1, "tree": 2, "blob": 3}
_LARGE = 0x80000000
_SMALL = 512
_STORED_LIMIT = 0xFFFF
_CHUNK = 1024 * 1024


class PackWriter:
    """A pack that is being written under a name that ``git gc`` sweeps up, until it is published.

    Args:
        objects: The folder ``objects`` of the git directory.

    Raises:
        OSError: The disk refused.
    """

    def __init__(self, objects: str) -> None:
        self._folder = f"{objects}/pack"
        os.makedirs(self._folder, exist_ok=True)
        mark = uuid.uuid4().hex
        self._halves = {half: f"{self._folder}/tmp_{half}_{mark}" for half in ("pack", "idx")}  # noqa: S108
        self._file = os.fdopen(_new(self._halves["pack"]), "w+b", buffering=_CHUNK)
        self._file.write(b"PACK" + struct.pack(">II", 2, 0))
        self._at = 12
        self._objects: dict[bytes, tuple[int, int]] = {}
        self._name = ""

    def add(self, oid: str, kind: str, content: bytes) -> None:
        """Add an object, once.

        Raises:
            OSError: The disk refused.
        """
        name = bytes.fromhex(oid)
        if name in self._objects:
            return
        record = _head(_KINDS[kind], len(content)) + deflated(content)
        self._file.write(record)
        self._objects[name] = (self._at, zlib.crc32(record))
        self._at += len(record)

    def finish(self) -> list[str]:
        """Write what is missing and return the files that the disk must keep before they are published.

        Raises:
            OSError: The disk refused.
        """
        checksum = _sha1()
        with self._file as file:
            file.seek(8)
            file.write(struct.pack(">I", len(self._objects)))
            file.seek(0)
            while chunk := file.read(_CHUNK):
                checksum.update(chunk)
            file.write(checksum.digest())
        with open(_new(self._halves["idx"]), "wb") as file:
            file.write(self._index(checksum.digest()))
        self._name = f"pack-{checksum.hexdigest()}"
        return list(self._halves.values())

    def publish(self) -> None:
        """Give the pack its name, durably; the index comes last, because git looks for indexes.

        Raises:
            OSError: The disk refused.
        """
        for half, place in self._halves.items():
            os.rename(place, f"{self._folder}/{self._name}.{half}")
        synchronise(self._folder)

    def discard(self) -> None:
        """Remove what was written and not published."""
        self._file.close()
        for place in self._halves.values():
            if os.path.exists(place):
                os.unlink(place)

    def _index(self, checksum: bytes) -> bytes:
        names = sorted(self._objects)
        counts = [0] * 256
        for name in names:
            counts[name[0]] += 1
        total = 0
        for first, count in enumerate(counts):
            total += count
            counts[first] = total
        offsets: list[int] = []
        large: list[int] = []
        for name in names:
            at = self._objects[name][0]
            offsets.append(at if at < _LARGE else _LARGE + len(large))
            large += [at] if at >= _LARGE else []
        body = b"".join(
            (
                b"\xfftOc\x00\x00\x00\x02",
                struct.pack(">256I", *counts),
                *names,
                struct.pack(f">{len(names)}I", *(self._objects[name][1] for name in names)),
                struct.pack(f">{len(names)}I", *offsets),
                struct.pack(f">{len(large)}Q", *large),
                checksum,
            )
        )
        return body + _sha1(body).digest()


def deflated(content: bytes) -> bytes:
    """Return content as zlib has it (RFC 1950): compressed where that gains something.

    What is short, and lists of names of objects, which are long, gain less than they take; the next repacking does
    better with both.
    """
    if len(content) <= _SMALL:
        size = struct.pack("<HH", len(content), len(content) ^ _STORED_LIMIT)
        return b"\x78\x01\x01" + size + content + struct.pack(">I", zlib.adler32(content))
    return zlib.compress(content, 1 if len(content) <= _STORED_LIMIT else 0)


def _head(kind: int, size: int) -> bytes:
    byte, size = kind << 4 | size & 15, size >> 4
    head = bytearray()
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    head.append(byte)
    return bytes(head)


def _new(place: str) -> int:
    return os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)


def _sha1(content: bytes = b"") -> hashlib._Hash:
    return hashlib.sha1(content, usedforsecurity=False)
