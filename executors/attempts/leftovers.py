"""What ended tasks have left: a service that died between the last entry of a task and its folder's release."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from executors.attempts.ending import end_at_once
from executors.attempts.folder import TaskFolder, bin_of, folder_name, is_alive
from executors.attempts.removal import remove_tree


def left_behind(root: Path, watched: Collection[str]) -> list[str]:
    """Return the names of the tasks that something is kept of, without those that are watched here.

    What somebody was killed while deleting is deleted, and the bin itself left to those who use it now.
    """
    for gone in bin_of(root).glob("*"):
        remove_tree(gone)
    names = {folder_name(task_id) for task_id in watched}
    return sorted(entry.name for entry in os.scandir(root) if entry.name not in names)


def clear(root: Path, task_id: str, *, attempt: int) -> bool:
    """Delete what is left of a task whose last attempt this was; kill what still runs of it.

    Returns:
        False when another process watches it, or there is a later attempt.
    """
    folder = TaskFolder.latest(root, task_id)
    if folder is None:
        # Whoever deleted it was killed, or whoever made it before it was whole.
        remove_tree(root / folder_name(task_id))
        return True
    if folder.attempt > attempt:
        return False
    with _hold(folder) as held:
        if not held:
            return False
        identity = folder.started()
        if identity is not None and is_alive(identity):
            end_at_once(folder, identity.pid)
        folder.delete()
    return True


@contextlib.contextmanager
def _hold(folder: TaskFolder) -> Iterator[bool]:
    """Be the one that watches an attempt for a moment; say whether that is so."""
    try:
        lock = folder.lock()
    except FileNotFoundError:
        lock = None
    try:
        yield lock is not None
    finally:
        if lock is not None:
            folder.unlock(lock)
