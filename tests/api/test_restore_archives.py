"""What is restored comes from a backup, or nothing is."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from api.archive import MARK, restore
from ontology.errors import InvalidRequestError


def named(name: str, kind: bytes = tarfile.REGTYPE, leads_to: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, leads_to
    return entry


@pytest.mark.parametrize(
    "entry",
    [
        named("../outside"),
        named("keys/../../outside"),
        named("/tmp/outside"),
        named("keys/link", tarfile.SYMTYPE, "/etc/passwd"),
        named("keys/hard", tarfile.LNKTYPE, "catalog.sqlite"),
        named("keys/pipe", tarfile.FIFOTYPE),
        named("keys/device", tarfile.CHRTYPE),
    ],
    ids=lambda entry: f"{entry.name}",
)
def test_an_archive_that_leads_elsewhere_is_refused(entry: tarfile.TarInfo, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "backup.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(MARK))
        tar.addfile(entry)
    with pytest.raises(InvalidRequestError, match="which no backup does") as refused:
        restore(tmp_path / "backup.tar", tmp_path / "restored")
    assert refused.value.field == "FILE"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar"]


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2 + 100]


def _other(content: bytes) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    return held.getvalue()


@pytest.mark.parametrize("spoil", [_cut, _other, lambda content: b"no archive"])
def test_something_else_than_a_backup_is_refused(spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(MARK))
        entry = tarfile.TarInfo("catalog.sqlite")
        entry.size = 100_000
        tar.addfile(entry, io.BytesIO(bytes(100_000)))
    (tmp_path / "backup.tar").write_bytes(spoil(held.getvalue()))
    with pytest.raises(InvalidRequestError):
        restore(tmp_path / "backup.tar", tmp_path / "restored")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar"]
