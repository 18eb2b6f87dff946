"""Turns a folder into a DataLad dataset where it lies, by DataLad itself; the one module that calls it.

DataLad runs in a process of its own: it installs signal handlers, logs and configuration of its own, and a
process can be given a time limit.
"""

from __future__ import annotations

from pathlib import Path

from catalog.versions.folder import ATTRIBUTES
from catalog.versions.git import annex_environment, execute, open_repository, program_path, require_success
from catalog.versions.history import head

_LIMIT_S = 24 * 3600.0


def make_dataset_here(path: Path) -> None:
    """Create a dataset in an existing folder and save all of its files; harmless to repeat after a crash.

    Raises:
        BackendUnavailableError: DataLad failed.
        StorageFullError: The disk is full.
    """
    repository = open_repository(path)
    if repository is None or head(repository) is None:
        _datalad(path, "create", "--force", "-d", str(path))
    attributes = path / ".gitattributes"
    if attributes.read_bytes() != ATTRIBUTES:
        attributes.write_bytes(ATTRIBUTES)
    _datalad(path, "save", "-d", str(path), "-m", "Take the dataset into the catalogue")


def _datalad(path: Path, *arguments: str) -> None:
    command = [program_path("datalad"), "-l", "error", "-f", "disabled"]
    command += ["-c", "datalad.repo.backend=SHA256E", *arguments]
    output = execute(command, cwd=path, environment=annex_environment(path), time_limit_s=_LIMIT_S)
    require_success(f"datalad {arguments[0]}", output)
