"""Remembers what a source folder's files looked like when they were taken in, so that only changed ones are read.

It lies inside the git directory and is no part of any version: without it everything is read again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from catalog.versions.folder import SourceFile

_RACE_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Remembered:
    """A file as it was: its stamp, and the annex key or git object name of its content."""

    stamp: tuple[int, ...]
    content: str


def load_index(git_dir: Path) -> dict[str, Remembered]:
    """Return what was remembered; nothing when it is absent or cannot be read."""
    try:
        stored = json.loads((git_dir / "sillage" / "source.json").read_bytes())
        return {path: Remembered(tuple(stamp), content) for path, (stamp, content) in stored["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def store_index(git_dir: Path, files: Mapping[str, tuple[SourceFile, str]], *, started_ns: int) -> None:
    """Remember files, but for those so young that a second write could have left the same stamp.

    Raises:
        OSError: The disk refused.
    """
    settled = {
        path: (file.stamp, content)
        for path, (file, content) in files.items()
        if max(file.stamp[1], file.stamp[2]) < started_ns - _RACE_NS
    }
    place = git_dir / "sillage" / "source.json"
    place.parent.mkdir(exist_ok=True)
    temporary = place.with_suffix(f".{time.monotonic_ns()}")
    temporary.write_text(json.dumps({"files": settled}))
    temporary.replace(place)
