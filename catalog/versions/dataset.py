"""Makes datasets that DataLad, git-annex and git accept as their own, without a second of DataLad per dataset."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from catalog.versions.folder import ATTRIBUTES
from catalog.versions.git import Repository, execute, git_annex, make_environment, open_repository, require_success
from catalog.versions.history import Blob
from ontology.errors import BackendUnavailableError

BRANCH = "refs/heads/main"
LOCK_LIMIT_S = 60.0


def initialise(path: Path) -> Repository:
    """Make ``path`` an empty git repository with an annex; special remotes are not enabled, nothing is contacted.

    Raises:
        BackendUnavailableError: git or git-annex failed.
        StorageFullError: The disk is full.
    """
    path.mkdir(parents=True)
    environment = make_environment({"core.hooksPath": os.devnull}, {})
    command = ["git", "init", "-q", "-b", BRANCH.removeprefix("refs/heads/"), "--object-format=sha1", "--template="]
    require_success("git init", execute([*command, str(path)], cwd=path, environment=environment))
    require_success("git annex init", git_annex(path, "init", "--no-autoenable", "--quiet", "sillage"))
    repository = open_repository(path)
    if repository is None:
        raise BackendUnavailableError(f"git did not make a repository in {path}")
    return repository


def dataset_blobs(datalad_id: str) -> list[Blob]:
    """Return the files that make a repository a DataLad dataset with this identifier."""
    config = f'[datalad "dataset"]\n\tid = {datalad_id}\n'.encode()
    return [
        Blob(".datalad/.gitattributes", "100644", b"** annex.largefiles=nothing\n"),
        Blob(".datalad/config", "100644", config),
        Blob(".gitattributes", "100644", ATTRIBUTES),
    ]


def datalad_id(repository: Repository, commit: str) -> str | None:
    """Return the identifier of the DataLad dataset at a commit; None where it is none."""
    output = repository.try_git(
        "config", "--no-includes", "--blob", f"{commit}:.datalad/config", "--get", "datalad.dataset.id"
    )
    text = output.stdout.decode(errors="replace").strip()
    try:
        return str(uuid.UUID(text)) if output.status == 0 else None
    except ValueError:
        return None


@lru_cache(maxsize=256)
def lasting_id(repository: Repository) -> str | None:
    """Return the identifier of the dataset that a repository is, which never changes; asked once."""
    return datalad_id(repository, "HEAD")


def refresh_index(repository: Repository) -> None:
    """Have the index say what HEAD says and what lies in the working tree.

    Raises:
        BackendUnavailableError: git failed.
    """
    repository.git("read-tree", "HEAD", config={"core.protectNTFS": "false"})
    repository.try_git("update-index", "-q", "--refresh")


@contextlib.contextmanager
def locked(repository: Repository) -> Iterator[None]:
    """Hold the one writer's lock of a dataset; the operating system releases it when the process dies.

    Raises:
        BackendUnavailableError: Somebody else holds it for longer than :data:`LOCK_LIMIT_S`.
    """
    folder = repository.common_dir / "sillage"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as file:
        give_up = time.monotonic() + LOCK_LIMIT_S
        while not try_lock(file.fileno()):
            if time.monotonic() > give_up:
                raise BackendUnavailableError("another process is writing to this dataset", next_step="Try again.")
            time.sleep(0.01)
        yield


def try_lock(descriptor: int) -> bool:
    """Take an exclusive lock without waiting; tell whether it was had."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


_REMOVALS = 600
"""So often a folder is tried to be removed while somebody still writes into it."""


def remove_tree(path: Path) -> None:
    """Remove a folder whose annexed content is write-protected; another process may remove it as well.

    Raises:
        OSError: Something in it cannot be removed, or it was never there.
    """
    was_there = os.path.lexists(path)
    for attempt in range(_REMOVALS):
        for folder, _, _ in os.walk(path):
            with contextlib.suppress(FileNotFoundError):
                os.chmod(folder, 0o700)
        try:
            shutil.rmtree(path)
            return
        except OSError as error:
            if was_there and not os.path.lexists(path):
                return
            # A program that was started by a process that was killed since may write for another moment.
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT) or attempt == _REMOVALS - 1:
                raise
            time.sleep(0.1)
