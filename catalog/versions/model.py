"""Values that the data store takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.model import Problem

Progress = Callable[[int, int], None]
"""Called with the number of files done and the number of files in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned:
    """Data at one commit.

    Attributes:
        path: Folder of the repository.
        datalad_id: Identifier of the DataLad dataset; None for a repository that is none.
        commit: Full name of the commit.
        tree_hash: Name of its git tree: equal for equal content, whatever the history.
        in_store: True when the store made the repository and may write to it.
        problems: What is there and is not part of this version, and why.
    """

    path: Path
    datalad_id: str | None
    commit: str
    tree_hash: str
    in_store: bool
    problems: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subdataset:
    """A dataset that another one points at, at one commit (git submodule, DataLad subdataset).

    Attributes:
        url: Where to clone it from, relative to where the other one was cloned from: no path of this machine.
        commit: Full name of the commit.
        datalad_id: Its DataLad identifier.
        public_url: Where else it can be had.
    """

    url: str
    commit: str
    datalad_id: str | None = None
    public_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release tag: its name, the commit that it means, and that commit's time (UTC, RFC 3339)."""

    name: str
    commit: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """Which paths have their content here now, and which could not be had, and why."""

    here: Sequence[str]
    failed: Sequence[Problem]

    @property
    def complete(self) -> bool:
        """True when everything that was asked for is here."""
        return not self.failed
