"""File names: entities, suffix, extension and datatype (BIDS 1.11, "File name structure").

A name is read without regular expressions, and what names share (the entities before the suffix, the
folder) is read once and shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalog.readers.bids.schema import BidsSchema
from catalog.tree import TreeFile

Entities = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the tree: what its path says, and the folders that enclose it, the root first.

    Attributes:
        path: ``sub-01/ses-1/func``; empty for the root.
        participant: ``sub-01``, or empty.
        session: ``ses-1``, or empty.
        datatype: ``func``; empty outside of datatype folders.
        inner: What follows the datatype folder, for files inside of folders that are one recording.
        levels: Paths from the root to this folder, for the inheritance of sidecars.
    """

    path: str
    participant: str
    session: str
    datatype: str
    inner: str
    levels: Sequence[str]


@dataclass(slots=True)
class NamedFile:
    """A file of the tree with what its name says.

    Attributes:
        file: The file.
        folder: The folder that it is read as lying in (that of a recording for the files inside of one).
        prefix: The name before the suffix, ``sub-01_task-rest``.
        entities: Key to value, both as found; those of the folders stand in for missing ones.
        suffix: ``bold``; empty when the name has none.
        extension: ``.nii.gz``; a recording that is a folder ends in ``/``.
    """

    file: TreeFile
    folder: Folder
    prefix: str
    entities: Entities
    suffix: str
    extension: str

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return "_".join(filter(None, (self.prefix, self.suffix)))


class NameReader:
    """Reads names under one schema, remembering the parts that recur."""

    def __init__(self, schema: BidsSchema) -> None:
        self._schema = schema
        self._folders: dict[str, Folder] = {}
        self._entities: dict[tuple[str, str, str], Entities] = {}
        self._tails: dict[str, tuple[str, str]] = {}

    def read(self, file: TreeFile) -> NamedFile:
        """Return what the path of ``file`` says."""
        directory, _, name = file.path.rpartition("/")
        folder = self._folders.get(directory)
        if folder is None:
            folder = self._folders[directory] = self._folder(directory)
        if folder.inner:
            name = folder.inner
        prefix, _, tail = name.rpartition("_")
        found = self._tails.get(tail)
        if found is None:
            found = self._tails[tail] = _split_tail(tail)
        suffix, extension = found
        if "-" in suffix or not (extension or folder.inner):
            prefix, suffix = (f"{prefix}_{suffix}" if prefix else suffix), ""
        key = (folder.participant, folder.session, prefix)
        entities = self._entities.get(key)
        if entities is None:
            entities = self._entities[key] = _read_entities(*key)
        return NamedFile(file, folder, prefix, entities, suffix, f"{extension}/" if folder.inner else extension)

    def _folder(self, path: str) -> Folder:
        parts = path.split("/") if path else []
        at = 0
        participant = session = datatype = inner = ""
        if parts and parts[0].startswith("sub-") and len(parts[0]) > 4:
            participant, at = parts[0], 1
        if participant and len(parts) > at and parts[at].startswith("ses-") and len(parts[at]) > 4:
            session, at = parts[at], at + 1
        if len(parts) > at and parts[at] in self._schema.datatypes:
            datatype, at = parts[at], at + 1
        if datatype and len(parts) > at and self._is_recording(datatype, parts[at]):
            inner = parts[at]
            parts = parts[:at]
        levels = ("", *("/".join(parts[: depth + 1]) for depth in range(len(parts))))
        return Folder("/".join(parts), participant, session, datatype, inner, levels)

    def _is_recording(self, datatype: str, name: str) -> bool:
        """Tell whether a folder inside a datatype folder is itself a recording (``.ds``, ``.ome.zarr``)."""
        suffix, extension = _split_tail(name.rpartition("_")[2])
        if not name.startswith("sub-") or "-" in suffix:
            return False
        by_format = bool(extension) and extension + "/" in self._schema.extensions
        return by_format or self._schema.is_image(datatype, suffix, extension + "/")


def _split_tail(tail: str) -> tuple[str, str]:
    """Split ``bold.nii.gz`` at its first dot; a leading dot begins a name, not an extension."""
    at = tail.find(".", 1)
    return (tail, "") if at < 0 else (tail[:at], tail[at:])


def _read_entities(participant: str, session: str, prefix: str) -> Entities:
    """Read ``key-value`` pairs; the first of a repeated key counts, parts without a dash say nothing."""
    found: dict[str, str] = {}
    if participant:
        found["sub"] = participant[4:]
    if session:
        found["ses"] = session[4:]
    named: dict[str, str] = {}
    for part in prefix.split("_"):
        key, dash, value = part.partition("-")
        if dash and key and value:
            named.setdefault(key, value)
    return found | named
