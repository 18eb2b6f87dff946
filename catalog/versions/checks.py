"""Verifies a version: git's objects by git, every annexed content that is here by its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from catalog.model import Problem
from catalog.versions.annex import Key, find_object
from catalog.versions.git_tree import GitTree
from ontology.errors import SillageError

_FSCK_LIMIT_S = 3600.0
_READERS = 4


def check_version(path: Path, commit: str, *, complete: bool) -> Iterator[Problem]:
    """Yield what is wrong with one version of a dataset.

    Args:
        path: Folder of the repository.
        commit: Full name of the commit.
        complete: True when all content has to be here; otherwise content that is elsewhere is in order.
    """
    try:
        tree = GitTree(path, commit)
        yield from _check_git(tree)
        entries = tree.entries
    except SillageError as error:
        yield Problem(str(path), error.detail)
        return
    keys: dict[str, tuple[Key, str]] = {}
    for name, entry in sorted(entries.items()):
        if entry.key is not None:
            keys.setdefault(entry.key.name, (entry.key, name))
    objects = str(tree.repository.annex / "objects")
    with ThreadPoolExecutor(_READERS, thread_name_prefix="check") as pool:
        for detail, name in pool.map(lambda pair: (_check_content(objects, pair[0], complete), pair[1]), keys.values()):
            if detail is not None:
                yield Problem(f"{path}: {name}", detail)


def _check_git(tree: GitTree) -> Iterator[Problem]:
    output = tree.repository.try_git(
        "fsck", "--full", "--no-dangling", "--no-progress", tree.commit, time_limit_s=_FSCK_LIMIT_S
    )
    if output.status:
        for line in (output.stdout + output.stderr).decode(errors="replace").splitlines():
            yield Problem(str(tree.repository.path), f"git fsck: {line}")


def _check_content(objects: str, key: Key, complete: bool) -> str | None:
    place = find_object(objects, key.name)
    if place is None:
        return "its content is missing" if complete else None
    try:
        with open(place, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError as error:
        return f"its content cannot be read: {error.strerror}"
    if key.size is not None and size != key.size:
        return f"its content has {size} bytes instead of {key.size}"
    if key.sha256 is not None and digest != key.sha256:
        return f"its content has SHA-256 {digest} instead of {key.sha256}"
    return None
