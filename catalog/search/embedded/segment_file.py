"""Arrays in one immutable file, read in place: several processes that map it share one copy in memory.

Layout: magic, length of the header, header (JSON: facts, and for each array its type, shape, place and CRC-32), then
the arrays, each at a multiple of 64 bytes. An array is verified when it is first used.

Who reads a mapped page of which the file was cut off is killed by the system (SIGBUS), and no error can be caught. So a
file is made, complete, before anybody maps it, is never changed afterwards and cannot be written; sizes are compared
before it is mapped, before each array is verified and at the start of each question.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from ontology.errors import IntegrityError

Array = npt.NDArray[Any]

MAGIC: Final = b"SILLSEG1"
_START: Final = struct.Struct("<8sQI")
_ALIGN: Final = 64
_READ_ONLY: Final = 0o400


def write_segment(path: Path, *, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write arrays to a new file, on the disk when this returns.

    Raises:
        OSError: It cannot be written.
    """
    places: dict[str, Any] = {}
    offset = 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array)
        places[name] = [data.dtype.str, list(data.shape), offset, zlib.crc32(_bytes(data))]
        offset += -(-data.nbytes // _ALIGN) * _ALIGN
    header = json.dumps({"facts": facts, "arrays": places, "size": offset}, separators=(",", ":")).encode()
    with path.open("xb") as file:
        file.write(_START.pack(MAGIC, len(header), zlib.crc32(header)))
        file.write(header)
        file.write(b"\0" * (_data_start(len(header)) - file.tell()))
        for array in arrays.values():
            data = np.ascontiguousarray(array)
            file.write(_bytes(data))
            file.write(b"\0" * (-data.nbytes % _ALIGN))
        file.flush()
        os.fchmod(file.fileno(), _READ_ONLY)
        os.fsync(file.fileno())


def _bytes(array: Array) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8).data)


def _data_start(header: int) -> int:
    return -(-(_START.size + header) // _ALIGN) * _ALIGN


class SegmentFile:
    """A file of arrays, mapped.

    Raises:
        FileNotFoundError: It is not there (any more).
        IntegrityError: It is not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            told, self._start = _read_header(file)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._size = self._start + told["size"]
        self.ensure_whole()
        self.facts: Mapping[str, Any] = told["facts"]
        self._places: Mapping[str, Any] = told["arrays"]
        self._read: dict[str, Array] = {}

    def ensure_whole(self) -> None:
        """See that nothing was cut off the file that is mapped, whatever its name stands for by now.

        Raises:
            IntegrityError: Something was; no array of it may be read any more.
        """
        if self._map.size() != self._size or len(self._map) != self._size:
            raise _damaged("was cut short")

    def find(self, name: str) -> Array | None:
        """Return an array, or None where there is none of this name."""
        return self[name] if name in self._places else None

    def __getitem__(self, name: str) -> Array:
        """Return an array, verified when it is asked for the first time.

        Raises:
            IntegrityError: It is not what was written.
        """
        found = self._read.get(name)
        if found is None:
            self.ensure_whole()
            dtype, shape, offset, crc = self._places[name]
            count = int(np.prod(shape, dtype=np.int64))
            kind = np.dtype(dtype)
            at = self._start + offset
            flat = np.frombuffer(self._map, kind, count, at) if count else np.empty(0, kind)
            if zlib.crc32(_bytes(flat)) != crc:
                raise _damaged(f"has other bytes in {name} than were written")
            found = self._read[name] = flat.reshape(shape)
        return found

    def verify(self) -> None:
        """Verify every array.

        Raises:
            IntegrityError: One is not what was written.
        """
        for name in self._places:
            self[name]


def _read_header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """Return what the header tells, and where the arrays start; nothing is believed that the file has no room for."""
    start = file.read(_START.size)
    if len(start) < _START.size or not start.startswith(MAGIC):
        raise _damaged("is no segment")
    _, length, crc = _START.unpack(start)
    size = os.fstat(file.fileno()).st_size
    if _data_start(length) > size:
        raise _damaged("was cut short")
    header = file.read(length)
    if zlib.crc32(header) != crc:
        raise _damaged("has a damaged header")
    told: dict[str, Any] = json.loads(header)
    if _data_start(length) + told["size"] != size:
        raise _damaged("was cut short")
    return told, _data_start(length)


def _damaged(what: str) -> IntegrityError:
    return IntegrityError(f"a file of the search index {what}", next_step="Run `sillage reindex`.")
