"""Collecting what went wrong while reading, without drowning the reader in ten thousand equal lines."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.readers.reading import ReadProblem

EACH = 10
"""How many files are named for one and the same problem; the others are counted."""
DISTINCT = 1_000
"""How many different problems are kept."""
DETAIL = 300
FIELD = 120
"""How many characters of a detail, and of a field's name, are kept: both may quote what was found."""


class ProblemLog:
    """Problems in the order in which they were met; equal ones beyond the tenth are only counted."""

    def __init__(self) -> None:
        self._found: dict[tuple[str | None, str], list[str]] = {}
        self._more: dict[tuple[str | None, str], int] = {}
        self._beyond = 0

    def add(self, path: str, detail: str, field: str | None = None) -> None:
        """Note a problem of the file at ``path``."""
        key = (field and _shortened(field, FIELD), _shortened(detail, DETAIL))
        paths = self._found.get(key)
        if paths is None:
            if len(self._found) >= DISTINCT:
                self._beyond += 1
                return
            self._found[key] = [path]
        elif path in paths:
            return
        elif len(paths) < EACH:
            paths.append(path)
        else:
            self._more[key] = self._more.get(key, 0) + 1

    def collect(self) -> Sequence[ReadProblem]:
        """Return what was found, grouped by kind."""
        listed = []
        for (field, detail), paths in self._found.items():
            listed += [ReadProblem(path, field, detail) for path in paths]
            more = self._more.get((field, detail))
            if more:
                listed.append(ReadProblem(".", field, f"{detail}; the same in {more} more files"))
        if self._beyond:
            listed.append(ReadProblem(".", None, f"{self._beyond} further problems are not listed"))
        return listed


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
