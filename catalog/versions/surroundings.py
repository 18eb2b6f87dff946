"""What a dataset of results holds beside the results: the pipeline's files, and the datasets that it was run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from catalog.versions.folder import DESCRIPTION_LIMIT
from catalog.versions.git_tree import SUBMODULE
from catalog.versions.history import Blob, annexed
from catalog.versions.model import Subdataset
from catalog.versions.objects import AnnexObjects


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What must be there before results are saved; it is committed by itself, and only when it differs.

    Attributes:
        files: Content by path. What is small is kept in git itself, the rest in the annex.
        folders: Where the files of a folder lie on disk, by the folder's path; what is in one never changes.
        subdatasets: By path.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    subdatasets: Mapping[str, Subdataset] = field(default_factory=dict)

    def blobs(self, objects: AnnexObjects) -> list[Blob]:
        """Return what git is to hold of files and subdatasets; large files are made objects of the annex.

        Raises:
            OSError: The disk refused.
        """
        blobs = [_blob(objects, path, content) for path, content in self.files.items()]
        if self.subdatasets:
            blobs += [Blob(path, SUBMODULE, found.commit.encode()) for path, found in self.subdatasets.items()]
            blobs.append(Blob(".gitmodules", "100644", _modules(self.subdatasets)))
        return blobs

    def folder_blobs(self, objects: AnnexObjects, folder: str) -> list[Blob]:
        """Return what git is to hold of one of the folders.

        Raises:
            OSError: The disk refused.
        """
        root = self.folders[folder]
        found = sorted(path for path in root.rglob("*") if path.is_file())
        return [_blob(objects, f"{folder}/{path.relative_to(root).as_posix()}", path.read_bytes()) for path in found]


NOTHING = Surroundings()


def _blob(objects: AnnexObjects, path: str, content: bytes) -> Blob:
    if len(content) <= DESCRIPTION_LIMIT:
        return Blob(path, "100644", content)
    return annexed(path, objects.write(content, path))


def _modules(subdatasets: Mapping[str, Subdataset]) -> bytes:
    """Return ``.gitmodules`` (gitmodules(5)), with DataLad's members, and the commit that is pointed at."""
    lines = []
    for path, found in sorted(subdatasets.items()):
        members = {
            "path": path,
            "url": found.url,
            "datalad-id": found.datalad_id,
            "datalad-url": found.public_url,
            "commit": found.commit,
        }
        lines.append(f'[submodule "{path}"]')
        lines += [f"\t{name} = {_value(value)}" for name, value in members.items() if value]
    return "\n".join([*lines, ""]).encode()


def _value(text: str) -> str:
    """Return a value as git-config(1) reads it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if set(text) & set('"\\#; ') else text
