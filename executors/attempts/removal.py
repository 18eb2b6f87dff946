"""Deleting what a task left, whatever it did to the permissions of its folders and however deep it nested them."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from uuid import uuid4

_OWNERS = 0o700


def remove_tree(path: Path) -> bool:
    """Delete a folder with all that is in it; harmless to repeat.

    Returns:
        False when something of it could not be deleted, such as files of another account.
    """
    with contextlib.suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        _take_apart(path)
    return not os.path.lexists(path)


def _take_apart(root: Path) -> None:
    """Delete a folder level by level: each is opened to its owner first, and what lies deeper is moved to the top.

    So no path grows longer than the kernel allows, and nothing depends on how deep it goes.
    """
    with contextlib.suppress(OSError):
        root.chmod(_OWNERS)
    folders = [root]
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in list(entries):
                with contextlib.suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.path)
                        continue
                    os.chmod(entry.path, _OWNERS)
                    higher = Path(entry.path) if folder is root else root / uuid4().hex
                    os.rename(entry.path, higher)
                    folders.append(higher)
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            folder.rmdir()
