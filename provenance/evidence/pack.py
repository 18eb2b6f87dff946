"""Evidence packs: everything that an auditor needs about one result, in one file that verifies itself.

The layout is described in ``docs/explanation/evidence.md``.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ontology.errors import InvalidRequestError, NotFoundError
from provenance import formats
from provenance.evidence import archive, verifier
from provenance.evidence.archive import CHUNK, DATA, LARGEST, MANIFEST, PARTS, Member
from provenance.evidence.crate import crate_metadata
from provenance.evidence.report import Report, render
from provenance.ledger.entry import Entry
from provenance.model import ProvDocument

_README = """\
This is an evidence pack: what one result was made from, how, when and by whom, with proof.

  report.html             to be read, in any browser
  prov.json               the same for machines (W3C PROV, as PROV-JSON)
  data/                   files of the result itself, where they were asked for
  entries.jsonl           the ledger entries about everything above, with inclusion proofs (RFC 9162)
  checkpoint.txt          the signed head of the ledger (C2SP tlog-checkpoint), under keys/
  manifest.json           digest of every file
  verify.py               checks all of it

To verify it you need Python 3.9 or later and the command openssl (3 or later), and nothing of ours:

  unzip -p PACK verify.py > verify.py
  python3 verify.py PACK --key 'NAME+HASH+KEY'

Ask the laboratory for its verifier key by another way than this pack: a pack can always be signed anew with another
key. For the same reason do not trust the verify.py of a pack that you do not trust: take it from another pack, or
from the source code of Sillage (provenance/evidence), and compare.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackEntry:
    """A ledger entry as it goes into a pack.

    Attributes:
        entry: The entry.
        proof: Its audit path in the tree of the pack's checkpoint.
        salt: Salt of its body; None when it has none or it was erased.
        body: Body, canonical JSON; None likewise.
    """

    entry: Entry
    proof: Sequence[bytes]
    salt: bytes | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFile:
    """A file of the result.

    Attributes:
        id: IRI by which the ledger knows it.
        path: Path in its dataset; where it lies below ``data/``.
        source: Where its content is.
    """

    id: str
    path: str
    source: Path


def build_pack(
    target: Path,
    *,
    subject: str,
    document: ProvDocument,
    entries: Sequence[PackEntry],
    checkpoint: str,
    verifier_key: str,
    report: Report,
    files: Sequence[PackFile] = (),
) -> None:
    """Write the evidence pack of ``subject`` (an IRI) to ``target``: whole, or not at all.

    ``document`` is its full upstream PROV, ``entries`` are those of every record in it with proofs into the tree
    that ``checkpoint`` signs, and ``files`` the content that goes with it.

    Raises:
        InvalidRequestError: A file's path cannot be a member's name, two files have one path, the key is no
            verifier key, or the pack would be larger than a ZIP archive holds.
        NotFoundError: A file's content is not there.
        OSError: The target cannot be written.
    """
    name, _, public = _key(verifier_key)
    placed = _placed(files)
    contents = {
        "README.txt": _README.encode(),
        "checkpoint.txt": checkpoint.encode(),
        "entries.jsonl": b"".join(map(_line, sorted(entries, key=lambda one: one.entry.sequence))),
        "keys/checkpoint.pem": verifier.pem_of(public).encode(),
        "keys/checkpoint.vkey": f"{verifier_key.strip()}\n".encode(),
        "prov.json": formats.write(document, "json"),
        "report.html": render(report, subject, entries=[one.entry for one in entries], checkpoint=checkpoint).encode(),
        "ro-crate-metadata.json": crate_metadata(
            subject=subject, report=report, ledger=name, files=[(path, file.id) for path, file in placed]
        ),
        "verify.py": standalone_verifier().encode(),
    }
    _write_whole(target, contents, placed)


def _write_whole(target: Path, contents: dict[str, bytes], placed: Sequence[tuple[str, PackFile]]) -> None:
    """Write to a file beside the target and put it in its place, so that no half a pack is ever seen."""
    partial = target.with_name(f"{target.name}.partial")
    try:
        with open(partial, "wb") as out:
            _write(out, contents, placed)
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _key(line: str) -> tuple[str, bytes, bytes]:
    try:
        return verifier.read_key(line)
    except archive.NotSoundError as error:
        raise InvalidRequestError(str(error), field="verifier_key") from error


def _line(one: PackEntry) -> bytes:
    """Return the line of an entry: the entry as it was hashed, its proof, and its body as it was hashed."""
    told = one.salt is not None and one.body is not None
    row = {
        "body": one.body.decode() if told and one.body is not None else None,
        "entry": json.loads(one.entry.canonical()),
        "proof": [step.hex() for step in one.proof],
        "salt": one.salt.hex() if told and one.salt is not None else None,
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _placed(files: Sequence[PackFile]) -> list[tuple[str, PackFile]]:
    placed: dict[str, PackFile] = {}
    for file in sorted(files, key=lambda one: one.path):
        path = DATA + file.path
        if not archive.is_safe(path) or path.casefold() in (known.casefold() for known in placed):
            raise InvalidRequestError(f"{file.id} cannot go into the pack by its path", field="files")
        placed[path] = file
    return list(placed.items())


@dataclass(slots=True)
class _Writing:
    out: BinaryIO
    members: list[Member] = field(default_factory=list)

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a member: header, content, and the header again once its size and checksum are known."""
        start = self.out.tell()
        self.out.write(archive.local_header(name, 0, 0))
        digest, crc, size = hashlib.sha256(), 0, 0
        for chunk in chunks:
            digest.update(chunk)
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
            self.out.write(chunk)
        end = self.out.tell()
        if end > LARGEST:
            raise InvalidRequestError(
                "the pack would be larger than four gigabytes", field="files", next_step="Leave its content out."
            )
        self.out.seek(start)
        self.out.write(archive.local_header(name, crc, size))
        self.out.seek(end)
        self.members.append(Member(name, size, crc, digest.hexdigest(), start))


def _write(out: BinaryIO, contents: dict[str, bytes], placed: Sequence[tuple[str, PackFile]]) -> None:
    writing = _Writing(out)
    for name in PARTS:
        writing.add(name, [contents[name]])
    for path, file in placed:
        writing.add(path, _chunks(file))
    ids = {path: file.id for path, file in placed}
    writing.add(MANIFEST, [archive.manifest_of(writing.members, ids)])
    out.write(archive.central_directory(writing.members, out.tell()))


def _chunks(file: PackFile) -> Iterable[bytes]:
    try:
        with open(file.source, "rb") as content:
            while chunk := content.read(CHUNK):
                yield chunk
    except OSError as error:
        raise NotFoundError(f"the content of {file.id} cannot be read: {error.strerror}", field="files") from error


def standalone_verifier() -> str:
    """Return the verifier as one file: its module, with the archive's in the place of the import from it."""
    source = Path(verifier.__file__).read_text(encoding="utf-8")
    shared = Path(archive.__file__).read_text(encoding="utf-8")
    lines, body = source.splitlines(), shared.splitlines()
    statement = next(
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("provenance.")
    )
    # A module may have only one docstring and, at its top, one import from __future__.
    start = next(
        node.lineno
        for node in ast.parse(shared).body
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", None) != "__future__"
    )
    joined = [*lines[: statement.lineno - 1], *body[start - 1 :], "", *lines[statement.end_lineno :]]
    return "\n".join(joined) + "\n"
