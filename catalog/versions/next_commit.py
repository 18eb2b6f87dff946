"""A commit on top of what a dataset holds: no process of git, and two waits for the disk before it counts.

What it writes is what :func:`catalog.versions.history.commit` has ``git fast-import`` write: a few objects loose, many
as one pack. Objects, contents and what else must be there are synchronised together, then the two branches are moved,
that of the locations first, so that a crash between the two leaves only a location too many.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from catalog.versions.annex import location_log
from catalog.versions.branches import Move, branch_tip, moving_branches, remove_stale
from catalog.versions.git import AUTHOR, MAIL, Repository
from catalog.versions.git_objects import GitObjects, Snapshot
from catalog.versions.history import ANNEX_BRANCH, Blob, annex_uuid, current_branch, here_now, settle
from catalog.versions.objects import synchronise_all, synchronise_each
from ontology.errors import BackendUnavailableError

MOST_LOOSE = 16
"""Of more files than these all objects are written as one pack, which is then cheaper."""

_MOST_PATHS = 16 * MOST_LOOSE
"""Of more than these, all that the file system holds back is written at once."""


class NextCommit:
    """What a dataset holds now, and one commit on top of it; the dataset's own lock is held.

    Args:
        repository: The dataset.

    Raises:
        BackendUnavailableError: The dataset has no commit, or no branch ``git-annex``.
        OSError: The disk refused.
    """

    def __init__(self, repository: Repository) -> None:
        settle(repository)
        self._repository = repository
        self._branch = current_branch(repository)
        remove_stale(repository, [self._branch, ANNEX_BRANCH])
        parent, locations = branch_tip(repository, self._branch), branch_tip(repository, ANNEX_BRANCH)
        if parent is None:
            raise BackendUnavailableError("the dataset has no commit", next_step="Run: sillage check")
        if locations is None:
            raise BackendUnavailableError("the dataset has no branch git-annex", next_step="Run: git annex init")
        self._objects = GitObjects(repository)
        self._tree = Snapshot(self._objects, parent)
        self._locations = Snapshot(self._objects, locations)

    @property
    def parent(self) -> str:
        """The commit that the dataset is at."""
        return self._tree.commit

    def places(self, paths: Sequence[str]) -> Mapping[str, tuple[str, str] | None]:
        """Return kind and name of the git object at each of some paths; None where there is none.

        Raises:
            BackendUnavailableError: git's objects cannot be read.
        """
        return {path: self._tree.find(path) for path in paths}

    def write(self, blobs: Sequence[Blob], *, message: str, before: Sequence[str | Path]) -> str:
        """Commit ``blobs`` and return the commit's name; the working tree is not touched.

        Args:
            blobs: What is to be at some paths.
            message: The whole message.
            before: Files and folders that the disk must keep before the commit is there.

        Raises:
            BackendUnavailableError: Somebody else committed meanwhile.
            OSError: The disk refused.
        """
        if len(blobs) > MOST_LOOSE:
            self._objects.write_one_pack()
        try:
            moves = self._moves(blobs, message)
            with moving_branches(self._repository, moves) as locks:
                paths = [*before, *self._objects.unsynchronised(), *locks]
                if len(paths) > _MOST_PATHS:
                    synchronise_all(self._repository.common_dir)
                else:
                    synchronise_each(paths)
                self._objects.publish()
        finally:
            self._objects.discard()
        return moves[-1].after

    def _moves(self, blobs: Sequence[Blob], message: str) -> list[Move]:
        """Write all objects and return how the branches are to be moved."""
        moves = self._locate(sorted({blob.key for blob in blobs if blob.key is not None}))
        for blob in blobs:
            oid = blob.oid if blob.is_subdataset else self._objects.write("blob", blob.data)
            self._tree.put(blob.path, blob.mode, oid)
        return [*moves, Move(self._branch, self.parent, self._commit(self._tree, message))]

    def _locate(self, keys: Sequence[str]) -> list[Move]:
        """Write down that the content of these keys is here, on the branch ``git-annex``."""
        uuid = annex_uuid(self._repository)
        changed = False
        for key in keys:
            path = location_log(key)
            known = self._locations.find(path)
            log = here_now(None if known is None else self._objects.read(known[1]), uuid)
            if log is not None:
                self._locations.put(path, "100644", self._objects.write("blob", log))
                changed = True
        if not changed:
            return []
        return [Move(ANNEX_BRANCH, self._locations.commit, self._commit(self._locations, "update"))]

    def _commit(self, snapshot: Snapshot, message: str) -> str:
        who = f"{AUTHOR} <{MAIL}> {int(time.time())} +0000"
        lines = [f"tree {snapshot.write()}", f"parent {snapshot.commit}", f"author {who}", f"committer {who}", ""]
        return self._objects.write("commit", "\n".join([*lines, message]).encode())
