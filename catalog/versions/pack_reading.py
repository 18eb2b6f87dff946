"""Reads objects out of git's packs without a process of git (gitformat-pack(5), versions 2 of packs and of indexes)."""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator

_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_OFFSET_DELTA, _NAMED_DELTA = 6, 7
_MAGIC = b"\xfftOc\x00\x00\x00\x02"
_FANOUT, _NAMES = 8, 8 + 256 * 4
_LARGE = 0x80000000
_STEP = 64 * 1024


class Pack:
    """One pack and its index.

    Args:
        place: Path of the index.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no index of version 2.
    """

    def __init__(self, place: str) -> None:
        self._index = _mapped(place)
        if self._index[:_FANOUT] != _MAGIC:
            raise ValueError(f"{place} is no index of a pack that is known here")
        self._pack = _mapped(f"{place.removesuffix('.idx')}.pack")
        self.count = self._number(255)

    def names(self) -> Iterator[bytes]:
        """Yield the names of all objects, 20 bytes each, in order."""
        for at in range(_NAMES, _NAMES + 20 * self.count, 20):
            yield self._index[at : at + 20]

    def offset(self, name: bytes) -> int | None:
        """Return where an object begins; None where it is not in this pack."""
        low, high = self._number(name[0] - 1) if name[0] else 0, self._number(name[0])
        while low < high:
            middle = (low + high) // 2
            at = _NAMES + 20 * middle
            found = self._index[at : at + 20]
            if found == name:
                return self._offset(middle)
            low, high = (middle + 1, high) if found < name else (low, middle)
        return None

    def read(self, at: int) -> tuple[str, bytes]:
        """Return kind and content of the object that begins at an offset, deltas resolved.

        Raises:
            ValueError: The pack is damaged.
            zlib.error: It is damaged.
        """
        deltas: list[bytes] = []
        while True:
            kind, size, begin = self._head(at)
            base: int | None = None
            if kind == _OFFSET_DELTA:
                back, begin = _distance(self._pack, begin)
                base = at - back
            elif kind == _NAMED_DELTA:
                base, begin = self.offset(self._pack[begin : begin + 20]), begin + 20
            content = self._inflate(begin, size)
            if kind in _KINDS:
                break
            if base is None or kind not in (_OFFSET_DELTA, _NAMED_DELTA) or not 0 <= base < len(self._pack):
                raise ValueError("the pack is damaged")
            deltas.append(content)
            at = base
        for delta in reversed(deltas):
            content = _patched(content, delta)
        return _KINDS[kind], content

    def _number(self, place: int) -> int:
        return int(struct.unpack_from(">I", self._index, _FANOUT + 4 * place)[0])

    def _offset(self, place: int) -> int:
        offsets = _NAMES + 24 * self.count
        found = int(struct.unpack_from(">I", self._index, offsets + 4 * place)[0])
        if found < _LARGE:
            return found
        return int(struct.unpack_from(">Q", self._index, offsets + 4 * self.count + 8 * (found - _LARGE))[0])

    def _head(self, at: int) -> tuple[int, int, int]:
        """Return kind and size of an object, and where what follows begins."""
        byte = self._pack[at]
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80:
            at += 1
            byte = self._pack[at]
            size |= (byte & 0x7F) << shift
            shift += 7
        return kind, size, at + 1

    def _inflate(self, at: int, size: int) -> bytes:
        stream = zlib.decompressobj()
        parts = []
        while not stream.eof and at < len(self._pack):
            parts.append(stream.decompress(self._pack[at : at + min(_STEP, size + 256)]))
            at += min(_STEP, size + 256)
        content = b"".join(parts)
        if len(content) != size:
            raise ValueError("the pack is damaged")
        return content


class Packs:
    """All packs of a folder of objects; those that come or go meanwhile are noticed when something is not found.

    Args:
        objects: The folder ``objects`` of the git directory.
    """

    def __init__(self, objects: str) -> None:
        self._folder = f"{objects}/pack"
        self._packs: dict[str, Pack] | None = None

    def read(self, oid: str) -> tuple[str, bytes] | None:
        """Return kind and content of an object; None where no pack has it that can be read here."""
        name = bytes.fromhex(oid)
        for looked in range(2):
            if looked or self._packs is None:
                self._packs = self._listed(self._packs or {})
            for pack in self._packs.values():
                try:
                    at = pack.offset(name)
                    if at is not None:
                        return pack.read(at)
                except (ValueError, IndexError, zlib.error):
                    continue  # git may know better, or says what is wrong
        return None

    def _listed(self, known: dict[str, Pack]) -> dict[str, Pack]:
        """Return the packs that there are now, the largest first."""
        found: dict[str, Pack] = {}
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(".idx"))
        except FileNotFoundError:
            return {}
        for name in names:
            try:
                found[name] = known.get(name) or Pack(f"{self._folder}/{name}")
            except (OSError, ValueError, struct.error):
                continue
        return dict(sorted(found.items(), key=lambda item: item[1].count, reverse=True))


def _mapped(place: str) -> mmap.mmap:
    with open(place, "rb", buffering=0) as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _distance(pack: mmap.mmap, at: int) -> tuple[int, int]:
    """Return how far back the base of a delta lies, and where the delta begins."""
    byte = pack[at]
    back = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = pack[at]
        back = ((back + 1) << 7) | (byte & 0x7F)
    return back, at + 1


def _patched(base: bytes, delta: bytes) -> bytes:
    """Return what a delta makes of its base.

    Raises:
        ValueError: They do not fit.
    """
    size, at = _size(delta, 0)
    wanted, at = _size(delta, at)
    if size != len(base):
        raise ValueError("a delta does not fit its base")
    parts = []
    while at < len(delta):
        order = delta[at]
        at += 1
        if not order & 0x80:
            parts.append(delta[at : at + order])
            at += order
            continue
        numbers = [0, 0]
        for bit in range(7):
            if order & (1 << bit):
                numbers[bit >= 4] |= delta[at] << 8 * (bit - 4 if bit >= 4 else bit)
                at += 1
        begin, length = numbers[0], numbers[1] or 0x10000
        parts.append(base[begin : begin + length])
    whole = b"".join(parts)
    if len(whole) != wanted:
        raise ValueError("a delta does not fit its base")
    return whole


def _size(delta: bytes, at: int) -> tuple[int, int]:
    size = shift = 0
    while True:
        byte = delta[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return size, at
