"""Which files apply to which: the inheritance principle (BIDS 1.11, "The Inheritance Principle").

A file applies to another in its own or an enclosed folder when its suffix is the one asked for and its
entities are a subset of the other's. Candidates are kept by the keys that their names use, so that asking
costs a few look-ups however many files a folder holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from catalog.readers.bids.names import Entities, NamedFile
from catalog.readers.problems import ProblemLog
from catalog.readers.reading import Document

_ByValues = dict[tuple[str, ...], list[NamedFile]]
_ByKeys = dict[tuple[str, ...], _ByValues]


class Layout:
    """The files that can apply to others, by folder, suffix and extension.

    Args:
        files: Sidecars and whatever else accompanies recordings.
        ignore: Keys that do not count when names are compared (``recording`` of a physiological trace).
    """

    def __init__(self, files: Iterable[NamedFile], *, ignore: Sequence[str] = ()) -> None:
        self._found: dict[str, dict[tuple[str, str], _ByKeys]] = {}
        sorted_keys: dict[tuple[str, ...], tuple[str, ...]] = {}
        for file in files:
            named = tuple(file.entities)
            keys = sorted_keys.get(named)
            if keys is None:
                keys = sorted_keys[named] = tuple(sorted(key for key in named if key not in ignore))
            values = tuple([file.entities[key] for key in keys])
            kinds = self._found.setdefault(file.folder.path, {})
            by_values = kinds.setdefault((file.suffix, file.extension), {}).setdefault(keys, {})
            by_values.setdefault(values, []).append(file)

    def kinds(self, folder: str) -> Sequence[tuple[str, str]]:
        """Return suffix and extension of what lies in a folder."""
        return tuple(self._found.get(folder, ()))

    def in_folder(self, folder: str, kind: tuple[str, str], entities: Entities) -> Sequence[NamedFile]:
        """Return the files of ``kind`` in one folder that apply to a file with ``entities``, the broadest first."""
        by_keys = self._found.get(folder, {}).get(kind)
        if by_keys is None:
            return ()
        found: list[NamedFile] = []
        for keys, by_values in by_keys.items():
            hit = by_values.get(tuple([entities.get(key, "") for key in keys]))
            if hit:
                found += hit
        if len(found) > 1:
            found.sort(key=lambda file: (len(file.entities), file.file.path))
        return found

    def applying(self, file: NamedFile, kind: tuple[str, str]) -> Sequence[NamedFile]:
        """Return the files of ``kind`` that apply to ``file``, from the root inwards."""
        found: list[NamedFile] = []
        for level in file.folder.levels:
            found += self.in_folder(level, kind, file.entities)
        return found


class Sidecars:
    """Merged metadata of recordings; what several share is merged once and shared."""

    def __init__(self, layout: Layout, documents: dict[str, Document], problems: ProblemLog) -> None:
        self._layout = layout
        self._documents = documents
        self._problems = problems
        self._merged: dict[tuple[str, ...], Document] = {}

    def metadata(self, file: NamedFile) -> tuple[Document, Sequence[NamedFile]]:
        """Return the metadata that applies to ``file`` (the nearest sidecar wins, key by key) and its sidecars."""
        sidecars = self._layout.applying(file, (file.suffix, ".json"))
        if len(sidecars) > 1:
            self._check_levels(sidecars)
        key = tuple([sidecar.file.path for sidecar in sidecars])
        merged = self._merged.get(key)
        if merged is None:
            merged = {}
            for path in key:
                merged |= self._documents.get(path, {})
            self._merged[key] = merged
        return merged, sidecars

    def _check_levels(self, sidecars: Sequence[NamedFile]) -> None:
        """Report two sidecars of one folder that apply to the same file, which BIDS forbids."""
        for broader, nearer in pairwise(sidecars):
            if broader.folder.path == nearer.folder.path:
                self._problems.add(
                    broader.file.path,
                    "applies to a file beside another sidecar of its folder; the one with more entities wins",
                )
