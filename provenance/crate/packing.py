"""A run crate as one zip file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

from provenance.crate.metadata import METADATA_NAME, CrateFile

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_crate(metadata: bytes, texts: Mapping[str, bytes], files: Sequence[CrateFile]) -> bytes:
    """Return the zip: the metadata first, then the texts made for it, then contents; equal content, equal bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {METADATA_NAME: metadata, **texts}.items():
            archive.writestr(_member(name), content)
        for file in files:
            if file.source is not None:
                archive.writestr(_member(file.name), file.source.read_bytes())
    return target.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member
