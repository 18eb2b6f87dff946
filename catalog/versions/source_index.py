"""Remembers what a source folder's files looked like when they were taken in, so that only changed ones are read.

It lies inside the git directory and is no part of any version: without it everything is read again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.versions.folder import SourceFile

_RACE_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class SourceIndex:
    """What a folder looked like when a commit was made from it.

    Attributes:
        commit: That commit.
        stamps: The stamp of every file that was taken in; None for one so young that a second write could have
            left the same stamp.
        keys: The annex keys of those that were annexed.
    """

    commit: str
    stamps: Mapping[str, tuple[int, ...] | None]
    keys: Mapping[str, str]

    def key_of(self, file: SourceFile) -> str | None:
        """Return the key of a file's content if it is sure not to have changed, else None."""
        return self.keys.get(file.path) if self.stamps.get(file.path) == file.stamp else None

    def covers(self, files: Sequence[SourceFile]) -> bool:
        """Tell whether exactly these files were taken in, none of them changed since."""
        return len(files) == len(self.stamps) and all(self.stamps.get(file.path) == file.stamp for file in files)


NOTHING = SourceIndex("", {}, {})


def load_index(git_dir: Path) -> SourceIndex:
    """Return what was remembered; nothing when it is absent or cannot be read."""
    try:
        stored = json.loads((git_dir / "sillage" / "source.json").read_bytes())
        stamps = {path: None if stamp is None else tuple(stamp) for path, stamp in stored["stamps"].items()}
        return SourceIndex(str(stored["commit"]), stamps, dict(stored["keys"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return NOTHING


def store_index(
    git_dir: Path, files: Iterable[SourceFile], keys: Mapping[str, str], *, commit: str, started_ns: int
) -> None:
    """Remember files as they were when they were looked at, at ``started_ns``.

    Raises:
        OSError: The disk refused.
    """
    settled = started_ns - _RACE_NS
    stamps = {file.path: file.stamp if max(file.stamp[1], file.stamp[2]) < settled else None for file in files}
    place = git_dir / "sillage" / "source.json"
    place.parent.mkdir(exist_ok=True)
    temporary = place.with_suffix(f".{time.monotonic_ns()}")
    temporary.write_text(json.dumps({"commit": commit, "stamps": stamps, "keys": keys}, separators=(",", ":")))
    temporary.replace(place)
