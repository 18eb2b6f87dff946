"""The archive of an evidence pack: ZIP without compression, in one spelling, so that every byte of it counts.

This module and the verifier travel in every pack as one file: they use Python's standard library alone, in the
parts that Python 3.9 has.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import unicodedata
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple, Optional

PARTS = (
    "README.txt",
    "checkpoint.txt",
    "entries.jsonl",
    "keys/checkpoint.pem",
    "keys/checkpoint.vkey",
    "prov.json",
    "report.html",
    "ro-crate-metadata.json",
    "verify.py",
)
"""Members that every pack has; after them come files under ``data/`` and at the end the manifest."""
MANIFEST = "manifest.json"
DATA = "data/"
LARGEST_TEXT = 512 * 1024 * 1024
LARGEST = 0xFFFFFFFF
CHUNK = 1 << 20


class Problem(NamedTuple):
    """What is wrong, and where."""

    where: str
    detail: str


class NotSoundError(Exception):
    """A problem after which nothing further can be checked."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(where, detail)


class Member(NamedTuple):
    """A member of the archive; ``content`` is None for files under ``data/``, which are only hashed."""

    name: str
    size: int
    crc: int
    sha256: str
    offset: int
    content: Optional[bytes] = None  # noqa: UP045 - a named tuple of Python 3.9 looks at it

    @property
    def text(self) -> str:
        """The content as text."""
        try:
            return (self.content or b"").decode()
        except UnicodeDecodeError:
            raise NotSoundError(self.name, "not UTF-8") from None


def local_header(name: str, crc: int, size: int) -> bytes:
    """Return the bytes before a member's content (APPNOTE.TXT 4.3.7)."""
    raw = name.encode()
    return struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0x800, 0, 0, 0x21, crc, size, size, len(raw), 0) + raw


def central_directory(members: Sequence[Member], start: int) -> bytes:
    """Return the bytes after the last member's content (APPNOTE.TXT 4.3.12 and 4.3.16)."""
    rows = b""
    for member in members:
        raw = member.name.encode()
        fixed = (b"PK\1\2", 0x314, 20, 0x800, 0, 0, 0x21, member.crc, member.size, member.size, len(raw))
        rows += struct.pack("<4s6H3I5H2I", *fixed, 0, 0, 0, 0, 0o100644 << 16, member.offset) + raw
    return rows + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(members), len(members), len(rows), start, 0)


def read_archive(file: BinaryIO) -> dict[str, Member]:
    """Read a pack from end to end and return its members.

    Raises:
        NotSoundError: Anything in it is not spelled as in an evidence pack, or a member is missing or doubled.
    """
    members: list[Member] = []
    while True:
        start = file.tell()
        head = file.read(30)
        if head[:4] == b"PK\1\2" and members:
            file.seek(start)
            if file.read(CHUNK * 64) != central_directory(members, start):
                raise NotSoundError("archive", "the directory at the end is not that of the members before it")
            break
        if len(head) < 30 or head[:4] != b"PK\3\4":
            raise NotSoundError("archive", f"not an evidence pack, or cut short (byte {start})")
        members.append(_read_member(file, head, start))
    names = [member.name for member in members]
    if names[: len(PARTS)] != list(PARTS) or names[-1] != MANIFEST:
        raise NotSoundError("archive", "members are missing, doubled, or out of order")
    for name in names[len(PARTS) : -1]:
        if not is_safe(name):
            raise NotSoundError(name, "not the name of a file under data/")
    if len({unicodedata.normalize("NFC", name).casefold() for name in names}) < len(names):
        raise NotSoundError("archive", "two members have the same name")
    return {member.name: member for member in members}


def _read_member(file: BinaryIO, head: bytes, start: int) -> Member:
    crc, size, length = struct.unpack_from("<I4xIH", head, 14)
    raw = file.read(length)
    name = raw.decode(errors="replace")
    if head + raw != local_header(name, crc, size):
        raise NotSoundError(name, "its header is not spelled as in an evidence pack")
    keep = not name.startswith(DATA)
    if keep and size > LARGEST_TEXT:
        raise NotSoundError(name, f"too large to be checked: {size} bytes")
    digest, actual, left, kept = hashlib.sha256(), 0, size, bytearray()
    while left:
        chunk = file.read(min(CHUNK, left))
        if not chunk:
            raise NotSoundError(name, "cut short")
        left -= len(chunk)
        actual = zlib.crc32(chunk, actual)
        digest.update(chunk)
        if keep:
            kept += chunk
    if actual != crc:
        raise NotSoundError(name, "its content does not fit its checksum")
    return Member(name, size, crc, digest.hexdigest(), start, bytes(kept) if keep else None)


def is_safe(name: str) -> bool:
    """Tell whether a name is that of a file below ``data/``, on every system."""
    parts = name.split("/")
    bad = any(part in ("", ".", "..") or part != part.strip() or part.endswith(".") for part in parts)
    return parts[0] == "data" and len(parts) > 1 and not bad and not re.search(r'[\\:*?"<>|\x00-\x1f\x7f]', name)


def manifest_of(members: Sequence[Member], ids: dict[str, str]) -> bytes:
    """Return the manifest of these members; ``ids`` says which files those under ``data/`` are."""
    rows: list[dict[str, Any]] = []
    for member in members:
        row: dict[str, Any] = {"path": member.name, "sha256": member.sha256, "size": member.size}
        rows.append({"id": ids[member.name], **row} if member.name in ids else row)
    return (json.dumps({"members": rows}, indent=1, sort_keys=True) + "\n").encode()


def check_manifest(members: dict[str, Member]) -> tuple[list[Problem], dict[str, str]]:
    """Compare the manifest with the members, and return which record each file under ``data/`` is."""
    try:
        rows = json.loads(members[MANIFEST].text)["members"]
        ids = {row["path"]: str(row["id"]) for row in rows if "id" in row}
    except (ValueError, KeyError, TypeError, RecursionError):
        return [Problem(MANIFEST, "cannot be read")], {}
    listed = [member for member in members.values() if member.name != MANIFEST]
    if set(ids) != {member.name for member in listed if member.content is None}:
        return [Problem(MANIFEST, "does not say which record each file under data/ is")], {}
    if manifest_of(listed, ids) != members[MANIFEST].content:
        return [Problem(MANIFEST, "does not fit the members")], ids
    return [], ids
